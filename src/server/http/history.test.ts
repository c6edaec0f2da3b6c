/** Pages that are read in steps. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { limits } from '../../protocol/limits.ts';
import type { PageRequest, PageRows } from '../../store/log-rows.ts';
import { storedPageText } from './history.ts';

interface Row {
  id: string;
  size: number;
}
/** Rows of so many bytes each, with ids in ascending order. */
const rowsOf = (sizes: readonly number[]): Row[] =>
  sizes.map((size, i) => ({ id: `m${String(i).padStart(4, '0')}`, size }));

/** A page as storage reads it, of rows in a list; `newest` says which end is read without a cursor. */
function read(all: readonly Row[], newest: boolean, { limit, before, after }: PageRequest): PageRows<Row> {
  const place = (id: unknown) => all.findIndex((row) => row.id === id);
  const from = after === undefined ? 0 : place(after) + 1;
  const to = before === undefined ? all.length : place(before);
  const backwards = before !== undefined || (after === undefined && newest);
  const first = backwards ? Math.max(from, to - limit) : from;
  const last = backwards ? to : Math.min(to, from + limit);
  return { rows: all.slice(first, last), more_before: first > 0, more_after: last < all.length };
}

const json = ({ id, size }: Row): string => `{"id":"${id}","x":"${'x'.repeat(size)}"}`;
const SIZES = fc.array(fc.constantFrom(1, 300, 20_000, 100_000, 250_000), { minLength: 1, maxLength: 150 });

it('HIST-7 HIST-8 a walk through pages that are read in steps meets every row once, and reads little more than it sends', async () => {
  await fc.assert(
    fc.asyncProperty(
      SIZES,
      fc.constantFrom(1, 2, 31, 33, 100, 500),
      fc.boolean(),
      async (sizes, limit, newest) => {
        const all = rowsOf(sizes);
        const seen: string[] = [];
        const direction = newest ? 'next_before' : 'next_after';
        let cursor: string | undefined;
        do {
          let taken = 0;
          const text = await storedPageText(
            'rows',
            (range) => {
              const rows = read(all, newest, range);
              taken += rows.rows.reduce((bytes, { size }) => bytes + size, 0);
              return rows;
            },
            (row) => ({ id: row.id, json: json(row) }),
            { limit, ...(cursor !== undefined && (newest ? { before: cursor } : { after: cursor })) },
            newest ? 'newest' : 'oldest',
          );
          const body = JSON.parse(text) as {
            rows: Row[];
            page: { has_more: boolean; next_before?: string; next_after?: string };
          };
          expect(text.length).toBeLessThan(limits.body.value);
          expect(body.rows.length).toBeLessThanOrEqual(limit);
          // The first step is taken blindly; nobody waits for 500 of the largest.
          expect(taken).toBeLessThan(limits.page_bytes.value + 34 * 250_000);
          const ids = body.rows.map(({ id }) => id);
          seen.splice(newest ? 0 : seen.length, 0, ...ids);
          cursor = body.page[direction];
          expect(body.page.has_more).toBe(cursor !== undefined);
          expect(body.page.next_before !== undefined).toBe(ids[0] !== all[0]!.id);
          expect(body.page.next_after !== undefined).toBe(ids.at(-1) !== all.at(-1)!.id);
        } while (cursor !== undefined);
        expect(seen).toEqual(all.map(({ id }) => id));
      },
    ),
    { numRuns: 60, examples: [[Array.from({ length: 60 }, () => 250_000), 500, true]] },
  );
});
