/**
 * What writes make of the state in memory. One function for the overlay of a batch (with seqs not known yet) and for
 * the topology after the commit (with the real ones), so that the two cannot disagree: the rules change nothing
 * themselves.
 */
import type { ConversationRow } from '../store/log-rows.ts';
import type { ForeignBatch, ForeignRow } from '../store/peers.ts';
import type { InviteRow, RoomRow } from '../store/topology-rows.ts';
import type { EventWrite, RowWrite, Writes } from '../store/writes.ts';
import type { PairRow, StoredMessage } from '../store/log-rows.ts';
import type { AgentRow, PairingInviteRow, PairingRow, PauseRow } from '../store/topology-rows.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';

/** In held_seq: held; a hold that stands keeps its seq, a new one has the seq of the event that carries the row. */
export const HELD = -1;

/** State that can take changes. */
export interface Foldable {
  putRoom(row: Omit<RoomRow, 'created_seq'>, seq: number): void;
  removeRoom(id: string, removed_at: string): void;
  addMember(room_id: string, member_id: string, seq: number): void;
  removeMember(room_id: string, member_id: string): void;
  putAgent(row: AgentRow): void;
  removeAgent(id: string, removed_at: string): void;
  /** In the place of the one that the agent id has. */
  putInvite(row: InviteRow): void;
  putPair(row: PairRow): void;
  /** `wake_id` as it is stored. */
  openWake(agent_id: string, wake_id: string, conversation: ConversationKey): void;
  closeWake(wake_id: string): void;
  putPause(row: PauseRow): void;
  removePause(scope: PauseScope): void;
  removeInvite(code_hash: string): void;
  addShare(room_id: string, pairing_id: string, seq: number): void;
  removeShare(room_id: string, pairing_id: string): void;
  putPairing(row: PairingRow): void;
  /** With its shares. */
  removePairing(id: string): void;
  putPairingInvite(row: PairingInviteRow): void;
  removePairingInvite(code_hash: string): void;
  conversation(key: ConversationKey): ConversationRow | undefined;
  putConversation(row: ConversationRow): void;
  /** Messages and meta values are facts of a batch, not topology. */
  putMessage?(message: StoredMessage): void;
  redactMessage?(id: string, payload: string): void;
  putMeta?(key: string, value: string): void;
}

/** `seqs` are those of writes.events; undefined while they are not known. */
export function fold(state: Foldable, writes: Writes, seqs: readonly number[] | undefined): void {
  for (let i = 0; i < writes.events.length; i++) {
    const event = writes.events[i]!;
    for (const row of event.rows) foldRow(state, row, event, seqs?.[i]);
  }
  for (const row of writes.rows) foldRow(state, row, undefined, undefined);
}

/**
 * What another server committed. A conversation that is not in memory and not held stays out of it; one that was being
 * read meanwhile may lack these messages in its message_count here. No rule goes by that: pages read it from the store.
 */
export function foldForeign(state: Foldable, { events, rows }: ForeignBatch): void {
  const bySeq = new Map(events.map((event) => [event.seq, event]));
  for (const foreign of rows) {
    const { row, seq } = foreign;
    if (row.op === 'conversation') foldForeignConversation(state, row, foreign, bySeq.get(seq)?.participants);
    else if (row.op !== 'message') foldRow(state, row, undefined, seq);
  }
}

function foldForeignConversation(
  state: Foldable,
  { row, messages }: RowWrite & { op: 'conversation' },
  { seq, first_seq, held_seq, keep_hold }: ForeignRow,
  participants: string[] | undefined,
): void {
  const before = state.conversation(row.key);
  if (!before && row.held_at === null) return;
  state.putConversation({
    ...row,
    participants: before?.participants ?? participants ?? null,
    message_count: (before?.message_count ?? 0) + messages,
    first_seq: before?.first_seq || (first_seq ?? seq),
    last_seq: messages > 0 ? Math.max(seq, before?.last_seq ?? 0) : (before?.last_seq ?? 0),
    held_seq: held_seq === undefined ? row.held_seq : keep_hold ? (before?.held_seq ?? held_seq) : held_seq,
  });
}

function foldRow(
  state: Foldable,
  row: RowWrite,
  event: EventWrite | undefined,
  seq: number | undefined,
): void {
  switch (row.op) {
    case 'message':
      state.putMessage?.({
        seq: seq ?? 0,
        id: row.id,
        event_id: event!.id,
        conversation: row.conversation,
        room_id: row.room_id,
        content_hash: row.content_hash,
        sender: row.sender,
        payload: event!.payload,
        created_at: event!.created_at,
      });
      return;
    case 'conversation':
      state.putConversation(conversationAfter(state.conversation(row.row.key), row, event, seq));
      return;
    case 'room':
      state.putRoom(row.row, seq ?? 0);
      return;
    case 'room.remove':
      state.removeRoom(row.id, row.removed_at);
      return;
    case 'member.add':
      state.addMember(row.room_id, row.member_id, seq ?? 0);
      return;
    case 'member.remove':
      state.removeMember(row.room_id, row.member_id);
      return;
    case 'agent':
      state.putAgent(row.row);
      return;
    case 'agent.remove':
      state.removeAgent(row.id, row.removed_at);
      return;
    case 'pair':
      state.putPair(row.row);
      return;
    case 'wake.open':
      state.openWake(row.row.agent_id, row.row.wake_id, row.row.conversation);
      return;
    case 'wake.close':
      state.closeWake(row.wake_id);
      return;
    case 'pause':
      state.putPause(row.row);
      return;
    case 'pause.remove':
      state.removePause(row.scope);
      return;
    case 'invite':
      state.putInvite(row.row);
      return;
    case 'invite.remove':
      state.removeInvite(row.code_hash);
      return;
    case 'share':
      state.addShare(row.room_id, row.pairing_id, row.since_seq ?? seq ?? 0);
      return;
    case 'share.remove':
      state.removeShare(row.room_id, row.pairing_id);
      return;
    case 'pairing':
      state.putPairing(row.row);
      return;
    case 'pairing.remove':
      state.removePairing(row.id);
      return;
    case 'pairing.invite':
      state.putPairingInvite(row.row);
      return;
    case 'pairing.invite.remove':
      state.removePairingInvite(row.code_hash);
      return;
    case 'redact':
      state.redactMessage?.(row.message_id, row.payload);
      return;
    case 'meta':
      state.putMeta?.(row.key, row.value);
      return;
    default:
      // Mentions, artifacts, participants (taken from the event), other delivery state, relay state, sessions and read positions are not held here.
      return;
  }
}

function conversationAfter(
  before: ConversationRow | undefined,
  write: RowWrite & { op: 'conversation' },
  event: EventWrite | undefined,
  seq: number | undefined,
): ConversationRow {
  const { row, messages } = write;
  const held_seq = row.held_seq === HELD ? (before?.held_seq ?? seq ?? HELD) : row.held_seq;
  return {
    key: row.key,
    kind: row.kind,
    id: row.id,
    room_id: row.room_id,
    parent_message_id: row.parent_message_id,
    participants: before?.participants ?? event?.participants ?? null,
    message_count: (before?.message_count ?? 0) + messages,
    first_seq: before?.first_seq || (seq ?? 0),
    last_seq: messages > 0 ? (seq ?? before?.last_seq ?? 0) : (before?.last_seq ?? 0),
    last_message_at: row.last_message_at,
    guard_turns: row.guard_turns,
    guard_speaker: row.guard_speaker,
    held_at: row.held_at,
    held_seq,
    held_messages: row.held_messages,
    guard_window: row.guard_window,
    held_by: row.held_by,
  };
}
