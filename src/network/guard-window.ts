/**
 * A rolling count of turns as text, so that it goes with the row it belongs to: `NEWEST:n,n,…`, turns by buckets of equal
 * length, from the newest (numbered since 1970) backwards; empty for none. A span has one bucket more than its length
 * needs, so that no stretch of that length, wherever it begins, holds more turns than are counted.
 */
export interface Span {
  /** Milliseconds of a bucket. */
  readonly bucket: number;
  readonly buckets: number;
}
/** An hour, of a conversation. */
export const HOUR: Span = { bucket: 300_000, buckets: 13 };
/** Ten minutes, of a pair of agents. */
export const TEN_MINUTES: Span = { bucket: 60_000, buckets: 11 };

/** Turns in the span that ends now (milliseconds since 1970). A clock that was set back counts as the time of the newest turn. */
export function turnsIn(window: string, span: Span, now: number): number {
  if (window === '') return 0;
  const { newest, counts } = parse(window);
  const live = span.buckets - Math.max(0, bucketOf(span, now) - newest);
  let turns = 0;
  for (let i = 0; i < counts.length && i < live; i++) turns += counts[i]!;
  return turns;
}

/** The window with one turn more, and without what is over. */
export function withTurn(window: string, span: Span, now: number): string {
  const bucket = bucketOf(span, now);
  if (window === '') return `${bucket}:1`;
  const { newest, counts } = parse(window);
  if (bucket <= newest) {
    counts[0]!++;
    return `${newest}:${counts.join(',')}`;
  }
  const still = Math.min(bucket - newest - 1, span.buckets);
  const rolled = [1, ...Array.from({ length: still }, () => 0), ...counts].slice(0, span.buckets);
  while (rolled.at(-1) === 0) rolled.pop();
  return `${bucket}:${rolled.join(',')}`;
}

/** What a pair keeps: its window, and behind a `/` its turns since a person wrote where it was at it. */
export const runOf = (turns: string): number => Number(turns.split('/')[1] ?? 0);
export const withoutRun = (turns: string): string => turns.split('/', 1)[0]!;
export const withPairTurn = (turns: string, now: number): string =>
  `${withTurn(turns, TEN_MINUTES, now)}/${runOf(turns) + 1}`;

const bucketOf = (span: Span, now: number): number => Math.floor(now / span.bucket);

function parse(window: string): { newest: number; counts: number[] } {
  const colon = window.indexOf(':');
  return {
    newest: Number(window.slice(0, colon)),
    counts: withoutRun(window)
      .slice(colon + 1)
      .split(',')
      .map(Number),
  };
}
