/** `retention` of the server's file, and of a room in it: how much of what was said is kept. */
import { readAge } from './ages.ts';
import { show, type Section } from './check.ts';
import type { Retention, RetentionSettings } from './types.ts';

/** A hundred years: whoever writes more means that everything is kept. */
const MAX_AGE = 36_525 * 86_400;
const MAX_MESSAGES = 1_000_000_000;

/** Of the network; undefined when everything is kept. */
export function readRetention(root: Section): RetentionSettings | undefined {
  const block = root.section('retention', ['max_age', 'max_messages', 'archive']);
  if (!block) return undefined;
  const archive = block.text('archive');
  return { ...limitsOf(block), ...(archive === undefined ? {} : { archive }) };
}

/** Of a room: `keep` keeps everything whatever the network says; undefined leaves it to the network. */
export function readRoomRetention(room: Section): Retention | 'keep' | undefined {
  if (!room.has('retention')) return undefined;
  const raw = room.raw('retention');
  if (raw === 'keep') return 'keep';
  if (typeof raw !== 'object' || raw === null) {
    room.note('retention', `is ${show(raw)}`, 'write {max_age: 90d, max_messages: 10000}, or keep');
    return undefined;
  }
  return limitsOf(room.section('retention', ['max_age', 'max_messages'])!);
}

function limitsOf(block: Section): Retention {
  const max_age = readAge(block, 'max_age', MAX_AGE);
  const max_messages = block.number('max_messages', 0, MAX_MESSAGES);
  if (max_age === undefined && max_messages === undefined)
    block.note('max_age', 'is missing', 'write max_age (such as 90d), max_messages, or both');
  return {
    ...(max_age === undefined ? {} : { max_age }),
    ...(max_messages === undefined ? {} : { max_messages }),
  };
}
