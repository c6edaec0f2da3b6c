/**
 * One connection of the attach protocol, seen from the agent's side (wire.md 6, 12.2): HELLO → IDENTIFY → READY, then
 * frames as typed calls. PING is answered as it is read, whatever the consumer does. It does not reconnect: `ended`
 * is called once, and who holds it decides.
 */
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { Actor } from '../protocol/actors.ts';
import { limits } from '../protocol/limits.ts';
import { ATTACH_PROTOCOL } from '../protocol/network.ts';
import type { Bindings } from '../protocol/wake.ts';
import type {
  AttachmentEnd,
  AttachmentHandlers,
  AttachmentOptions,
  AttachmentSocket,
  AttachmentStatus,
  AttachmentTimes,
  PresentedWake,
  WakeAck,
} from './attachment.ts';
import { parseServerFrame, ProtocolError, type ServerFrame } from './attachment-frames.ts';
import { readUpgradeRefusal } from './upgrade-refusal.ts';

const TIMES: AttachmentTimes = {
  dial: 45_000,
  hello: 10_000,
  silence: 10_000,
  blocked: 10_000,
  linger: 1_000,
  tick: 500,
};

export function openAttachment(options: AttachmentOptions, handlers: AttachmentHandlers): AttachmentSocket {
  return new Attachment(options, handlers);
}

class Attachment implements AttachmentSocket {
  readonly #options: AttachmentOptions;
  readonly #handlers: AttachmentHandlers;
  readonly #times: AttachmentTimes;
  readonly #ws: WebSocket;
  readonly #timer: NodeJS.Timeout;
  readonly #gone = Promise.withResolvers<void>();
  #state: 'dialing' | 'hello' | 'identified' | 'live' | 'ended' = 'dialing';
  #delivery = false;
  #status = false;
  #deadline: number;
  #silence: number;
  #lastTick = performance.now();
  #blockedSince = 0;
  /** The server's ERROR, which says more than the hang-up after it. */
  #error: { text: string; code?: string; permanent: boolean } | undefined;

  constructor(options: AttachmentOptions, handlers: AttachmentHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#times = { ...TIMES, ...options.times };
    this.#silence = this.#times.silence;
    this.#deadline = performance.now() + this.#times.dial;
    this.#ws = new WebSocket(attachUrl(options.baseUrl), {
      perMessageDeflate: false,
      maxPayload: limits.frame.value,
      followRedirects: false,
      ...(options.token === undefined ? {} : { headers: { authorization: `Bearer ${options.token}` } }),
    });
    this.#ws.on('open', () => {
      this.#state = 'hello';
      this.#deadline = performance.now() + this.#times.hello;
    });
    this.#ws.on('message', (data, binary) => this.#message(data as Buffer, binary));
    this.#ws.on('unexpected-response', (_request, response) => {
      void this.#refused(response);
    });
    this.#ws.on('error', (error) => this.#failed(error));
    this.#ws.on('close', (code) => {
      this.#end({ reason: closeReason(code), close_code: code });
      clearInterval(this.#timer);
      this.#gone.resolve();
    });
    this.#timer = setInterval(() => this.#tick(), this.#times.tick);
  }

  get live(): boolean {
    return this.#state === 'live';
  }

  ack(cursor: string, wake?: WakeAck): void {
    this.#write({ op: 'ACK', cursor, ...wake });
  }
  wake(wake: PresentedWake): void {
    this.#write({ op: 'WAKE', ...wake });
  }
  bootstrapped(rooms: readonly string[]): void {
    this.#write({ op: 'BOOTSTRAP', rooms: [...rooms], done: true });
  }
  bootstrap(rooms: readonly string[]): void {
    this.#write({ op: 'BOOTSTRAP', rooms });
  }
  status(status: AttachmentStatus): void {
    if (this.#status) this.#write({ op: 'STATUS', ...status });
  }

  close(reason = 'closed here'): Promise<void> {
    this.#end({ reason });
    if (this.#ws.readyState === WebSocket.CONNECTING) this.#ws.terminate();
    else if (this.#ws.readyState === WebSocket.OPEN) this.#ws.close(1000);
    return this.#gone.promise;
  }

  async #refused(response: IncomingMessage): Promise<void> {
    this.#end(await readUpgradeRefusal(response, this.#options.baseUrl));
    this.#ws.terminate();
  }

  /** Keys in the order of the wire; an empty `capabilities` stands on every frame. */
  #write(frame: { op: string; [key: string]: unknown }): void {
    if (this.#state === 'ended' || this.#ws.readyState !== WebSocket.OPEN) return;
    const { op, ...rest } = frame;
    this.#ws.send(JSON.stringify({ op, version: ATTACH_PROTOCOL, capabilities: {}, ...rest }));
  }

  #message(data: Buffer, binary: boolean): void {
    if (this.#state === 'ended') return;
    this.#deadline = performance.now() + this.#silence;
    try {
      if (binary) throw new ProtocolError('the server sent a binary frame');
      this.#frame(parseServerFrame(data.toString('utf8')));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end({ reason: `the server does not keep to ${ATTACH_PROTOCOL}: ${error.message}` });
      this.#ws.terminate();
    }
  }

  #frame(frame: ServerFrame): void {
    if (frame.op === 'PING') {
      this.#write({ op: 'PONG' });
      return this.#handlers.ping?.();
    }
    if (frame.op === 'ERROR') {
      this.#error = {
        text: frame.error,
        permanent: frame.permanent,
        ...(frame.code === undefined ? {} : { code: frame.code }),
      };
      // The server hangs up after it; one that does not is not waited for.
      this.#end({ reason: frame.error });
      this.#ws.close();
      return;
    }
    switch (this.#state) {
      case 'hello':
        if (frame.op !== 'HELLO') throw new ProtocolError(`${frame.op} before HELLO`);
        return this.#identify(frame);
      case 'identified':
        if (frame.op !== 'READY') throw new ProtocolError(`${frame.op} before READY`);
        return this.#ready(frame);
      default:
        return this.#dispatch(frame);
    }
  }

  #identify(hello: ServerFrame & { op: 'HELLO' }): void {
    const { agent, bindings, claimKey, cursor, networkId } = this.#options;
    this.#delivery = hello.delivery >= 1;
    this.#status = this.#delivery && hello.status >= 1;
    if (hello.heartbeat_interval_ms > 0)
      this.#silence = Math.max(this.#times.silence, 2 * hello.heartbeat_interval_ms);
    this.#deadline = performance.now() + this.#silence;
    const actor: Actor = { type: 'agent', id: agent.id, name: agent.name ?? agent.id };
    this.#write({
      op: 'IDENTIFY',
      network_id: networkId,
      agent: actor,
      capabilities: {
        ...wants(bindings),
        ...(this.#delivery ? { delivery: 1 } : {}),
        ...(this.#status ? { status: 1 } : {}),
      },
      ...(claimKey === undefined ? {} : { claim_key: claimKey }),
      ...(this.#delivery ? { bindings } : cursor === undefined ? {} : { cursor }),
    });
    this.#state = 'identified';
  }

  #ready(ready: ServerFrame & { op: 'READY' }): void {
    const { networkId, agent } = this.#options;
    if (ready.network_id !== networkId)
      throw new ProtocolError(
        `READY names network ${JSON.stringify(ready.network_id)} instead of ${JSON.stringify(networkId)}`,
      );
    if (ready.agent_id !== undefined && ready.agent_id !== agent.id)
      throw new ProtocolError(
        `READY names agent ${JSON.stringify(ready.agent_id)} instead of ${JSON.stringify(agent.id)}`,
      );
    this.#state = 'live';
    const { actor_uid, actor_uri, agent_token } = ready;
    this.#handlers.ready({
      delivery: this.#delivery,
      ...(actor_uid === undefined ? {} : { actor_uid }),
      ...(actor_uri === undefined ? {} : { actor_uri }),
      ...(agent_token === undefined ? {} : { agent_token }),
    });
  }

  #dispatch(frame: ServerFrame): void {
    switch (frame.op) {
      case 'EVENT':
        return this.#handlers.event(frame.cursor, frame.event);
      case 'WAKE':
        if (this.#delivery) this.#handlers.wake(frame.wake);
        return;
      case 'BOOTSTRAP':
        if (this.#delivery) this.#handlers.bootstrap(frame.rooms);
        return;
      case 'PROBE':
        if (this.#status) this.#handlers.probe?.(frame.probe);
        return;
      case 'HELLO':
      case 'READY':
        throw new ProtocolError(`${frame.op} a second time`);
      default:
      // PONG, and what a newer server may say.
    }
  }

  #tick(): void {
    const now = performance.now();
    const late = now - this.#lastTick - this.#times.tick;
    this.#lastTick = now;
    // This process stood still (a laptop's lid): what came meanwhile is not read yet.
    if (late > this.#times.silence / 2) this.#deadline += late;
    if (this.#ws.bufferedAmount === 0) this.#blockedSince = 0;
    else if (this.#blockedSince === 0) this.#blockedSince = now;
    const blocked = this.#blockedSince !== 0 && now - this.#blockedSince > this.#times.blocked;
    if (now < this.#deadline && !blocked) return;
    if (this.#state !== 'ended') {
      const what = blocked
        ? 'the server does not read'
        : {
            dialing: 'no connection',
            hello: 'no HELLO',
            identified: 'no READY',
            live: 'nothing was heard from the server',
          }[this.#state];
      this.#end({ reason: blocked ? what : `${what} in time` });
    }
    this.#ws.terminate();
  }

  #failed(error: Error & { code?: string }): void {
    const { baseUrl } = this.#options;
    const reason =
      error.code === 'ECONNREFUSED'
        ? `no Moltnet server at ${baseUrl}: connection refused; start one with \`moltnet start\``
        : error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'
          ? `the server sent a frame over ${limits.frame.value} bytes`
          : `the connection to ${baseUrl} failed: ${error.message}`;
    this.#end({ reason });
  }

  /** The first reason stands, but for the server's own word. */
  #end(end: Partial<AttachmentEnd> & { reason: string }): void {
    if (this.#state === 'ended') return;
    const was_ready = this.#state === 'live';
    this.#state = 'ended';
    this.#deadline = performance.now() + this.#times.linger;
    const error = this.#error;
    this.#handlers.ended({
      permanent: false,
      ...end,
      was_ready,
      ...(error && { reason: error.text, permanent: error.permanent }),
      ...(error?.code === undefined ? {} : { code: error.code }),
    });
  }
}

function attachUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/attach`;
  url.search = '';
  url.hash = '';
  return url.href;
}

/** What the original's clients say of themselves (wire.md 12.2); zero values are left out. */
function wants(bindings: Bindings): Record<string, true> {
  return {
    ...(bindings.rooms.length > 0 ? { rooms: true as const } : {}),
    ...(bindings.rooms.some(({ wake }) => wake !== 'never') ? { threads: true as const } : {}),
    ...(bindings.dms.enabled ? { dms: true as const } : {}),
    artifacts: true,
  };
}

const closeReason = (code: number): string =>
  code === 1012
    ? 'the server is restarting'
    : code === 1006
      ? 'the connection broke'
      : `the server closed the connection (${code})`;
