/**
 * What a storage engine does. SQLite (file and memory) and Postgres behind this one interface; the contract
 * suite in test/contract/store.ts runs on every engine. A write is plain data (EventWrite, RowWrite): it crosses a
 * thread or a wire without thought. Reads are indexed and bounded (at most 500 rows), so that they may run on the
 * main thread; all return promises because an engine may be remote.
 */
import type { ConversationKey, ConversationKind } from '../protocol/conversation.ts';
import type { PauseScope } from '../protocol/pauses.ts';
import type { SnippetPiece } from '../protocol/search.ts';
import type { SearchTerm } from './search-terms.ts';

/** One row of the event log as its readers get it. `payload` is JSON text, never parsed on the way out. */
export interface LogEvent {
  seq: number;
  id: string;
  type: string;
  created_at: string;
  payload: string;
  /** The conversation it belongs to, for messages, threads, DMs, redactions and guard events. */
  conversation?: ConversationKey;
  /** Readable by those who may read this room. Threads' events carry their room. */
  room_id?: string;
  /** Readable by this DM's participants. */
  dm_id?: string;
  /** Canonical participant ids of that DM, so that routing needs no look-up. */
  participants?: string[];
  /** Lifecycle of this agent: for observers and for itself. */
  agent_id?: string;
  /** Stored while its conversation was held by the guard: goes to observers, to attachments only after the resume. */
  held: boolean;
}

/** A LogEvent before it has a `seq`, with the rows that are written together with it and refer to its `seq`. */
export interface EventWrite extends Omit<LogEvent, 'seq'> {
  rows: RowWrite[];
}

/** State of one conversation. `key` is `room:ID`, `thread:ID` or `dm:ID`. */
export interface ConversationRow {
  key: ConversationKey;
  kind: ConversationKind;
  id: string;
  /** Of a room or thread. */
  room_id: string | null;
  parent_message_id: string | null;
  /** Of a DM: canonical ids, sorted. */
  participants: string[] | null;
  message_count: number;
  first_seq: number;
  last_seq: number;
  last_message_at: string;
  /** Storm guard: agent turns since a person, FQID of the last agent that spoke, and the hold. */
  guard_turns: number;
  guard_speaker: string | null;
  /** Agent turns of the last hour, empty for none: what network/guard-window.ts makes of it. */
  guard_window: string;
  held_at: string | null;
  /** seq of the `conversation.held` event; held messages come after it. */
  held_seq: number | null;
  held_messages: number;
  /** `turns N`, `hour N` or `pair N KEY`: which limit holds it, at how many turns, and of which pair. Null: it is not held. */
  held_by: string | null;
}

/** Two agents that answer each other, anywhere in the network. */
export interface PairRow {
  /** FQIDs in ascending order, with a space between. */
  pair: string;
  /** Which of them had the last turn, and when (milliseconds since 1970). What has been still for an hour is forgotten. */
  speaker: string;
  at: number;
  /** Turns of the last ten minutes, as guard_window. */
  turns: string;
}

export interface PauseRow {
  scope: PauseScope;
  /** As PauseChange.by. */
  paused_by: string;
  at: string;
  until: string | null;
}

export interface RoomRow {
  id: string;
  name: string;
  visibility: string;
  write_policy: string;
  /** JSON of GuardSettings, `{}` for defaults. */
  guard: string;
  created_at: string;
  created_seq: number;
  removed_at: string | null;
  /** hashSecret of the credential by which agents join by themselves. */
  credential_hash: string | null;
}
export interface MemberRow {
  room_id: string;
  member_id: string;
  since_seq: number;
}
export interface AgentRow {
  id: string;
  actor_uid: string;
  display_name: string | null;
  credential_key: string;
  created_at: string;
  updated_at: string;
  removed_at: string | null;
  /** hashSecret of the claim key, until the first use of the token that was minted for it. */
  claim_key_hash: string | null;
}
/** A claim code that was not used yet; an agent id has at most one. */
export interface InviteRow {
  code_hash: string;
  agent_id: string;
  created_at: string;
  expires_at: string;
}
/** A paired network that is kept here (others stand in the server's file). */
export interface PairingRow {
  id: string;
  remote_network_id: string;
  remote_network_name: string | null;
  /** Without a trailing slash; null when only a link of its own reaches it. */
  remote_base_url: string | null;
  /** What we send to it, as it is: nothing else can be sent. */
  token: string | null;
  /** hashSecret of what it sends to us. */
  token_hash: string;
  /** We keep a link to it, through which it reaches us. */
  link: boolean;
  created_at: string;
}
/** A code of `pair invite` that was not used yet. */
export interface PairingInviteRow {
  /** hashSecret of the secret in it. */
  code_hash: string;
  /** Short, for people. */
  id: string;
  /** JSON list of the rooms that it shares. */
  rooms: string;
  created_at: string;
  expires_at: string;
}
/** A room is shared with a pairing, or with all (`*`), from the messages after since_seq on. */
export interface ShareRow {
  room_id: string;
  pairing_id: string;
  since_seq: number;
}
/** How far relay to a pairing has come: everything up to settled_seq is done with, but for conversations below it. */
export interface RelayState {
  settled_seq: number;
  positions: { conversation: ConversationKey; acked_seq: number }[];
}
/** A message that the paired network would not take. */
export interface RelayRefusalRow {
  pairing_id: string;
  seq: number;
  message_id: string;
  conversation: ConversationKey;
  code: string;
  reason: string;
  at: string;
}
/** A browser's login: it lives until `expires_at`, and no longer than its token (id and value) is configured. */
export interface SessionRow {
  /** hashSecret of the cookie. */
  id_hash: string;
  token_id: string;
  /** hashSecret of the token's value. */
  token_hash: string;
  created_at: string;
  expires_at: string;
}

/** Rows written with an event; `seq` is filled in by the engine from the event that carries them. */
export type RowWrite =
  | {
      op: 'message';
      id: string;
      origin_network: string;
      origin_id: string;
      content_hash: string | null;
      conversation: ConversationKey;
      room_id: string | null;
      sender: string;
    }
  | { op: 'mention'; agent_id: string; conversation: ConversationKey }
  | {
      op: 'artifact';
      id: string;
      message_id: string;
      part_index: number;
      conversation: ConversationKey;
      room_id: string | null;
      payload: string;
    }
  /** The whole row as it is after this message; first_seq is kept, last_seq becomes the event's seq. held_seq -1 means held: a hold that stands keeps its seq, a new one has the seq of this row's event. touch false: not a message, last_seq stays. */
  | {
      op: 'conversation';
      row: Omit<ConversationRow, 'first_seq' | 'last_seq' | 'participants'>;
      touch: boolean;
    }
  | { op: 'participant'; dm_id: string; participant: string }
  | { op: 'pair'; row: PairRow }
  | { op: 'pause'; row: PauseRow }
  | { op: 'pause.remove'; scope: PauseScope }
  | { op: 'room'; row: Omit<RowOf<RoomRow>, 'created_seq'> }
  | { op: 'room.remove'; id: string; removed_at: string }
  | { op: 'member.add'; room_id: string; member_id: string }
  | { op: 'member.remove'; room_id: string; member_id: string }
  | { op: 'agent'; row: AgentRow }
  | { op: 'agent.remove'; id: string; removed_at: string }
  /** Replaces the payload of a message's event, deletes its artifacts and mentions, and forgets its content hash. */
  | { op: 'redact'; message_id: string; payload: string }
  | { op: 'meta'; key: string; value: string }
  /** Removes these messages with all that belongs to them. Never the newest event. Counts of what was said stay. */
  | { op: 'prune'; seqs: readonly number[] }
  /** In the place of the one that the agent id has. */
  | { op: 'invite'; row: InviteRow }
  | { op: 'invite.remove'; code_hash: string }
  | { op: 'pairing'; row: PairingRow }
  /** With its shares, and all that is known of what was relayed to it. */
  | { op: 'pairing.remove'; id: string }
  | { op: 'pairing.invite'; row: PairingInviteRow }
  | { op: 'pairing.invite.remove'; code_hash: string }
  /** One that stands keeps its since_seq; a new one has the given one, else the seq of this row's event. */
  | { op: 'share'; room_id: string; pairing_id: string; since_seq?: number }
  | { op: 'share.remove'; room_id: string; pairing_id: string }
  | RelayWrite
  | SessionWrite
  | DeliveryWrite;
type RowOf<T> = T;

/** What became of relayed messages: no event belongs to it. A lost one means that a message is sent again. */
export type RelayWrite =
  /** Nothing before now is relayed to it; one that has begun goes on. */
  | { op: 'relay.begin'; pairing_id: string }
  /** Positions that it covers are forgotten. */
  | { op: 'relay.settled'; pairing_id: string; settled_seq: number }
  | { op: 'relay.position'; pairing_id: string; conversation: ConversationKey; acked_seq: number }
  | { op: 'relay.refusal'; row: RelayRefusalRow };

export type SessionWrite = { op: 'session'; row: SessionRow } | { op: 'session.remove'; id_hash: string };

/** Delivery state: no event belongs to it. A lost one means redelivery, not loss. */
export type DeliveryWrite =
  /** Everything of this scope (`room:ID` with its threads, or `dms`) up to settled_seq is done with, but for conversations with a position below it. */
  | { op: 'scope'; agent_id: string; scope: string; start_seq: number; settled_seq: number }
  | {
      op: 'position';
      agent_id: string;
      conversation: ConversationKey;
      acked_seq: number;
      /** Null when left out. */
      passed?: string | null;
    }
  | { op: 'positions.clear'; agent_id: string; scope: string; up_to: number }
  | { op: 'wake.open'; row: WakeRow }
  | ({ op: 'wake.close'; wake_id: string; state: 'done' | 'failed' } & Pick<WakeRow, 'error' | 'closed_at'> &
      /** `attempt` stays what it was when it is left out. */
      Partial<Pick<WakeRow, 'outcome' | 'answer_id' | 'classification' | 'attempt'>>)
  /** A failed wake is open again, with the next attempt: what is made of its id stays the same. */
  | { op: 'wake.retry'; wake_id: string; at: string; opened_seq: number }
  /** Nobody wants a failed wake any more. */
  | { op: 'wake.drop'; wake_id: string }
  | { op: 'skip'; row: SkipRow }
  /** A client that decides wakes itself took this message. */
  | { op: 'handed'; agent_id: string; seq: number; at: string }
  | { op: 'bindings'; agent_id: string; bindings: string; at: string }
  /** Adds to what stands there. */
  | { op: 'usage'; row: UsageRow }
  /** Forgets at most 500 of each that are older. */
  | { op: 'deliveries.prune'; before: string }
  | { op: 'bootstrap'; agent_id: string; room_id: string; at: string };

export interface ScopeRow {
  agent_id: string;
  scope: string;
  start_seq: number;
  settled_seq: number;
}
export interface PositionRow {
  agent_id: string;
  conversation: ConversationKey;
  acked_seq: number;
  /** What catch_up passes over beyond it, as log/passed.ts writes it; null: nothing. */
  passed: string | null;
}
export interface WakeRow {
  wake_id: string;
  agent_id: string;
  conversation: ConversationKey;
  /** Exclusive: the position before it. */
  after_seq: number;
  /** Inclusive. */
  last_seq: number;
  attempt: number;
  state: 'open' | 'done' | 'failed';
  error: string | null;
  opened_at: string;
  closed_at: string | null;
  /** The head when it was opened. */
  opened_seq: number;
  /** Of a closed one; null for those that an earlier version closed. `dropped`: an operator gave a failed one up. */
  outcome: 'answered' | 'silent' | 'failed' | 'dropped' | null;
  /** The last message that the agent posted there during the wake. */
  answer_id: string | null;
  classification: string | null;
  /** What of its range is not in it, as log/passed.ts writes it; null: nothing. */
  passed: string | null;
}
/** `unmentioned…`: all but mentions and DMs. `count`: what is settled of it without a wake. */
export type SkipReason = 'age' | 'catch_up' | 'count' | 'unmentioned' | 'unmentioned_age';
/** Messages that wake the agent no more: after_seq < seq <= last_seq. */
export interface SkipRow {
  agent_id: string;
  conversation: ConversationKey;
  after_seq: number;
  last_seq: number;
  reason: SkipReason;
  at: string;
}
export interface BindingsRow {
  agent_id: string;
  /** JSON of Bindings. */
  bindings: string;
}
/** Of one agent in one room (empty: DMs) on one UTC day. */
export interface UsageRow {
  day: string;
  agent_id: string;
  room_id: string;
  wakes: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}
/** Where a message stands: `scope` is `room:ID` or `dms`. */
export interface MessagePlace {
  conversation: ConversationKey;
  scope: string;
  seq: number;
}
/** What storage knows of one message's way to one agent. */
export interface DeliveryFacts {
  agent_id: string;
  /** The wake whose range covers it. */
  wake?: WakeRow;
  /** Those that cover it. */
  skips: { reason: SkipReason; at: string }[];
  handed_at?: string;
  /** The agent's position is past it. */
  settled: boolean;
  /** Where delivery of the scope began. */
  start_seq?: number;
}

/** One command's writes. All of one batch commit in one durable transaction. */
export interface Writes {
  events: EventWrite[];
  /** Rows without an event. */
  rows: RowWrite[];
}

/** Everything a process holds in memory about the network, at `head`. */
export interface TopologyRows {
  head: number;
  rooms: RoomRow[];
  members: MemberRow[];
  agents: AgentRow[];
  /** Conversations that the guard holds now. */
  held: ConversationRow[];
  /** Expired ones too. */
  invites: InviteRow[];
  /** The one that was still for the longest time first. */
  pairs: PairRow[];
  /** In order of scope. */
  pauses: PauseRow[];
  /** By id. */
  pairings: PairingRow[];
  /** Expired ones too. */
  pairing_invites: PairingInviteRow[];
  shares: ShareRow[];
}

export interface StoredMessage {
  seq: number;
  id: string;
  event_id: string;
  conversation: ConversationKey;
  room_id: string | null;
  content_hash: string | null;
  sender: string;
  /** JSON of the Message. */
  payload: string;
  created_at: string;
}
export interface PageRequest {
  limit: number;
  /** Exclusive bounds: a seq for messages and artifacts, an id for the id-sorted collections. */
  before?: number | string;
  after?: number | string;
  /** Of a thread page: `activity` is newest first, and `after` then goes on to older ones. Default `id`. */
  order?: 'id' | 'activity';
}
/** Rows in ascending order, and whether there are more on either side of them. */
export interface PageRows<T> {
  rows: T[];
  more_before: boolean;
  more_after: boolean;
}
export interface ArtifactRow {
  id: string;
  seq: number;
  part_index: number;
  conversation: ConversationKey;
  payload: string;
}

/** A message that holds all terms and meets all filters. At least one of both is given. */
export interface SearchRequest {
  terms: readonly SearchTerm[];
  conversation?: ConversationKey;
  /** With its threads. */
  room_id?: string;
  /** FQID. */
  sender?: string;
  /** With a part that is more than text. */
  artifact?: boolean;
  /** Milliseconds since 1970, by the message's own time; `until` is exclusive. */
  since?: number;
  until?: number;
  /** Messages of these rooms and of the DMs of these participants (canonical ids), and no others. */
  readable: { rooms: 'all' | ReadonlySet<string>; participants: 'all' | readonly string[] };
  /** seq, exclusive. */
  before?: number;
  /** At most 100. */
  limit: number;
}
export interface FoundMessage {
  row: StoredMessage;
  /** Of a DM; else empty. */
  participants: string[];
  snippet: SnippetPiece[];
}
export interface SearchRows {
  /** Newest first. */
  rows: FoundMessage[];
  /** Id of the message that the next page is to begin before; absent at the end. A page may end before it is full. */
  next_before?: string;
  /** Events at the end of the log that the index does not hold yet. */
  unindexed: number;
}

/** A row that another server committed, of those that servers hold in memory. */
export interface ForeignRow {
  /** A whole conversation row too; then the three below say what a first row would take. */
  row: RowWrite;
  /** seq of its event, or of the newest before it. */
  seq: number;
  /** Of a conversation that is new to us. */
  first_seq?: number;
  /** seq at which a hold began; `keep_hold`: unless one stands already. */
  held_seq?: number;
  keep_hold?: boolean;
}
/** One batch that another server committed. */
export interface ForeignBatch {
  /** Store.position once it is taken over. */
  position: number;
  /** In order of seq. */
  events: LogEvent[];
  /** In their order. */
  rows: ForeignRow[];
}

export interface PeersFollower {
  /** Something volatile that another server told. */
  told(text: string): void;
  /** An agent is attached at no other server any more. */
  gone(agent_id: string): void;
  /** The others may have taken what this server had leased: it stood still, or the database was away. */
  lapsed(): void;
}

/** What servers on one database keep of each other. What one has lapses by the database's clock within 5 s of its death. */
export interface Peers {
  /** Rejects with nothing: what cannot be said now is said later. One follower. */
  follow(follower: PeersFollower): Promise<void>;
  /** Takes an agent's delivery for this server, or keeps it; false while another living server has it. */
  lease(agent_id: string): Promise<boolean>;
  release(agent_id: string): Promise<void>;
  /** This server's leases stand. False in good time before another may take them. */
  readonly alive: boolean;
  /** Other servers that live. */
  readonly others: number;
  /** An agent is attached here, and what its presence says; undefined: it is not any more. */
  present(agent_id: string, state: string | undefined): void;
  /** The same of the other servers' agents, as known a second ago. */
  elsewhere(): ReadonlyMap<string, string>;
  /** Tells the other servers something volatile, of at most 7,000 bytes and without line breaks. It may be lost. */
  tell(text: string): void;
}

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

  /** Sessions that expire after this time (RFC 3339), the first to expire first. */
  sessions(now: string): Promise<SessionRow[]>;
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

  /** Resolves when the engine answers; rejects with StorageError. */
  ping(): Promise<void>;
  /** Flushes, checkpoints, closes; idempotent. */
  close(): Promise<void>;
}

/** A unique id was taken: the batch holds a loser, nothing was stored. */
export class ConstraintError extends Error {
  override readonly name = 'ConstraintError';
}
/** The engine cannot take the write now (disk full, locked, away); nothing was stored. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
}
/**
 * The state that the writes were decided on has moved: a commit before them in their run failed, or (several processes
 * on one database) another process changed it. Nothing was stored; catch up, and decide again.
 */
export class StateMovedError extends Error {
  override readonly name = 'StateMovedError';
}
