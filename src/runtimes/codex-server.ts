/**
 * One `codex app-server`: the process in which all threads of an agent run, spoken to in JSON lines over stdin and
 * stdout (JSON-RPC without its version). Tried with 0.169.0.
 */
import { howEnded, startChild, type Child, type Exit } from './child.ts';
import { isUuid, lastWords, parseLine } from './cli-runtime.ts';
import type { ToolAnswer } from './codex-tool.ts';
import { isObject, listOf, objectOf, textOf, type Json } from './json.ts';
import type { TurnUsage } from './runtime.ts';

/** A turn that a thread holds, by the id that its message was sent under. */
export interface KnownTurn {
  client_id: string;
  /** completed, interrupted, failed, inProgress. */
  status: string;
  final_text?: string | undefined;
}

export interface CodexThread {
  id: string;
  /** Oldest first; the last ones. */
  turns: KnownTurn[];
  /** What Codex has counted for the whole thread; undefined when it has not said so. */
  total: TurnUsage | undefined;
}

export interface TurnEnd {
  status: string;
  error?: CodexError;
  final_text?: string | undefined;
  /** It has the message in its history. */
  delivered: boolean;
  total: TurnUsage | undefined;
}

export interface CodexError {
  message: string;
  info: unknown;
}

export interface TurnWatch {
  accepted(): void;
  delivered(): void;
  /** A sign of life. */
  life(): void;
  /** Codex passes a call of this tool on; resolves with its answer. */
  tool(name: string, input: unknown): Promise<ToolAnswer>;
}

export interface CodexServer {
  readonly child: Child;
  /** Turns that run in it. */
  readonly running: number;
  /** Begins a thread, or opens the one of that id. */
  thread(id: string | undefined, params: Json): Promise<CodexThread>;
  /** Resolves when the turn is over; rejects when there was none. */
  turn(thread: CodexThread, clientId: string, text: string, watch: TurnWatch): Promise<TurnEnd>;
  /** Asks it to break off the turn that runs in this thread. */
  interrupt(thread: CodexThread): void;
}

/** A request that Codex refused. */
export class CodexRefused extends Error {}
/** The process ended, or could not be spoken to. */
export class CodexGone extends Error {
  readonly exit: Exit;
  readonly words: string;
  constructor(exit: Exit, words: string) {
    super(`Codex ended ${howEnded(exit)}`);
    this.exit = exit;
    this.words = words;
  }
}
/** Nobody has logged in, and the provider asks for it. */
export class CodexLoggedOut extends Error {}

/** Turns of a thread that are looked at, and kept, to know a wake again. */
const KNOWN_TURNS = 50;

interface Running {
  clientId: string;
  watch: TurnWatch;
  turnId: string | undefined;
  interrupted: boolean;
  accepted: boolean;
  delivered: boolean;
  text: string | undefined;
  error: CodexError | undefined;
  settle: (end: TurnEnd) => void;
}

/** Starts one and shakes hands. Rejects with the spawn error, CodexGone, CodexLoggedOut or CodexRefused. */
export async function startCodexServer(options: {
  file: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  onTooLong: () => void;
}): Promise<CodexServer> {
  const pending = new Map<
    number,
    { method: string; resolve: (v: Json) => void; reject: (e: Error) => void }
  >();
  const threads = new Map<string, CodexThread>();
  const turns = new Map<string, Running>();
  let requests = 0;

  const say = (line: Json): void => child.write(`${JSON.stringify(line)}\n`);
  const request = (method: string, params: Json): Promise<Json> =>
    new Promise((resolve, reject) => {
      if (!child.alive) return void child.exited.then((exit) => reject(new CodexGone(exit, words())));
      const id = ++requests;
      pending.set(id, { method, resolve, reject });
      say({ id, method, params });
    });
  const onLine = (line: string): void => {
    const message = parseLine(line);
    if (!message) return;
    const { id, method } = message;
    if (typeof method !== 'string') return answered(message);
    if (method === 'item/tool/call') return void called(id, objectOf(message['params']));
    // It asks something of a person, of whom there is none: refused.
    if (id !== undefined) say({ id, error: { code: -32601, message: 'nobody is here to answer that' } });
    else notified(method, objectOf(message['params']));
  };
  const called = async (id: unknown, params: Json): Promise<void> => {
    const turn = turns.get(textOf(params['threadId']));
    turn?.watch.life();
    const answer = await turn?.watch.tool(textOf(params['tool']), params['arguments']);
    turn?.watch.life();
    const { text: said, success } = answer ?? { text: 'no turn of this node runs here', success: false };
    say({ id, result: { contentItems: [{ type: 'inputText', text: said }], success } });
  };
  const answered = ({ id, result, error }: Json): void => {
    const waiting = pending.get(id as number);
    if (!waiting) return;
    pending.delete(id as number);
    if (error === undefined) waiting.resolve(objectOf(result));
    else waiting.reject(new CodexRefused(`${waiting.method}: ${textOf(objectOf(error)['message'])}`));
  };
  const notified = (method: string, params: Json): void => {
    const threadId = textOf(params['threadId']);
    const thread = threads.get(threadId);
    if (method === 'thread/tokenUsage/updated') {
      const total = usageOf(objectOf(params['tokenUsage'])['total']);
      if (thread) thread.total = total;
      else early.set(threadId, total);
    }
    const turn = turns.get(threadId);
    if (!turn) return;
    // A notice that it tries again to reach its model comes without end: no sign of life.
    if (!(method === 'error' && params['willRetry'] === true) && method !== 'warning') turn.watch.life();
    if (params['turnId'] !== undefined && turn.turnId !== undefined && params['turnId'] !== turn.turnId)
      return;
    const item = objectOf(params['item']);
    switch (method) {
      case 'item/started':
      case 'item/completed':
        if (item['type'] === 'userMessage' && item['clientId'] === turn.clientId && !turn.delivered) {
          accepted(turn);
          turn.delivered = true;
          turn.watch.delivered();
        }
        if (method === 'item/completed' && isFinal(item)) turn.text = textOf(item['text']);
        break;
      case 'error':
        if (params['willRetry'] !== true) turn.error = errorOf(params['error']);
        break;
      case 'turn/completed': {
        const ended = objectOf(params['turn']);
        if (turn.turnId !== undefined && ended['id'] !== turn.turnId) break;
        const status = textOf(ended['status']);
        const error = errorOf(ended['error']) ?? turn.error;
        remember(thread, { client_id: turn.clientId, status, final_text: turn.text });
        turns.delete(threadId);
        turn.settle({
          status,
          delivered: turn.delivered,
          total: thread?.total,
          final_text: turn.text,
          ...(error ? { error } : {}),
        });
        break;
      }
      default:
    }
  };
  /** What is told of a thread before its request is answered. */
  const early = new Map<string, TurnUsage>();

  const child = await startChild({
    ...options,
    onLine,
    onExit: (exit) => {
      const error = new CodexGone(exit, words());
      for (const { reject } of pending.values()) reject(error);
      pending.clear();
    },
  });
  const words = (): string => lastWords(child.stderr().replaceAll(NOISE, ''));

  const server: CodexServer = {
    child,
    get running() {
      return turns.size;
    },
    thread: async (id, params) => {
      const open = id === undefined ? undefined : threads.get(id);
      if (open) return open;
      const answer = await (id === undefined
        ? request('thread/start', params)
        : request('thread/resume', { ...params, threadId: id, excludeTurns: true }));
      const given = textOf(objectOf(answer['thread'])['id']);
      // Anything else would later be taken for a thread's name, and quietly begin a new thread.
      if (!isUuid(given)) throw new CodexRefused(`a thread without an id: ${JSON.stringify(given)}`);
      const total = early.get(given) ?? (id === undefined ? {} : undefined);
      const thread: CodexThread = { id: given, turns: [], total };
      early.delete(given);
      if (id !== undefined) {
        const list = await request('thread/turns/list', {
          threadId: given,
          limit: KNOWN_TURNS,
          sortDirection: 'desc',
          itemsView: 'summary',
        });
        for (const turn of listOf(list['data']).map(objectOf).toReversed())
          for (const known of knownTurns(turn)) remember(thread, known);
      }
      threads.set(given, thread);
      return thread;
    },
    turn: (thread, clientId, prompt, watch) =>
      new Promise((resolve, reject) => {
        const running: Running = {
          clientId,
          watch,
          turnId: undefined,
          interrupted: false,
          accepted: false,
          delivered: false,
          text: undefined,
          error: undefined,
          settle: resolve,
        };
        turns.set(thread.id, running);
        const params = {
          threadId: thread.id,
          clientUserMessageId: clientId,
          input: [{ type: 'text', text: prompt, text_elements: [] }],
        };
        const failed = (error: Error): void => {
          if (turns.get(thread.id) === running) turns.delete(thread.id);
          reject(error);
        };
        const begun = (answer: Json): void => {
          running.turnId = textOf(objectOf(answer['turn'])['id']);
          accepted(running);
          if (running.interrupted) server.interrupt(thread);
        };
        request('turn/start', params).then(begun, failed);
        void child.exited.then((exit) => failed(new CodexGone(exit, words())));
      }),
    interrupt: (thread) => {
      const running = turns.get(thread.id);
      if (!running) return;
      running.interrupted = true;
      if (running.turnId !== undefined)
        void request('turn/interrupt', { threadId: thread.id, turnId: running.turnId }).catch(() => {});
    },
  };
  try {
    await request('initialize', {
      clientInfo: { name: 'moltnet', title: 'Moltnet', version: '1' },
      capabilities: { experimentalApi: true },
    });
    say({ method: 'initialized' });
    const { account, requiresOpenaiAuth } = await request('account/read', {});
    if (requiresOpenaiAuth === true && (account === null || account === undefined))
      throw new CodexLoggedOut('nobody has logged in to Codex');
  } catch (error) {
    await child.stop();
    throw error;
  }
  return server;
}

/** Lines of its own log, which come whatever happens. */
const NOISE = /^.*(could not find bubblewrap|Project-local config|^\s+\d+\. |To load project-local).*$/gim;

function accepted(turn: Running): void {
  if (!turn.accepted) turn.watch.accepted();
  turn.accepted = true;
}

function remember(thread: CodexThread | undefined, turn: KnownTurn): void {
  thread?.turns.push(turn);
  if (thread && thread.turns.length > KNOWN_TURNS) thread.turns.shift();
}

function knownTurns(turn: Json): KnownTurn[] {
  const items = listOf(turn['items']).map(objectOf);
  const final_text = textOf(items.findLast(isFinal)?.['text']) || undefined;
  return items
    .filter((item) => item['type'] === 'userMessage' && typeof item['clientId'] === 'string')
    .map((item) => ({ client_id: textOf(item['clientId']), status: textOf(turn['status']), final_text }));
}

const isFinal = (item: Json): boolean => item['type'] === 'agentMessage' && item['phase'] !== 'commentary';

function errorOf(value: unknown): CodexError | undefined {
  if (!isObject(value)) return undefined;
  const { message, codexErrorInfo } = value;
  return { message: textOf(message) || 'the turn failed', info: codexErrorInfo };
}

function usageOf(value: unknown): TurnUsage {
  const { inputTokens, outputTokens } = objectOf(value);
  return {
    ...(typeof inputTokens === 'number' ? { input_tokens: inputTokens } : {}),
    ...(typeof outputTokens === 'number' ? { output_tokens: outputTokens } : {}),
  };
}
