/**
 * What catch_up passes over of what an agent missed: ranges of the log in which nothing wakes it any more, or only what
 * names it. They are written down with positions and wakes, so that a restart in between passes over the same. Pure.
 */
import type { CatchUp } from '../protocol/wake.ts';

export interface PassedRange {
  /** after < seq <= last. */
  readonly after: number;
  readonly last: number;
  readonly reason: 'age' | 'catch_up' | 'count';
  /** Not what names the agent: mentions and DMs. */
  readonly but_named?: true;
}

/** The range that passes a message over, if any. */
export const passedIn = (
  ranges: readonly PassedRange[] | undefined,
  seq: number,
  named: boolean,
): PassedRange | undefined =>
  ranges?.find(({ after, last, but_named }) => after < seq && seq <= last && !(named && but_named));

export interface Missed {
  /** What came while the agent was away: from < seq <= to. */
  from: number;
  to: number;
  /** Up to here everything is older than `max_age`, and than `max_age_mentions`; 0 where there is none. */
  old: number;
  old_mentions: number;
  /** In DMs everything names the agent. */
  dms: boolean;
}

/** What policy and ages pass over, in order and without overlap. */
export function passedByPolicy({ policy }: CatchUp, missed: Missed): PassedRange[] {
  const { from, to, old, old_mentions, dms } = missed;
  if (policy === 'none') return from < to ? [{ after: from, last: to, reason: 'catch_up' }] : [];
  const ranges: PassedRange[] = [];
  const named = Math.min(Math.max(from, old_mentions), to);
  if (named > from) ranges.push({ after: from, last: named, reason: 'age' });
  if (dms) return ranges;
  const plain = Math.min(Math.max(named, old), to);
  if (plain > named) ranges.push({ after: named, last: plain, reason: 'age', but_named: true });
  if (policy === 'mentions' && plain < to)
    ranges.push({ after: plain, last: to, reason: 'catch_up', but_named: true });
  return ranges;
}

/** How to look at what comes after a seq, and up to where that holds: what a range holds back need not be read. */
export function stretchOf(
  ranges: readonly PassedRange[] | undefined,
  after: number,
  head: number,
): { passed: 'nothing' | 'all' | 'unnamed'; end: number } {
  if (!ranges) return { passed: 'nothing', end: head };
  const covering = ranges.filter((range) => range.after <= after && after < range.last);
  const all = covering.find(({ but_named }) => !but_named);
  if (all) return { passed: 'all', end: Math.min(all.last, head) };
  const ahead = ranges.filter((range) => range.after > after).map((range) => range.after);
  const end = Math.min(head, ...ahead, ...covering.map(({ last }) => last));
  return { passed: covering.length > 0 ? 'unnamed' : 'nothing', end };
}

export interface Passed {
  ranges?: readonly PassedRange[] | undefined;
  /** Messages that were passed over before those that are handed. */
  earlier: number;
}

/** As storage keeps it: what lies in after < seq <= last, and how many are earlier. Null for nothing. */
export function passedText({ ranges = [], earlier }: Passed, after: number, last = Infinity): string | null {
  const within = ranges.filter((range) => range.last > after && range.after < last);
  return within.length === 0 && earlier === 0 ? null : JSON.stringify({ ranges: within, earlier });
}

export const parsePassed = (text: string | null): Passed =>
  text === null ? { earlier: 0 } : (JSON.parse(text) as Passed);
