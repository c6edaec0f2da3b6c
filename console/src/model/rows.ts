import type { Message } from '../../../src/protocol/messages.ts';
import { actorKey } from './names.ts';
import type { Outgoing } from './state.ts';
import { dayName, dayNumber, millis } from './times.ts';
import type { Timeline } from './timeline.ts';

/**
 * One row of the timeline: a message, with the lines that stand above it. The lines are part of the row, so that a
 * row's key is always a message id and the reader's place can be kept by it.
 */
export interface Row {
  key: string;
  message: Message;
  /** Begins a group: shows the sender's mark, name and the time. */
  lead: boolean;
  /** The first row of a conversation that is loaded from its beginning. */
  start: boolean;
  day?: string;
  /** The first one not seen yet. */
  isNew: boolean;
  /** The first one that the guard holds back. */
  heldHere: boolean;
  /** Not on the server yet. */
  outgoing?: Outgoing;
}

const GROUP_MS = 5 * 60_000;

/** The rows of a conversation: its loaded messages, then what is on its way. */
export function rowsOf(
  timeline: Timeline,
  outbox: readonly Outgoing[],
  heldAt: string | undefined,
  now = Date.now(),
): Row[] {
  const rows: Row[] = [];
  const held = millis(heldAt);
  let previous: { key: string; day: number; at: number } | undefined;
  const joints = new Set(timeline.joints);
  let heldSeen = false;
  const add = (message: Message, outgoing?: Outgoing) => {
    const at = millis(message.created_at);
    const day = dayNumber(at);
    const key = actorKey(message.from);
    const isNew = message.id === timeline.newFrom;
    const heldHere = held > 0 && !heldSeen && at >= held && message.from.type === 'agent';
    const row: Row = {
      key: message.id,
      message,
      lead: true,
      start: rows.length === 0 && timeline.older === 'none',
      isNew,
      heldHere,
    };
    if (heldHere) heldSeen = true;
    // Above the first loaded row there may be more of its day: the line comes with the page that begins the day.
    if (previous ? previous.day !== day : timeline.older === 'none') row.day = dayName(at, now);
    else if (previous)
      row.lead =
        previous.key !== key || at - previous.at > GROUP_MS || isNew || heldHere || joints.has(message.id);
    if (outgoing) row.outgoing = outgoing;
    rows.push(row);
    previous = { key, day, at };
  };
  for (const message of timeline.messages) add(message);
  if (outbox.length > 0) {
    const stored = new Set(timeline.messages.slice(-500).map((message) => message.id));
    for (const outgoing of outbox) if (!stored.has(outgoing.message.id)) add(outgoing.message, outgoing);
  }
  return rows;
}
