/** Up to where the log is older than an age: looked for by time once a second at most, whoever asks. */
import type { Store } from '../store/store.ts';

/** By age and second. */
const asked = new WeakMap<Pick<Store, 'events'>, Map<string, Promise<number>>>();
/** Answers that are kept: of this second, and of few others. */
const KEPT = 16;

/** The seq of the newest event that is older than so many milliseconds; 0 when none is. `now`: milliseconds since 1970. */
export function seqBefore(
  store: Pick<Store, 'events'>,
  { now, head, age }: { now: number; head: number; age: number },
): Promise<number> {
  const key = `${age} ${Math.floor(now / 1_000)}`;
  const known = asked.get(store) ?? new Map<string, Promise<number>>();
  asked.set(store, known);
  const before = known.get(key);
  if (before) return before;
  const answer = lastBefore(store, new Date(now - age).toISOString(), head);
  known.set(key, answer);
  if (known.size > KEPT) known.delete(known.keys().next().value!);
  answer.catch(() => known.delete(key));
  return answer;
}

/** The seq of the newest event from before a time (RFC 3339); 0 when there is none. */
export async function lastBefore(store: Pick<Store, 'events'>, time: string, head: number): Promise<number> {
  let [old, young] = [0, head + 1];
  while (young - old > 1) {
    const middle = Math.floor((old + young) / 2);
    const [event] = await store.events({ all: true }, middle - 1, 1);
    if (event && event.created_at < time) old = event.seq;
    else young = middle;
  }
  return old;
}
