/**
 * A batch as the commit function takes it: its events as one array for each column, and JSON texts of the other rows, in
 * which rows of one kind stand together and of each key only the last row. Numbers of events (`i`, from 1; 0 for what
 * comes before the first) stand for seqs, which nobody knows before the commit has its turn.
 */
import { EVENT_COLUMNS } from './postgres-commit-sql.ts';
import type { PairRow } from './log-rows.ts';
import type { EventWrite, RowWrite, Writes } from './writes.ts';

export interface PackedBatch {
  /** Events in it. */
  count: number;
  /** In the order of EVENT_COLUMNS. */
  columns: (Buffer | null)[];
  /** Something is said in a thread; in a DM. */
  inThreads: boolean;
  inDms: boolean;
  conversations: string | null;
  pairs: string | null;
  groups: string | null;
  /** What the other servers fold: ChangedRow[]. */
  changed: string;
  /** Something that decisions go by, beside conversations and pairs. */
  moves: boolean;
  /** The batch is of decisions: refuse it when what they saw has changed. */
  decides: boolean;
}

/** One row of `changes.rows`: a row and the number of its event. */
export interface ChangedRow {
  i: number;
  /** Of a conversation: the event that began it, if it is new; the one that began its hold, if it is a new one; and whether a stored hold stays instead. */
  first?: number;
  held_first?: number;
  keep_hold?: boolean;
  row: RowWrite;
}

type MessageRow = Extract<RowWrite, { op: 'message' }>;
type Conversation = Extract<RowWrite, { op: 'conversation' }>['row'];

/** A conversation of the batch: as ConversationRows in sqlite-conversation-rows.ts, with numbers in the place of seqs. */
interface PackedConversation extends Conversation {
  messages: number;
  first: number;
  touched: number;
  /** Number of the event at which its hold began; null when held_seq says it. */
  held_first: number | null;
  /** A hold that is stored already keeps its seq. */
  keep_hold: boolean;
}

/** Milliseconds after its last turn for which a pair's row is kept, and between two looks for those that are over. */
const PAIR_KEPT = 3_600_000;

/** Of which rows only the last of a key is written, by that key. A group of the others is written as it is. */
const KEYED: { readonly [op in RowWrite['op']]?: (row: never) => string } = {
  room: (row: { id: string }) => row.id,
  agent: (row: { id: string }) => row.id,
  meta: (row: { key: string }) => row.key,
  pause: (row: { scope: string }) => row.scope,
  invite: (row: { agent_id: string }) => row.agent_id,
  session: (row: { id_hash: string }) => row.id_hash,
  scope: (row: { agent_id: string; scope: string }) => `${row.agent_id}\n${row.scope}`,
  position: (row: { agent_id: string; conversation: string }) => `${row.agent_id}\n${row.conversation}`,
  'wake.open': (row: { wake_id: string }) => row.wake_id,
  'wake.close': (row: { wake_id: string }) => row.wake_id,
  bindings: (row: { agent_id: string }) => row.agent_id,
  pairing: (row: { id: string }) => row.id,
  redact: (row: { message_id: string }) => row.message_id,
};
/** Of these, two of one key cannot be in one statement, and both count: each goes alone. */
const ALONE: ReadonlySet<string> = new Set([
  'usage',
  'skip',
  'read',
  'wake.retry',
  'room.remove',
  'agent.remove',
]);

/** What no decision of another server goes by. */
const DELIVERY: ReadonlySet<RowWrite['op']> = new Set([
  'fence',
  'scope',
  'position',
  'positions.clear',
  'wake.open',
  'wake.close',
  'wake.retry',
  'wake.drop',
  'skip',
  'handed',
  'bindings',
  'usage',
  'deliveries.prune',
  'prune',
  'bootstrap',
  'session',
  'session.remove',
  'read',
  'read.remove',
  'relay.begin',
  'relay.settled',
  'relay.position',
  'relay.refusal',
]);
/** What no other server holds in memory. */
const UNSHARED: ReadonlySet<RowWrite['op']> = new Set([
  'fence',
  'message',
  'mention',
  'artifact',
  'participant',
  'redact',
  'scope',
  'position',
  'positions.clear',
  'skip',
  'handed',
  'deliveries.prune',
  'bootstrap',
  'read',
  'read.remove',
  'relay.begin',
  'relay.settled',
  'relay.position',
  'relay.refusal',
]);
/** State of its own, with its own versions, or nothing that a decision reads. */
const STILL: ReadonlySet<RowWrite['op']> = new Set([
  'message',
  'mention',
  'artifact',
  'conversation',
  'pair',
  'redact',
  ...DELIVERY,
]);

interface Group {
  op: string;
  rows: object[];
}

export function createPacker(): (writes: readonly Writes[]) => PackedBatch {
  let looked = 0;

  return (writes) => {
    const columns: (string | null)[][] = EVENT_COLUMNS.map(() => []);
    let inThreads = false;
    const conversations = new Map<string, PackedConversation>();
    const pairs = new Map<string, PairRow>();
    const fences = new Map<string, object>();
    const groups: Group[] = [];
    const keys = new Map<string, number>();
    const changed: ChangedRow[] = [];
    let moves = false;
    let decides = false;
    let newestPair = 0;
    let i = 0;

    const add = (op: string, row: object): void => {
      let group = groups.at(-1);
      if (group?.op !== op || ALONE.has(op)) {
        groups.push((group = { op, rows: [] }));
        keys.clear();
      }
      const key = KEYED[op as RowWrite['op']]?.(row as never);
      const before = key === undefined ? undefined : keys.get(key);
      // A room that is made and changed in one batch was made at the first of its rows.
      if (before !== undefined && op === 'room')
        group.rows[before] = { ...row, i: (group.rows[before] as { i: number }).i };
      else if (before !== undefined) group.rows[before] = row;
      else {
        if (key !== undefined) keys.set(key, group.rows.length);
        group.rows.push(row);
      }
    };

    const put = (row: RowWrite, event: EventWrite | undefined): void => {
      if (!DELIVERY.has(row.op)) decides = true;
      if (!STILL.has(row.op)) moves = true;
      switch (row.op) {
        case 'message':
          throw new Error(event ? 'an event has one message' : 'a message row belongs to an event');
        case 'conversation':
          putConversation(conversations, row.row, i, row.messages);
          return;
        case 'fence':
          fences.set(`${row.holder} ${row.name}`, row);
          return;
        case 'pair':
          pairs.set(row.row.pair, row.row);
          newestPair = Math.max(newestPair, row.row.at);
          break;
        case 'mention':
        case 'artifact':
          if (!event) throw new Error(`a ${row.op} row belongs to an event`);
          add(row.op, {
            ...row,
            i,
            ...(row.op === 'mention' && { room_id: event.room_id ?? null }),
          });
          return;
        case 'positions.clear':
          if (row.scope !== 'dms' && !row.scope.startsWith('room:'))
            throw new Error(`positions.clear: a scope is room:ID or dms, not ${JSON.stringify(row.scope)}`);
          add(row.op, row);
          break;
        default:
          add(row.op, 'row' in row ? { ...row.row, i } : { ...row, i });
      }
      if (!UNSHARED.has(row.op)) changed.push({ i, row });
    };

    for (const { events: own, rows } of writes) {
      for (const event of own) {
        i++;
        decides = true;
        let message: MessageRow | undefined;
        for (const row of event.rows) {
          if (row.op === 'message' && !message) message = row;
          else put(row, event);
        }
        if (message?.conversation.startsWith('thread:')) inThreads = true;
        addEvent(columns, event, message);
      }
      for (const row of rows) put(row, undefined);
    }
    if (newestPair - looked >= PAIR_KEPT) {
      looked = newestPair;
      add('pairs.forget', { before: newestPair - PAIR_KEPT });
    }
    if (fences.size > 0) groups.unshift({ op: 'fence', rows: [...fences.values()] });
    for (const packed of conversations.values()) changed.push(changedConversation(packed));
    return {
      count: i,
      columns: columns.map(textArray),
      inThreads,
      inDms: [...conversations.values()].some(({ kind, touched }) => kind === 'dm' && touched > 0),
      conversations: jsonOf([...conversations.values()]),
      pairs: jsonOf([...pairs.values()]),
      groups: jsonOf(groups),
      changed: JSON.stringify(changed),
      moves,
      decides,
    };
  };
}

/** To the columns in the order of EVENT_COLUMNS. */
function addEvent(to: (string | null)[][], event: EventWrite, message: MessageRow | undefined): void {
  const { id, type, created_at, conversation, room_id, dm_id, participants, agent_id, held, payload } = event;
  let at = 0;
  const put = (value: string | null | undefined): void => void to[at++]!.push(value ?? null);
  put(id);
  put(type);
  put(created_at);
  put(conversation);
  put(room_id);
  put(dm_id);
  put(participants && JSON.stringify(participants));
  put(agent_id);
  put(held ? '' : null);
  put(payload);
  put(message?.id);
  put(message?.origin_network);
  put(message?.origin_id);
  put(message?.content_hash);
  put(message?.sender);
}

/** OID of TEXT, which no Postgres changes. */
const TEXT = 25;
const ARRAY_HEADER = 20;

/** A TEXT[] as Postgres takes it in binary: nothing is quoted and nothing is parsed. Null when it holds nothing. */
function textArray(values: readonly (string | null)[]): Buffer | null {
  let bytes = ARRAY_HEADER;
  let some = false;
  for (const value of values) {
    if (value !== null) some = true;
    bytes += 4 + (value === null ? 0 : Buffer.byteLength(value));
  }
  if (!some) return null;
  const array = Buffer.allocUnsafe(bytes);
  // One dimension, with nulls, of TEXT, this long, from 1.
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(TEXT, 8);
  array.writeInt32BE(values.length, 12);
  array.writeInt32BE(1, 16);
  let at = ARRAY_HEADER;
  for (const value of values) {
    const length = value === null ? -1 : array.write(value, at + 4);
    array.writeInt32BE(length, at);
    at += 4 + Math.max(length, 0);
  }
  return array;
}

const jsonOf = (rows: readonly object[]): string | null => (rows.length === 0 ? null : JSON.stringify(rows));

function putConversation(
  into: Map<string, PackedConversation>,
  row: Conversation,
  i: number,
  messages: number,
): void {
  const before = into.get(row.key);
  const next: PackedConversation = {
    ...row,
    messages: (before?.messages ?? 0) + messages,
    first: before?.first ?? i,
    touched: messages > 0 ? i : (before?.touched ?? 0),
    held_first: null,
    keep_hold: false,
  };
  if (row.held_seq === HELD) {
    // A hold that stands, of an earlier row of this batch or stored, keeps its seq.
    next.held_first = before ? before.held_first : i;
    next.held_seq = before ? before.held_seq : null;
    next.keep_hold = before ? before.keep_hold : true;
    if (before && before.held_first === null && before.held_seq === null) next.held_first = i;
  }
  into.set(row.key, next);
}

/** In held_seq: held, since the event of the row or since when it is stored. */
const HELD = -1;

/** As a row that can be folded, with the numbers of the events that it goes by. */
function changedConversation({
  messages,
  first,
  touched,
  held_first,
  keep_hold,
  ...row
}: PackedConversation): ChangedRow {
  return {
    i: touched || first,
    first,
    ...(held_first !== null && { held_first, keep_hold }),
    row: { op: 'conversation', row, messages },
  };
}
