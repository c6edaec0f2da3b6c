export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Nearest-rank quantile, q in 0..1. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;
}

/** Runs a and b in turn, `pairs` times, beginning with the other one each time; the ratio is b's over a's of each pair. */
export async function alternate<T>(
  pairs: number,
  a: () => Promise<T>,
  b: () => Promise<T>,
): Promise<{ a: T[]; b: T[] }> {
  const results: { a: T[]; b: T[] } = { a: [], b: [] };
  for (let i = 0; i < pairs; i++) {
    if (i % 2 === 0) {
      results.a.push(await a());
      results.b.push(await b());
    } else {
      results.b.push(await b());
      results.a.push(await a());
    }
  }
  return results;
}

/** One row of the result table. `ratio` is what the aim is about, so that it can be compared between machines. */
export interface Row {
  case: string;
  ours: string;
  baseline: string;
  ratio: number;
  /** e.g. '>= 0.4' */
  aim: string;
  met: boolean;
  cpu?: string;
}

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits));
