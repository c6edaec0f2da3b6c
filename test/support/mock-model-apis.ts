/** The APIs that the mock model speaks: what a request asks, and its answer as each writes it. */
import type { ModelAnswer, ModelRequest } from './mock-model.ts';

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

export const READERS: Readonly<Record<string, (body: Record<string, unknown>) => Seen>> = {
  '/responses': readResponses,
  '/messages': readMessages,
  '/chat/completions': readChat,
};

interface GeminiContent {
  role?: string;
  parts?: { text?: string; functionResponse?: { response?: unknown } }[];
}

export function readGemini(body: Record<string, unknown>): Seen {
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

function readChat(body: Record<string, unknown>): Seen {
  const seen: Seen = { api: 'chat', prompt: '', history: [], tool_results: [], agentic: hasTools(body) };
  for (const { role, content } of (body['messages'] as Block[] | undefined) ?? []) {
    if (role === 'tool') seen.tool_results.push(plain(content));
    if (role === 'user') note(seen, plain(content));
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
  const tools = (body['tools'] as (Tool & { functionDeclarations?: Tool[]; function?: Tool })[]).flatMap(
    (tool) => tool.functionDeclarations ?? [tool.function ?? tool],
  );
  const names = ['exec_command', 'shell_command', 'shell', 'Bash', 'bash', 'exec', 'run_shell_command'];
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
      ...(/^bash$/i.test(tool.name) ? { description: 'a scripted command' } : {}),
      ...('action' in properties ? { action: 'run' } : {}),
    },
  };
}

type Event = { type: string } & Record<string, unknown>;

export function* responsesEvents(entry: ModelRequest, body: Record<string, unknown>): Generator<Event> {
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
export function messageOf(entry: ModelRequest, body: Record<string, unknown>): Record<string, unknown> {
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

export function* messagesEvents(entry: ModelRequest, body: Record<string, unknown>): Generator<Event> {
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

export function geminiAnswer(entry: ModelRequest, body: Record<string, unknown>): object {
  const call = toolCall(entry.answer, body);
  const text = 'say' in entry.answer ? entry.answer.say : '';
  const part = call ? { functionCall: { name: call.name, args: call.input } } : { text };
  return {
    candidates: [{ content: { role: 'model', parts: [part] }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 20, totalTokenCount: 120 },
    modelVersion: 'mock-model',
  };
}

export function* chatChunks(entry: ModelRequest, body: Record<string, unknown>): Generator<object> {
  const what = entry.answer;
  const call = toolCall(what, body);
  const base = { id: `chat_${entry.n}`, object: 'chat.completion.chunk', created: 1, model: body['model'] };
  const delta = call
    ? {
        role: 'assistant',
        tool_calls: [
          {
            index: 0,
            id: `call_${entry.n}`,
            type: 'function',
            function: { name: call.name, arguments: JSON.stringify(call.input) },
          },
        ],
      }
    : { role: 'assistant', content: 'say' in what ? what.say : '' };
  yield { ...base, choices: [{ index: 0, delta, finish_reason: null }] };
  yield { ...base, choices: [{ index: 0, delta: {}, finish_reason: call ? 'tool_calls' : 'stop' }] };
  yield {
    ...base,
    choices: [],
    usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 },
  };
}
