/**
 * What a storage engine does. SQLite (file and memory) and Postgres behind this one interface; the contract
 * suite in test/contract/store.ts runs on every engine. A write is plain data (EventWrite, RowWrite): it crosses a
 * thread or a wire without thought. Reads are indexed and bounded (at most 500 rows), so that they may run on the
 * main thread; all return promises because an engine may be remote.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type {
  BindingsRow,
  DeliveryFacts,
  MessagePlace,
  PositionRow,
  ScopeRow,
  UsageRow,
  WakeRow,
} from './delivery-rows.ts';
import type {
  ArtifactRow,
  ConversationRow,
  LogEvent,
  PageRequest,
  PageRows,
  StoredMessage,
} from './log-rows.ts';
import type { ForeignBatch, Peers } from './peers.ts';
import type { RelayKept, RelayRefusalRow, RelayState, Reservation } from './relay-rows.ts';
import type { SearchRequest, SearchRows } from './search-rows.ts';
import type { ReadRow, SessionRow, TopologyRows } from './topology-rows.ts';
import type { Writes } from './writes.ts';

export interface Store {
  /** Undefined for an engine that has one server. */
  readonly peers?: Peers;
  readonly kind: 'sqlite' | 'memory' | 'postgres';
  readonly networkId: string;
  /** seq of the newest committed event, 0 for none. */
  readonly head: number;
  loadTopology(): Promise<TopologyRows>;

  /**
   * Commits all writes, in order, in one durable transaction, and resolves with the seqs: seqs[i][j] is that of
   * writes[i].events[j]. Rejects with ConstraintError when a unique id is taken, with StorageError when the engine
   * cannot write now, with StateMovedError when what the writes were decided on is not what is stored: nothing was
   * stored, whichever it is. `decidedAt` is the position at which the deciding began: when another server has changed
   * since what these writes were decided on, that is StateMovedError, and what was missed has been given to the follower.
   *
   * A commit may be asked for before the one before it is done; they are done in the order in which they were asked
   * for. `run` names those that were decided over each other: when one of a run has failed, all of the same run that
   * come after it are rejected with StateMovedError, unlooked at. Who has seen the failure goes on with a new run.
   * (An engine that waits for each answer keeps this by remembering the run that failed.)
   */
  commit(writes: readonly Writes[], run?: number, decidedAt?: number): Promise<number[][]>;

  /** Of the newest batch of another server that was given to the follower, at first of the opening. 0 where there is one server. */
  readonly position: number;
  /**
   * Calls with every batch that another server commits, from the opening of the store on, in order of seq, and in
   * that order with commits of our own: before a commit resolves, everything before it was given. One at most.
   * Must not throw: what is in memory would no longer follow the log.
   */
  follow(follower: (batch: ForeignBatch) => void): void;
  /**
   * Resolves when everything that was committed before this call was given to the follower. Rejects with StorageError.
   * Undefined for an engine that has one server: there is nothing to wait for.
   */
  catchUp(): Promise<void> | undefined;
  /** Milliseconds for which it is not known that there is nothing new from other servers; 0 where there are none. */
  readonly behind: number;
  /** Other servers commit too: one did between the newest few commits of this one. False where there are no others. */
  readonly contended: boolean;

  /** Sessions that expire after this time (RFC 3339), the first to expire first. */
  sessions(now: string): Promise<SessionRow[]>;
  /** The latest read positions of a person, at most `limit` (500). */
  reads(person_id: string, limit: number): Promise<ReadRow[]>;
  /** Of each of these: the messages behind it that are not of this sender (FQID), counted up to `most` (500). */
  unread(
    asked: readonly Pick<ReadRow, 'conversation' | 'seq'>[],
    sender: string,
    most: number,
  ): Promise<number[]>;
  meta(key: string): Promise<string | undefined>;
  messages(ids: readonly string[]): Promise<Map<string, StoredMessage>>;
  conversations(keys: readonly ConversationKey[]): Promise<Map<ConversationKey, ConversationRow>>;
  /** before/after are seqs. No bound: the newest. Always ascending. */
  messagePage(conversation: ConversationKey, page: PageRequest): Promise<PageRows<StoredMessage>>;
  /** Artifacts of a conversation, or of a room with its threads; ordered by (seq, part_index). before/after are artifact ids. */
  artifactPage(
    of: { conversation: ConversationKey } | { room_id: string },
    page: PageRequest,
  ): Promise<PageRows<ArtifactRow>>;
  artifactExists(of: { conversation: ConversationKey } | { room_id: string }, id: string): Promise<boolean>;
  /** Sorted by thread id, or by activity (newest first) when `order` says so. */
  threadPage(room_id: string, page: PageRequest): Promise<PageRows<ConversationRow>>;
  /** All DMs, or those of one participant; sorted by id. */
  dmPage(participant: string | undefined, page: PageRequest): Promise<PageRows<ConversationRow>>;

  /** seq of an event id; undefined when unknown or pruned. */
  eventSeq(event_id: string): Promise<number | undefined>;
  /** Ids of the oldest and newest event, for stream.replay_gap. */
  eventBounds(): Promise<{ oldest?: string; newest?: string }>;
  /**
   * Events with seq > after, ascending, at most `limit` (500). `all`: every one. Else those of the given rooms, of the
   * DMs the participant is in, and about the agent itself.
   */
  events(
    audience: { all: true } | { rooms: readonly string[]; participant?: string; agent_id?: string },
    after: number,
    limit: number,
  ): Promise<LogEvent[]>;
  /** message.created events of one conversation with after < seq <= up_to, ascending. */
  conversationEvents(
    conversation: ConversationKey,
    after: number,
    limit: number,
    up_to?: number,
  ): Promise<LogEvent[]>;
  /** Conversations (room and its threads, or all DMs of a participant) with last_seq > after, ascending by last_seq. */
  roomConversationsAfter(room_id: string, after: number, limit: number): Promise<ConversationRow[]>;
  dmConversationsAfter(participant: string, after: number, limit: number): Promise<ConversationRow[]>;
  /** Messages that mention a local agent, in one room or in all, with seq > after, ascending. */
  mentionsAfter(
    agent_id: string,
    room_id: string | undefined,
    after: number,
    limit: number,
  ): Promise<{ seq: number; conversation: ConversationKey }[]>;

  /** Messages of a conversation with after < seq <= up_to, counted up to `most` (10,000). */
  countMessages(conversation: ConversationKey, after: number, up_to: number, most: number): Promise<number>;

  scopes(agent_id: string): Promise<ScopeRow[]>;
  positions(agent_id: string): Promise<PositionRow[]>;
  openWakes(agent_id: string): Promise<WakeRow[]>;
  /** The latest wakes that failed for good, newest first. */
  failedWakes(agent_id: string | undefined, limit: number): Promise<WakeRow[]>;
  /** The latest wakes of an agent that have ended, however, newest first. */
  endedWakes(agent_id: string, limit: number): Promise<WakeRow[]>;
  bootstraps(agent_id: string): Promise<string[]>;
  /** Of at most 500 agents, in their order. */
  deliveryFacts(place: MessagePlace, agents: readonly string[]): Promise<DeliveryFacts[]>;
  wake(wake_id: string): Promise<WakeRow | undefined>;
  /** By agent. */
  allOpenWakes(limit: number): Promise<WakeRow[]>;
  /** Of every agent that attached with bindings, for start-up. */
  bindings(): Promise<BindingsRow[]>;
  /** Id of the newest message of the sender (FQID) in the conversation after a seq. */
  answerAfter(conversation: ConversationKey, seq: number, sender: string): Promise<string | undefined>;
  /** Threads in which the sender (FQID) has posted, after a key, by key, with the seq of its first message there. */
  threadsOf(
    sender: string,
    after: string,
    limit: number,
  ): Promise<{ conversation: ConversationKey; seq: number }[]>;
  /** FQIDs of those who have posted in a thread, with the seq of their first message. */
  threadSpeakers(conversation: ConversationKey, limit: number): Promise<{ sender: string; seq: number }[]>;
  /** From a day (`YYYY-MM-DD`) on, or after a row; by day, agent and room. */
  usage(since: string, after: UsageRow | undefined, limit: number): Promise<UsageRow[]>;

  /**
   * The oldest messages of a room with its threads, or of all DMs, that are not to be kept: older than `before` (RFC
   * 3339, by their own time), or not among the `newest`. Ascending, at most `limit` (500).
   */
  prunable(
    of: { room_id: string } | { dms: true },
    keep: { before?: string; newest?: number },
    limit: number,
  ): Promise<StoredMessage[]>;
  /** Takes in what was committed before it, as far as that is soon done: see SearchRows.unindexed. */
  search(request: SearchRequest): Promise<SearchRows>;
  /** Undefined for a pairing to which relay never began. */
  relayState(pairing_id: string): Promise<RelayState | undefined>;
  /** The newest first. */
  relayRefusals(pairing_id: string, limit: number): Promise<RelayRefusalRow[]>;
  relayRefusal(pairing_id: string, seq: number): Promise<RelayRefusalRow | undefined>;
  /** Pairings to which relay has begun, by id. */
  relays(): Promise<string[]>;
  /** Refusals of messages up to this seq are forgotten. */
  refusalsAfter(pairing_id: string): Promise<number>;
  /** Which of these messages (origin.message_id) of another network were taken once, and removed by retention. */
  relayTaken(network: string, ids: readonly string[]): Promise<string[]>;
  /** Counts it, and resolves with how much of the amount there still was: 0 to all of it. Servers of one database share it. */
  reserve(reservation: Reservation): Promise<number>;
  /** Forgets what is over these numbers. */
  forgetRelays(kept: RelayKept): Promise<void>;

  /** Resolves when the engine answers; rejects with StorageError. */
  ping(): Promise<void>;
  /** Flushes, checkpoints, closes; idempotent. */
  close(): Promise<void>;
}
