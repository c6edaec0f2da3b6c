/**
 * A strict server of the original's wire, written from wire.md 0.2, 6 and 12: it announces no delivery protocol, records
 * every rule that a connecting node breaks, and hangs up where the original does.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

const VERSION = 'moltnet.attach.v1';
const RING = 256;

interface Stored {
  id: string;
  network_id: string;
  origin: { network_id: string; message_id: string };
  target: Record<string, unknown>;
  from: Record<string, unknown>;
  parts: Record<string, unknown>[];
  mentions?: string[];
  created_at: string;
}
interface RingEvent {
  id: string;
  type: string;
  network_id: string;
  message?: Stored;
  created_at: string;
}
interface Attachment {
  socket: WebSocket;
  agent: string;
  pending: Set<string>;
  received: string[];
  lastFrameAt: number;
}

export class StrictServer {
  readonly broken: string[] = [];
  /** Bodies of POST /v1/messages and of the other writes, in order. */
  readonly sent: Stored[] = [];
  readonly wakeFailed: Record<string, unknown>[] = [];
  readonly identifies: Record<string, unknown>[] = [];
  readonly network: string;
  /** Mode open (wire.md 5, 6.2): a first claim without a token is answered with one, any other needs it. */
  open = false;
  /** Agent by token. */
  readonly tokens = new Map<string, string>();
  url = '';
  #http: Server;
  #wss = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1_048_576 });
  #attachments = new Set<Attachment>();
  #ring: RingEvent[] = [];
  #messages: Stored[] = [];
  #timer: NodeJS.Timeout;
  #waiters: { done: () => boolean; resolve: () => void }[] = [];

  private constructor(network: string) {
    this.network = network;
    this.#http = createServer((req, res) => void this.#route(req, res));
    this.#http.on('upgrade', (req, socket, head) => {
      if (req.headers.origin !== undefined) this.broken.push('0.2.2 the node sends an Origin');
      if (req.headers['sec-websocket-protocol'] !== undefined)
        this.broken.push('0.2.2 the node asks for a subprotocol');
      if (new URL(req.url ?? '/', 'http://x').pathname !== '/v1/attach') return void socket.destroy();
      const token = req.headers.authorization?.replace('Bearer ', '');
      if (token !== undefined && !this.tokens.has(token))
        return void socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain\r\n\r\nunauthorized\n');
      this.#wss.handleUpgrade(req, socket, head, (ws) => this.#attach(ws, token));
    });
    this.#timer = setInterval(() => this.#beat(), 500);
  }

  static async start(network = 'old_lab', port = 0): Promise<StrictServer> {
    const server = new StrictServer(network);
    await new Promise<void>((resolve) => server.#http.listen(port, '127.0.0.1', resolve));
    server.url = `http://127.0.0.1:${(server.#http.address() as AddressInfo).port}`;
    return server;
  }

  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ done, resolve }));
  }
  get attached(): string[] {
    return [...this.#attachments].map(({ agent }) => agent);
  }
  /** Cursors that the agent has been sent and has not acknowledged. */
  pending(agent: string): number {
    return [...this.#attachments]
      .filter((one) => one.agent === agent)
      .reduce((sum, one) => sum + one.pending.size, 0);
  }

  /** Stores a message as the original does and publishes it to every attachment. */
  publish(message: Partial<Stored> & Pick<Stored, 'target' | 'from' | 'parts'>): Stored {
    const id = message.id ?? `msg_${randomUUID()}`;
    const stored: Stored = {
      id,
      network_id: this.network,
      origin: { network_id: this.network, message_id: id },
      target: message.target,
      from: {
        network_id: this.network,
        fqid: `molt://${this.network}/agents/${String(message.from.id)}`,
        ...message.from,
      },
      parts: message.parts,
      ...(message.mentions ? { mentions: message.mentions } : {}),
      created_at: message.created_at ?? new Date().toISOString(),
    };
    this.#messages.push(stored);
    const event: RingEvent = {
      id: eventId(id),
      type: 'message.created',
      network_id: this.network,
      message: stored,
      created_at: stored.created_at,
    };
    this.#ring.push(event);
    if (this.#ring.length > RING) this.#ring.shift();
    for (const attachment of this.#attachments) this.#send(attachment, event);
    return stored;
  }

  /** Hangs up on everyone without a close frame, as the original does (the client sees 1006). */
  hangUp(): void {
    for (const { socket } of this.#attachments) socket.terminate();
  }
  /** Closes with a code; 1000 and 1001 are what a proxy in between may send. */
  closeAll(code: number): void {
    for (const { socket } of this.#attachments) socket.close(code);
  }
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.hangUp();
    this.#wss.close();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  #notify(): void {
    this.#waiters = this.#waiters.filter(({ done, resolve }) => (done() ? (resolve(), false) : true));
  }

  #attach(socket: WebSocket, token?: string): void {
    const write = (frame: Record<string, unknown>): void =>
      socket.send(`${JSON.stringify({ version: VERSION, ...frame })}\n`);
    const fail = (rule: string): void => {
      this.broken.push(rule);
      write({ op: 'ERROR', capabilities: {}, error: rule });
      socket.terminate();
    };
    let attachment: Attachment | undefined;
    const identifyBy = setTimeout(() => socket.terminate(), 10_000);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(identifyBy);
      if (attachment) this.#attachments.delete(attachment);
      this.#notify();
    });
    write({ op: 'HELLO', heartbeat_interval_ms: 5_000, capabilities: {} });
    socket.on('message', (data: Buffer, binary) => {
      if (binary) return fail('6.4 a binary frame');
      let frame: Record<string, unknown>;
      try {
        frame = JSON.parse(data.toString()) as Record<string, unknown>;
      } catch {
        return fail('6.4 a frame that is not JSON');
      }
      if (!attachment) {
        const agent = frame.agent as { id?: string; type?: string } | undefined;
        if (frame.op !== 'IDENTIFY') return fail(`0.2.1 ${String(frame.op)} instead of IDENTIFY`);
        if (frame.version !== VERSION) return fail('0.2.1 IDENTIFY without version');
        if (frame.network_id !== this.network) return fail('6.2 IDENTIFY for another network');
        if (typeof agent?.id !== 'string' || agent.id === '') return fail('6.2 IDENTIFY without an agent id');
        if ('bindings' in frame || (frame.capabilities as { delivery?: number } | undefined)?.delivery)
          this.broken.push('the delivery protocol was used toward a server that does not announce it');
        this.identifies.push(frame);
        clearTimeout(identifyBy);
        const taken = [...this.tokens.values()].includes(agent.id);
        if (this.open && taken && (token === undefined || this.tokens.get(token) !== agent.id)) {
          write({ op: 'ERROR', capabilities: {}, error: `agent ${agent.id} requires its agent token` });
          return socket.terminate();
        }
        const minted = this.open && !taken ? `magt_v1_${randomUUID()}` : undefined;
        if (minted !== undefined) this.tokens.set(minted, agent.id);
        attachment = {
          socket,
          agent: agent.id,
          pending: new Set(),
          received: [],
          lastFrameAt: performance.now(),
        };
        write({
          op: 'READY',
          network_id: this.network,
          agent_id: agent.id,
          actor_uid: `actor_${randomUUID()}`,
          actor_uri: `molt://${this.network}/agents/${agent.id}`,
          ...(minted === undefined ? {} : { agent_token: minted }),
          capabilities: {},
        });
        this.#attachments.add(attachment);
        this.#replay(attachment, typeof frame.cursor === 'string' ? frame.cursor : '');
        return this.#notify();
      }
      attachment.lastFrameAt = performance.now();
      const version = frame.version;
      if (frame.op === 'ACK' || frame.op === 'PONG') {
        if (version !== undefined && version !== VERSION) return fail(`6.4 ${frame.op} with another version`);
      } else if (version !== VERSION) return fail(`0.2.4 ${String(frame.op)} without version`);
      if (frame.op === 'ACK') {
        if (!attachment.pending.delete(String(frame.cursor)))
          return fail('0.2.3 ACK of a cursor that is not outstanding');
        this.#notify();
      } else if (frame.op === 'PING') write({ op: 'PONG', capabilities: {} });
      else if (frame.op !== 'PONG') fail(`6.4 ${String(frame.op)} is not for a client`);
    });
  }

  #replay(attachment: Attachment, cursor: string): void {
    if (cursor === '') return;
    const at = this.#ring.findIndex((event) => event.id === cursor);
    if (at < 0 && this.#ring.length > 0) {
      const id = `evt_gap_${createHash('sha256').update(cursor).digest('hex')}`;
      this.#send(attachment, {
        id,
        type: 'stream.replay_gap',
        network_id: this.network,
        created_at: new Date().toISOString(),
      });
    }
    for (const event of this.#ring.slice(at + 1)) this.#send(attachment, event);
  }

  #send(attachment: Attachment, event: RingEvent): void {
    attachment.pending.add(event.id);
    attachment.received.push(event.id);
    attachment.socket.send(
      `${JSON.stringify({ op: 'EVENT', version: VERSION, network_id: this.network, capabilities: {}, cursor: event.id, event })}\n`,
    );
  }

  #beat(): void {
    for (const attachment of this.#attachments) {
      if (performance.now() - attachment.lastFrameAt > 10_000) {
        this.broken.push('0.2.1 silent for 10 s');
        attachment.socket.terminate();
      } else
        attachment.socket.send(`${JSON.stringify({ op: 'PING', version: VERSION, capabilities: {} })}\n`);
    }
  }

  async #route(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://x');
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const answer = (status: number, body: unknown): void => {
      res.writeHead(status, { 'content-type': 'application/json' });
      res.end(`${JSON.stringify(body)}\n`);
    };
    if (pathname === '/v1/network') {
      return answer(200, {
        id: this.network,
        name: 'Old Lab',
        version: '0.1.0-go',
        protocols: { http: ['moltnet.http.v1'], attach: [VERSION], pair: ['moltnet.pair.v1'] },
        capabilities: {
          event_stream: 'sse',
          attachment_protocol: 'websocket',
          public_read: false,
          agent_registration: 'disabled',
          human_ingress: true,
          direct_messages: true,
          message_pagination: 'cursor',
          pairings: false,
        },
        console: { can_send_human: true },
      });
    }
    const history = /^\/v1\/(rooms|threads|dms)\/([^/]+)\/messages$/.exec(pathname);
    if (history && req.method === 'GET') {
      const [, kind, id] = history;
      const key = kind === 'rooms' ? 'room_id' : kind === 'threads' ? 'thread_id' : 'dm_id';
      const all = this.#messages.filter(
        (m) => m.target[key] === decodeURIComponent(id!) && m.target.kind === kind!.slice(0, -1),
      );
      const after = searchParams.get('after');
      const limit = Math.min(500, Number(searchParams.get('limit')) || 100);
      const from = after ? all.findIndex((m) => m.id === after) : -1;
      if (after && from < 0) return answer(422, { code: 'unprocessable_entity', error: 'unknown cursor' });
      const page = after ? all.slice(from + 1, from + 1 + limit) : all.slice(-limit);
      const more = after ? all.length > from + 1 + limit : all.length > limit;
      // 0.2.8: an empty page by `after` is null there.
      return answer(200, {
        messages: after && page.length === 0 ? null : page,
        page: {
          has_more: more,
          ...(more && after ? { next_after: page.at(-1)!.id } : more ? { next_before: page[0]!.id } : {}),
        },
      });
    }
    if (pathname === '/v1/agents/wake-failed' && req.method === 'POST') {
      this.wakeFailed.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
      this.#notify();
      return answer(202, {});
    }
    if (pathname === '/v1/messages' && req.method === 'POST') {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Stored;
      const stored = this.publish(body);
      this.sent.push(stored);
      this.#notify();
      return answer(202, {
        message_id: stored.id,
        event_id: eventId(stored.id),
        accepted: true,
        thread_created: false,
        dm_created: false,
      });
    }
    answer(404, { code: 'not_found', error: 'not found' });
  }
}

/** wire.md 2.1: the first 16 bytes of SHA-256(message id), with the bits of a UUID v4. */
export function eventId(messageId: string): string {
  const bytes = createHash('sha256').update(messageId).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return `evt_${bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
}
