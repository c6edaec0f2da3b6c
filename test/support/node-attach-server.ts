/** A scripted attach server: it sends exactly the frames that a test says, and keeps all that come in. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { messageEventId } from '../../src/protocol/ids.ts';
import { Facts } from './node-lab.ts';

export const VERSION = 'moltnet.attach.v1';
export type Frame = Record<string, unknown> & { op: string };

export interface ScriptedConnection {
  frames: Frame[];
  headers: Record<string, string | string[] | undefined>;
  /** With version and capabilities, unless the frame says otherwise. */
  send(frame: Frame): void;
  raw(text: string | Buffer): void;
  of(op: string): Frame[];
  close(code?: number): void;
  hangUp(): void;
  closed: boolean;
  socket: WebSocket;
}

export interface ScriptedServer {
  url: string;
  connections: ScriptedConnection[];
  last: ScriptedConnection;
  until(holds: () => boolean): Promise<void>;
  /** What it answers under a path; /v1/network is there already. */
  documents: Record<string, unknown>;
  posted: { path: string; body: unknown }[];
  /** Refuses upgrades with this status, or with this answer of ours. */
  refuse: number | { status: number; code: string; error: string; retry_after?: number } | undefined;
  /** Refuses GET /v1/network in the same way. */
  closed: { status: number; code: string; error: string; retry_after?: number } | undefined;
  /** Authorization of each upgrade that was refused. */
  refused: (string | undefined)[];
  /** Authorization of each GET /v1/network. */
  asked: (string | undefined)[];
}

export interface ScriptedOptions {
  network?: string;
  delivery?: boolean;
  /** Answers IDENTIFY by itself; true when left out. A function says with what. */
  ready?: boolean | ((identify: Frame) => Partial<Frame> | undefined);
  /** Answers WAKE by itself; true when left out. */
  answers?: boolean;
  hello?: Record<string, unknown>;
}

export async function startScriptedServer(options: ScriptedOptions = {}): Promise<ScriptedServer> {
  const { network = 'local', delivery = false, ready = true, answers = true, hello = {} } = options;
  const facts = new Facts();
  const scripted: ScriptedServer = {
    url: '',
    connections: [],
    get last() {
      return this.connections.at(-1)!;
    },
    until: (holds) => facts.until(holds),
    documents: {
      '/v1/network': {
        id: network,
        name: 'Scripted',
        version: '0',
        protocols: { http: ['moltnet.http.v1'], attach: [VERSION] },
        capabilities: {
          attachment_protocol: 'websocket',
          direct_messages: true,
          public_read: false,
          human_ingress: true,
          pairings: false,
        },
      },
    },
    posted: [],
    refuse: undefined,
    closed: undefined,
    refused: [],
    asked: [],
  };
  const http = createServer((req, res) => {
    const path = (req.url ?? '').split('?')[0]!;
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      if (req.method === 'POST')
        scripted.posted.push({ path, body: JSON.parse(Buffer.concat(chunks).toString()) });
      const found = scripted.documents[path];
      if (path === '/v1/network') scripted.asked.push(req.headers.authorization);
      if (path === '/v1/network' && scripted.closed) {
        const { status, retry_after, ...body } = scripted.closed;
        res.writeHead(status, { 'content-type': 'application/json', ...waitHeader(retry_after) });
        res.end(JSON.stringify(body));
        return facts.noted();
      }
      res.writeHead(req.method === 'POST' ? 202 : found ? 200 : 404, { 'content-type': 'application/json' });
      res.end(
        JSON.stringify(req.method === 'POST' ? {} : (found ?? { code: 'not_found', error: `no ${path}` })),
      );
      facts.noted();
    });
  });
  const wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  http.on('upgrade', (req, socket, head) => {
    if (scripted.refuse !== undefined) {
      scripted.refused.push(req.headers.authorization);
      facts.noted();
      return void socket.end(refusalText(scripted.refuse));
    }
    wss.handleUpgrade(req, socket, head, (ws) => {
      const connection: ScriptedConnection = {
        frames: [],
        headers: req.headers,
        socket: ws,
        closed: false,
        send: (frame) => ws.send(JSON.stringify({ version: VERSION, capabilities: {}, ...frame })),
        raw: (text) => ws.send(text),
        of: (op) => connection.frames.filter((frame) => frame.op === op),
        close: (code) => ws.close(code),
        hangUp: () => ws.terminate(),
      };
      scripted.connections.push(connection);
      ws.on('message', (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as Frame;
        connection.frames.push(frame);
        const answer = frame.op === 'IDENTIFY' && ready ? (ready === true ? {} : ready(frame)) : undefined;
        if (answer)
          connection.send({
            op: 'READY',
            network_id: network,
            agent_id: (frame['agent'] as { id: string }).id,
            ...answer,
          });
        if (frame.op === 'WAKE' && answers)
          connection.send({
            op: 'WAKE',
            wake_id: frame['wake_id'],
            conversation: frame['conversation'],
            cursor: frame['cursor'],
            attempt: frame['attempt'],
          });
        facts.noted();
      });
      ws.on('close', () => {
        connection.closed = true;
        facts.noted();
      });
      ws.on('error', () => {});
      connection.send({
        op: 'HELLO',
        heartbeat_interval_ms: 5_000,
        capabilities: delivery ? { delivery: 1 } : {},
        ...hello,
      });
      facts.noted();
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  scripted.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  onTestFinished(async () => {
    for (const { socket } of scripted.connections) socket.terminate();
    wss.close();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
  return scripted;
}

const waitHeader = (seconds: number | undefined): Record<string, string> =>
  seconds === undefined ? {} : { 'retry-after': String(seconds) };

function refusalText(refusal: NonNullable<ScriptedServer['refuse']>): string {
  if (typeof refusal === 'number') return `HTTP/1.1 ${refusal} No\r\ncontent-length: 0\r\n\r\n`;
  const { status, retry_after, ...rest } = refusal;
  const body = JSON.stringify(rest);
  const wait = retry_after === undefined ? '' : `retry-after: ${retry_after}\r\n`;
  return `HTTP/1.1 ${status} No\r\ncontent-type: application/json\r\n${wait}content-length: ${body.length}\r\n\r\n${body}`;
}

/** An EVENT frame with a message of a person. */
export function eventFrame(id: string, text: string, message: Record<string, unknown> = {}): Frame {
  const cursor = messageEventId(id);
  const created_at = '2026-11-21T03:30:12Z';
  return {
    op: 'EVENT',
    network_id: 'local',
    cursor,
    event: {
      id: cursor,
      type: 'message.created',
      network_id: 'local',
      created_at,
      message: {
        id,
        network_id: 'local',
        origin: { network_id: 'local', message_id: id },
        target: { kind: 'room', room_id: 'general' },
        from: { type: 'human', id: 'ann', network_id: 'local', fqid: 'molt://local/agents/ann' },
        parts: [{ kind: 'text', text }],
        created_at,
        ...message,
      },
    },
  };
}
