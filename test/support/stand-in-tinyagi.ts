/**
 * A stand-in for TinyAGI (0.0.20) over real HTTP: a durable queue that takes a message id once, several answers for a
 * message with tool lines and signatures among them, an event stream whose `agent:response` is the end, failures that
 * are answers, one conversation for each agent, turns that a crash makes run again, and files of the agent's machine
 * that `@` reads. Its model plays the directives of test/contract/runtime.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Row {
  messageId: string;
  message: string;
  agent: string;
  channel: string;
  sender: string;
  senderId: string;
  state: 'pending' | 'processing' | 'completed';
}

export interface StandInTinyAgi {
  url: string;
  prompts: string[];
  /** Every body of POST /api/message, also of those that it knew. */
  taken: Record<string, string>[];
  /** Answers that nobody has acknowledged. */
  pending: { id: number; channel: string; message: string; messageId: string; agent: string }[];
  acked: string[];
  rows: Row[];
  /** Has its event stream. */
  events: boolean;
  /** Ends the turns that hang. */
  release(): void;
  /** Dies, and starts again with what was in its hands. */
  restart(): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** What the `claude` under it takes for a file. */
const READS = /(?<![\x21-\x7e])@\S/;
/** Longer than the limits of a turn in the contract. */
const HANG_MS = 3500;

/** @param options.prompted is told each prompt. */
export async function standInTinyAgi(
  options: { port?: number; prompted?: (prompt: string) => void } = {},
): Promise<StandInTinyAgi> {
  let server: Server | undefined;
  let port = options.port ?? 0;
  let life = 0;
  const streams = new Set<ServerResponse>();
  const hanging = new Set<() => void>();
  let nextId = 1;
  const it: StandInTinyAgi = {
    url: '',
    prompts: [],
    taken: [],
    pending: [],
    acked: [],
    rows: [],
    events: true,
    release: () => {
      for (const one of hanging) one();
    },
    restart: async () => {
      await it.stop();
      await start();
    },
    stop: async () => {
      life++;
      it.release();
      const gone = server;
      server = undefined;
      gone?.closeAllConnections();
      await new Promise<void>((resolve) => (gone ? gone.close(() => resolve()) : resolve()));
    },
    close: () => it.stop(),
  };

  const emit = (type: string, fields: Record<string, unknown>): void => {
    for (const stream of streams)
      stream.write(`event: ${type}\ndata: ${JSON.stringify({ type, timestamp: Date.now(), ...fields })}\n\n`);
  };
  const answer = (row: Row, message: string): void => {
    it.pending.push({ ...row, id: nextId++, message: `${message}\n\n- [${row.agent}]` });
    emit('message:done', { messageId: row.messageId });
  };

  /** One at a time for each agent. */
  async function work(): Promise<void> {
    const mine = life;
    const row = it.rows.find(
      ({ state, agent }) =>
        state === 'pending' &&
        !it.rows.some((other) => other.agent === agent && other.state === 'processing'),
    );
    if (!row) return;
    row.state = 'processing';
    emit('agent:invoke', { messageId: row.messageId, agentId: row.agent });
    it.prompts.push(row.message);
    options.prompted?.(row.message);
    // Nobody can end a turn of it but the CLI under it, which has a limit of its own.
    if (row.message.includes('[[hang]]'))
      await new Promise<void>((resolve) => {
        hanging.add(resolve);
        setTimeout(resolve, HANG_MS).unref();
      });
    else await new Promise(setImmediate);
    if (mine !== life) return;
    const http = /\[\[http: (\d+)\]\]/.exec(row.message)?.[1];
    if (http !== undefined) {
      answer(row, `API Error: ${http} {"type":"error"}`);
      answer(row, 'Sorry, I encountered an error processing your request. Please check the queue logs.');
    } else {
      if (row.message.includes('[[sh:')) answer(row, '[tool: Bash]');
      emit('agent:progress', { messageId: row.messageId });
      const said = /\[\[say: ([^\]]*)\]\]/.exec(row.message)?.[1] ?? 'done';
      answer(row, READS.test(row.message) ? 'it has read a file' : said);
    }
    row.state = 'completed';
    emit('agent:response', { messageId: row.messageId, agentId: row.agent, content: 'done' });
    await work();
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, string>;
    const url = new URL(request.url!, 'http://x');
    const json = (status: number, value: unknown): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (url.pathname === '/api/message') {
      if (!body['message']) return json(400, { error: 'message is required' });
      it.taken.push(body);
      const messageId = body['messageId'] ?? `api_${nextId++}`;
      if (it.rows.some((row) => row.messageId === messageId))
        return json(409, { error: 'duplicate messageId' });
      const [, named] = /^@(\w+)\s/.exec(body['message']) ?? [];
      it.rows.push({
        messageId,
        message: body['message'],
        agent: body['agent'] ?? named ?? 'tinyagi',
        channel: body['channel'] ?? 'api',
        sender: body['sender'] ?? 'API',
        senderId: body['senderId'] ?? '',
        state: 'pending',
      });
      json(200, { ok: true, messageId });
      emit('message:incoming', { messageId });
      return work();
    }
    if (url.pathname === '/api/responses/pending')
      return json(
        200,
        it.pending.filter(({ channel }) => channel === url.searchParams.get('channel')),
      );
    const acked = /^\/api\/responses\/([^/]+)\/ack$/.exec(url.pathname)?.[1];
    if (acked !== undefined) {
      it.acked.push(acked);
      it.pending = it.pending.filter(({ id }) => String(id) !== acked);
      return json(200, { ok: true });
    }
    if (url.pathname === '/api/queue/processing')
      return json(
        200,
        it.rows.filter(({ state }) => state === 'processing'),
      );
    if (url.pathname === '/api/queue/status')
      return json(200, { pending: it.rows.filter(({ state }) => state === 'pending').length });
    if (url.pathname === '/api/events/stream' && it.events) {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
      streams.add(response);
      response.on('close', () => streams.delete(response));
      return;
    }
    json(404, { error: 'not found' });
  }

  async function start(): Promise<void> {
    server = createServer(
      (request, response) => void serve(request, response).catch(() => response.destroy()),
    );
    await new Promise<void>((resolve) => server!.listen(port, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    it.url = `http://127.0.0.1:${port}`;
    // What was in its hands goes back into the queue.
    for (const row of it.rows) if (row.state === 'processing') row.state = 'pending';
    void work();
  }
  await start();
  return it;
}
