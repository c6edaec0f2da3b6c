/**
 * A stand-in for PicoClaw's pico channel (v0.2.9) over a real WebSocket: no acknowledgement, no end of a turn, no
 * dedupe; answers only to the sockets of a session, tried three times; a message for a busy session is worked into its
 * turn; commands at the beginning of a message. Its model plays the directives of test/contract/runtime.ts.
 */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';

export interface StandInPico {
  url: string;
  token: string;
  prompts: string[];
  /** Everything that was said to it, commands included. */
  heard: string[];
  open(): number;
  /** Cuts the connections; the turns go on. */
  cut(): void;
  /** Answers no connection for so long. */
  close(): Promise<void>;
  restart(): Promise<void>;
}

interface Turn {
  stop: AbortController;
  more: string[];
}

const TRY_MS = 100;

export async function standInPico(): Promise<StandInPico> {
  let server: WebSocketServer | undefined;
  let port = 0;
  const turns = new Map<string, Turn>();
  const it: StandInPico = {
    url: '',
    token: 'the-pico-token',
    prompts: [],
    heard: [],
    open: () => server?.clients.size ?? 0,
    cut: () => {
      for (const client of server?.clients ?? []) client.terminate();
    },
    close: async () => {
      for (const turn of turns.values()) turn.stop.abort('gone');
      turns.clear();
      const gone = server;
      server = undefined;
      for (const client of gone?.clients ?? []) client.terminate();
      await new Promise<void>((resolve) => (gone ? gone.close(() => resolve()) : resolve()));
    },
    restart: async () => {
      await it.close();
      await start();
    },
  };

  const sessionOf = new WeakMap<WebSocket, string>();
  const emit = (session: string, type: string, payload: Record<string, unknown> = {}): boolean => {
    const own = [...(server?.clients ?? [])].filter((client) => sessionOf.get(client) === session);
    for (const client of own)
      client.send(JSON.stringify({ type, session_id: session, timestamp: Date.now(), payload }));
    return own.length > 0;
  };
  /** Three tries; then the answer is in the history alone. */
  const answer = async (session: string, content: string, more = {}): Promise<void> => {
    for (let tries = 0; tries < 3; tries++) {
      if (emit(session, 'message.create', { content, message_id: `m${Date.now()}`, ...more })) return;
      await sleep(TRY_MS);
    }
  };

  async function play(session: string, content: string): Promise<void> {
    const turn: Turn = { stop: new AbortController(), more: [] };
    turns.set(session, turn);
    emit(session, 'typing.start');
    it.prompts.push(content);
    // Tool calls and thoughts are messages too, and typing stops at the first of them.
    if (content.includes('[[sh:')) {
      emit(session, 'message.create', { kind: 'tool_calls', content: '', tool_calls: [{ name: 'exec' }] });
      emit(session, 'typing.stop');
      await sleep(150);
    }
    emit(session, 'message.create', { kind: 'thought', content: 'hm', thought: true });
    if (content.includes('[[hang]]'))
      await new Promise((resolve) => turn.stop.signal.addEventListener('abort', resolve, { once: true }));
    if (/\[\[slow\]\]/.test(content)) await sleep(400);
    if (turn.stop.signal.reason === 'gone') return;
    turns.delete(session);
    emit(session, 'typing.stop');
    const http = /\[\[http: (\d+)\]\]/.exec(content)?.[1];
    if (turn.stop.signal.aborted) return answer(session, 'Task stopped. 1 tool call was cancelled.');
    if (http !== undefined)
      return answer(
        session,
        `Error processing message: LLM call failed after retries: ${FAILURES[http] ?? `internal server error (${http})`}`,
      );
    const text = [content, ...turn.more]
      .map((one) => /\[\[say: ([^\]]*)\]\]/.exec(one)?.[1] ?? 'done')
      .at(-1)!;
    await answer(session, text, { context_usage: { used: 100 } });
  }

  function serve(socket: WebSocket, request: IncomingMessage): void {
    const session = new URL(request.url!, 'http://x').searchParams.get('session_id')!;
    sessionOf.set(socket, session);
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString('utf8')) as {
        type: string;
        id?: string;
        session_id?: string;
        payload?: { content?: string };
      };
      const error = (code: string): void =>
        void emit(session, 'error', { code, message: code, request_id: frame.id });
      if (frame.type === 'ping') return void socket.send(JSON.stringify({ type: 'pong', id: frame.id }));
      if (frame.type !== 'message.send') return error('unknown_type');
      const content = frame.payload?.content ?? '';
      if (content.trim() === '') return error('empty_content');
      it.heard.push(content);
      const busy = turns.get(session);
      if (content === '/stop') return void busy?.stop.abort('stopped');
      if (/^[/!](help|status|show|list|clear|use)\b/.test(content))
        return void answer(session, '/help - what can be said');
      // One answer for all of them.
      if (busy) {
        busy.more.push(content);
        return;
      }
      void play(frame.session_id ?? session, content);
    });
  }

  async function start(): Promise<void> {
    server = new WebSocketServer({
      host: '127.0.0.1',
      port,
      handleProtocols: (offered) => [...offered].find((one) => one === `token.${it.token}`) ?? false,
      verifyClient: ({ req }: { req: IncomingMessage }) =>
        req.headers.authorization === `Bearer ${it.token}` ||
        req.headers['sec-websocket-protocol'] === `token.${it.token}`,
    });
    await new Promise<void>((resolve) => server!.once('listening', resolve));
    port = (server.address() as AddressInfo).port;
    it.url = `ws://127.0.0.1:${port}/pico/ws`;
    server.on('connection', serve);
  }
  await start();
  return it;
}

const FAILURES: Record<string, string> = {
  '401': 'authentication failed (401): check your API key',
  '429': 'rate limited (429): {"type":"error"}',
};
const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
