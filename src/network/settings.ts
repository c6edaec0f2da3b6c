/**
 * What the server's configuration says about a network, as the rules need it. One object for the life of the network:
 * a reload puts new values into it between two batches, so whoever holds it sees them; nobody keeps a copy of a field.
 */
import type { GuardSettings } from '../protocol/rooms.ts';
import type { AuthMode, PairingIdentity, Person } from './identity.ts';

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
  /** People of the configuration by id: nobody else signs as them, and no agent may be called so. */
  people: ReadonlyMap<string, Person>;
  /** Agents of the configuration's tokens → the credential key that each is bound to, at every start anew. */
  token_agents: ReadonlyMap<string, string>;
  /** Those of the configuration by id; others are kept in the store. */
  pairings: ReadonlyMap<string, PairingIdentity & { name?: string }>;
  /** Whether anybody may claim an id that a private room names as a member (auth.first_come_claims). */
  first_come_claims: boolean;
}
