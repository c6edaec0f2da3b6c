/** What an accepted message writes: its event, before it what it begins, holds or lets go on, and the rows it is found by. */
import { MoltnetError } from '../protocol/errors.ts';
import { artifactId, fqid, messageEventId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Message } from '../protocol/messages.ts';
import type { Artifact, DirectConversation, Thread } from '../protocol/rooms.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import type { EventWrite, RowWrite } from '../store/writes.ts';
import { HELD } from './fold.ts';
import { guardLimits, type GuardMemory, type GuardStep } from './guard.ts';
import { heldEvent, noticeEvent, resumedEvent } from './guard-events.ts';
import { emptyRow, hear } from './guard-turn.ts';
import { isPlainText, type CheckedPart } from './parts.ts';
import type { Random } from './random.ts';
import type { Decided } from './rule.ts';
import type { Sender } from './sender.ts';
import type { RoomState, State } from './state.ts';
import type { Place, PlacedTarget } from './target.ts';

/** A message without the empty fields that a parsed one names. */
export type NewMessage = Omit<Message, 'parts' | 'target'> & { parts: CheckedPart[]; target: PlacedTarget };

/** Events and rows of a message that is accepted, and its answer. Throws `message_too_large`. */
export function messageWrites(
  state: State,
  random: Random,
  message: NewMessage,
  place: Place,
  room: RoomState | undefined,
  sender: Sender,
  content_hash: string | null,
): Decided<'message.send'> {
  const payload = JSON.stringify(message);
  if (payload.length * 3 > limits.message.value && Buffer.byteLength(payload) > limits.message.value) {
    throw new MoltnetError(
      'message_too_large',
      `the message is ${Buffer.byteLength(payload)} bytes of JSON, at most ${limits.message.value}; send a url, or several messages`,
    );
  }
  const { id, created_at: at } = message;
  const { row, key } = place;
  const events: EventWrite[] = [];
  if (!row && place.target.kind !== 'room') events.push(beginning(state, random, message, place));

  const { next, pairs, change } = hear(state, message, place, room, sender);
  if (change === 'held') {
    const max = guardLimits(state.settings, room);
    const before = row ?? emptyRow(place, at);
    events.push(heldEvent(random, at, before, next, max));
    events.push(noticeEvent(random, state.settings.id, at, before, next, place.target));
  }
  if (change === 'resumed')
    events.push(resumedEvent(random, at, row!, guardLimits(state.settings, room), 'person'));

  const rows: RowWrite[] = [
    {
      op: 'message',
      id,
      origin_network: message.origin.network_id,
      origin_id: message.origin.message_id,
      content_hash,
      conversation: key,
      room_id: place.room_id,
      sender: sender.actor.fqid,
    },
    // The notice is one too.
    { op: 'conversation', row: rowAfter(place, row, at, next, change), messages: change === 'held' ? 2 : 1 },
  ];
  for (const pair of pairs) rows.push({ op: 'pair', row: pair });
  if (!row)
    for (const participant of place.participants ?? [])
      rows.push({ op: 'participant', dm_id: place.target.dm_id!, participant });
  const local = `molt://${state.settings.id}/agents/`;
  for (const mention of message.mentions ?? []) {
    if (mention.startsWith(local))
      rows.push({ op: 'mention', agent_id: mention.slice(local.length), conversation: key });
  }
  addArtifacts(rows, message, place);

  const event_id = messageEventId(id);
  const event: EventWrite = {
    id: event_id,
    type: 'message.created',
    created_at: at,
    payload,
    conversation: key,
    held: next.held_by !== null,
    rows,
  };
  if (place.room_id !== null) event.room_id = place.room_id;
  else {
    event.dm_id = place.target.dm_id!;
    event.participants = place.participants!;
  }
  events.push(event);
  const first = !row;
  return {
    writes: { events, rows: [] },
    answer: {
      message_id: id,
      event_id,
      accepted: true,
      thread_created: first && place.target.kind === 'thread',
      dm_created: first && place.target.kind === 'dm',
    },
  };
}

/** The conversation's row after this message. */
function rowAfter(
  place: Place,
  row: ConversationRow | undefined,
  at: string,
  guard: GuardMemory,
  change: GuardStep['change'],
): (RowWrite & { op: 'conversation' })['row'] {
  const begins = change === 'held';
  const held = guard.held_by !== null;
  return {
    key: place.key,
    kind: row?.kind ?? (place.target.kind as ConversationRow['kind']),
    id: row?.id ?? place.target.thread_id ?? place.target.dm_id ?? place.room_id!,
    room_id: place.room_id,
    parent_message_id: row
      ? row.parent_message_id
      : place.target.kind === 'thread'
        ? (place.target.parent_message_id ?? null)
        : null,
    last_message_at: at,
    guard_turns: guard.turns,
    guard_speaker: guard.speaker,
    guard_window: guard.window,
    held_at: begins ? at : held ? row!.held_at : null,
    held_seq: held ? HELD : null,
    held_messages: begins ? 1 : held ? row!.held_messages + 1 : 0,
    held_by: guard.held_by,
  };
}

/** thread.created or dm.created, just before the first message. */
function beginning(state: State, random: Random, message: NewMessage, place: Place): EventWrite {
  const { target, key } = place;
  const network_id = state.settings.id;
  const common = {
    id: random.eventId(),
    created_at: message.created_at,
    conversation: key,
    held: false,
    rows: [],
  };
  if (target.kind === 'thread') {
    const thread: Thread = {
      id: target.thread_id!,
      network_id,
      fqid: fqid(network_id, 'threads', target.thread_id!),
      room_id: place.room_id!,
      ...(target.parent_message_id !== undefined && { parent_message_id: target.parent_message_id }),
      message_count: 1,
      last_message_at: message.created_at,
    };
    return { ...common, type: 'thread.created', payload: JSON.stringify(thread), room_id: place.room_id! };
  }
  const dm: DirectConversation = {
    id: target.dm_id!,
    network_id,
    fqid: fqid(network_id, 'dms', target.dm_id!),
    participant_ids: place.participants!,
    message_count: 1,
    last_message_at: message.created_at,
  };
  return {
    ...common,
    type: 'dm.created',
    payload: JSON.stringify(dm),
    dm_id: target.dm_id!,
    participants: place.participants!,
  };
}

/** One artifact for each part that is more than plain text (wire.md 4.7). */
function addArtifacts(rows: RowWrite[], message: NewMessage, place: Place): void {
  for (let i = 0; i < message.parts.length; i++) {
    const part = message.parts[i]!;
    if (isPlainText(part)) continue;
    const id = artifactId(message.id, i);
    const artifact: Artifact = {
      id,
      network_id: message.network_id,
      fqid: fqid(message.network_id, 'artifacts', id),
      message_id: message.id,
      target: message.target,
      part_index: i,
      kind: part.kind,
      ...(part.media_type !== undefined && { media_type: part.media_type }),
      ...(part.filename !== undefined && { filename: part.filename }),
      ...(part.url !== undefined && { url: part.url }),
      created_at: message.created_at,
    };
    rows.push({
      op: 'artifact',
      id,
      message_id: message.id,
      part_index: i,
      conversation: place.key,
      room_id: place.room_id,
      payload: JSON.stringify(artifact),
    });
  }
}
