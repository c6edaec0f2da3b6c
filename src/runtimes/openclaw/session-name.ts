/** The sessions of an OpenClaw gateway by their keys. */
import { createHash } from 'node:crypto';
import type { RuntimeSessions } from '../runtime.ts';
import type { SessionStore } from '../sessions.ts';

/** Characters of a session key; the gateway takes 512. */
const MAX_KEY = 480;

/**
 * The gateway's key of a session. `agent:ID` at the beginning of ours names the network's agent; there it names the
 * gateway's own. Keys are folded to lower case there, and `:thread:` means something of its own.
 */
export function sessionName(ours: string, memberId: string, agentId: string, prefixed: boolean): string {
  const own = `agent:${memberId}:`;
  const rest = !prefixed && ours.startsWith(own) ? `moltnet:${memberId}:${ours.slice(own.length)}` : ours;
  const name = rest.startsWith('agent:') ? rest : `agent:${agentId}:${rest}`;
  const key = name.replaceAll(':thread:', ':in-thread:');
  if (key.length <= MAX_KEY && key === key.toLowerCase()) return key;
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 12);
  return `${key.toLowerCase().slice(0, MAX_KEY)}:${digest}`;
}

/** Which of OpenClaw's sessions go with ours: named on first use, and kept. */
export interface OpenClawSessions extends RuntimeSessions {
  /** OpenClaw's key for one of our session keys. */
  of(ours: string): string;
}

export function openClawSessions(
  store: () => SessionStore,
  nameOf: (ours: string) => string,
): OpenClawSessions {
  return {
    of: (ours) => {
      const known = store().get(ours)?.runtime_session_id;
      if (known === undefined) store().set(ours, nameOf(ours));
      return known ?? nameOf(ours);
    },
    list: async () =>
      store()
        .list()
        .map(([session_key, { runtime_session_id, updated_at }]) => ({
          session_key,
          session_id: runtime_session_id,
          updated_at,
        })),
    reset: async (ours) => {
      if (store().get(ours) === undefined) return false;
      // Only administrators of a gateway end a session there: the next wake goes to one of another name.
      store().set(ours, `${nameOf(ours)}:since-${Date.now().toString(36)}`);
      return true;
    },
  };
}
