/**
 * One `opencode serve`: a process that listens on the loopback behind a password of this run, and what a turn asks of
 * it. Tried with 1.18.33.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { howEnded, startChild, type Child, type Exit } from '../child.ts';
import { lastWords, type Denial } from '../cli-runtime.ts';
import { HttpLost, httpCall, type HttpAnswer } from '../http-call.ts';
import { parseObject } from '../json.ts';
import { agentOf, requireChosenModel, type OpencodeConfig } from './chosen-model.ts';
import { watchEvents, type Listener } from './events.ts';
import { messagesPath, turnOf, type OpencodeMessage } from './messages.ts';
import { SESSION_RULES, type Rule } from './permissions.ts';

/** Bytes of an answer: a page of a session's messages has the output of their tools in it. */
const MAX_ANSWER = 64 * 1024 * 1024;
/** Milliseconds for an answer that no model stands behind. */
const ANSWER_MS = 30_000;
/** Milliseconds in which a turn is broken off before its process is. */
const ABORT_MS = 1000;
/** Milliseconds between two looks at a turn whose answer was lost. */
const LOOK_MS = 250;

/** It ended, or does not know how the turn ended. */
export class OpencodeGone extends Error {}
/** It answered with an error, which is what it says of it. */
export class OpencodeRefused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface OpencodeServer {
  readonly child: Child;
  /** The shell that its settings name. */
  readonly shell: string | undefined;
  /** The messages of a session, the newest 200; undefined when there is no such session. */
  messages(session: string, signal: AbortSignal): Promise<OpencodeMessage[] | undefined>;
  /** A new session in which the shell may run `moltnet`; what else it may do its user has settled. */
  create(title: string, signal: AbortSignal): Promise<string>;
  /** Sends one message and resolves with the last message of its turn. */
  prompt(
    body: { messageID: string; parts: { type: 'text'; text: string }[] } & Record<string, unknown>,
    listener: Listener,
    signal: AbortSignal,
  ): Promise<OpencodeMessage>;
  /** What was refused since the last call. */
  takeDenials(): Denial[];
  /** Breaks off what runs in a session, which its history then says. */
  breakOff(session: string): Promise<void>;
  /** Breaks off what runs, then ends the process with all that it started. */
  stop(session?: string): Promise<void>;
  end(): Promise<unknown>;
}

/** Throws a SetupError, with nothing left, when no model was chosen (`model` is `runtime.model`). */
export async function startOpencode(options: {
  file: string;
  args: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  model: string | undefined;
  signal: AbortSignal;
  onTooLong: () => void;
}): Promise<OpencodeServer> {
  const password = randomBytes(24).toString('base64url');
  const headers = { authorization: `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}` };
  const listening = Promise.withResolvers<string>();
  const gone = new AbortController();
  const child = await startChild({
    file: options.file,
    args: ['serve', '--hostname', '127.0.0.1', '--port', '0', ...options.args],
    cwd: options.cwd,
    env: {
      ...options.env,
      OPENCODE_SERVER_USERNAME: 'opencode',
      OPENCODE_SERVER_PASSWORD: password,
      // It would replace its own program, in the middle of turns.
      OPENCODE_DISABLE_AUTOUPDATE: '1',
    },
    onLine: (line) => {
      const [, url] = /listening on (http:\S+)/.exec(line) ?? [];
      if (url) listening.resolve(url);
    },
    onTooLong: options.onTooLong,
    onExit: () => gone.abort(),
  });
  child.endInput();
  const onAbort = (): void => void child.stop();
  options.signal.addEventListener('abort', onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  const url = await Promise.race([listening.promise, child.exited.then(() => undefined)]);
  if (url === undefined) throw new OpencodeGone(endOf(await child.exited, child, options.args));

  const call = (method: 'GET' | 'POST', path: string, body: unknown, signal: AbortSignal, ms?: number) =>
    httpCall(url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, gone.signal]),
      max_answer: MAX_ANSWER,
      ...(ms === undefined ? {} : { ms }),
    });
  const get = async (path: string, signal = gone.signal): Promise<unknown> =>
    answered(await call('GET', path, undefined, signal, ANSWER_MS));
  const post = async (path: string, body: unknown, signal = gone.signal): Promise<unknown> =>
    answered(await call('POST', path, body, signal, ANSWER_MS));
  const answered = (answer: HttpAnswer): unknown => {
    if (answer.status >= 200 && answer.status <= 299) return JSON.parse(answer.body);
    const data = parseObject(answer.body)?.['data'] as { message?: unknown } | undefined;
    throw new OpencodeRefused(answer.status, String(data?.message ?? answer.body.slice(0, 300)));
  };
  const messages = async (session: string, signal: AbortSignal): Promise<OpencodeMessage[] | undefined> => {
    const answer = await call('GET', messagesPath(session), undefined, signal, ANSWER_MS);
    return answer.status === 404 ? undefined : (answered(answer) as OpencodeMessage[]);
  };
  /** The connection broke, not the process: what became of the turn stands in its session, once nothing runs there. */
  const settled = async ({ session, message }: Listener, signal: AbortSignal): Promise<OpencodeMessage> => {
    for (;;) {
      try {
        const status = (await get('/session/status', signal)) as Record<string, unknown>;
        const turn = turnOf((await messages(session, signal)) ?? [], message);
        if (turn?.over) return turn.last;
        const idle = status[session] === undefined;
        if (idle && turn?.last.info.finish !== undefined) return turn.last;
        if (idle)
          throw new OpencodeGone('opencode broke off the turn when its connection to the node was lost');
      } catch (error) {
        // Others of its connections may have broken too.
        if (!(error instanceof HttpLost) || signal.aborted || !child.alive) throw error;
      }
      await sleep(LOOK_MS);
    }
  };
  let config: OpencodeConfig;
  let events: ReturnType<typeof watchEvents>;
  try {
    // The first of these waits for all that it sets up, and that may be an installation from the network.
    const look = async (path: string): Promise<unknown> =>
      answered(await call('GET', path, undefined, options.signal));
    config = (await look('/config')) as OpencodeConfig;
    await requireChosenModel(look, config, options.model);
    const agents = (await look('/agent')) as { name?: string; permission?: Rule[] }[];
    const rules = agents.find(({ name }) => name === agentOf(config))?.permission ?? [];
    events = watchEvents({ url, headers, signal: gone.signal, rules, get, post });
    await events.opened;
  } catch (error) {
    await child.stop();
    throw error;
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
  const breakOff = async (session: string): Promise<void> => {
    await call('POST', `/session/${session}/abort`, undefined, gone.signal, ABORT_MS).catch(() => {});
  };
  return {
    child,
    shell: config.shell,
    messages,
    create: async (title, signal) => {
      // Without a title it asks its model for one.
      const made = await post('/session', { title, permission: SESSION_RULES }, signal);
      return (made as { id: string }).id;
    },
    prompt: async (body, one, signal) => {
      events.listener = one;
      events.said = undefined;
      try {
        const answer = await call('POST', `/session/${one.session}/message`, body, signal);
        if (answer.status >= 400 && events.said !== undefined)
          throw new OpencodeRefused(answer.status, events.said);
        return answered(answer) as OpencodeMessage;
      } catch (error) {
        if (signal.aborted || !(error instanceof HttpLost)) throw error;
        try {
          if (child.alive) return await settled(one, signal);
        } catch (lost) {
          if (!(lost instanceof HttpLost)) throw lost;
        }
        if (signal.aborted) throw error;
        throw new OpencodeGone(endOf(await child.exited, child, []), { cause: error });
      } finally {
        events.listener = undefined;
      }
    },
    takeDenials: events.takeDenials,
    breakOff,
    stop: async (session) => {
      if (session !== undefined && child.alive) await breakOff(session);
      await child.stop();
    },
    end: () => child.stop(),
  };
}

function endOf(exit: Exit, child: Child, args: readonly string[]): string {
  const words = lastWords(child.stderr());
  // What it does not know it answers with its help, which says nothing.
  if (/^Options:|Show help|show help/m.test(child.stderr()) && args.length > 0)
    return `opencode serve does not take ${args.join(' ')}; correct runtime.args`;
  return `opencode ended ${howEnded(exit)}${words === '' ? '' : `: ${words}`}`;
}
