/** A WebSocket client of the attach endpoint that does only what it is told, but for answering PING. */
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Bindings } from '../../src/protocol/wake.ts';

const VERSION = 'moltnet.attach.v1';

export interface Frame {
  op: string;
  cursor?: string;
  event?: {
    id: string;
    type: string;
    created_at: string;
    message?: { id: string; target: { kind: string }; parts: { text?: string }[] };
  } & Record<string, unknown>;
  error?: string;
  code?: string;
  permanent?: boolean;
  wake_id?: string;
  conversation?: string;
  attempt?: number;
  rooms?: string[];
  [key: string]: unknown;
}

export interface AttachClientOptions {
  url: string;
  agent?: string;
  cursor?: string;
  network?: string;
  bindings?: Bindings;
  /** Acknowledge every EVENT as it comes. */
  ack?: boolean;
  /** Answer PING; true unless said otherwise. */
  pong?: boolean;
  headers?: Record<string, string>;
  /** Called with each EVENT. */
  onEvent?: (frame: Frame, client: AttachClient) => void;
}

export class AttachClient {
  readonly socket: WebSocket;
  /** As text, as they came. */
  readonly raw: string[] = [];
  readonly frames: Frame[] = [];
  closeCode: number | undefined;
  closeReason = '';
  /** The last event id that was acknowledged. */
  cursor = '';
  readonly #options: AttachClientOptions;
  #waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(options: AttachClientOptions) {
    this.#options = options;
    this.socket = new WebSocket(options.url, { perMessageDeflate: false, headers: options.headers });
    this.socket.on('message', (data: Buffer) => this.#frame(data.toString()));
    this.socket.on('error', () => {});
    this.socket.on('close', (code, reason) => {
      this.closeCode = code;
      this.closeReason = reason.toString();
      this.#notify();
    });
    onTestFinished(() => this.socket.terminate());
  }

  /** Connects, identifies and waits for READY (or the end of the connection). */
  static async attach(options: AttachClientOptions): Promise<AttachClient> {
    const client = new AttachClient(options);
    await client.until(() => client.has('HELLO') || client.closed);
    client.identify();
    await client.until(() => client.has('READY') || client.closed);
    return client;
  }

  identify(more: object = {}): void {
    const { agent = 'alpha', network = 'local', cursor, bindings } = this.#options;
    this.send({
      op: 'IDENTIFY',
      network_id: network,
      agent: { type: 'agent', id: agent, name: agent.toUpperCase() },
      capabilities: { rooms: true, threads: true, dms: true, ...(bindings && { delivery: 1 }) },
      ...(cursor !== undefined && { cursor }),
      ...(bindings && { bindings }),
      ...more,
    });
  }

  send(frame: object): void {
    this.sendRaw(JSON.stringify({ version: VERSION, ...frame }));
  }
  sendRaw(data: string | Buffer): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
  }
  ack(cursor: string, more: object = {}): void {
    this.cursor = cursor;
    this.send({ op: 'ACK', capabilities: {}, cursor, ...more });
  }

  get closed(): boolean {
    return this.closeCode !== undefined;
  }
  has(op: string): boolean {
    return this.frames.some((frame) => frame.op === op);
  }
  of(op: string): Frame[] {
    return this.frames.filter((frame) => frame.op === op);
  }
  get events(): Frame[] {
    return this.of('EVENT');
  }
  /** Ids of the messages that came, in order. */
  get messages(): string[] {
    return this.events.flatMap((frame) =>
      frame.event!.type === 'message.created' ? [frame.event!.message!.id] : [],
    );
  }
  get error(): string | undefined {
    return this.of('ERROR')[0]?.error;
  }

  /** Resolves when it holds; the test's own timeout is the bound. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ done, resolve }));
  }
  /** Resolves when the connection is gone. */
  gone(): Promise<void> {
    return this.until(() => this.closed);
  }
  /** Everything that was sent before this is in `frames` when it resolves: a PING of ours comes back behind it. */
  async settle(): Promise<void> {
    const before = this.of('PONG').length;
    this.send({ op: 'PING', capabilities: {} });
    await this.until(() => this.of('PONG').length > before || this.closed);
  }
  /** Breaks the TCP connection. */
  async drop(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.terminate();
    await once(this.socket, 'close');
  }

  #frame(text: string): void {
    this.raw.push(text);
    const frame = JSON.parse(text) as Frame;
    this.frames.push(frame);
    if (frame.op === 'PING' && this.#options.pong !== false) this.send({ op: 'PONG', capabilities: {} });
    if (frame.op === 'EVENT') {
      if (this.#options.ack) this.ack(frame.cursor!);
      this.#options.onEvent?.(frame, this);
    }
    this.#notify();
  }

  #notify(): void {
    this.#waiters = this.#waiters.filter(({ done, resolve }) => (done() ? (resolve(), false) : true));
  }
}
