/** The SQLite store: reads on the calling thread over a connection of their own, writes through the storage thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { OpenStoreOptions } from './open.ts';
import { existsSync } from 'node:fs';
import { inspect, newestSchema } from './migrations.ts';
import { openConnection } from './sqlite-connection.ts';
import { openEngine } from './sqlite-engine.ts';
import { asStoreError } from './sqlite-errors.ts';
import { prepareFiles, requireDatabase, takeLock } from './sqlite-files.ts';
import { createDeliveryReads, type DeliveryReads } from './sqlite-delivery-reads.ts';
import { createLogReads, type LogReads } from './sqlite-log-reads.ts';
import { createPageReads, type PageReads } from './sqlite-page-reads.ts';
import { createPairingReads, type PairingReads } from './sqlite-pairing-reads.ts';
import { readHere, readThread, type ReadSide } from './sqlite-read-thread.ts';
import type { Forgotten } from './sqlite-search-index.ts';
import { createStateReads, type StateReads } from './sqlite-state-reads.ts';
import type { RelayKept, Reservation } from './relay-rows.ts';
import type { MemoryCall } from './sqlite-relay-memory.ts';
import { startStorageThread } from './sqlite-thread.ts';
import type { MessagePlace, UsageRow } from './delivery-rows.ts';
import { StorageError } from './errors.ts';
import type { PageRequest } from './log-rows.ts';
import type { SearchRequest } from './search-rows.ts';
import type { Store } from './store.ts';
import type { RowWrite, Writes } from './writes.ts';

/** Where a store's writes go: the storage thread, or the same engine on this thread. */
interface WriteSide {
  commit(writes: readonly Writes[], run?: number): Promise<number>;
  memory(call: MemoryCall): Promise<number>;
  ping(): Promise<void>;
  readonly reads: ReadSide;
  /** Closes the reads and the writes, in the order that leaves nothing behind. */
  close(): Promise<void>;
}

export async function openSqliteStore({ kind, path, networkId, log }: OpenStoreOptions): Promise<Store> {
  const warn = (message: string): void => log?.warn({}, message);
  if (kind === 'memory') {
    const engine = openEngine({ path: ':memory:', networkId, warn });
    const side: WriteSide = {
      commit: async (writes, run) => engine.commit(writes, run),
      memory: async (call) => engine.memory(call),
      ping: async () => engine.ping(),
      reads: readHere(engine.db),
      close: async () => {
        await side.reads.close();
        engine.close();
      },
    };
    return new SqliteStore(kind, networkId, engine.db, side, engine.head);
  }
  if (!path) throw new StorageError('storage.kind sqlite needs a file: set storage.sqlite.path.');
  const file = prepareFiles(path, warn);
  const lock = takeLock(file);
  try {
    requireDatabase(file);
    const thread = await startStorageThread({ path: file, networkId }, warn);
    try {
      const reader = openConnection({ path: file, readOnly: true });
      const side: WriteSide = {
        commit: (writes, run) => thread.commit(writes, run),
        memory: (call) => thread.memory(call),
        ping: () => thread.ping(),
        reads: readThread(file, warn),
        close: async () => {
          await side.reads.close();
          // The last connection to go removes the WAL; a reader could not.
          reader.close();
          await thread.close().finally(() => lock.release());
        },
      };
      return new SqliteStore('sqlite', networkId, reader, side, thread.openedAt);
    } catch (error) {
      await thread.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** As openStoreToRead says. */
export async function openSqliteToRead({ path, networkId }: OpenStoreOptions): Promise<Store> {
  if (!path || !existsSync(path))
    throw new StorageError(`${path ?? 'the database'} does not exist: there is no network to read yet.`);
  let version = 0;
  const reader = openConnection({
    path,
    readOnly: true,
    inspect: (db) => void ({ version } = inspect(db, path, networkId)),
  });
  try {
    if (version < newestSchema)
      throw new StorageError(
        `${path} has schema ${version}, and this program reads schema ${newestSchema}: start the server once, which updates it.`,
      );
    const refuse = async (): Promise<never> => {
      throw new StorageError('this store was opened to be read');
    };
    const head = Number(reader.prepare('SELECT max(seq) AS seq FROM events').get()?.['seq'] ?? 0);
    return new SqliteStore(
      'sqlite',
      networkId,
      reader,
      {
        commit: refuse,
        memory: refuse,
        ping: async () => {},
        reads: { search: refuse, prunable: refuse, forget: refuse, news: () => {}, close: async () => {} },
        close: async () => reader.close(),
      },
      head,
    );
  } catch (error) {
    reader.close();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly kind: 'sqlite' | 'memory';
  readonly networkId: string;
  readonly #side: WriteSide;
  readonly #pages: PageReads;
  readonly #log: LogReads;
  readonly #state: StateReads;
  readonly #deliveries: DeliveryReads;
  readonly #pairings: PairingReads;
  #head: number;
  #closing: Promise<void> | undefined;

  constructor(
    kind: 'sqlite' | 'memory',
    networkId: string,
    reader: DatabaseSync,
    side: WriteSide,
    head: number,
  ) {
    this.kind = kind;
    this.networkId = networkId;
    this.#side = side;
    this.#head = head;
    this.#pages = createPageReads(reader);
    this.#log = createLogReads(reader);
    this.#deliveries = createDeliveryReads(reader);
    this.#state = createStateReads(reader);
    this.#pairings = createPairingReads(reader);
  }

  get head(): number {
    return this.#head;
  }

  // One server has the file: there is nobody to follow.
  readonly position = 0;
  readonly behind = 0;
  readonly contended = false;
  follow(): void {}
  catchUp(): undefined {}

  async commit(writes: readonly Writes[], run?: number): Promise<number[][]> {
    if (this.#closing) throw closed();
    let seq = await this.#side.commit(writes, run);
    const seqs = writes.map(({ events }) =>
      events.map(({ id }) => {
        this.#log.committed(++seq, id);
        return seq;
      }),
    );
    // Answers come in the order of the commits, but this may be a batch without events.
    this.#head = Math.max(this.#head, seq);
    const gone = goneIn(writes);
    if (!gone) this.#side.reads.news();
    else {
      const forgotten = this.#side.reads.forget(gone);
      // Redacted means gone from the index too. What is pruned goes before the next search, and no writer waits for it.
      if (gone.message_ids.length > 0) await forgotten;
    }
    return seqs;
  }

  loadTopology = () => this.#read(() => this.#state.loadTopology());
  meta = (key: string) => this.#read(() => this.#state.meta(key));
  messages = (ids: readonly string[]) => this.#read(() => this.#pages.messages(ids));
  conversations = (keys: readonly ConversationKey[]) => this.#read(() => this.#pages.conversations(keys));
  messagePage = (conversation: ConversationKey, page: PageRequest) =>
    this.#read(() => this.#pages.messagePage(conversation, page));
  artifactPage = (of: Parameters<Store['artifactPage']>[0], page: PageRequest) =>
    this.#read(() => this.#pages.artifactPage(of, page));
  artifactExists = (of: Parameters<Store['artifactExists']>[0], id: string) =>
    this.#read(() => this.#pages.artifactExists(of, id));
  threadPage = (roomId: string, page: PageRequest) => this.#read(() => this.#pages.threadPage(roomId, page));
  dmPage = (participant: string | undefined, page: PageRequest) =>
    this.#read(() => this.#pages.dmPage(participant, page));

  eventSeq = (id: string) => this.#read(() => this.#log.eventSeq(id));
  eventBounds = () => this.#read(() => this.#log.eventBounds());
  events = (audience: Parameters<Store['events']>[0], after: number, limit: number) =>
    this.#read(() => this.#log.events(audience, after, limit, this.#head));
  conversationEvents = (conversation: ConversationKey, after: number, limit: number, upTo = this.#head) =>
    this.#read(() => this.#log.conversationEvents(conversation, after, limit, Math.min(upTo, this.#head)));
  roomConversationsAfter = (roomId: string, after: number, limit: number) =>
    this.#read(() => this.#log.roomConversationsAfter(roomId, after, limit));
  dmConversationsAfter = (participant: string, after: number, limit: number) =>
    this.#read(() => this.#log.dmConversationsAfter(participant, after, limit));
  mentionsAfter = (agentId: string, roomId: string | undefined, after: number, limit: number) =>
    this.#read(() => this.#log.mentionsAfter(agentId, roomId, after, limit));

  scopes = (agentId: string) => this.#read(() => this.#state.scopes(agentId));
  positions = (agentId: string) => this.#read(() => this.#state.positions(agentId));
  openWakes = (agentId: string) => this.#read(() => this.#state.openWakes(agentId));
  failedWakes = (agentId: string | undefined, limit: number) =>
    this.#read(() => this.#state.failedWakes(agentId, limit));
  endedWakes = (agentId: string, limit: number) => this.#read(() => this.#state.endedWakes(agentId, limit));
  bootstraps = (agentId: string) => this.#read(() => this.#state.bootstraps(agentId));

  deliveryFacts = (place: MessagePlace, agents: readonly string[]) =>
    this.#read(() => this.#deliveries.deliveryFacts(place, agents));
  wake = (wakeId: string) => this.#read(() => this.#deliveries.wake(wakeId));
  allOpenWakes = (limit: number) => this.#read(() => this.#deliveries.allOpenWakes(limit));
  bindings = () => this.#read(() => this.#deliveries.bindings());
  countMessages = (conversation: ConversationKey, after: number, upTo: number, most: number) =>
    this.#read(() => this.#deliveries.countMessages(conversation, after, upTo, most));
  answerAfter = (conversation: ConversationKey, seq: number, sender: string) =>
    this.#read(() => this.#deliveries.answerAfter(conversation, seq, sender));
  threadsOf = (sender: string, after: string, limit: number) =>
    this.#read(() => this.#deliveries.threadsOf(sender, after, limit));
  threadSpeakers = (conversation: ConversationKey, limit: number) =>
    this.#read(() => this.#deliveries.threadSpeakers(conversation, limit));
  usage = (since: string, after: UsageRow | undefined, limit: number) =>
    this.#read(() => this.#deliveries.usage(since, after, limit));

  relayState = (pairingId: string) => this.#read(() => this.#pairings.relayState(pairingId));
  relayRefusals = (pairingId: string, limit: number) =>
    this.#read(() => this.#pairings.relayRefusals(pairingId, limit));
  relayRefusal = (pairingId: string, seq: number) =>
    this.#read(() => this.#pairings.relayRefusal(pairingId, seq));
  relays = () => this.#read(() => this.#pairings.relays());
  refusalsAfter = (pairingId: string) => this.#read(() => this.#pairings.refusalsAfter(pairingId));
  relayTaken = (network: string, ids: readonly string[]) =>
    this.#read(() => this.#pairings.taken(network, ids));
  reserve = (of: Reservation) => this.#read(() => this.#side.memory({ kind: 'reserve', of }));
  forgetRelays = async (kept: RelayKept) =>
    void (await this.#read(() => this.#side.memory({ kind: 'forget', kept })));

  sessions = (now: string) => this.#read(() => this.#state.sessions(now));
  reads = (personId: string, limit: number) => this.#read(() => this.#state.reads(personId, limit));
  unread = (...args: Parameters<Store['unread']>) => this.#read(() => this.#state.unread(...args));

  prunable = (...args: Parameters<Store['prunable']>) => this.#read(() => this.#side.reads.prunable(...args));
  search = (request: SearchRequest) => this.#read(() => this.#side.reads.search(request));

  async ping(): Promise<void> {
    if (this.#closing) throw closed();
    await this.#side.ping();
    await this.meta('');
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#side.close());
  }

  async #read<T>(read: () => T | Promise<T>): Promise<T> {
    if (this.#closing) throw closed();
    try {
      return await read();
    } catch (error) {
      // A read that takes several turns may be overtaken by the close.
      throw this.#closing ? closed() : asStoreError(error);
    }
  }
}

/** Messages that these writes redact or prune; undefined for none. */
function goneIn(writes: readonly Writes[]): Forgotten | undefined {
  let gone: { message_ids: string[]; seqs: number[] } | undefined;
  const look = (row: RowWrite): void => {
    if (row.op === 'redact') (gone ??= { message_ids: [], seqs: [] }).message_ids.push(row.message_id);
    else if (row.op === 'prune') (gone ??= { message_ids: [], seqs: [] }).seqs.push(...row.seqs);
  };
  for (const { events, rows } of writes) {
    for (const row of rows) look(row);
    for (const event of events) for (const row of event.rows) look(row);
  }
  return gone;
}

const closed = (): StorageError => new StorageError('the store is closed');
