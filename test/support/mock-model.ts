/**
 * A model server on the loopback that answers as a test says: the Responses API (Codex) and the Messages API
 * (Claude Code). It stands for the hosted models, which a test can neither reach nor predict. Every request is
 * kept, so a test can count the turns that really ran.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

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

/** One request of an agent, reduced to what both APIs have in common. */
export interface ModelRequest {
  n: number;
  api: 'responses' | 'messages' | 'gemini';
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
  (body['tools'] as Tool[]).some(({ name }) => name === 'moltnet')
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
    if (path !== '/responses' && path !== '/messages' && !isGemini)
      return json(response, 404, { error: { message: 'no such path' } });

    const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>;
    const seen = isGemini
      ? readGemini(body)
      : path === '/responses'
        ? readResponses(body)
        : readMessages(body);
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

type Seen = Pick<ModelRequest, 'api' | 'prompt' | 'history' | 'tool_results' | 'agentic'>;
interface Block {
  type?: string;
  text?: string;
  content?: unknown;
  output?: unknown;
  role?: string;
  name?: string;
}

/** Texts that the CLIs add in the user's name: environment, instructions, reminders. */
const MADE_UP =
  /^\s*(<(environment_context|session_context|user_instructions|permissions|skills|skill|turn_aborted|INSTRUCTIONS|recommended|system-reminder|local-command|<<BEGIN_OPENCLAW)|# AGENTS\.md)/;

function plain(content: unknown): string {
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return (content as Block[]).map((block) => block.text ?? '').join('\n');
  return content === undefined || content === null ? '' : JSON.stringify(content);
}

function readResponses(body: Record<string, unknown>): Seen {
  const seen: Seen = { api: 'responses', prompt: '', history: [], tool_results: [], agentic: hasTools(body) };
  for (const item of (body['input'] as Block[] | undefined) ?? []) {
    if (item.type?.endsWith('_output')) seen.tool_results.push(plain(item.output));
    if (item.role === 'user') for (const block of item.content as Block[]) note(seen, block.text ?? '');
  }
  return seen;
}

function readMessages(body: Record<string, unknown>): Seen {
  const seen: Seen = { api: 'messages', prompt: '', history: [], tool_results: [], agentic: hasTools(body) };
  for (const message of (body['messages'] as Block[] | undefined) ?? []) {
    if (message.role !== 'user') continue;
    const blocks =
      typeof message.content === 'string'
        ? [{ type: 'text', text: message.content }]
        : (message.content as Block[]);
    for (const block of blocks) {
      if (block.type === 'tool_result') seen.tool_results.push(plain(block.content));
      else note(seen, block.text ?? '');
    }
  }
  return seen;
}

interface GeminiContent {
  role?: string;
  parts?: { text?: string; functionResponse?: { response?: unknown } }[];
}

function readGemini(body: Record<string, unknown>): Seen {
  const seen: Seen = { api: 'gemini', prompt: '', history: [], tool_results: [], agentic: hasTools(body) };
  for (const { role, parts = [] } of (body['contents'] as GeminiContent[] | undefined) ?? []) {
    if (role !== 'user') continue;
    for (const { functionResponse, text } of parts) {
      if (functionResponse) seen.tool_results.push(plain(functionResponse.response));
      else note(seen, text ?? '');
    }
  }
  return seen;
}

function hasTools(body: Record<string, unknown>): boolean {
  return Array.isArray(body['tools']) && body['tools'].length > 0;
}

function note(seen: Seen, text: string): void {
  seen.history.push(text);
  if (MADE_UP.test(text)) return;
  seen.prompt = text;
  seen.tool_results = [];
}

interface Tool {
  name?: string;
  type?: string;
  parameters?: { properties?: Record<string, { type?: string }> };
  /** The same in the Messages API. */
  input_schema?: Tool['parameters'];
}
/** The tool call of an answer, if it is one; the shell goes by the name and the argument that this CLI gives it. */
function toolCall(
  what: ModelAnswer,
  body: Record<string, unknown>,
): { name: string; input: Record<string, unknown> } | undefined {
  if ('tool' in what) return { name: what.tool, input: what.input };
  if (!('shell' in what)) return undefined;
  const tools = (body['tools'] as (Tool & { functionDeclarations?: Tool[] })[]).flatMap(
    (tool) => tool.functionDeclarations ?? [tool],
  );
  const names = ['exec_command', 'shell_command', 'shell', 'Bash', 'exec', 'run_shell_command'];
  const tool = tools.find((t) => names.includes(t.name ?? ''));
  if (!tool?.name)
    throw new Error(`no shell among the tools: ${tools.map((t) => t.name ?? t.type).join(', ')}`);
  const properties = (tool.parameters ?? tool.input_schema)?.properties ?? {};
  const key = 'cmd' in properties ? 'cmd' : 'command';
  const value = properties[key]?.type === 'array' ? ['bash', '-lc', what.shell] : what.shell;
  return {
    name: tool.name,
    input: {
      [key]: value,
      ...(tool.name === 'Bash' ? { description: 'a scripted command' } : {}),
      ...('action' in properties ? { action: 'run' } : {}),
    },
  };
}

type Event = { type: string } & Record<string, unknown>;

function* responsesEvents(entry: ModelRequest, body: Record<string, unknown>): Generator<Event> {
  const what = entry.answer;
  const base = {
    id: `resp_${entry.n}`,
    object: 'response',
    model: body['model'],
    status: 'in_progress',
    output: [],
  };
  let item: Record<string, unknown>;
  const call = toolCall(what, body);
  if (call) {
    item = {
      type: 'function_call',
      id: `fc_${entry.n}`,
      call_id: `call_${entry.n}`,
      name: call.name,
      arguments: JSON.stringify(call.input),
      status: 'completed',
    };
  } else {
    const text = 'say' in what ? what.say : '';
    item = {
      type: 'message',
      id: `msg_${entry.n}`,
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [] }],
    };
  }
  yield { type: 'response.created', response: base };
  yield {
    type: 'response.output_item.added',
    output_index: 0,
    item: { ...item, status: 'in_progress', ...(item['type'] === 'message' ? { content: [] } : {}) },
  };
  yield { type: 'response.output_item.done', output_index: 0, item };
  const usage = {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 20,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 120,
  };
  yield { type: 'response.completed', response: { ...base, status: 'completed', output: [item], usage } };
}

/** The same as one answer, for a client that does not stream. */
function messageOf(entry: ModelRequest, body: Record<string, unknown>): Record<string, unknown> {
  const what = entry.answer;
  const call = toolCall(what, body);
  return {
    id: `msg_${entry.n}`,
    type: 'message',
    role: 'assistant',
    model: body['model'],
    content: call
      ? [{ type: 'tool_use', id: `toolu_${entry.n}`, name: call.name, input: call.input }]
      : [{ type: 'text', text: 'say' in what ? what.say : '' }],
    stop_reason: call ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 100, output_tokens: 20 },
  };
}

function* messagesEvents(entry: ModelRequest, body: Record<string, unknown>): Generator<Event> {
  const what = entry.answer;
  const message = {
    id: `msg_${entry.n}`,
    type: 'message',
    role: 'assistant',
    model: body['model'],
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 100, output_tokens: 1 },
  };
  yield { type: 'message_start', message };
  const call = toolCall(what, body);
  if (call) {
    yield {
      type: 'content_block_start',
      index: 0,
      content_block: { type: 'tool_use', id: `toolu_${entry.n}`, name: call.name, input: {} },
    };
    yield {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'input_json_delta', partial_json: JSON.stringify(call.input) },
    };
  } else {
    yield { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
    yield {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'say' in what ? what.say : '' },
    };
  }
  yield { type: 'content_block_stop', index: 0 };
  yield {
    type: 'message_delta',
    delta: { stop_reason: call ? 'tool_use' : 'end_turn', stop_sequence: null },
    usage: { output_tokens: 20 },
  };
  yield { type: 'message_stop' };
}

function geminiAnswer(entry: ModelRequest, body: Record<string, unknown>): object {
  const call = toolCall(entry.answer, body);
  const text = 'say' in entry.answer ? entry.answer.say : '';
  const part = call ? { functionCall: { name: call.name, args: call.input } } : { text };
  return {
    candidates: [{ content: { role: 'model', parts: [part] }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 20, totalTokenCount: 120 },
    modelVersion: 'mock-model',
  };
}
