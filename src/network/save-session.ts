import type { Rule } from './rule.ts';

/** Browser sessions, and how far people have read: rows that go along with the batch and belong to no event. */
export const saveSession: Rule<'session.save'> = (_state, { writes }) => ({
  writes: { events: [], rows: writes },
  answer: { saved: true },
});

export const saveRead: Rule<'read.save'> = (_state, { writes }) => ({
  writes: { events: [], rows: writes },
  answer: { saved: true },
});
