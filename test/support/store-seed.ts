/** Fills a database with many messages, fast, for tests and benches: through the same engine and rows as commits. */
import { newEventId, fqid, messageEventId } from '../../src/protocol/ids.ts';
import type { ConversationRow } from '../../src/store/log-rows.ts';
import type { EventWrite, RowWrite, Writes } from '../../src/store/writes.ts';
import { openEngine, type Engine } from '../../src/store/sqlite-engine.ts';
import { prepareFiles, takeLock } from '../../src/store/sqlite-files.ts';

export interface Seed {
  networkId: string;
  /** Ids. A room that is not there yet is made: public, all registered agents write. */
  rooms: readonly string[];
  /** In all, shared out over the rooms in turn. */
  messages: number;
  /** Of each message; the default is an ordinary sentence of a hundred characters. */
  text?: string | ((index: number) => string);
  /** Who says it: a person `seed`, or an agent of this id. */
  sender?: (index: number) => string;
  /** Unix milliseconds of the first event; each next one is a millisecond later. */
  from?: number;
}

const TEXT =
  'The build of the parser is green again; the flaky test was the clock. Next I look at the memory of the index.';
const PER_TRANSACTION = 20_000;

/**
 * Adds rooms and messages to the database of a server that does not run; makes the database if there is none. Not
 * durable until it resolves: a crash meanwhile may damage the file.
 */
export async function seedMessages(path: string, seed: Seed): Promise<void> {
  const file = prepareFiles(path, () => {});
  const lock = takeLock(file);
  try {
    const engine = openEngine({
      path: file,
      networkId: seed.networkId,
      warn: (message) => console.warn(message),
    });
    try {
      // No WAL meanwhile: everything would be written twice.
      engine.db.exec(
        'PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -400000',
      );
      fill(engine, seed);
      engine.db.exec('PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL');
    } finally {
      engine.close();
    }
  } finally {
    lock.release();
  }
}

function fill(
  engine: Engine,
  { networkId, rooms, messages, text = TEXT, sender, from = Date.UTC(2026, 0, 1) }: Seed,
): void {
  let clock = from;
  const at = (): string => new Date(clock++).toISOString();
  const missing: EventWrite[] = [];
  for (const id of rooms) {
    if (!engine.db.prepare('SELECT 1 FROM rooms WHERE id = ? AND removed_at IS NULL').get(id))
      missing.push(roomCreated(networkId, id, at()));
  }
  engine.commit([{ events: missing, rows: [] }]);

  // Ids as random as real ones, for that is what the indexes feel, and others at the next call.
  const run = newEventId().slice(-12);
  for (let done = 0; done < messages;) {
    const writes: Writes[] = [];
    for (; writes.length < PER_TRANSACTION && done < messages; done++) {
      const room = rooms[done % rooms.length]!;
      writes.push({
        events: [
          messageCreated(
            networkId,
            room,
            `msg_${messageEventId(`${run}-${done}`).slice(4)}`,
            typeof text === 'string' ? text : text(done),
            at(),
            sender?.(done),
          ),
        ],
        rows: [],
      });
    }
    engine.commit(writes);
  }
}

function roomCreated(networkId: string, id: string, at: string): EventWrite {
  const row = { id, name: id, visibility: 'public', write_policy: 'registered_agents', created_at: at };
  return {
    id: newEventId(),
    type: 'room.created',
    created_at: at,
    payload: JSON.stringify({ ...row, network_id: networkId, fqid: fqid(networkId, 'rooms', id) }),
    room_id: id,
    held: false,
    rows: [{ op: 'room', row: { ...row, guard: '{}', removed_at: null, credential_hash: null } }],
  };
}

/** A message in a room, with the rows that sending it would have written. */
function messageCreated(
  networkId: string,
  room: string,
  id: string,
  text: string,
  at: string,
  agent: string | undefined,
): EventWrite {
  const sender = fqid(networkId, 'agents', agent ?? 'seed');
  const message = {
    id,
    network_id: networkId,
    origin: { network_id: networkId, message_id: id },
    target: { kind: 'room', room_id: room },
    from: {
      type: agent === undefined ? 'human' : 'agent',
      id: agent ?? 'seed',
      network_id: networkId,
      fqid: sender,
    },
    parts: [{ kind: 'text', text }],
    created_at: at,
  };
  const conversation = `room:${room}` as const;
  const row: Omit<ConversationRow, 'first_seq' | 'last_seq' | 'participants' | 'message_count'> = {
    key: conversation,
    kind: 'room',
    id: room,
    room_id: room,
    parent_message_id: null,
    last_message_at: at,
    guard_turns: 0,
    guard_speaker: null,
    held_at: null,
    held_seq: null,
    held_messages: 0,
    guard_window: '',
    held_by: null,
  };
  const rows: RowWrite[] = [
    {
      op: 'message',
      id,
      origin_network: networkId,
      origin_id: id,
      content_hash: null,
      conversation,
      room_id: room,
      sender,
    },
    { op: 'conversation', row, messages: 1 },
  ];
  return {
    id: messageEventId(id),
    type: 'message.created',
    created_at: at,
    payload: JSON.stringify(message),
    conversation,
    room_id: room,
    held: false,
    rows,
  };
}
