import type { UsageItem, UsageReport } from '../../../src/protocol/receipts.ts';

export interface UsageSums {
  wakes: number;
  tokens: number;
  cost_usd: number;
}

const NONE: UsageSums = { wakes: 0, tokens: 0, cost_usd: 0 };
const add = (sums: UsageSums, item: UsageItem): UsageSums => ({
  wakes: sums.wakes + item.wakes,
  tokens: sums.tokens + (item.input_tokens ?? 0) + (item.output_tokens ?? 0),
  cost_usd: sums.cost_usd + (item.cost_usd ?? 0),
});

/** Every day from the report's first to today (UTC), also those without a wake. */
export function usageByDay(
  report: Pick<UsageReport, 'since' | 'usage'>,
  today: Date,
  only: (item: UsageItem) => boolean = () => true,
): { day: string; sums: UsageSums }[] {
  const days = new Map<string, UsageSums>();
  for (let at = Date.parse(`${report.since}T00:00:00Z`); at <= today.getTime(); at += 86_400_000)
    days.set(new Date(at).toISOString().slice(0, 10), NONE);
  for (const item of report.usage) if (only(item)) days.set(item.day, add(days.get(item.day) ?? NONE, item));
  return [...days].map(([day, sums]) => ({ day, sums })).sort((a, b) => (a.day < b.day ? -1 : 1));
}

/** The sums of each agent, the busiest first. */
export function usageByAgent(usage: readonly UsageItem[]): { agent_id: string; sums: UsageSums }[] {
  const agents = new Map<string, UsageSums>();
  for (const item of usage) agents.set(item.agent_id, add(agents.get(item.agent_id) ?? NONE, item));
  return [...agents]
    .map(([agent_id, sums]) => ({ agent_id, sums }))
    .sort((a, b) => b.sums.wakes - a.sums.wakes || (a.agent_id < b.agent_id ? -1 : 1));
}

/** `1.2 M`, `34 k`, `812` */
export function shortCount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e4) return `${Math.round(value / 1e3)} k`;
  return value.toLocaleString();
}
export const dollars = (value: number): string =>
  `$${value < 0.995 && value > 0 ? value.toFixed(3) : value.toFixed(2)}`;
