/**
 * The Agent Client Protocol over the stdin and stdout of a program: JSON-RPC 2.0, one message a line, requests in both
 * directions.
 */
import { howEnded, startChild, type Child, type Exit } from '../child.ts';
import { lastWords, parseLine } from '../cli-runtime.ts';
import { objectOf, textOf, type Json } from '../json.ts';

/** What the program sends of itself. */
export interface AcpListener {
  /** A sign of life. */
  life(): void;
  update(session: string, update: Json): void;
  /** Which of the options is chosen; undefined for none of them. */
  permission(params: Json): string | undefined;
}

/** A request that was answered with an error. */
export class AcpRefused extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
/** The process ended. */
export class AcpGone extends Error {
  readonly words: string;
  constructor(exit: Exit, words: string) {
    super(`Gemini CLI ended ${howEnded(exit)}`);
    this.words = words;
  }
}

export interface AcpConnection {
  readonly child: Child;
  /** Rejects with AcpRefused or AcpGone. */
  request(method: string, params: Json): Promise<Json>;
  notify(method: string, params: Json): void;
}

export async function connectAcp(
  options: {
    file: string;
    args: readonly string[];
    cwd: string;
    env: NodeJS.ProcessEnv;
    onTooLong: () => void;
    /** A line that is no message. */
    onWords: (line: string) => void;
  },
  listener: AcpListener,
): Promise<AcpConnection> {
  const pending = new Map<number, PromiseWithResolvers<Json>>();
  let requests = 0;

  const send = (message: Json): void => child.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const answered = (id: unknown, message: Json): void => {
    const waiting = typeof id === 'number' ? pending.get(id) : undefined;
    if (!waiting) return;
    pending.delete(id as number);
    const { error } = message;
    if (error === undefined) waiting.resolve(objectOf(message['result']));
    else waiting.reject(refusal(error));
  };
  const onLine = (line: string): void => {
    const message = parseLine(line);
    if (message?.['jsonrpc'] !== '2.0') return options.onWords(line);
    listener.life();
    const { id, method } = message;
    const params = objectOf(message['params']);
    if (method === undefined) return answered(id, message);
    if (method === 'session/update')
      return listener.update(textOf(params['sessionId']), objectOf(params['update']));
    if (id === undefined) return;
    if (method === 'session/request_permission') {
      const optionId = listener.permission(params);
      const outcome = optionId === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', optionId };
      send({ id, result: { outcome } });
    } else send({ id, error: { code: -32_601, message: 'this client does not do that' } });
  };
  let ended: AcpGone | undefined;
  const child = await startChild({
    ...options,
    onLine,
    onExit: (exit) => {
      const stderr = child.stderr();
      ended = new AcpGone(exit, WRONG.exec(stderr)?.[0] ?? lastWords(stderr.replaceAll(NOISE, '')));
      for (const { reject } of pending.values()) reject(ended);
      pending.clear();
    },
  });
  return {
    child,
    request: (method, params) => {
      if (ended) return Promise.reject(ended);
      const waiting = Promise.withResolvers<Json>();
      const id = ++requests;
      pending.set(id, waiting);
      send({ id, method, params });
      return waiting.promise;
    },
    notify: (method, params) => send({ method, params }),
  };
}

/** What it says of its arguments stands before all that it would have them be. */
const WRONG = /^(Unknown argument|Invalid values|Not enough arguments)[^\n]*(\n[^\n]*Argument: [^\n]*)?/m;
/** Lines that it writes to stderr whatever happens. */
const NOISE = /^.*(Ripgrep is not available|\[STARTUP\]|untrusted folder|folder is not trusted).*$/gm;

function refusal(error: unknown): AcpRefused {
  const { code, message, data } = objectOf(error);
  const { details } = objectOf(data);
  const words = [message, details].filter((word) => typeof word === 'string' && word !== '');
  return new AcpRefused(typeof code === 'number' ? code : 0, words.join(': ') || 'the request failed');
}
