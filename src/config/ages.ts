/** How long something lasts, or how old it may be. */
import type { Section } from './check.ts';

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Seconds, also written as `36h` or `3d`; undefined when the key is not given. At most `most` seconds. */
export function readAge(section: Section, key: string, most: number): number | undefined {
  const raw = section.raw(key);
  const match = typeof raw === 'string' ? /^([1-9]\d{0,7})([smhd])$/.exec(raw.trim()) : null;
  if (!match) return section.number(key, 1, most);
  const seconds = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  if (seconds > most) section.note(key, `is ${String(raw)}`, `write at most ${Math.floor(most / UNITS.d)}d`);
  return seconds;
}
