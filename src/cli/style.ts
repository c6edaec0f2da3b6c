/** Colours, and text of others made safe for a terminal. */

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
  /** Always the same colour for the same name. */
  name(text: string): string;
}

const NAME_COLORS = [36, 32, 35, 33, 34, 96, 92, 95, 93, 94];

export function paint(color: boolean): Paint {
  const as = (code: number | string) => (text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    bold: as(1),
    dim: as(2),
    red: as(31),
    yellow: as(33),
    green: as(32),
    name(text) {
      let hash = 0;
      for (const char of text) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
      return as(`1;${NAME_COLORS[hash % NAME_COLORS.length]}`)(text);
    },
  };
}

// Control characters (but tab and line feed) steer a terminal; bidirectional marks make text lie about its order; tags
// are letters that only a model sees.
const STEERING =
  // eslint-disable-next-line no-control-regex -- these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;

/** Text of others without what steers a terminal. */
export const safe = (text: string): string =>
  text.replace(/\r\n|[\u0085\u2028\u2029]/g, '\n').replace(STEERING, '');

/** The same on one line. */
export const safeLine = (text: string): string => safe(text).replace(/\s*\n\s*/g, ' ');
