/**
 * One link: a WebSocket through which two paired servers ask each other what they would ask over HTTP, so that only one
 * of them needs to be reachable. Either end asks and answers. What may be asked is what a pairing needs, no more; the
 * asking end is held to its pair token as over HTTP.
 */
import type { WebSocket } from 'ws';
import { ConnectionError } from '../client/errors.ts';
import type { Answer, Transport } from '../client/http-request.ts';

/** Bytes of a frame: a body or a page of 1 MiB, escaped once more. */
export const LINK_FRAME = 3 * 1_048_576;
/** Questions that wait for their answer, each way. */
const OUTSTANDING = 64;
/** Bytes of answers that the other side has not taken. */
const UNREAD = 8 * 1_048_576;
/** Questions of the other side that are worked on at once. */
const SERVING = 32;
const HEARTBEAT = 5_000;
/** For one question. */
const TIMEOUT = 10_000;
/** Answers to what was not asked, or not any more. */
const UNASKED = 64;

type Frame =
  | { t: 'hello'; token: string }
  | { t: 'req'; id: number; method: string; path: string; body?: string }
  | { t: 'res'; id: number; status: number; text: string; type: string; retry_after?: number };

export interface LinkOptions {
  socket: WebSocket;
  /** What we send to the other side, which knows us by it. */
  token: string;
  /** Whether this is what the other side sends to us. */
  knows(token: string): boolean;
  /** Asks this very server, as the holder of the token. */
  serve(token: string): Transport;
  onOpen(): void;
  onClose(): void;
}

const MAY_ASK = [
  /^GET \/v1\/network$/,
  /^GET \/v1\/rooms(\?[\w=&%.:-]*)?$/,
  /^GET \/v1\/agents(\?[\w=&%.:-]*)?$/,
  /^GET \/v1\/rooms\/[\w%.:-]+\/messages(\?[\w=&%.:-]*)?$/,
  /^POST \/v1\/messages$/,
  /^POST \/v1\/relay$/,
];

export class Link {
  readonly #options: LinkOptions;
  readonly #asked = new Map<number, (answer: Answer | ConnectionError) => void>();
  #served: Transport | undefined;
  #serving = 0;
  #last = 0;
  #unasked = 0;
  #alive = true;
  #closed = false;
  readonly #heart: NodeJS.Timeout;

  constructor(options: LinkOptions) {
    const { socket, token } = options;
    this.#options = options;
    socket.on('message', (data, binary) => {
      this.#alive = true;
      const text = binary ? '' : (data as Buffer).toString('utf8');
      this.#receive(text);
    });
    socket.on('pong', () => (this.#alive = true));
    socket.on('ping', () => (this.#alive = true));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => this.#ended());
    this.#heart = setInterval(() => this.#beat(), HEARTBEAT);
    this.#heart.unref();
    this.#send({ t: 'hello', token });
  }

  /** Both ends know each other. */
  get open(): boolean {
    return this.#served !== undefined && !this.#closed;
  }

  readonly transport: Transport = {
    exchange: (method, path, body) => this.#ask(method, path, body),
    close: () => {},
  };

  close(): void {
    this.#options.socket.close(1012);
    this.#options.socket.terminate();
    this.#ended();
  }

  #ask(method: string, path: string, body: string | undefined): Promise<Answer> {
    if (!this.open) return Promise.reject(broken(false));
    if (this.#asked.size >= OUTSTANDING)
      return Promise.reject(
        new ConnectionError('timeout', 'too much waits for an answer over the link', { maybe_done: false }),
      );
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          settle(
            new ConnectionError('timeout', `no answer over the link within ${TIMEOUT / 1_000} seconds`, {
              maybe_done: true,
            }),
          ),
        TIMEOUT,
      );
      const settle = (answer: Answer | ConnectionError): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        if (answer instanceof ConnectionError) reject(answer);
        else resolve(answer);
      };
      this.#asked.set(id, settle);
      this.#send({ t: 'req', id, method, path, ...(body !== undefined && { body }) });
    });
  }

  #receive(text: string): void {
    const frame = parseFrame(text);
    if (!frame || this.#closed) return this.#options.socket.terminate();
    switch (frame.t) {
      case 'hello':
        // Once: nobody becomes another on the way.
        if (this.#served || !this.#options.knows(frame.token)) return this.#options.socket.terminate();
        this.#served = this.#options.serve(frame.token);
        return this.#options.onOpen();
      case 'req':
        return void this.#answer(frame);
      case 'res': {
        const { id, status, text: body, type, retry_after } = frame;
        const settle = this.#asked.get(id);
        if (settle) settle({ status, text: body, content_type: type, location: undefined, retry_after });
        else if (++this.#unasked > UNASKED) this.#options.socket.terminate();
      }
    }
  }

  async #answer({ id, method, path, body }: Extract<Frame, { t: 'req' }>): Promise<void> {
    const refuse = (status: number, code: string, error: string): void =>
      this.#send({ t: 'res', id, status, type: 'application/json', text: JSON.stringify({ code, error }) });
    const { socket } = this.#options;
    // Who asks and takes no answers is not there: they would gather here.
    if (!this.#served || socket.bufferedAmount > UNREAD) return socket.terminate();
    if (!MAY_ASK.some((known) => known.test(`${method} ${path}`)))
      return refuse(403, 'forbidden', 'this is not asked over a link');
    if (this.#serving >= SERVING) return refuse(503, 'overloaded', 'too many questions over the link');
    this.#serving++;
    try {
      const answer = await this.#served.exchange(method, path, body);
      const { status, text, content_type, retry_after } = answer;
      this.#send({
        t: 'res',
        id,
        status,
        text,
        type: content_type,
        ...(retry_after !== undefined && { retry_after }),
      });
    } catch {
      refuse(503, 'service_unavailable', 'the server does not answer now');
    } finally {
      this.#serving--;
    }
  }

  #send(frame: Frame): void {
    const { socket } = this.#options;
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
  }

  #beat(): void {
    const { socket } = this.#options;
    if (!this.#alive) return socket.terminate();
    this.#alive = false;
    if (socket.readyState === socket.OPEN) socket.ping();
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#heart);
    for (const settle of this.#asked.values()) settle(broken(true));
    this.#served?.close();
    this.#options.onClose();
  }
}

const broken = (maybe_done: boolean): ConnectionError =>
  new ConnectionError('broken', 'the link to the paired network is closed', { maybe_done });

function parseFrame(text: string): Frame | undefined {
  let frame: Record<string, unknown>;
  try {
    frame = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (typeof frame !== 'object' || frame === null) return undefined;
  const is = (kind: string, ...keys: string[]): boolean => keys.every((key) => typeof frame[key] === kind);
  const optional = (kind: string, key: string): boolean => frame[key] === undefined || is(kind, key);
  const whole =
    (frame['t'] === 'hello' && is('string', 'token')) ||
    (frame['t'] === 'req' &&
      is('number', 'id') &&
      is('string', 'method', 'path') &&
      optional('string', 'body')) ||
    (frame['t'] === 'res' &&
      is('number', 'id', 'status') &&
      is('string', 'text', 'type') &&
      optional('number', 'retry_after'));
  return whole ? (frame as unknown as Frame) : undefined;
}
