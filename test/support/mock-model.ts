/**
 * A model server on the loopback that answers as a test says: the Responses API (Codex), the Messages API
 * (Claude Code), Gemini's and Chat Completions (opencode). It stands for the hosted models, which a test can neither
 * reach nor predict. Every request is kept, so a test can count the turns that really ran.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  chatChunks,
  geminiAnswer,
  messageOf,
  messagesEvents,
  readGemini,
  READERS,
  responsesEvents,
} from './mock-model-apis.ts';

/** What the model does with one request, once `after` has resolved. */
export type ModelAnswer = { after?: Promise<unknown> } & (
  | { say: string }
  /** One call of the CLI's shell. */
  | { shell: string }
  /** One call of a tool by its name. */
  | { tool: string; input: Record<string, unknown> }
  | { http: number }
  /** Never answers; ends when the client goes away. */
  | { hang: true }
  /** Begins to answer, then cuts the connection. */
  | { drop: true }
);

/** One request of an agent, reduced to what the APIs have in common. */
export interface ModelRequest {
  n: number;
  api: 'responses' | 'messages' | 'gemini' | 'chat';
  /** The message this turn answers: the last text of a user that the CLI did not make up itself. */
  prompt: string;
  /** Every text of a user in the history, oldest first; the CLI's own notes included. */
  history: string[];
  /** What the tools answered since the prompt. */
  tool_results: string[];
  /** The request offers tools: a step of a turn. Without, it is one of the CLI's own side questions. */
  agentic: boolean;
  body: Record<string, unknown>;
  answer: ModelAnswer;
}

const WAIT_MS = 60_000;

export type ModelScript = (request: Omit<ModelRequest, 'answer'>) => ModelAnswer;

export interface MockModel {
  url: string;
  requests: ModelRequest[];
  /** The first step of every turn, by its prompt: a turn that ran twice is here twice. */
  turns(): ModelRequest[];
  /** Answers from now on. */
  script: ModelScript;
  /** Resolves with the first request, past or coming, that fits; rejects when none has come in a minute. */
  waitFor(fits: (request: ModelRequest) => boolean): Promise<ModelRequest>;
  close(): Promise<void>;
}

/** By default it runs the `[[sh: …]]` of the prompt one after the other, then says `done`. */
export const directives: ModelScript = ({ prompt, tool_results }) => {
  const commands = [...prompt.matchAll(/\[\[sh:([\s\S]*?)\]\]/g)].map((match) => match[1]!.trim());
  const next = commands[tool_results.length];
  return next === undefined ? { say: 'done' } : { shell: next };
};

/** Runs `moltnet` as the wake says: by its tool, where there is one of that name, else in its shell. */
export const moltnet = ({ body }: Pick<ModelRequest, 'body'>, args: readonly string[]): ModelAnswer =>
  (body['tools'] as { name?: string }[]).some(({ name }) => name === 'moltnet')
    ? { tool: 'moltnet', input: { args } }
    : {
        shell: ['moltnet', ...args.map((arg) => (/^[\w:.-]+$/.test(arg) ? arg : JSON.stringify(arg)))].join(
          ' ',
        ),
      };

export async function startMockModel(script: ModelScript = directives): Promise<MockModel> {
  const requests: ModelRequest[] = [];
  const waiting = new Set<() => void>();
  const mock: MockModel = {
    url: '',
    requests,
    turns: () => requests.filter((r) => r.agentic && r.tool_results.length === 0),
    script,
    waitFor: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = requests.find(fits);
          if (!found) return;
          done();
          resolve(found);
        };
        const done = (): void => {
          waiting.delete(look);
          clearTimeout(timer);
        };
        const timer = setTimeout(() => {
          done();
          reject(new Error(`no such request to the model in ${WAIT_MS} ms; there were ${requests.length}`));
        }, WAIT_MS);
        waiting.add(look);
        look();
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = (request.url ?? '').split('?')[0]!.replace(/^\/v1(?=\/)/, '');
    if (path === '/models')
      return json(response, 200, { object: 'list', data: [], models: [], has_more: false });
    if (path === '/messages/count_tokens') return json(response, 200, { input_tokens: 100 });
    const isGemini = /:(stream)?generateContent$/i.test(path);
    const read = isGemini ? readGemini : READERS[path];
    if (!read) return json(response, 404, { error: { message: 'no such path' } });

    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
    const seen = read(body);
    const call = { n: requests.length + 1, body, ...seen };
    const entry: ModelRequest = { ...call, answer: seen.agentic ? mock.script(call) : { say: 'ok' } };
    requests.push(entry);
    for (const look of waiting) look();

    const what = entry.answer;
    await what.after;
    if ('hang' in what) return;
    if ('http' in what)
      return json(response, what.http, {
        type: 'error',
        error: { type: 'api_error', message: `mock ${what.http}`, code: what.http },
      });
    if (isGemini && !path.includes(':stream')) return json(response, 200, geminiAnswer(entry, body));
    if (seen.api === 'messages' && body['stream'] !== true && !('drop' in what))
      return json(response, 200, messageOf(entry, body));
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if ('drop' in what) {
      response.write(': begun\n\n');
      setTimeout(() => response.destroy(), 20).unref();
      return;
    }
    if (isGemini) return void response.end(`data: ${JSON.stringify(geminiAnswer(entry, body))}\n\n`);
    if (seen.api === 'chat') {
      for (const chunk of chatChunks(entry, body)) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      return void response.end('data: [DONE]\n\n');
    }
    const events = seen.api === 'responses' ? responsesEvents(entry, body) : messagesEvents(entry, body);
    for (const event of events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    response.end();
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  mock.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return mock;
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
