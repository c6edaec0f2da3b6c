/** One `gemini --acp` that holds one session, and what a turn asks of it. Tried with 0.61.0. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isUuid, MAX_DENIALS, type CliTurn, type Denial } from '../cli-runtime.ts';
import type { TurnUsage } from '../runtime.ts';
import { listOf, objectOf, textOf, type Json } from '../json.ts';
import { AcpRefused, connectAcp, type AcpConnection } from './acp-connection.ts';
import { GeminiLoggedOut } from './failures.ts';
import { runsMoltnetOnly } from '../moltnet-only.ts';
import type { GeminiStart } from './place.ts';
import {
  keepFromReset,
  removeAbandoned,
  removeEmpty,
  toolCommand,
  watchForMessage,
} from './session-files.ts';

/** Milliseconds in which it begins, or opens, a session. */
const START_MS = 60_000;
/** Milliseconds in which it tells the history of a session that it opened; it says no word of the end of it. */
const HISTORY_MS = 2000;
/** Milliseconds in which a turn is broken off before its process is. */
const CANCEL_MS = 1000;
/** Milliseconds between two looks at whether the session has the message, and how many there are. */
const LOOK_MS = 100;
const LOOKS = 100;
/** Characters of what it says that are kept. */
const MAX_TEXT = 1024 * 1024;
/** Characters of a refusal that are told. */
const DENIAL_CHARACTERS = 300;

export interface PromptWatch {
  /** The session has the message. */
  delivered(): void;
  life(): void;
}

export interface PromptEnd {
  /** end_turn, max_tokens, max_turn_requests, refusal, cancelled. */
  stop_reason: string;
  /** What it said last, after the last of its tools; empty when that was nothing. */
  text: string;
  /** It used a tool. */
  acted: boolean;
  usage?: TurnUsage;
}

export interface GeminiProcess {
  readonly session: string;
  readonly version: string;
  readonly child: AcpConnection['child'];
  prompt(text: string, watch: PromptWatch): Promise<PromptEnd>;
  /** What was refused since the last call. */
  takeDenials(): Denial[];
  /** Breaks off what runs, then ends the process with all that it started. */
  stop(): Promise<void>;
  end(): Promise<unknown>;
}

interface Running {
  watch: PromptWatch;
  text: string;
  acted: boolean;
  delivered(): void;
  over: PromiseWithResolvers<void>;
}

export interface OpenOptions {
  start: GeminiStart;
  /** The session that is opened; a new one when it is not there any more. */
  stored: string | undefined;
  signal: AbortSignal;
  log: CliTurn['context']['log'];
}

export async function openGemini({ start, stored, signal, log }: OpenOptions): Promise<GeminiProcess> {
  let session = '';
  let version = '';
  let running: Running | undefined;
  let denials: (Denial & { call: string | undefined })[] = [];
  const history = Promise.withResolvers<void>();
  const loggedOut = Promise.withResolvers<never>();
  loggedOut.promise.catch(() => {});

  const update = (of: string, told: Json): void => {
    const kind = told['sessionUpdate'];
    // It tells its commands after the history of a session that it opened.
    if (kind === 'available_commands_update') return history.resolve();
    if (of !== session || !running) return;
    running.delivered();
    const words = textOf(objectOf(told['content'])['text']);
    if (kind === 'tool_call' || kind === 'tool_call_update') {
      running.acted = true;
      running.text = '';
      if (told['status'] === 'failed') policyDenial(told);
    } else if (kind === 'agent_message_chunk' && !words.startsWith('[MODE_UPDATE] '))
      running.text += words.slice(0, MAX_TEXT - running.text.length);
  };
  const denied = (tool: string, command: string, call?: string): void => {
    if (denials.length < MAX_DENIALS) denials.push({ tool, command, call });
  };
  const policyDenial = ({ kind, toolCallId, content }: Json): void => {
    const [first] = listOf(content).map((one) => objectOf(objectOf(one)['content']));
    // What was to be run it only notes in the session, and after this.
    if (textOf(first?.['text']).includes('denied by policy')) denied(textOf(kind), '', textOf(toolCallId));
  };
  const permission = (params: Json): string | undefined => {
    if (running) {
      running.delivered();
      running.acted = true;
    }
    const { title, kind } = objectOf(params['toolCall']);
    const options = listOf(params['options']).map(objectOf);
    const choice = (wanted: string): string | undefined => {
      const id = options.find((option) => option['kind'] === wanted)?.['optionId'];
      return typeof id === 'string' ? id : undefined;
    };
    if (kind === 'execute' && runsMoltnetOnly(textOf(title))) return choice('allow_once');
    denied(textOf(kind), textOf(title));
    return choice('reject_once');
  };

  const connection = await connectAcp(
    {
      ...start,
      onTooLong: () => log('warn', 'Gemini CLI wrote a line that is too long to read'),
      onWords: (line) => {
        // It waits for a code to be typed.
        if (/visit the following URL to authorize|authorization code/i.test(line))
          loggedOut.reject(new GeminiLoggedOut('Gemini CLI asks for a login'));
      },
    },
    { life: () => running?.watch.life(), update, permission },
  );
  const { child } = connection;
  const asked = (method: string, params: Json): Promise<Json> =>
    Promise.race([connection.request(method, params), loggedOut.promise]);

  const begin = async (): Promise<string> => {
    const { sessionId } = await asked('session/new', { cwd: start.cwd, mcpServers: [] });
    // Anything else would later be taken for a session's name, and quietly begin a new one.
    if (!isUuid(textOf(sessionId))) throw new AcpRefused(0, 'a session without an id');
    return textOf(sessionId);
  };
  const load = async (id: string): Promise<string | undefined> => {
    keepFromReset(start.env, id);
    session = id;
    try {
      await asked('session/load', { sessionId: id, cwd: start.cwd, mcpServers: [] });
    } catch (error) {
      if (!(error instanceof AcpRefused) || error.code === -32_000) throw error;
      log('warn', 'Gemini CLI cannot open the session of this conversation; a new one begins', {
        session: id,
        reason: error.message,
      });
      return undefined;
    }
    removeEmpty(start.env, id);
    await Promise.race([history.promise, sleep(HISTORY_MS)]);
    return id;
  };

  let late = false;
  const stopEarly = (): void => void child.stop();
  const limit = setTimeout(() => {
    late = true;
    stopEarly();
  }, START_MS);
  signal.addEventListener('abort', stopEarly, { once: true });
  try {
    if (signal.aborted) stopEarly();
    const { agentInfo } = await asked('initialize', {
      protocolVersion: 1,
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false } },
    });
    version = textOf(objectOf(agentInfo)['version']);
    session = (stored === undefined ? undefined : await load(stored)) ?? (await begin());
    removeAbandoned(start.env, session);
  } catch (error) {
    await child.stop();
    throw late ? new Error(`Gemini CLI did not begin a session in ${START_MS / 1000} s`) : error;
  } finally {
    clearTimeout(limit);
    signal.removeEventListener('abort', stopEarly);
  }

  return {
    session,
    version,
    child,
    prompt: async (text, watch) => {
      const has = watchForMessage(start.env, session, text);
      let told = false;
      const delivered = (): void => {
        if (!told) watch.delivered();
        told = true;
        clearInterval(looking);
      };
      let looks = 0;
      const looking = setInterval(() => {
        if (has()) delivered();
        if (++looks === LOOKS) clearInterval(looking);
      }, LOOK_MS);
      const one: Running = { watch, text: '', acted: false, delivered, over: Promise.withResolvers() };
      running = one;
      try {
        const end = await connection.request('session/prompt', {
          sessionId: session,
          prompt: [{ type: 'text', text }],
        });
        delivered();
        return {
          stop_reason: textOf(end['stopReason']),
          text: one.text.trim(),
          acted: one.acted,
          ...usageOf(end),
        };
      } finally {
        if (has()) delivered();
        clearInterval(looking);
        running = undefined;
        one.over.resolve();
      }
    },
    takeDenials: () =>
      denials.splice(0).map(({ tool, command, call }) => ({
        tool,
        command: (call === undefined ? command : toolCommand(start.env, session, call)).slice(
          0,
          DENIAL_CHARACTERS,
        ),
      })),
    stop: async () => {
      if (running && child.alive) {
        // It takes the message back out of its history, which would else be answered with the next one.
        connection.notify('session/cancel', { sessionId: session });
        await Promise.race([running.over.promise, sleep(CANCEL_MS)]);
      }
      await child.stop();
    },
    end: () => child.end(),
  };
}

function usageOf(end: Json): { usage?: TurnUsage } {
  const { token_count } = objectOf(objectOf(end['_meta'])['quota']);
  const { input_tokens, output_tokens } = objectOf(token_count);
  return typeof input_tokens === 'number' && typeof output_tokens === 'number'
    ? { usage: { input_tokens, output_tokens } }
    : {};
}
