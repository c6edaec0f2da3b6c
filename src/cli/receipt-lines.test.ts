import { expect, it } from 'vitest';
import type { Receipt } from '../protocol/receipts.ts';
import { receiptLines } from './receipt-lines.ts';
import { paint } from './style.ts';

const line = (receipt: Partial<Receipt>): string =>
  receiptLines(
    [{ agent_id: 'beta', fqid: 'molt://local/agents/beta', state: 'stored', ...receipt }],
    paint(false),
  );

it('CLI-24 why a message has expired for an agent is said in words; a reason that is not known, as it is', () => {
  expect(line({ state: 'expired', reason: 'age' })).toBe(
    '@beta  expired while it was away  (too old by then)',
  );
  expect(line({ state: 'expired', reason: 'count' })).toContain('(too much had come)');
  expect(line({ state: 'expired', reason: 'catch_up' })).toContain('(its catch_up passes it over)');
  expect(line({ state: 'expired', reason: 'moon\n' })).not.toContain('\n');
  expect(line({ state: 'held', reason: 'pause' })).toBe('@beta  held back  (pause)');
});
