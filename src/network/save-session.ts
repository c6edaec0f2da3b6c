import type { Rule } from './rule.ts';

/** Browser sessions: rows that go along with the batch and belong to no event. */
export const saveSession: Rule<'session.save'> = (_state, { writes }) => ({
  writes: { events: [], rows: writes },
  answer: { saved: true },
});
