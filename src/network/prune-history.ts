import type { Rule } from './rule.ts';

/** What is not to be kept any longer goes, without an event: readers are told of a gap when they ask for it. */
export const pruneHistory: Rule<'history.prune'> = (_state, { seqs }) => ({
  writes: { events: [], rows: [{ op: 'prune', seqs }] },
  answer: { saved: true },
});
