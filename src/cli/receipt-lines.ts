/** Receipts as people read them. */
import type { Receipt } from '../protocol/receipts.ts';
import { localTime } from './format.ts';
import { safeLine, type Paint } from './style.ts';

const WORDS: Readonly<Record<Receipt['state'], string>> = {
  stored: 'stored, not with its node yet',
  held: 'held back',
  handed: 'handed to its node',
  started: 'at work on it',
  answered: 'answered',
  silent: 'read it and said nothing',
  failed: 'failed',
  expired: 'expired while it was away',
  ignored: 'not woken by it',
};

/** Of `expired`, where the word alone does not say it. */
const EXPIRED: Readonly<Record<string, string>> = {
  age: 'too old by then',
  count: 'too much had come',
  catch_up: 'its catch_up passes it over',
};

/** One line for each agent: `@beta  answered 10:20:30  msg_…`. */
export function receiptLines(receipts: readonly Receipt[], color: Paint): string {
  if (receipts.length === 0) return color.dim('it is for no agent');
  const now = new Date();
  return receipts
    .map((receipt) => {
      const { agent_id, state, reason, at, attempts, answer_id, error, classification } = receipt;
      const word = WORDS[state] ?? safeLine(state);
      const good = state === 'answered' || state === 'silent';
      const shown = good ? color.green(word) : state === 'failed' ? color.red(word) : word;
      const tried =
        state === 'failed' && attempts !== undefined && classification !== 'permanent'
          ? ` after ${attempts} attempts`
          : '';
      const more = [
        ...(reason === undefined
          ? []
          : [`(${(state === 'expired' && EXPIRED[reason]) || safeLine(reason)})`]),
        ...(at === undefined ? [] : [localTime(at, now)]),
        ...(answer_id === undefined ? [] : [safeLine(answer_id)]),
      ];
      const why = error === undefined ? '' : `: ${safeLine(error)}`;
      return `@${safeLine(agent_id)}  ${shown}${tried}${why}${more.length > 0 ? color.dim(`  ${more.join('  ')}`) : ''}`;
    })
    .join('\n');
}
