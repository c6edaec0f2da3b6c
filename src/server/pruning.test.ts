import { expect, it, onTestFinished, vi } from 'vitest';
import { limits } from '../protocol/limits.ts';
import { startPruning } from './pruning.ts';

it('RCPT-20 RLY-72 what is older than 30 days is forgotten once a minute, also after storage has refused; until it is stopped', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const pruned: unknown[] = [];
  const execute = (_kind: string, args: unknown) => {
    pruned.push(args);
    return pruned.length === 1 ? Promise.reject(new Error('disk full')) : Promise.resolve(undefined);
  };
  const now = Date.UTC(2026, 10, 30);
  const kept: unknown[] = [];
  const stop = startPruning({
    network: { execute: execute as never },
    store: { forgetRelays: async (numbers) => void kept.push(numbers) },
    clock: () => now,
  });
  await vi.advanceTimersByTimeAsync(59_999);
  expect(pruned).toEqual([]);
  await vi.advanceTimersByTimeAsync(60_001);
  const before = '2026-10-31T00:00:00.000Z';
  const prune = { writes: [{ op: 'deliveries.prune', before }] };
  expect(pruned).toEqual([prune, prune]);
  // And refusals, which are bounded by their number.
  expect(kept).toEqual([{ refusals: limits.relay_refusals.value, taken: limits.relay_taken.value }]);
  stop();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(pruned).toHaveLength(2);
});
