/** What each agent was bound to when it last attached: by it receipts tell whom a message is for while the agent is away. */
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { Bindings } from '../protocol/wake.ts';
import type { Store } from '../store/store.ts';

export interface BindingsBook {
  of(agent_id: string): Bindings | undefined;
  all(): Iterable<[agent_id: string, bindings: Bindings]>;
  /** Takes over what another server stored. */
  foreign(row: { agent_id: string; bindings: string }): void;
  /** Resolves when it is stored; at once when it says nothing new. */
  set(agent_id: string, bindings: Bindings): Promise<void>;
}

export async function openBindings(
  network: Network,
  store: Pick<Store, 'bindings'>,
  clock: () => number = Date.now,
): Promise<BindingsBook> {
  const texts = new Map<string, string>();
  const known = new Map<string, Bindings>();
  const put = (agent_id: string, text: string): void => {
    texts.set(agent_id, text);
    known.set(agent_id, JSON.parse(text) as Bindings);
  };
  for (const { agent_id, bindings } of await store.bindings()) put(agent_id, bindings);
  return {
    of: (agent_id) => known.get(agent_id),
    all: () => known,
    foreign: (row) => put(row.agent_id, row.bindings),
    async set(agent_id, bindings) {
      const text = JSON.stringify(bindings);
      if (texts.get(agent_id) === text) return;
      const at = new Date(clock()).toISOString();
      await network.execute(
        'delivery.save',
        { writes: [{ op: 'bindings', agent_id, bindings: text, at }] },
        server,
      );
      put(agent_id, text);
    },
  };
}
