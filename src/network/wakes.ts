/** Which turns of which agents run, in memory: what an agent says meanwhile elsewhere may answer what woke it (GUARD-9). */
import type { ConversationKey } from '../protocol/conversation.ts';

const NONE: ReadonlyMap<string, ConversationKey> = new Map();

export class Wakes {
  readonly #byAgent = new Map<string, Map<string, ConversationKey>>();
  readonly #agents = new Map<string, string>();

  /** By the wake's id; do not change it. */
  of(agent_id: string): ReadonlyMap<string, ConversationKey> {
    return this.#byAgent.get(agent_id) ?? NONE;
  }

  open(agent_id: string, wake_id: string, conversation: ConversationKey): void {
    this.#agents.set(wake_id, agent_id);
    const own = this.#byAgent.get(agent_id);
    if (own) own.set(wake_id, conversation);
    else this.#byAgent.set(agent_id, new Map([[wake_id, conversation]]));
  }

  close(wake_id: string): void {
    const agent_id = this.#agents.get(wake_id);
    if (agent_id === undefined) return;
    this.#agents.delete(wake_id);
    const own = this.#byAgent.get(agent_id);
    own?.delete(wake_id);
    if (own?.size === 0) this.#byAgent.delete(agent_id);
  }

  /** Of an agent that is removed. */
  forget(agent_id: string): void {
    for (const wake_id of this.of(agent_id).keys()) this.#agents.delete(wake_id);
    this.#byAgent.delete(agent_id);
  }
}
