/**
 * Text of others on one line of ours. Characters that end a line, hide, or turn the direction of reading are shown as
 * `<U+202E>`; where a text itself says so, its `<` is shown as `<U+003C>`. So every text has one form, and every form
 * one text (WAKE-3).
 */

/** Controls, line and paragraph separators, lone surrogates, and whatever is invisible but for what joins letters and emoji. */
const HIDDEN =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|(?!\u200C|\u200D|\uFE0E|\uFE0F)[\p{Cf}\p{Default_Ignorable_Code_Point}]|<(?=U\+[0-9A-F]{4,6}>)/gu;
const TAB = '\t';

/** A line of a body; tabs stay. */
export const visibleLine = (line: string): string =>
  line.replace(HIDDEN, (char) => (char === TAB ? char : code(char)));

/** A name, a url, a file name: in double quotes. */
export const quoted = (text: string): string => `"${text.replace(HIDDEN, code).replaceAll('"', code('"'))}"`;

const code = (char: string): string =>
  `<U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}>`;
