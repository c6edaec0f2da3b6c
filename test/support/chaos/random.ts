/** Chances that follow from a seed. */
export interface Chances {
  /** 0 <= n < 1. */
  next(): number;
  of<T>(all: readonly T[]): T;
}

export function chances(seed: string): Chances {
  let state = 0;
  for (const character of seed) state = (Math.imul(state, 31) + character.codePointAt(0)!) | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { next, of: (all) => all[Math.floor(next() * all.length)]! };
}
