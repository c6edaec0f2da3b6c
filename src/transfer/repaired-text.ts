/** Text that not every engine can hold: U+0000 and unpaired surrogates become U+FFFD. */
import { storableText } from '../protocol/text.ts';

const SUSPECT = /\\u0000|\\u[dD][89a-fA-F]/;

/** The same value when nothing is wrong with it; `count` is how many strings were changed. */
export function repaired<T>(value: T): { value: T; count: number } {
  // Written as JSON, these and nothing else are escapes that begin so (a `\\\\u` in a text only costs the longer look).
  if (!SUSPECT.test(JSON.stringify(value))) return { value, count: 0 };
  let count = 0;
  const look = (one: unknown): unknown => {
    if (typeof one === 'string') {
      const text = storableText(one);
      if (text !== one) count++;
      return text;
    }
    if (Array.isArray(one)) return one.map(look);
    if (one === null || typeof one !== 'object') return one;
    return Object.fromEntries(Object.entries(one).map(([key, each]) => [look(key), look(each)]));
  };
  return { value: look(value) as T, count };
}
