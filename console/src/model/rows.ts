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
  readonly key: string;
  readonly message: Message;
  readonly sender: string;
  /** Milliseconds since 1970, and the local day of it. */
  readonly at: number;
  readonly day: number;
  /** Begins a group: shows the sender's mark, name and the time. */
  readonly lead: boolean;
  /** The first row of a conversation that is loaded from its beginning. */
  readonly start: boolean;
  readonly dayLine: string | undefined;
  /** The first one not seen yet. */
  readonly isNew: boolean;
  /** The first one that the guard holds back. */
  readonly heldHere: boolean;
  /** Not on the server yet. */
  readonly outgoing: Outgoing | undefined;
}

const GROUP_MS = 5 * 60_000;

/** The row each message had last: an equal one is used again, so that only rows that changed are drawn anew. */
const lastRows = new WeakMap<Message, Row>();

/** The rows of a conversation: its loaded messages, then what is on its way. */
export function rowsOf(
  timeline: Timeline,
  outbox: readonly Outgoing[],
  heldAt: string | undefined,
  now = Date.now(),
): Row[] {
  const rows: Row[] = [];
  const held = millis(heldAt);
  const joints = new Set(timeline.joints);
  let heldSeen = false;
  let previous: Row | undefined;
  const add = (message: Message, outgoing: Outgoing | undefined) => {
    const last = lastRows.get(message);
    const at = last?.at ?? millis(message.created_at);
    const day = last?.day ?? dayNumber(at);
    const sender = last?.sender ?? actorKey(message.from);
    const isNew = message.id === timeline.newFrom;
    const heldHere = held > 0 && !heldSeen && at >= held && message.from.type === 'agent';
    if (heldHere) heldSeen = true;
    // Above the first loaded row there may be more of its day: the line comes with the page that begins the day.
    const newDay = previous ? previous.day !== day : timeline.older === 'none';
    const lead =
      !previous ||
      newDay ||
      isNew ||
      heldHere ||
      previous.sender !== sender ||
      at - previous.at > GROUP_MS ||
      joints.has(message.id);
    const row: Row = {
      key: message.id,
      message,
      sender,
      at,
      day,
      lead,
      start: !previous && timeline.older === 'none',
      dayLine: newDay ? dayName(at, now) : undefined,
      isNew,
      heldHere,
      outgoing,
    };
    previous = last && same(last, row) ? last : row;
    if (previous === row) lastRows.set(message, row);
    rows.push(previous);
  };
  for (const message of timeline.messages) add(message, undefined);
  if (outbox.length > 0) {
    const stored = new Set(timeline.messages.slice(-500).map((message) => message.id));
    for (const outgoing of outbox) if (!stored.has(outgoing.message.id)) add(outgoing.message, outgoing);
  }
  return rows;
}

const same = (a: Row, b: Row): boolean =>
  a.lead === b.lead &&
  a.start === b.start &&
  a.dayLine === b.dayLine &&
  a.isNew === b.isNew &&
  a.heldHere === b.heldHere &&
  a.outgoing === b.outgoing;
