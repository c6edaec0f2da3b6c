/**
 * A strict client of the attachment wire, written from wire.md 0.1: every rule that an existing client relies on is an
 * assertion, and a server that breaks one fails the test with the rule's number.
 */
import { once } from 'node:events';
import { WebSocket } from 'ws';

const VERSION = 'moltnet.attach.v1';
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const MiB = 1_048_576;

export interface StrictEvent {
  id: string;
  type: string;
  cursor: string;
  message?: {
    id: string;
    from: { type: string; id: string };
    target: { kind: string; room_id?: string };
    parts: { text?: string }[];
  };
}

export interface StrictClientOptions {
  url: string;
  network: string;
  agent: string;
  cursor?: string;
  /** Whether EVENTs are acknowledged as they come. */
  ack?: boolean;
  /** Called with each EVENT, after its ACK. */
  onEvent?: (event: StrictEvent) => void;
}

export class StrictClient {
  /** The rules that were broken: a test expects none. */
  readonly broken: string[] = [];
  readonly events: StrictEvent[] = [];
  pings = 0;
  longestSilenceMs = 0;
  cursor: string;
  closeCode: number | undefined;
  readonly #socket: WebSocket;
  readonly #options: StrictClientOptions;
  #state: 'hello' | 'ready' | 'live' | 'closed' = 'hello';
  #lastFrameAt = performance.now();
  #waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(options: StrictClientOptions) {
    this.#options = options;
    this.cursor = options.cursor ?? '';
    const { protocol, host, pathname } = new URL(options.url);
    // 0.1.2: http becomes ws, the path keeps its base, no Origin, no subprotocol, no compression offer.
    this.#socket = new WebSocket(
      `${protocol === 'https:' ? 'wss' : 'ws'}://${host}${pathname.replace(/\/$/, '')}/v1/attach`,
      {
        perMessageDeflate: false,
        maxPayload: MiB,
        headers: { 'User-Agent': 'Go-http-client/1.1' },
      },
    );
    this.#socket.on('upgrade', (response) => {
      if (response.headers['sec-websocket-extensions'] !== undefined)
        this.broken.push('0.1.2 an extension was negotiated that nobody offered');
      if (response.headers['sec-websocket-protocol'] !== undefined)
        this.broken.push('0.1.2 a subprotocol was selected that nobody offered');
    });
    this.#socket.on('message', (data: Buffer, binary) => this.#frame(data, binary));
    this.#socket.on('error', (error) => {
      if (/payload size/i.test(error.message)) this.broken.push('0.1.7 a frame over 1 MiB');
    });
    this.#socket.on('close', (code) => {
      this.closeCode = code;
      this.#state = 'closed';
      // 0.1.5: these two end an existing node's attachment for good.
      if (code === 1000 || code === 1001) this.broken.push(`0.1.5 closed with ${code}`);
      this.#notify();
    });
  }

  /** Resolves when `done` holds; the test's own timeout is the bound. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ done, resolve }));
  }
  ready(): Promise<void> {
    return this.until(() => this.#state === 'live' || this.#state === 'closed');
  }
  get state(): string {
    return this.#state;
  }
  send(frame: Record<string, unknown>): void {
    this.#socket.send(`${JSON.stringify({ version: VERSION, ...frame })}\n`);
  }
  acknowledge(cursor: string): void {
    this.send({ op: 'ACK', capabilities: {}, cursor });
    this.cursor = cursor;
  }
  /** Drops the TCP connection, as a client that dies does. */
  async drop(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }

  #notify(): void {
    this.#waiters = this.#waiters.filter(({ done, resolve }) => (done() ? (resolve(), false) : true));
  }

  #frame(data: Buffer, binary: boolean): void {
    const now = performance.now();
    this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.#lastFrameAt);
    this.#lastFrameAt = now;
    if (binary) return void this.broken.push('0.1.3 a binary frame');
    if (data.length > MiB) this.broken.push('0.1.7 a frame over 1 MiB');
    let frame: Record<string, unknown>;
    try {
      frame = JSON.parse(data.toString()) as Record<string, unknown>;
    } catch {
      return void this.broken.push('0.1.3 a frame that is not one JSON object');
    }
    const op = String(frame.op);
    if (frame.version !== VERSION && op !== 'ACK' && op !== 'PONG')
      this.broken.push(`0.1.3 ${op} without version`);
    if (typeof frame.capabilities !== 'object' || frame.capabilities === null)
      this.broken.push(`1.1 ${op} without capabilities`);
    if (/:\s*-?\d+\.0+[,}\]]/.test(data.toString()))
      this.broken.push(`0.1.12 ${op} writes an integer with a fraction`);
    if (this.#state === 'hello') {
      if (op !== 'HELLO') return void this.broken.push(`0.1.1 ${op} before HELLO`);
      if (!Number.isInteger(frame.heartbeat_interval_ms))
        this.broken.push('0.1.6 HELLO without heartbeat_interval_ms');
      this.#state = 'ready';
      this.send({
        op: 'IDENTIFY',
        network_id: this.#options.network,
        agent: { type: 'agent', id: this.#options.agent, name: this.#options.agent },
        capabilities: { rooms: true, threads: true, dms: true, artifacts: true },
        ...(this.cursor === '' ? {} : { cursor: this.cursor }),
      });
      return;
    }
    if (this.#state === 'ready') {
      if (op === 'ERROR') return this.#notify();
      if (op !== 'READY') return void this.broken.push(`0.1.4 ${op} instead of READY`);
      if (frame.network_id !== this.#options.network) this.broken.push('0.1.3 READY with another network_id');
      for (const key of ['agent_id', 'actor_uid', 'actor_uri'])
        if (typeof frame[key] !== 'string') this.broken.push(`6.2 READY without ${key}`);
      if ('agent_token' in frame) this.broken.push('0.1.9 READY with a token that nobody claimed');
      this.#state = 'live';
      return this.#notify();
    }
    if (op === 'PING') {
      this.pings++;
      this.send({ op: 'PONG', capabilities: {} });
    } else if (op === 'EVENT') {
      this.#event(frame);
    } else if (op !== 'ERROR') {
      this.broken.push(`0.1.4 ${op} after READY`);
    }
    this.#notify();
  }

  #event(frame: Record<string, unknown>): void {
    const event = frame.event as Record<string, unknown> | undefined;
    if (typeof frame.cursor !== 'string' || frame.cursor === '')
      return void this.broken.push('0.1.10 EVENT without cursor');
    if (typeof event !== 'object' || event === null)
      return void this.broken.push('0.1.10 EVENT without event');
    if (frame.network_id !== this.#options.network) this.broken.push('6.4 EVENT without network_id');
    if (!RFC3339.test(String(event.created_at)))
      this.broken.push(`0.1.12 not a timestamp: ${String(event.created_at)}`);
    const payloads = [
      'agent',
      'message',
      'room',
      'thread',
      'dm',
      'pairing',
      'replay_gap',
      'guard',
      'redaction',
    ].filter((key) => key in event);
    if (payloads.length !== 1) this.broken.push(`1.2 an event with ${payloads.length} payloads`);
    const message = event.message as StrictEvent['message'] & { origin?: unknown; created_at?: string };
    if (event.type === 'message.created') {
      if (message?.origin === undefined) this.broken.push('1.1 a message without origin');
      if (!RFC3339.test(String(message?.created_at))) this.broken.push('0.1.12 a message without timestamp');
    }
    const taken: StrictEvent = {
      id: String(event.id),
      type: String(event.type),
      cursor: frame.cursor,
      ...(message ? { message } : {}),
    };
    this.events.push(taken);
    if (this.#options.ack !== false) this.acknowledge(frame.cursor);
    this.#options.onEvent?.(taken);
  }
}
