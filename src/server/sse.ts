/**
 * `GET /v1/events/stream` (wire.md 7): the log as server-sent events; all of it for observers, for others what they may
 * read. A slow reader reads on from the log by its position, like every other; what is not in the log carries no `id:`,
 * so that Last-Event-ID is always one.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LogEntry } from '../log/entry.ts';
import { LogReader, type ReaderSink } from '../log/reader.ts';
import type { Tail } from '../log/tail.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { gapEventId, isId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { isStatic } from '../network/access-facts.ts';
import { can } from '../network/access.ts';
import { anyone, type Identity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { Store } from '../store/store.ts';
import { streamAudience, type Audience } from './audience.ts';

/** Milliseconds between `: keep-alive` comments. */
const KEEP_ALIVE = 15_000;
/** Keep-alives that a full socket misses before it is given up. */
const BLOCKED = 4;
/** How much of all streams those may have together whom the configuration does not name. */
const GUESTS = 3 / 4;
const KEEP_ALIVE_TEXT = ': keep-alive\n\n';

export interface EventStreamsOptions {
  network: Pick<Network, 'settings' | 'topology'>;
  store: Store;
  tail: Tail;
  /** For tests. */
  keepAlive?: number;
}

/** The caller of one stream. */
export interface StreamCaller {
  /** What the limit per identity counts by: the credential's key, else `addr:<peer ip>`. */
  key: string;
  /** By whose rights it is filtered; mode none's `anyone` when left out. */
  identity?: Identity;
  /** Replays less (limits.sse_replay_anonymous). In mode none a loopback caller is not anonymous. */
  anonymous: boolean;
  /** Headers to add, e.g. X-Request-Id. */
  headers?: Record<string, string>;
}

export interface EventStreams {
  /**
   * Serves `GET /v1/events/stream` on the raw request and response. Throws MoltnetError `too_many_streams` or
   * `stopping` before a byte is written; once it has returned the response is its own (with fastify: hijack then).
   */
  serve(request: IncomingMessage, response: ServerResponse, caller: StreamCaller): void;
  /** Credentials or settings changed: ends the streams whose identity `refusal` refuses, or that are open to it no more. */
  revalidate(refusal: (identity: Identity) => MoltnetError | undefined): void;
  readonly active: number;
  /** Ends every stream and refuses new ones. Idempotent. */
  close(): void;
}

export function createEventStreams({
  network,
  store,
  tail,
  keepAlive = KEEP_ALIVE,
}: EventStreamsOptions): EventStreams {
  const streams = new Set<EventStream>();
  const byKey = new Map<string, number>();
  let guests = 0;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function admit(key: string, identity: Identity): void {
    if (closed) throw new MoltnetError('stopping');
    const { sse_streams, sse_streams_per_identity } = limits;
    // A quarter is kept for those whom the configuration names: others may be as many as they like.
    const full = isGuest(identity) && guests >= sse_streams.value * GUESTS;
    if (full || streams.size >= sse_streams.value)
      throw new MoltnetError('too_many_streams', `${streams.size} event streams are open: try again later`);
    if ((byKey.get(key) ?? 0) >= sse_streams_per_identity.value) {
      throw new MoltnetError(
        'too_many_streams',
        `${sse_streams_per_identity.value} event streams are open from here: close one of them`,
      );
    }
  }

  function count(key: string, by: 1 | -1): void {
    const open = (byKey.get(key) ?? 0) + by;
    if (open > 0) byKey.set(key, open);
    else byKey.delete(key);
  }

  // Before the readers have the event (tail.listen): what a change takes away is not sent any more.
  const unlisten = tail.listen(({ type, room_id }) => {
    if (room_id !== undefined && type.startsWith('room.') && type !== 'room.removed')
      for (const stream of streams) stream.refresh(room_id);
  });

  return {
    get active() {
      return streams.size;
    },
    serve(request, response, { key, identity = anyone, anonymous, headers }) {
      admit(key, identity);
      const stream = new EventStream({
        response,
        store,
        tail,
        networkId: network.settings.id,
        identity,
        audience: streamAudience(network, identity),
        gone: () => {
          if (!streams.delete(stream)) return;
          count(key, -1);
          if (isGuest(identity)) guests--;
          if (streams.size === 0) {
            clearInterval(timer);
            timer = undefined;
          }
        },
      });
      streams.add(stream);
      count(key, 1);
      if (isGuest(identity)) guests++;
      timer ??= setInterval(() => {
        for (const each of streams) each.keepAlive();
      }, keepAlive);
      stream.open(headers ?? {});
      const replay = anonymous ? limits.sse_replay_anonymous.value : limits.sse_replay.value;
      void stream.start(lastEventId(request), replay);
    },
    revalidate(refusal) {
      for (const stream of [...streams]) {
        const { identity } = stream;
        if (refusal(identity) || !can(network.settings, identity, 'stream').allowed) stream.end();
      }
    },
    close() {
      closed = true;
      unlisten();
      for (const stream of streams) stream.end();
    },
  };
}

/** Who has no credential, or one that agents get by registering. */
const isGuest = (identity: Identity): boolean => identity.mode !== 'none' && !isStatic(identity);

/** The header counts before the query; what is no id is ignored (wire.md 7). */
function lastEventId(request: IncomingMessage): string | undefined {
  const header = request.headers['last-event-id'];
  const query = new URL(request.url ?? '/', 'http://local').searchParams.get('last_event_id');
  const value = (typeof header === 'string' && header.trim() !== '' ? header : (query ?? '')).trim();
  return isId(value) ? value : undefined;
}

interface EventStreamOptions {
  response: ServerResponse;
  store: Store;
  tail: Tail;
  networkId: string;
  identity: Identity;
  audience: Audience | undefined;
  gone: () => void;
}

class EventStream implements ReaderSink {
  readonly #options: EventStreamOptions;
  readonly #reader: LogReader;
  #missedFacts = false;
  #blocked = 0;
  #ended = false;
  #corked = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    // Subscribed before the first byte: whoever has seen `: stream-open` misses nothing after it.
    this.#reader = new LogReader({
      tail: options.tail,
      sink: this,
      interest: options.audience?.interest ?? {
        rooms: 'all',
        observer: true,
        ...(options.identity.human && { person: options.identity.human.id }),
      },
      withholds: false,
    });
  }

  get identity(): Identity {
    return this.#options.identity;
  }

  /** A room or its members changed. */
  refresh(room_id: string): void {
    const changed = this.#options.audience?.refresh(room_id);
    if (changed) this.#reader.update(changed);
  }

  open(headers: Record<string, string>): void {
    const { response } = this.#options;
    response.on('close', () => this.end());
    // A peer that resets the connection is nothing to report; `close` follows.
    response.on('error', () => {});
    response.on('drain', () => this.#reader.resume());
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache',
      Connection: 'keep-alive',
      'X-Accel-Buffering': 'no',
      ...headers,
    });
    response.write(': stream-open\n\n');
  }

  /** Begins after an event id, if there is one and not more than `replay` events came since; else live, told of the gap. */
  async start(lastEventId: string | undefined, replay: number): Promise<void> {
    if (lastEventId === undefined) return this.#reader.start();
    try {
      const { store, tail } = this.#options;
      const head = tail.head;
      const seq = await store.eventSeq(lastEventId);
      if (this.#ended) return;
      if (seq !== undefined && head - seq <= replay) return this.#reader.start(seq);
      await this.#sendGap(lastEventId);
      if (!this.#ended) this.#reader.start();
    } catch (error) {
      this.fail(error);
    }
  }

  ready(): boolean {
    return this.#options.response.writableLength < limits.socket_buffer.value;
  }

  take(entry: LogEntry): void {
    if (this.#options.audience?.allows(entry.event) === false) return;
    if (!this.#corked && this.#options.tail.atEndOfBatch(this.#uncork)) {
      this.#corked = true;
      this.#options.response.cork();
    }
    this.#options.response.write(this.#chunk(entry));
  }

  announce(entry: LogEntry): void {
    if (this.#ended || this.#options.audience?.allows(entry.event) === false) return;
    // Presence that a slow observer could not be sent: it is told to look again, when it reads.
    if (this.#reader.live && this.ready()) this.#tellMissed();
    if (this.ready()) this.#options.response.write(this.#chunk(entry));
    else this.#missedFacts = true;
  }

  /** Storage could not be read: the client comes back with its Last-Event-ID. */
  fail(_error: unknown): void {
    this.end();
  }

  keepAlive(): void {
    if (this.ready()) {
      this.#blocked = 0;
      this.#tellMissed();
      this.#options.response.write(KEEP_ALIVE_TEXT);
    } else if (++this.#blocked >= BLOCKED) {
      // It has not read a byte of a full buffer for a minute; it may come back with its Last-Event-ID.
      this.#options.response.destroy();
    }
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.close();
    this.#options.response.end();
    this.#options.gone();
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#options.response.uncork();
  };

  #tellMissed(): void {
    if (!this.#missedFacts) return;
    this.#missedFacts = false;
    this.#options.response.write(this.#chunk(this.#gapEntry('volatile', {})));
  }

  async #sendGap(requested: string): Promise<void> {
    const { oldest, newest } = await this.#options.store.eventBounds();
    if (this.#ended) return;
    const gap = { requested_event_id: requested, oldest_event_id: oldest, newest_event_id: newest };
    this.#options.response.write(this.#chunk(this.#gapEntry(requested, gap)));
  }

  #gapEntry(requested: string, gap: object): LogEntry {
    const created_at = new Date(this.#options.tail.now()).toISOString();
    return new LogEntry({
      seq: 0,
      id: gapEventId(requested),
      type: 'stream.replay_gap',
      created_at,
      payload: JSON.stringify(gap),
      held: false,
    });
  }

  #chunk(entry: LogEntry): Buffer {
    const { id, type } = entry.event;
    return (entry.chunk ??= Buffer.from(
      `${entry.volatile ? '' : `id: ${id}\n`}event: ${type}\ndata: ${entry.json(this.#options.networkId)}\n\n`,
    ));
  }
}
