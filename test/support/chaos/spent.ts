/**
 * What a settling was spent on: agents that run their turns one after the other, the waits before a turn that failed is
 * tried again, or agents that were free while something was open for them. Only the last can be a fault of the servers.
 */
import type { Fact } from './record.ts';

/** What was open when it was looked: message ids, by agent. Times are milliseconds since 1970. */
export interface Look {
  at: number;
  open: ReadonlyMap<string, ReadonlySet<string>>;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Seconds. */
export interface Spent {
  /** The agent that was in turns for the longest, its turns, and the waits between tries that it had beside them. */
  busiest: { agent: string; turns: number; backoff: number };
  /** The longest that an agent had something open, was in no turn and waited for no try; `''` when none ever did. */
  idle: { agent: string; longest: number };
}

type Span = readonly [from: number, to: number];

/** In order, none of them touches another. */
function union(spans: readonly Span[]): Span[] {
  const all: [number, number][] = [];
  for (const [from, to] of spans.filter(([a, b]) => b > a).toSorted((a, b) => a[0] - b[0])) {
    const last = all.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else all.push([from, to]);
  }
  return all;
}

/** What of `spans` is in none of `others`; both as `union` makes them. */
const without = (spans: readonly Span[], others: readonly Span[]): Span[] =>
  spans.flatMap(([from, to]) => {
    const left: Span[] = [];
    let at = from;
    for (const [a, b] of others) {
      if (b <= at || a >= to) continue;
      if (a > at) left.push([at, a]);
      at = Math.max(at, b);
    }
    return at < to ? [...left, [at, to] as const] : left;
  });

const length = (spans: readonly Span[]): number => spans.reduce((sum, [from, to]) => sum + to - from, 0);

/** A message that is open at two looks was so between them. */
export function spentOn(facts: readonly Fact[], looks: readonly Look[], agents: readonly string[]): Spent {
  const spent: Spent = { busiest: { agent: '', turns: 0, backoff: 0 }, idle: { agent: '', longest: 0 } };
  const begin = looks[0]?.at ?? 0;
  const end = looks.at(-1)?.at ?? 0;
  for (const agent of agents) {
    const during = (what: 'turn' | 'backoff'): Span[] =>
      union(
        facts.flatMap((fact) =>
          fact.t === 'busy' && fact.agent === agent && fact.what === what
            ? [[Math.max(fact.from, begin), Math.min(fact.to, end)] as const]
            : [],
        ),
      );
    const turns = during('turn');
    const backoff = without(during('backoff'), turns);
    if (length(turns) > spent.busiest.turns * 1_000)
      spent.busiest = { agent, turns: length(turns) / 1_000, backoff: length(backoff) / 1_000 };
    const open = union(
      looks.flatMap(({ at, open }, i) => {
        const next = looks[i + 1];
        const still = next?.open.get(agent) ?? NOTHING;
        return next && [...(open.get(agent) ?? NOTHING)].some((id) => still.has(id))
          ? [[at, next.at] as const]
          : [];
      }),
    );
    const longest = Math.max(0, ...without(open, union([...turns, ...backoff])).map(([a, b]) => b - a));
    if (longest > spent.idle.longest * 1_000) spent.idle = { agent, longest: longest / 1_000 };
  }
  return spent;
}
