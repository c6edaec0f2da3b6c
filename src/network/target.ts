/** Where a message goes: its target as the network knows the conversation (wire.md 4.2, 4.6, W17, W18). */
import { conversationKey, type ConversationKey } from '../protocol/conversation.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { canonicalMemberId, dmIdOf, isHashedDmId, isLocalAgentId, requireId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { SendMessageRequest, Target } from '../protocol/messages.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import type { State } from './state.ts';

/** A target without its empty fields. */
export type PlacedTarget = Omit<Target, 'participant_ids'> & { participant_ids?: string[] };

export interface Place {
  key: ConversationKey;
  /** As it is stored, fields in the order of the wire. */
  target: PlacedTarget;
  /** The conversation as it is; undefined when this message is its first. */
  row: ConversationRow | undefined;
  /** Of a room or thread. */
  room_id: string | null;
  /** Of a DM: canonical, sorted. */
  participants: string[] | null;
}

/**
 * Whether the room exists is not asked here. Throws MoltnetError.
 * @param sender canonical id of who writes
 */
export function placeOf(state: State, target: SendMessageRequest['target'], sender: string): Place {
  switch (target?.kind) {
    case 'room':
      return roomPlace(state, target);
    case 'thread':
      return threadPlace(state, target);
    case 'dm':
      return dmPlace(state, target, sender);
    default:
      throw new MoltnetError(
        'invalid_target',
        `target.kind: must be room, thread or dm, not ${JSON.stringify((target?.kind ?? '').slice(0, 40))}`,
      );
  }
}

type TargetRequest = NonNullable<SendMessageRequest['target']>;

function roomPlace(state: State, target: TargetRequest): Place {
  refuseOther(target, 'thread_id', 'room');
  refuseOther(target, 'dm_id', 'room');
  const room_id = idOf(target.room_id, 'target.room_id');
  const key = conversationKey('room', room_id);
  return {
    key,
    target: { kind: 'room', room_id, ...parentOf(target) },
    row: state.conversation(key),
    room_id,
    participants: null,
  };
}

function threadPlace(state: State, target: TargetRequest): Place {
  refuseOther(target, 'dm_id', 'thread');
  const thread_id = idOf(target.thread_id, 'target.thread_id');
  const given = blank(target.room_id) ? undefined : idOf(target.room_id, 'target.room_id');
  const key = conversationKey('thread', thread_id);
  const row = state.conversation(key);
  const room_id = row?.room_id ?? given;
  if (room_id === undefined) throw newThread(thread_id);
  if (given !== undefined && given !== room_id) {
    throw new MoltnetError(
      'thread_room_mismatch',
      // Which one, is for those to know who may read it.
      `thread ${thread_id} belongs to another room than ${given}; leave room_id out, or take a new thread_id`,
    );
  }
  return {
    key,
    target: { kind: 'thread', room_id, thread_id, ...parentOf(target) },
    row,
    room_id,
    participants: null,
  };
}

export const newThread = (thread_id: string): MoltnetError =>
  new MoltnetError(
    'invalid_target',
    `target.room_id: thread ${thread_id} is new; say in which room it begins`,
  );

function dmPlace(state: State, target: TargetRequest, sender: string): Place {
  refuseOther(target, 'room_id', 'dm');
  refuseOther(target, 'thread_id', 'dm');
  const given =
    target.participant_ids && target.participant_ids.length > 0
      ? participantsOf(target.participant_ids, state.settings.id)
      : undefined;
  if (blank(target.dm_id) && !given)
    throw new MoltnetError('invalid_target', 'target: a dm needs dm_id, or participant_ids');
  const dm_id = blank(target.dm_id) ? dmIdOf(given!, state.settings.id) : idOf(target.dm_id, 'target.dm_id');
  const key = conversationKey('dm', dm_id);
  const found = state.conversation(key);
  // Everybody can tell the id of the DM of any two: whether they have one is for them to know.
  const row = isHashedDmId(dm_id) && !found?.participants?.includes(sender) ? undefined : found;
  const participants = row?.participants ?? given;
  if (!participants)
    throw new MoltnetError(
      'invalid_target',
      `target.participant_ids: dm ${dm_id} is new; say who takes part`,
    );
  if (given && row?.participants && !same(given, row.participants)) {
    throw new MoltnetError(
      'dm_participants_mismatch',
      `dm ${dm_id} belongs to other participants; leave participant_ids out, or take another dm_id`,
    );
  }
  if (participants.length < 2)
    throw new MoltnetError('invalid_target', 'target.participant_ids: a dm needs at least two participants');
  if (!row) requireKnown(state, participants, sender);
  if (!row && isHashedDmId(dm_id) && dm_id !== dmIdOf(participants, state.settings.id)) {
    throw new MoltnetError(
      'reserved_id',
      `target.dm_id: ${dm_id} is reserved for the DM of other participants; leave dm_id out`,
    );
  }
  return {
    key,
    target: { kind: 'dm', ...parentOf(target), dm_id, participant_ids: participants },
    row,
    room_id: null,
    participants,
  };
}

/** An id that a DM names is not claimed by whoever comes first (AGENT-22): so one DM names few that nobody has. */
function requireKnown(state: State, participants: readonly string[], sender: string): void {
  const most = limits.dm_strangers.value;
  if (participants.length <= most) return;
  const strangers = participants.filter(
    (id) =>
      id !== sender &&
      isLocalAgentId(id) &&
      !state.agent(id) &&
      !state.settings.people.has(id) &&
      state.roomsOf(id).size === 0,
  );
  if (strangers.length > most)
    throw new MoltnetError(
      'too_many_participants',
      `target.participant_ids: ${strangers.length} of them are nobody here (${strangers[0]}, …), at most ${most} in a new DM`,
    );
}

function participantsOf(list: readonly string[], networkId: string): string[] {
  const participants = [...new Set(list.map((id) => canonicalMemberId(id, networkId)))].sort();
  if (participants.length > limits.dm_participants.value) {
    throw new MoltnetError(
      'too_many_participants',
      `target.participant_ids: ${participants.length}, at most ${limits.dm_participants.value}`,
    );
  }
  return participants;
}

function parentOf(target: TargetRequest): { parent_message_id?: string } {
  return blank(target.parent_message_id)
    ? NO_PARENT
    : { parent_message_id: idOf(target.parent_message_id, 'target.parent_message_id') };
}
const NO_PARENT = Object.freeze({});

/** A field of another kind of target would be ignored, and the message would land where its writer did not mean it to. */
function refuseOther(target: TargetRequest, field: 'room_id' | 'thread_id' | 'dm_id', kind: string): void {
  if (!blank(target[field]))
    throw new MoltnetError('invalid_target', `target.${field}: has no place in a target of kind ${kind}`);
}
const blank = (value: string | undefined): boolean =>
  value === undefined || value === '' || value.trim() === '';
const idOf = (value: string | undefined, field: string): string => requireId(value, field);
const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);
