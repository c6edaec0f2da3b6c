/** The Postgres store: reads over a pool, commits one after the other over one connection, and what others commit. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { OpenStoreOptions } from './open.ts';
import { postgresTarget } from './postgres-dsn.ts';
import { asStoreError, isAway } from './postgres-errors.ts';
import { Commits } from './postgres-commits.ts';
import { Feed } from './postgres-feed.ts';
import { createLogReads } from './postgres-log-reads.ts';
import { migratePostgres } from './postgres-migrations.ts';
import { createPageReads } from './postgres-page-reads.ts';
import { PostgresPeers } from './postgres-peers.ts';
import { drop, Sessions, type Statement } from './postgres-sessions.ts';
import { prunable } from './postgres-prunable.ts';
import { createRelayMemory } from './postgres-relay-memory.ts';
import { createSearch } from './postgres-search.ts';
import { createStateReads } from './postgres-state-reads.ts';
import type { MessagePlace, UsageRow } from './delivery-rows.ts';
import { StorageError } from './errors.ts';
import type { PageRequest } from './log-rows.ts';
import type { ForeignBatch } from './peers.ts';
import type { RelayKept, Reservation } from './relay-rows.ts';
import type { SearchRequest } from './search-rows.ts';
import type { Store } from './store.ts';
import type { Writes } from './writes.ts';

/** Milliseconds: opening and migrating; a ping; between two tries at the start. */
const OPEN = 60_000;
const PING = 2_500;
const START_AGAIN = 1_000;
/** Between two looks for old rows of \`changes\`, and how many one statement removes. */
const FORGET = 60_000;
const FORGOTTEN = 5_000;

const FORGET_SQL: Statement = {
  name: 'moltnet_forget',
  text: `WITH gone AS (DELETE FROM changes WHERE stamp IN (SELECT stamp FROM changes ORDER BY stamp LIMIT ${FORGOTTEN})
    AND at < clock_timestamp() - interval '10 minutes' RETURNING 1) SELECT count(*) AS gone FROM gone`,
};

export async function openPostgresStore({
  dsn,
  networkId,
  log,
  signal,
  patience,
}: OpenStoreOptions): Promise<Store> {
  if (!dsn)
    throw new StorageError(
      'storage.kind postgres needs an address: set storage.postgres.dsn or MOLTNET_POSTGRES_DSN.',
    );
  const target = described(() => postgresTarget(dsn));
  const sessions = new Sessions(target, patience);
  const warn = (message: string): void => log?.warn({}, message);
  try {
    for (let tries = 0; ; tries++) {
      try {
        const client = await sessions.connect(OPEN);
        try {
          await migratePostgres(client, target.shown, networkId);
          const { rows } = await client.query<{ stamp: number; seq: number; place: string }>(
            'SELECT stamp, seq, current_database() || current_schema() AS place FROM log_head',
          );
          const { stamp, seq, place } = rows[0]!;
          const channel = `moltnet_${createHash('sha256').update(place).digest('hex').slice(0, 24)}`;
          if (tries > 0) warn(`the database ${target.shown} answers`);
          return new PostgresStore(networkId, sessions, target.shown, channel, { stamp, head: seq }, warn);
        } finally {
          drop(client);
        }
      } catch (error) {
        const known = asStoreError(error, target.shown);
        if (error instanceof StorageError || !(known instanceof StorageError) || !isAway(error)) throw known;
        if (tries % 15 === 0) warn(`${known.message}; waiting for it`);
        await delay(START_AGAIN, undefined, { ...(signal && { signal }) }).catch(() => {
          throw new StorageError(`${known.message}; it was not waited for any longer`);
        });
      }
    }
  } catch (error) {
    await sessions.close().catch(() => {});
    throw error;
  }
}

function described<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof StorageError ? new StorageError(`storage.postgres.dsn ${error.message}`) : error;
  }
}

class PostgresStore implements Store {
  readonly kind = 'postgres';
  readonly networkId: string;
  readonly #sessions: Sessions;
  readonly #shown: string;
  readonly #feed: Feed;
  readonly peers: PostgresPeers;
  readonly #commits: Commits;
  readonly #pages: ReturnType<typeof createPageReads>;
  readonly #log: ReturnType<typeof createLogReads>;
  readonly #state: ReturnType<typeof createStateReads>;
  readonly #relays: ReturnType<typeof createRelayMemory>;
  readonly #search: ReturnType<typeof createSearch>;
  readonly #forget: NodeJS.Timeout;
  #closing: Promise<void> | undefined;

  constructor(
    networkId: string,
    sessions: Sessions,
    shown: string,
    channel: string,
    at: { stamp: number; head: number },
    warn: (message: string) => void,
  ) {
    this.networkId = networkId;
    this.#sessions = sessions;
    this.#shown = shown;
    this.#feed = new Feed({
      sessions,
      channel,
      ...at,
      warn,
      fault: (error) => void failed(error),
    });
    this.peers = new PostgresPeers(sessions, channel);
    this.#commits = new Commits({
      sessions,
      feed: this.#feed,
      shown,
      channel,
      isAlone: () => this.peers.alive && this.peers.others === 0,
    });
    this.#pages = createPageReads(sessions);
    this.#log = createLogReads(sessions);
    this.#state = createStateReads(sessions);
    this.#relays = createRelayMemory(sessions);
    this.#search = createSearch(sessions, () => this.head);
    this.#forget = setInterval(() => void this.#forgetChanges().catch(() => {}), FORGET).unref();
  }

  get head(): number {
    return this.#feed.head;
  }
  get position(): number {
    return this.#feed.position;
  }
  get behind(): number {
    return this.#feed.behind;
  }
  get contended(): boolean {
    return this.#commits.contended;
  }
  follow(follower: (batch: ForeignBatch) => void): void {
    this.#feed.follow(follower);
    // What an import, or a server that ended, has left.
    this.#search.news();
  }
  catchUp = () => this.#read(() => this.#feed.catchUp());

  async commit(writes: readonly Writes[], run?: number, decidedAt?: number): Promise<number[][]> {
    if (this.#closing) throw closed();
    let seq = await this.#commits.commit(writes, run, decidedAt);
    this.#search.news();
    return writes.map(({ events }) => events.map(() => ++seq));
  }

  loadTopology = () => this.#read(() => this.#state.loadTopology());
  meta = (key: string) => this.#read(() => this.#state.meta(key));
  sessions = (now: string) => this.#read(() => this.#state.sessions(now));
  reads = (personId: string, limit: number) => this.#read(() => this.#state.reads(personId, limit));
  unread = (...args: Parameters<Store['unread']>) => this.#read(() => this.#state.unread(...args));
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
    this.#read(() => this.#log.events(audience, after, limit, this.head));
  conversationEvents = (conversation: ConversationKey, after: number, limit: number, upTo = this.head) =>
    this.#read(() => this.#log.conversationEvents(conversation, after, limit, Math.min(upTo, this.head)));
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
    this.#read(() => this.#state.deliveryFacts(place, agents));
  wake = (wakeId: string) => this.#read(() => this.#state.wake(wakeId));
  allOpenWakes = (limit: number) => this.#read(() => this.#state.allOpenWakes(limit));
  bindings = () => this.#read(() => this.#state.bindings());
  answerAfter = (conversation: ConversationKey, seq: number, sender: string) =>
    this.#read(() => this.#state.answerAfter(conversation, seq, sender));
  countMessages = (conversation: ConversationKey, after: number, upTo: number, most: number) =>
    this.#read(() => this.#state.countMessages(conversation, after, upTo, most));
  prunable = (...args: Parameters<Store['prunable']>) => this.#read(() => prunable(this.#sessions, ...args));
  search = (request: SearchRequest) => this.#read(() => this.#search.search(request));
  threadsOf = (sender: string, after: string, limit: number) =>
    this.#read(() => this.#state.threadsOf(sender, after, limit));
  threadSpeakers = (conversation: ConversationKey, limit: number) =>
    this.#read(() => this.#state.threadSpeakers(conversation, limit));
  usage = (since: string, after: UsageRow | undefined, limit: number) =>
    this.#read(() => this.#state.usage(since, after, limit));

  relayState = (pairingId: string) => this.#read(() => this.#state.relayState(pairingId));
  relayRefusals = (pairingId: string, limit: number) =>
    this.#read(() => this.#state.relayRefusals(pairingId, limit));
  relayRefusal = (pairingId: string, seq: number) =>
    this.#read(() => this.#state.relayRefusal(pairingId, seq));
  relays = () => this.#read(() => this.#relays.relays());
  refusalsAfter = (pairingId: string) => this.#read(() => this.#relays.refusalsAfter(pairingId));
  relayTaken = (network: string, ids: readonly string[]) =>
    this.#read(() => this.#relays.taken(network, ids));
  reserve = (of: Reservation) => this.#read(() => this.#relays.reserve(of));
  forgetRelays = (kept: RelayKept) => this.#read(() => this.#relays.forgetRelays(kept));

  async ping(): Promise<void> {
    const waited = new AbortController();
    const late = delay(PING * this.#sessions.patience, undefined, { signal: waited.signal }).then(
      () => Promise.reject(new StorageError(`the database ${this.#shown} does not answer`)),
      () => undefined,
    );
    await Promise.race([this.meta(''), late]).finally(() => waited.abort());
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** A busy minute has more commits than one statement removes. */
  async #forgetChanges(): Promise<void> {
    for (let gone = FORGOTTEN; gone === FORGOTTEN && !this.#closing;)
      gone = (await this.#sessions.read(FORGET_SQL))[0]!['gone'] as number;
  }

  async #close(): Promise<void> {
    clearInterval(this.#forget);
    await this.#commits.close();
    await this.peers.close();
    await this.#feed.close();
    await this.#search.close();
    await this.#sessions.close();
  }

  async #read<T>(read: () => Promise<T>): Promise<T> {
    if (this.#closing) throw closed();
    try {
      return await read();
    } catch (error) {
      throw this.#closing ? closed() : asStoreError(error, this.#shown);
    }
  }
}

/** Out as an unhandled rejection: the next process begins from the database. */
async function failed(error: unknown): Promise<never> {
  throw error;
}

const closed = (): StorageError => new StorageError('the store is closed');
