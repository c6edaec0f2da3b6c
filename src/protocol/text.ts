/** What text may be stored: no U+0000, no unpaired surrogate (Postgres keeps neither, UTF-8 not the second). */
import { MoltnetError } from './errors.ts';

// eslint-disable-next-line no-control-regex -- U+0000 is what is looked for
const NUL = /\u0000/;
const CONTROL = /\p{Cc}/u;

export const isStorableText = (value: string): boolean => !NUL.test(value) && value.isWellFormed();

/** The same text as it may be stored, cut to so many UTF-16 units: for what is told of a thing, not for what was sent. */
export const storableText = (value: string, most = Number.POSITIVE_INFINITY): string =>
  value.slice(0, most).replaceAll('\0', '\u{fffd}').toWellFormed();

/** Throws `invalid_text` naming the field. */
export function requireText(value: string, field: string): string {
  if (!isStorableText(value))
    throw new MoltnetError('invalid_text', `${field}: holds U+0000 or an unpaired surrogate`);
  return value;
}

/** A display name: trimmed, at most `max` characters, no control characters. Throws `invalid_text` or `invalid_name`. */
export function requireName(value: string, field: string, max: number): string {
  const name = requireText(value, field).trim();
  if (CONTROL.test(name)) throw new MoltnetError('invalid_name', `${field}: holds a control character`);
  if ([...name].length > max)
    throw new MoltnetError('invalid_name', `${field}: longer than ${max} characters`);
  return name;
}
