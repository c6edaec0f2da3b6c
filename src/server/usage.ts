/**
 * What turns cost, by agent, room and day (UTC), and the daily caps on wakes. A wake counts when it is begun; tokens and
 * cost are added when it ends, on the day on which it does.
 */
import type { BudgetSettings } from '../config/types.ts';
import { server } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { WakeUsage } from '../protocol/receipts.ts';
import type { DeliveryWrite, UsageRow } from '../store/delivery-rows.ts';
import type { Store } from '../store/store.ts';

export const NO_BUDGETS: BudgetSettings = { daily_wakes: 'off', agents: {} };

/** Rows of one read. */
const PAGE = 500;
const DAY = 86_400_000;
/** Milliseconds between two writes. */
const SAVE_EVERY = 500;

export interface UsageOptions {
  network: Pick<Network, 'execute'>;
  store: Pick<Store, 'usage'>;
  /** As they are now. */
  budgets: () => BudgetSettings;
  /** The caps may hold others than before: the day is another. */
  onChanged: () => void;
  clock?: () => number;
}

export interface Usage {
  /** A wake is begun. True when it reaches the agent's cap. */
  began(agent_id: string, room_id: string | undefined): boolean;
  ended(agent_id: string, room_id: string | undefined, used: WakeUsage | undefined): void;
  capReached(agent_id: string): boolean;
  capOf(agent_id: string): number | 'off';
  /** Agents with a cap of their own. */
  capped(): string[];
  /** Wakes of today, by agent. */
  today(): ReadonlyMap<string, number>;
  /** Takes over what another server stored. */
  foreign(row: UsageRow): void;
  /** Writes down what is not, and ends the clock. */
  close(): Promise<void>;
  /** Writes down what is not. */
  flush(): Promise<void>;
}

export async function openUsage(options: UsageOptions): Promise<Usage> {
  const { network, store, budgets, onChanged, clock = Date.now } = options;
  const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
  let day = dayOf(clock());
  const wakes = new Map<string, number>();
  const unsaved = new Map<string, UsageRow>();
  let saving: NodeJS.Timeout | undefined;
  let midnight: NodeJS.Timeout | undefined;

  for (let last: UsageRow | undefined; ;) {
    const rows = await store.usage(day, last, PAGE);
    for (const row of rows) wakes.set(row.agent_id, (wakes.get(row.agent_id) ?? 0) + row.wakes);
    if (rows.length < PAGE) break;
    last = rows.at(-1);
  }

  function atMidnight(): void {
    midnight = setTimeout(
      () => {
        turn();
        atMidnight();
      },
      DAY - (clock() % DAY) + 1,
    );
    midnight.unref();
  }
  /** Counting begins anew with the day. */
  function turn(): void {
    const now = dayOf(clock());
    if (now === day) return;
    day = now;
    wakes.clear();
    onChanged();
  }
  function add(agent_id: string, room_id: string | undefined, more: WakeUsage & { wakes: number }): void {
    turn();
    const key = `${day}\n${agent_id}\n${room_id ?? ''}`;
    const row = unsaved.get(key) ?? {
      day,
      agent_id,
      room_id: room_id ?? '',
      wakes: 0,
      input_tokens: 0,
      output_tokens: 0,
      cost_usd: 0,
    };
    row.wakes += more.wakes;
    row.input_tokens += more.input_tokens ?? 0;
    row.output_tokens += more.output_tokens ?? 0;
    row.cost_usd += more.cost_usd ?? 0;
    unsaved.set(key, row);
    saving ??= setTimeout(() => void flush().catch(() => {}), SAVE_EVERY);
  }
  async function flush(): Promise<void> {
    clearTimeout(saving);
    saving = undefined;
    const rows = [...unsaved.values()];
    unsaved.clear();
    if (rows.length === 0) return;
    const writes = rows.map((row): DeliveryWrite => ({ op: 'usage', row }));
    await network.execute('delivery.save', { writes }, server);
  }
  const capOf = (agent_id: string): number | 'off' => {
    const { agents, daily_wakes } = budgets();
    return Object.hasOwn(agents, agent_id) ? agents[agent_id]! : daily_wakes;
  };
  const capReached = (agent_id: string): boolean => {
    const cap = capOf(agent_id);
    if (cap === 'off') return false;
    turn();
    return (wakes.get(agent_id) ?? 0) >= cap;
  };

  atMidnight();
  return {
    began(agent_id, room_id) {
      turn();
      wakes.set(agent_id, (wakes.get(agent_id) ?? 0) + 1);
      add(agent_id, room_id, { wakes: 1 });
      return capReached(agent_id);
    },
    ended(agent_id, room_id, used) {
      if (used) add(agent_id, room_id, { wakes: 0, ...used });
    },
    capReached,
    capOf,
    capped: () => Object.keys(budgets().agents),
    foreign(row) {
      turn();
      if (row.day !== day || row.wakes === 0) return;
      wakes.set(row.agent_id, (wakes.get(row.agent_id) ?? 0) + row.wakes);
      if (capReached(row.agent_id)) onChanged();
    },
    today: () => wakes,
    flush,
    async close() {
      clearTimeout(midnight);
      await flush().catch(() => {});
    },
  };
}
