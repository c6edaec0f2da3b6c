import { expect, it } from 'vitest';
import { MoltnetError } from '../protocol/errors.ts';
import { createQuota } from './quota.ts';

it('RLY-35: a pairing brings so many messages in a minute and so many bytes in a day, and is told when to go on', () => {
  let now = Date.UTC(2026, 10, 30, 23, 59, 30);
  const quota = createQuota({ messages: 3, bytes: 100 }, () => now);
  const take = (id: string, bytes: number): number | undefined => {
    try {
      quota.take(id, bytes);
      return undefined;
    } catch (error) {
      expect((error as MoltnetError).code).toBe('pairing_quota');
      return (error as MoltnetError).retry_after;
    }
  };
  expect(take('b', 60)).toBeUndefined();
  expect(take('b', 60)).toBe(30);
  expect(take('b', 40)).toBeUndefined();
  quota.giveBack('b', 40);
  expect(take('b', 10)).toBeUndefined();
  expect(take('b', 1)).toBe(30);
  expect(take('c', 1)).toBeUndefined();
  now += 30_000;
  expect(take('b', 100)).toBeUndefined();
  expect(take('b', 1)).toBe(86_400);
});
