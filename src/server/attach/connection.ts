/**
 * One socket of the attach endpoint: its heartbeat, its writes, and its end. What the frames mean is its handler's
 * business. Nothing that a client sends throws out of here.
 */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Pace } from '../../log/pace.ts';
import type { Identity } from '../../network/identity.ts';
import type { EndReason } from '../presence.ts';
import { announcesDelivery, readIdentify, type Identification } from './identify.ts';
import { errorFrame, HELLO, parseFrame, PING, PONG, requireVersion, type ClientFrame } from './frames.ts';
import type { Ticking } from './heartbeat.ts';

/** Milliseconds. The product's are in limits; tests may shorten them. */
export interface AttachTimes {
  identify: number;
  silence: number;
  ping: number;
  /** How long a first attachment has to answer when a second one comes. */
  probe: number;
  /** How long one burst may wait in a socket that takes nothing. */
  blocked: number;
  /** How long a dropped peer has to read the last frame and close. */
  linger: number;
}

/** An attachment behind a connection. */
export interface FrameHandler {
  /** ACK and the frames of the delivery protocol. May throw MoltnetError: ERROR, then drop. */
  onFrame(frame: ClientFrame): void;
  /** Set while as much as may be is on its way to storage for this attachment; resolves when something of it is through. */
  readonly busy?: Promise<void> | undefined;
  /** The socket takes data again after `writable` was false. */
  onDrain(): void;
}
export type EndHandler = (reason: EndReason, error?: string) => void;

export interface ConnectionHost {
  readonly networkId: string;
  readonly times: AttachTimes;
  readonly pace: Pick<Pace, 'free' | 'turn'>;
  /** IDENTIFY is there and well-formed. */
  identify(connection: Connection, identification: Identification): void;
  /** The last call: the socket is gone. */
  gone(connection: Connection): void;
  fault(error: unknown): void;
}

/** Frames that may come before READY; a client waits for READY with the next one. */
const EARLY_FRAMES = 64;
/** Frames that belong together are copied into one piece up to so many bytes: dearer than that is only to copy more. */
const ONE_PIECE = 65_536;

/** What is written until the end of a burst. */
interface Burst {
  frames: Buffer[];
  bytes: number;
}

export class Connection implements Ticking {
  /** Who asked for the upgrade; after a claim that minted a token, who holds that. */
  identity: Identity;
  /** Set by IDENTIFY. */
  delivery = false;
  /** The key that the agent is bound to, once it is registered; undefined in mode none (claims.ts). */
  credential: string | undefined;
  readonly #host: ConnectionHost;
  readonly #ws: WebSocket;
  readonly #socket: Duplex;
  #handler: FrameHandler | undefined;
  #state: 'hello' | 'identifying' | 'attached' | 'ended' = 'hello';
  #deadline: number;
  #pingAt = Infinity;
  #blockedSince = 0;
  /** What frames that we answer wait for while the socket is full. */
  #room: PromiseWithResolvers<void> | undefined;
  /** Frames that wait: for READY, or for their turn. While it is there, no more is read, though more may be there. */
  #waiting: ClientFrame[] | undefined;
  #burst: Burst | undefined;
  #atEnd: EndHandler[] = [];
  #probe: { ask: () => void; heard: (alive: boolean) => void; answer: Promise<boolean> } | undefined;

  constructor(host: ConnectionHost, ws: WebSocket, socket: Duplex, identity: Identity) {
    this.#host = host;
    this.#ws = ws;
    this.#socket = socket;
    this.identity = identity;
    this.#deadline = performance.now() + host.times.identify;
    connections.set(ws, this);
    ws.on('message', onMessage);
    ws.on('close', onClose);
    ws.on('error', onError);
    this.write(HELLO);
  }

  get ended(): boolean {
    return this.#state === 'ended';
  }

  /** Runs when the connection ends, the last first; at once if it has ended. */
  atEnd(handler: EndHandler): void {
    if (this.#state === 'ended') handler('attachment_closed');
    else this.#atEnd.push(handler);
  }

  /** False once the socket holds more than limits.socket_buffer; the handler's onDrain tells when it is true again. */
  get writable(): boolean {
    return this.#socket.writableLength + (this.#burst?.bytes ?? 0) < limits.socket_buffer.value;
  }

  /** Writes one prepared frame. */
  write(frame: Buffer): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    if (this.#burst) {
      this.#burst.frames.push(frame);
      this.#burst.bytes += frame.length;
      return;
    }
    if (!this.#socket.write(frame) && this.#blockedSince === 0) {
      this.#blockedSince = performance.now();
      this.#socket.once('drain', () => {
        this.#blockedSince = 0;
        this.#roomAgain();
        if (this.#state === 'attached') this.#guarded(() => this.#handler!.onDrain());
      });
    }
  }

  /** Collects what is written until `uncork`, for one system call. */
  cork(): void {
    this.#burst ??= { frames: [], bytes: 0 };
  }
  uncork(): void {
    const { frames, bytes } = this.#burst ?? { frames: [], bytes: 0 };
    this.#burst = undefined;
    if (frames.length <= 1 || bytes > ONE_PIECE) for (const frame of frames) this.write(frame);
    else this.write(Buffer.concat(frames, bytes));
  }

  /** READY is about to be written: frames go to the handler from here on. */
  attach(handler: FrameHandler, ready: Buffer): void {
    this.#handler = handler;
    this.#state = 'attached';
    const now = performance.now();
    this.#deadline = now + this.#host.times.silence;
    this.#pingAt = now + this.#host.times.ping;
    this.write(ready);
  }

  /** Begins to read: first what came before READY. */
  begin(): void {
    this.#takeWaiting();
    this.#read();
  }

  /**
   * Whether the peer is there: PINGs it and waits for any frame. One whose frame waits here was heard, though its PONG
   * is not read now, unless it waits because our answers are not read: that one has to answer. One that is not read yet
   * is asked when it is.
   */
  probe(): Promise<boolean> {
    if (this.#state === 'ended') return Promise.resolve(false);
    const waiting = this.#room ? undefined : this.#waiting;
    if (this.#state === 'attached' && waiting && waiting.length > 0) return Promise.resolve(true);
    if (this.#probe) return this.#probe.answer;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let timer: NodeJS.Timeout | undefined;
    const heard = (alive: boolean): void => {
      clearTimeout(timer);
      this.#probe = undefined;
      resolve(alive);
    };
    const ask = (): void => {
      timer ??= setTimeout(() => heard(false), this.#host.times.probe);
      this.write(PING);
    };
    this.#probe = { ask, heard, answer: promise };
    if (!waiting) ask();
    return promise;
  }

  /** ERROR with the refusal's text, then the TCP connection ends without a close frame: the client sees 1006. */
  fail(error: unknown, reason: EndReason): void {
    if (this.#state === 'ended') return;
    const refusal = error instanceof MoltnetError ? error : new MoltnetError('internal_error');
    if (refusal !== error) this.#host.fault(error);
    this.write(errorFrame(refusal, this.delivery));
    this.end(reason, refusal.message);
  }

  /** Ends the attachment. The peer has a moment to read what was written. */
  end(reason: EndReason, error?: string): void {
    if (this.#state === 'ended') return;
    this.#over(reason, error);
    this.uncork();
    this.#ws.resume();
    this.#socket.end();
  }

  /** The server stops: close frame 1012, so that every client comes back (wire.md 0.1.5). */
  restart(): void {
    // What came before counts.
    this.#takeWaiting();
    if (this.#state === 'ended') return this.#ws.terminate();
    this.uncork();
    this.#ws.resume();
    this.#ws.close(1012, 'the server is stopping');
    this.#over('request_context_done');
  }

  /** Without a word, as for a peer that says nothing any more. */
  drop(reason: EndReason, error?: string): void {
    this.end(reason, error);
    this.#ws.terminate();
  }

  tick(now: number): void {
    if (now >= this.#deadline) {
      if (this.#state === 'ended') this.#ws.terminate();
      else if (!this.#waiting) this.drop('read_timeout', 'nothing was heard from the client');
      return;
    }
    if (this.#blockedSince !== 0 && now - this.#blockedSince > this.#host.times.blocked) {
      this.#takeWaiting();
      this.drop('event_write_failed', 'the client does not read');
      return;
    }
    if (now >= this.#pingAt && this.#state === 'attached') {
      this.#pingAt = now + this.#host.times.ping;
      if (this.writable) this.write(PING);
    }
  }

  postpone(milliseconds: number): void {
    this.#deadline += milliseconds;
  }

  message(data: Buffer, binary: boolean): void {
    if (this.#state === 'ended') return;
    this.#deadline = performance.now() + this.#host.times.silence;
    this.#probe?.heard(true);
    try {
      if (binary) throw new MoltnetError('bad_frame', 'a binary frame: send text frames');
      const frame = parseFrame(data);
      if (this.#state === 'attached' && this.#waits(frame)) return;
      this.#frame(frame);
    } catch (error) {
      // What came before counts: an ACK that waits is of work that was done.
      this.#takeWaiting();
      this.fail(error, 'client_error');
    }
  }

  closed(code: number): void {
    this.#takeWaiting();
    this.end(
      code === 1001 ? 'client_going_away' : code === 1006 ? 'read_error' : 'client_closed',
      `the connection closed with ${code}`,
    );
    this.#host.gone(this);
  }

  #frame(frame: ClientFrame): void {
    switch (this.#state) {
      case 'attached':
        return this.#attachedFrame(frame);
      case 'hello': {
        this.delivery = announcesDelivery(frame);
        const identification = readIdentify(frame, this.#host.networkId);
        this.#state = 'identifying';
        this.#waiting = [];
        // No more is read than what is here already, until READY.
        this.#ws.pause();
        return this.#host.identify(this, identification);
      }
      case 'identifying':
        if (this.#waiting!.push(frame) > EARLY_FRAMES)
          throw new MoltnetError('bad_frame', 'too many frames before READY: wait for it');
        return;
      default:
    }
  }

  /** Whether the frame waits, and with it what follows. */
  #waits(frame: ClientFrame): boolean {
    if (this.#waiting) return this.#waiting.push(frame) > 0;
    if (!this.#mustWait(frame) && (!takesTurn(frame) || this.#host.pace.free())) return false;
    this.#waiting = [frame];
    // No more is read meanwhile than what is here already.
    this.#ws.pause();
    void this.#takeTurns();
    return true;
  }

  async #takeTurns(): Promise<void> {
    while (this.#waiting && this.#waiting.length > 0) {
      for (let wait = this.#mustWait(this.#waiting[0]); wait; wait = this.#mustWait(this.#waiting?.[0]))
        await wait;
      await this.#host.pace.turn('frame');
      const frame = this.#waiting?.shift();
      if (frame) this.#guarded(() => this.#frame(frame));
    }
    this.#read();
  }

  /**
   * What makes us answer waits while the answers before it are not read, and what takes a turn while much is on its way to
   * storage: one client would fill the socket's memory, or the queue of all who write.
   */
  #mustWait(frame: ClientFrame | undefined): Promise<void> | undefined {
    if (!frame) return undefined;
    if (this.#blockedSince !== 0 && !this.writable && answered(frame))
      return (this.#room ??= Promise.withResolvers()).promise;
    return takesTurn(frame) ? this.#handler?.busy : undefined;
  }

  #roomAgain(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  /** Of an attachment: all at once, in their order. */
  #takeWaiting(): void {
    if (this.#state !== 'attached') return;
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const frame of waiting) this.#guarded(() => this.#frame(frame));
  }

  /** Goes on to read. That nothing was heard meanwhile was our doing. */
  #read(): void {
    if (this.#state !== 'attached') return;
    this.#waiting = undefined;
    this.#deadline = performance.now() + this.#host.times.silence;
    this.#ws.resume();
    this.#probe?.ask();
  }

  #attachedFrame(frame: ClientFrame): void {
    switch (frame.op) {
      case 'ACK':
        requireVersion(frame, true);
        return this.#handler!.onFrame(frame);
      case 'PONG':
        return requireVersion(frame, true);
      case 'PING':
        requireVersion(frame, false);
        return this.write(PONG);
      case 'ERROR':
        requireVersion(frame, false);
        return this.end(
          'client_error',
          typeof frame['error'] === 'string' ? frame['error'].slice(0, 2_000) : undefined,
        );
      default:
        requireVersion(frame, false);
        return this.#handler!.onFrame(frame);
    }
  }

  #over(reason: EndReason, error?: string): void {
    this.#state = 'ended';
    this.#waiting = undefined;
    this.#roomAgain();
    this.#handler = undefined;
    this.#deadline = performance.now() + this.#host.times.linger;
    this.#probe?.heard(false);
    const handlers = this.#atEnd;
    this.#atEnd = [];
    for (const handler of handlers.toReversed()) this.#guarded(() => handler(reason, error));
  }

  #guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (this.#state === 'ended') this.#host.fault(error);
      else this.fail(error, 'client_error');
    }
  }
}

/** Whether the frame asks storage, or is told to observers, at once; an ACK alone is written down with others. */
const takesTurn = ({ op, wake_id }: ClientFrame): boolean =>
  op === 'WAKE' || op === 'BOOTSTRAP' || op === 'STATUS' || (op === 'ACK' && wake_id !== undefined);

const answered = ({ op }: ClientFrame): boolean => op === 'PING' || op === 'WAKE' || op === 'BOOTSTRAP';

/** By socket, so that thousands of sockets share three listeners. */
const connections = new WeakMap<WebSocket, Connection>();

function onMessage(this: WebSocket, data: unknown, binary: boolean): void {
  connections.get(this)!.message(data as Buffer, binary);
}
function onClose(this: WebSocket, code: number): void {
  connections.get(this)!.closed(code);
}
/** `close` follows with the code. */
function onError(): void {}
