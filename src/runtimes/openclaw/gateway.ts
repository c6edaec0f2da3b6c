/**
 * One connection to an OpenClaw gateway, protocol 4: challenge, connect, hello-ok, then requests and events. Nothing
 * here knows of turns. Tried with 2026.9.6.
 */
import { WebSocket } from 'ws';
import { objectOf, parseObject, textOf } from '../json.ts';
import type { Device } from './device.ts';

/** `client.id` and `mode` are closed lists of the gateway's. */
const CLIENT = { id: 'gateway-client', mode: 'backend', platform: process.platform } as const;
const ROLE = 'operator';
const SCOPES: readonly string[] = ['operator.read', 'operator.write'];
const PROTOCOL = 4;
/** Milliseconds for the whole handshake, and for an answer. */
const HANDSHAKE_MS = 15_000;
const ANSWER_MS = 30_000;
/** Milliseconds without a frame after which the connection counts as dead; the gateway pings every 25 s. */
const SILENCE_MS = 90_000;
/** Bytes of one frame; the gateway's own bound is 25 MiB. */
const MAX_FRAME = 32 * 1024 * 1024;

export interface GatewayOptions {
  url: string;
  /** `auth.token`: the shared secret, or the token that the gateway gave this device. */
  token: string | undefined;
  device: Device;
  /** For its list of who is connected. */
  name: string;
  signal: AbortSignal;
}

export interface GatewayHello {
  version: string | undefined;
  /** What the gateway gives the device to connect with from now on. */
  device_token: string | undefined;
}

export interface GatewayEvent {
  event: string;
  payload: Record<string, unknown>;
}

interface Answer {
  ok?: boolean;
  payload?: unknown;
  error?: { code?: string; message?: string; details?: unknown; retryable?: boolean; retryAfterMs?: number };
}

/** The gateway said no. */
export class GatewayRefusal extends Error {
  readonly code: string;
  /** `details.code` and `details.reason`. */
  readonly detail: string;
  readonly reason: string;
  readonly retryable: boolean;
  readonly retry_after_ms: number | undefined;
  readonly request_id: string | undefined;
  readonly payload: Record<string, unknown>;

  constructor({ error, payload }: Answer) {
    super(error?.message ?? 'the gateway refused without a reason');
    this.name = 'GatewayRefusal';
    const details = objectOf(error?.details);
    this.code = error?.code ?? '';
    this.detail = textOf(details['code']);
    this.reason = textOf(details['reason']);
    this.request_id = textOf(details['requestId']) || undefined;
    this.retryable = error?.retryable === true;
    this.retry_after_ms = error?.retryAfterMs;
    this.payload = objectOf(payload);
  }
}

/** There is no connection, or there is none any more. What was asked may have been done. */
export class GatewayLost extends Error {
  /** Nothing listens there. */
  readonly refused: boolean;
  constructor(message: string, refused = false) {
    super(message);
    this.name = 'GatewayLost';
    this.refused = refused;
  }
}

interface Waiting {
  answer(answer: Answer): void;
  lost(error: GatewayLost): void;
}

export class Gateway {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, Waiting>();
  readonly #listeners = new Set<(event: GatewayEvent) => void>();
  readonly #gone = Promise.withResolvers<void>();
  #alive = true;
  #next = 1;
  #silence: NodeJS.Timeout | undefined;
  hello: GatewayHello = { version: undefined, device_token: undefined };

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Rejects with a GatewayRefusal, a GatewayLost, or what the signal fell with. */
  static connect(options: GatewayOptions): Promise<Gateway> {
    return new Promise((resolve, reject) => {
      options.signal.throwIfAborted();
      // No Origin header: the gateway takes it for a browser's page.
      const socket = new WebSocket(options.url, {
        perMessageDeflate: false,
        maxPayload: MAX_FRAME,
        handshakeTimeout: HANDSHAKE_MS,
      });
      const gateway = new Gateway(socket);
      const give = (error: Error): void => {
        reject(error);
        gateway.#end(error.message);
      };
      const abort = (): void => give(new GatewayLost('the connection was given up'));
      const timer = setTimeout(
        () => give(new GatewayLost(`${options.url} does not answer as an OpenClaw gateway`)),
        HANDSHAKE_MS,
      );
      const settled = (): void => {
        clearTimeout(timer);
        options.signal.removeEventListener('abort', abort);
      };
      options.signal.addEventListener('abort', abort, { once: true });
      socket.on('error', (error: NodeJS.ErrnoException) =>
        give(lostBy(options.url, error, error.code === 'ECONNREFUSED')),
      );
      socket.on('close', (code) => {
        settled();
        give(new GatewayLost(`the gateway closed the connection (${code})`));
      });
      socket.on('ping', () => gateway.#heard());
      socket.on('message', (data: Buffer) => {
        gateway.#heard();
        gateway.#frame(data);
      });
      const stop = gateway.listen(({ event, payload }) => {
        if (event !== 'connect.challenge') return;
        stop();
        const greet = async (): Promise<void> => {
          const params = connectParams(options, payload);
          gateway.hello = helloOf(await gateway.request('connect', params, { signal: options.signal }));
          settled();
          resolve(gateway);
        };
        greet().catch(give);
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Told of every event until the returned function is called. */
  listen(listener: (event: GatewayEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves with the payload. Rejects with a GatewayRefusal, or a GatewayLost when no answer came. */
  request(
    method: string,
    params: Record<string, unknown>,
    { signal, ms = ANSWER_MS }: { signal?: AbortSignal | undefined; ms?: number } = {},
  ): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const id = this.#send(method, params, {
        answer: (answer) => {
          done();
          if (answer.ok === true) resolve(objectOf(answer.payload));
          else reject(new GatewayRefusal(answer));
        },
        lost: (error) => {
          done();
          reject(error);
        },
      });
      const give = (): void => this.#waiting.get(id)?.lost(new GatewayLost(`no answer to ${method}`));
      const timer = setTimeout(give, ms);
      signal?.addEventListener('abort', give, { once: true });
      const done = (): void => {
        this.#waiting.delete(id);
        clearTimeout(timer);
        signal?.removeEventListener('abort', give);
      };
    });
  }

  /**
   * A request that is answered twice: that it was taken, and how it ended. Each promise rejects as `request` does;
   * `ended` has no time limit of its own, and is to be awaited or left with `forget`.
   */
  begin(
    method: string,
    params: Record<string, unknown>,
  ): { taken: Promise<Record<string, unknown>>; ended: Promise<Answer>; forget: () => void } {
    const taken = Promise.withResolvers<Record<string, unknown>>();
    const ended = Promise.withResolvers<Answer>();
    ended.promise.catch(() => {});
    let first = true;
    const id = this.#send(method, params, {
      answer: (answer) => {
        clearTimeout(timer);
        if (!first) {
          this.#waiting.delete(id);
          return ended.resolve(answer);
        }
        first = false;
        if (answer.ok === true) return taken.resolve(objectOf(answer.payload));
        this.#waiting.delete(id);
        taken.reject(new GatewayRefusal(answer));
      },
      lost: (error) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        taken.reject(error);
        ended.reject(error);
      },
    });
    const timer = setTimeout(
      () => this.#waiting.get(id)?.lost(new GatewayLost(`no answer to ${method}`)),
      ANSWER_MS,
    );
    return { taken: taken.promise, ended: ended.promise, forget: () => void this.#waiting.delete(id) };
  }

  close(): Promise<void> {
    this.#end('closed here');
    return this.#gone.promise;
  }

  #send(method: string, params: Record<string, unknown>, waiting: Waiting): string {
    const id = String(this.#next++);
    this.#waiting.set(id, waiting);
    if (this.#alive && this.#socket.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify({ type: 'req', id, method, params }));
    else queueMicrotask(() => waiting.lost(new GatewayLost('the connection to the gateway is gone')));
    return id;
  }

  #heard(): void {
    clearTimeout(this.#silence);
    if (!this.#alive) return;
    this.#silence = setTimeout(() => this.#end('the gateway has fallen silent'), SILENCE_MS).unref();
  }

  #frame(data: Buffer): void {
    const frame = objectOf(parseObject(data.toString('utf8')));
    if (frame['type'] === 'res') return this.#waiting.get(textOf(frame['id']))?.answer(frame as Answer);
    if (frame['type'] !== 'event') return;
    const event = { event: textOf(frame['event']), payload: objectOf(frame['payload']) };
    for (const listener of this.#listeners) listener(event);
  }

  #end(reason: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    clearTimeout(this.#silence);
    if (this.#socket.readyState === WebSocket.CLOSED) this.#gone.resolve();
    else {
      this.#socket.once('close', () => this.#gone.resolve());
      if (this.#socket.readyState === WebSocket.OPEN) this.#socket.close(1000);
      // A peer that does not answer the close is not waited for.
      setTimeout(() => this.#socket.terminate(), 500).unref();
      if (this.#socket.readyState === WebSocket.CONNECTING) this.#socket.terminate();
    }
    for (const waiting of this.#waiting.values()) waiting.lost(new GatewayLost(reason));
    this.#listeners.clear();
  }
}

function connectParams(
  { device, token, name }: GatewayOptions,
  challenge: Record<string, unknown>,
): Record<string, unknown> {
  const ts = challenge['ts'];
  return {
    minProtocol: PROTOCOL,
    maxProtocol: PROTOCOL,
    client: { ...CLIENT, version: '1', displayName: name },
    role: ROLE,
    scopes: SCOPES,
    caps: [],
    ...(token === undefined ? {} : { auth: { token } }),
    device: device.sign({
      client_id: CLIENT.id,
      client_mode: CLIENT.mode,
      role: ROLE,
      scopes: SCOPES,
      token: token ?? '',
      nonce: textOf(challenge['nonce']),
      signed_at: typeof ts === 'number' ? ts : Date.now(),
      platform: CLIENT.platform,
      device_family: '',
    }),
    locale: 'en-US',
    userAgent: 'moltnet-node',
  };
}

function helloOf(hello: Record<string, unknown>): GatewayHello {
  return {
    version: textOf(objectOf(hello['server'])['version']) || undefined,
    device_token: textOf(objectOf(hello['auth'])['deviceToken']) || undefined,
  };
}

function lostBy(url: string, error: Error, refused: boolean): GatewayLost {
  return new GatewayLost(
    refused
      ? `nothing listens at ${url}; start OpenClaw's gateway (openclaw gateway run), or correct runtime.gateway_url`
      : `${url} cannot be reached: ${error.message}`,
    refused,
  );
}
