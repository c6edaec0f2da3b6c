/** What the server's configuration says about a network, as the rules need it. It does not change while it runs. */
import type { GuardSettings } from '../protocol/rooms.ts';
import type { AuthMode } from './identity.ts';

export interface NetworkSettings {
  id: string;
  name: string;
  auth_mode: AuthMode;
  public_read: boolean;
  agent_registration: 'disabled' | 'token' | 'open';
  /** May people write. */
  human_ingress: boolean;
  direct_messages: boolean;
  debug_events: boolean;
  /** Storm guard of DMs, and of rooms that set none of their own. */
  guard: GuardSettings;
}
