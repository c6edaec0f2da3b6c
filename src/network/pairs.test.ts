import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PairRow } from '../store/log-rows.ts';
import { pairKey } from './guard.ts';
import { Pairs } from './pairs.ts';

it('GUARD-9 the pairs of an agent in which the other had the last turn are known without looking through all of its pairs', () => {
  const agent = fc.constantFrom('a', 'b', 'c', 'd');
  fc.assert(
    fc.property(fc.array(fc.tuple(agent, agent, fc.nat(4_000_000)), { maxLength: 40 }), (turns) => {
      const pairs = new Pairs();
      let now = 0;
      for (const [speaker, other, wait] of turns) {
        if (speaker === other) continue;
        const row: PairRow = { pair: pairKey(speaker, other), speaker, at: (now += wait), turns: '' };
        pairs.put(row);
      }
      for (const one of ['a', 'b', 'c', 'd']) {
        const wanted = [...pairs.of(one).values()].filter((row) => row.speaker !== one);
        expect(new Set(pairs.awaiting(one).values())).toEqual(new Set(wanted));
      }
    }),
  );
});
