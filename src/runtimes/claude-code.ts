/**
 * Claude Code, one process per session for as long as it is in use, resumed afterwards. A wake goes in as a message
 * whose uuid is made of (wake_id, attempt): the CLI runs a message that its session holds no second time, also after
 * a restart of either side. Tried with 2.1.329.
 */
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import type { RuntimeConfigOf, RuntimeFields } from '../config/runtime-block.ts';
import { uuidV5 } from '../protocol/ids.ts';
import { startClaude, type ClaudeProcess, type ClaudeResult, type MessageEnd } from './claude-process.ts';
import { turnFinished } from './claude-transcript.ts';
import {
  LASTING_FIELDS,
  cliRuntime,
  completeProgram,
  isUuid,
  keepAfterTurn,
  type CliProgram,
  type CliTurn,
  type Failed,
} from './cli-runtime.ts';
import { idleTimer, type IdleTimer } from './idle-timer.ts';
import { findProcesses, killFamily } from './processes.ts';
import {
  defineRuntime,
  type Runtime,
  type RuntimeContext,
  type RuntimeDefinition,
  type TurnOutcome,
  type TurnUsage,
} from './runtime.ts';
import { startTurnClock } from './turn-clock.ts';

const PROGRAM: CliProgram = {
  kind: 'claude-code',
  command: 'claude',
  npm: {
    package: '@anthropic-ai/claude-code',
    native: ['', '-musl'].map((libc) => ({
      package: `@anthropic-ai/claude-code-${process.platform}-${process.arch}${libc}`,
      file: process.platform === 'win32' ? 'claude.exe' : 'claude',
    })),
  },
  advice:
    'install Claude Code with `npm install -g @anthropic-ai/claude-code`, or write its path into runtime.command',
  capabilities: {
    wake_idle: true,
    wake_busy: false,
    headless: true,
    dedupes: true,
    reports_usage: true,
    cancels: true,
  },
};

/** Processes of one agent that may wait for a message, when `runtime.max_idle` does not say. Each holds 200 MB. */
const MAX_IDLE = 2;
/** How often one wake is gone on with after interruptions that only its session remembers. */
const MAX_RESUMPTIONS = 8;
/** Attempts at one wake that are looked for in a transcript. */
const MAX_ATTEMPTS = 10;
/** Milliseconds between two looks at a process of a node that is gone. */
const LEFTOVER_MS = 200;
/** Tells our processes from a person's. */
const OUR_ARGUMENT = '--replay-user-messages';

/** `Bash(moltnet *)` covers pipes into it, here-documents and chains of it, and nothing that it is chained with. */
const PERMISSIONS: readonly string[] = ['--permission-mode', 'dontAsk', '--allowedTools', 'Bash(moltnet *)'];

interface Held {
  id: string;
  process: ClaudeProcess;
  idle: IdleTimer;
  waiting: boolean;
}

const FIELDS = {
  ...LASTING_FIELDS,
  max_idle: {
    type: 'number',
    min: 1,
    max: 64,
    about: 'processes that wait for a message; each holds 200 MB (2)',
  },
} as const satisfies RuntimeFields;
type ClaudeContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

export const claudeCode: RuntimeDefinition = defineRuntime({
  kind: PROGRAM.kind,
  about: 'Claude Code, the command line',
  fields: FIELDS,
  skill_paths: [],
  complete: (config, note) => completeProgram(PROGRAM, config, note),
  opens: ({ args = [] }) =>
    args.some((arg) => /^--(permission-mode|allowed-?tools|dangerously)/i.test(arg))
      ? 'may run `moltnet` without asking, and what runtime.args and its own settings allow'
      : 'may run `moltnet` without asking, and what its own settings allow; nobody is asked for more',
  create: createClaudeCode,
});

function createClaudeCode(context: ClaudeContext): Runtime {
  const max = context.attachment.runtime.max_idle ?? MAX_IDLE;
  /** By session key, the longest unused first. */
  const held = new Map<string, Held>();
  const ending = new Set<Promise<void>>();

  const drop = (key: string): Promise<void> | undefined => {
    const session = held.get(key);
    if (!session) return undefined;
    held.delete(key);
    session.idle.stop();
    const end = session.process.end().finally(() => ending.delete(end));
    ending.add(end);
    return end;
  };
  const keep = (key: string, session: Held): void => {
    held.delete(key);
    held.set(key, session);
    session.waiting = true;
    session.idle.start();
    const waiting = [...held].filter(([, other]) => other.waiting);
    for (const [other] of waiting.slice(0, -max)) void drop(other);
  };

  /** The process of a session, started when there is none. */
  const open = async (turn: CliTurn, how: SessionFlag, id: string): Promise<Held> => {
    await leftoverGone(turn, id);
    turn.signal.throwIfAborted();
    const process_ = await startClaude({
      file: turn.file,
      args: [...STREAM, ...PERMISSIONS, ...(context.attachment.runtime.args ?? []), how, id],
      cwd: turn.workspace,
      env: turn.env,
      onTooLong: () => context.log('warn', 'Claude Code wrote a line that is too long to read'),
    });
    const key = turn.wake.session_key;
    const idle = idleTimer(context.attachment.runtime.idle_timeout, () => void drop(key));
    const session: Held = { id, process: process_, idle, waiting: false };
    held.set(key, session);
    return session;
  };

  /** Sends one message into a process and watches over its turn. */
  const attempt = async (turn: CliTurn, session: Held, message: Message): Promise<Sent> => {
    turn.begin();
    const stop = (): void => void session.process.stop();
    let expired: string | undefined;
    const clock = startTurnClock(turn.limits, (reason) => {
      expired = reason;
      stop();
    });
    turn.signal.addEventListener('abort', stop, { once: true });
    if (turn.signal.aborted) stop();
    const end = await session.process.send(message, turn.events, clock.touch);
    clock.stop();
    turn.signal.removeEventListener('abort', stop);
    surfaceDenials(turn, session.process);
    return { id: session.id, end, expired };
  };

  /** Sends one message into the session of the conversation, which is resumed, or begun when it is not there. */
  const send = async (turn: CliTurn, message: Message): Promise<Sent> => {
    const key = turn.wake.session_key;
    const stored = turn.sessions.get(key)?.runtime_session_id;
    if (isUuid(stored)) {
      const sent = await sendTo(turn, message, '--resume', stored);
      if (sent.end.kind !== 'exited' || sent.end.started || !isLost(sent.end.stderr)) return sent;
      context.log('warn', 'Claude Code cannot resume the session of this conversation; a new one begins', {
        conversation: turn.wake.conversation,
        session: stored,
      });
    }
    const id = randomUUID();
    // Before it begins: a crash of ours must not leave a session that nobody finds again.
    turn.sessions.set(key, id);
    return sendTo(turn, message, '--session-id', id);
  };

  const sendTo = async (turn: CliTurn, message: Message, how: SessionFlag, id: string): Promise<Sent> => {
    const key = turn.wake.session_key;
    const current = held.get(key);
    current?.idle.stop();
    if (current && current.id !== id) await drop(key);
    const session =
      current?.process.alive === true && current.id === id ? current : await open(turn, how, id);
    session.waiting = false;
    const sent = await attempt(turn, session, message);
    if (session.process.alive) keep(key, session);
    else {
      // Not before it is gone: the next one opens the same session.
      await session.process.child.exited;
      if (held.get(key) === session) held.delete(key);
    }
    return sent;
  };

  const run = async (turn: CliTurn): Promise<TurnOutcome> => {
    const { wake } = turn;
    const before = turn.sessions.get(wake.session_key);
    for (let resumption = 0; ; resumption++) {
      const sent = await send(turn, {
        uuid: messageUuid(wake.wake_id, wake.attempt, resumption),
        text: wake.text,
      });
      if (turn.signal.aborted && sent.end.kind === 'exited')
        return { state: 'cancelled', reason: 'the turn was cancelled' };
      const { id, end } = sent;
      if (end.kind !== 'known')
        return outcomeOf(
          turn,
          id,
          end,
          sent.expired,
          before?.runtime_session_id === id ? before.usage_total : {},
        );
      const finished = await turnFinished(configDirOf(turn.env), id, messageUuids(wake.wake_id));
      if (finished === undefined)
        context.log(
          'warn',
          'Claude Code has run this wake before and its transcript cannot be read; taken as done',
          { wake_id: wake.wake_id, session: id },
        );
      if (finished !== false) return { state: 'ok' };
      if (resumption === MAX_RESUMPTIONS)
        return {
          state: 'failed',
          permanent: true,
          cause: 'crashed',
          reason: 'the turn was interrupted too often',
        };
      context.log('info', 'the turn was interrupted before its end; it is gone on with', {
        wake_id: wake.wake_id,
        session: id,
      });
    }
  };

  return cliRuntime(context, {
    program: PROGRAM,
    run,
    forget: drop,
    close: async () => {
      for (const key of [...held.keys()]) void drop(key);
      await Promise.all(ending);
    },
  });
}

const STREAM: readonly string[] = [
  '-p',
  '--input-format',
  'stream-json',
  '--output-format',
  'stream-json',
  '--verbose',
  OUR_ARGUMENT,
];

type SessionFlag = '--session-id' | '--resume';

interface Message {
  uuid: string;
  text: string;
}
interface Sent {
  id: string;
  end: MessageEnd;
  /** Which time limit the turn was ended by. */
  expired: string | undefined;
}

const messageUuid = (wakeId: string, attempt: number, resumption: number): string =>
  uuidV5(`${wakeId}#${attempt}${resumption === 0 ? '' : `#${resumption}`}`);

/** Those of every attempt at a wake: after a crash, a later attempt than the one that is repeated may have been it. */
function messageUuids(wakeId: string): Set<string> {
  const uuids = new Set<string>();
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++)
    for (let resumption = 0; resumption <= MAX_RESUMPTIONS; resumption++)
      uuids.add(messageUuid(wakeId, attempt, resumption));
  return uuids;
}

/** Whether a session could not be opened, by what the CLI says as it ends. It says the same of a damaged one. */
const isLost = (stderr: string): boolean => /No conversation found with session ID/i.test(stderr);

/**
 * A node that was killed leaves a process behind, which finishes its turn and then ends by itself. Two on one session
 * would lose one of their histories, so that end is waited for; at the turn's time limit it is brought about.
 */
async function leftoverGone(turn: CliTurn, id: string): Promise<void> {
  for (let waited = 0; !turn.signal.aborted; waited += LEFTOVER_MS) {
    const holders = findProcesses(
      (args) => args.includes(id) && args.some((arg) => SESSION_FLAGS.includes(arg)),
    );
    if (holders.length === 0) return;
    const stranger = holders.find(({ args }) => !args.includes(OUR_ARGUMENT));
    if (stranger)
      throw new Error(`process ${stranger.pid} has the Claude Code session ${id} open; close it there`);
    const pids = holders.map(({ pid }) => pid);
    if (waited === 0)
      turn.context.log('info', 'waiting for an earlier Claude Code process of this session to finish', {
        pids,
      });
    if (waited > turn.limits.total * 1000) {
      if (holders.some(({ orphan }) => !orphan))
        throw new Error(`process ${pids.join(', ')} of another node has the Claude Code session ${id} open`);
      pids.forEach(killFamily);
    }
    await new Promise((done) => setTimeout(done, LEFTOVER_MS));
  }
}
const SESSION_FLAGS: readonly string[] = ['--session-id', '--resume', '-r'];

function configDirOf(env: NodeJS.ProcessEnv): string {
  return env['CLAUDE_CONFIG_DIR'] ?? path.join(env['HOME'] ?? os.homedir(), '.claude');
}

function surfaceDenials(turn: CliTurn, process_: ClaudeProcess): void {
  const denials = process_.takeDenials();
  if (denials.length === 0) return;
  turn.context.log(
    'warn',
    "Claude Code refused its agent what its permissions do not cover; allow it in the workspace's .claude/settings.json or by runtime.args if it should",
    {
      wake_id: turn.wake.wake_id,
      denials,
    },
  );
}

function outcomeOf(
  turn: CliTurn,
  id: string,
  end: Exclude<MessageEnd, { kind: 'known' }>,
  expired: string | undefined,
  before: TurnUsage | undefined,
): TurnOutcome {
  const { result } = end;
  const usage = usageOf(result, before);
  const total = result?.total_cost_usd;
  keepAfterTurn(turn, id, total === undefined ? undefined : { cost_usd: total });
  const done = end.kind === 'ended' && end.completed && !result?.is_error;
  // What came to its end all the same would be run a second time.
  if (expired !== undefined && !done)
    return {
      state: 'failed',
      permanent: false,
      cause: 'timeout',
      reason: `Claude Code was ended: ${expired}`,
      ...usage,
    };
  // A session that cannot be opened says so in a result too, and says why on stderr.
  if (result?.is_error && (end.kind === 'ended' || end.started))
    return { state: 'failed', ...failureOf(result), ...usage };
  if (end.kind === 'ended' && end.completed)
    return { state: 'ok', ...usage, ...(result?.text ? { final_text: result.text } : {}) };
  if (end.kind === 'ended')
    return {
      state: 'failed',
      permanent: false,
      cause: 'crashed',
      reason: 'Claude Code cancelled the turn',
      ...usage,
    };
  const ending = end.exit.signal ? `by ${end.exit.signal}` : `with exit code ${end.exit.code}`;
  const when = end.started ? 'in the middle of the turn' : 'before it took the message';
  const reason = `Claude Code ended ${ending} ${when}${end.stderr ? `: ${end.stderr}` : ''}`;
  const wrongArgs = /unknown option|argument missing|is invalid/i.test(end.stderr);
  return {
    state: 'failed',
    permanent: wrongArgs,
    cause: wrongArgs ? 'config' : 'crashed',
    reason: wrongArgs ? `${reason}; correct runtime.args` : reason,
  };
}

/** Failures that stay until a person does something, and what that is. */
function failureOf(result: ClaudeResult): Omit<Failed, 'state' | 'usage'> {
  const reason = result.text || `the turn failed (${result.subtype})`;
  const status = result.api_error_status;
  const login =
    status === 401 || status === 403 || /not logged in|please run \/login|invalid api key/i.test(reason);
  if (login)
    return {
      permanent: true,
      cause: 'not_logged_in',
      reason: `${reason}; log in by running \`claude\` once as the user of this node, or give the node ANTHROPIC_API_KEY`,
    };
  if (status === 404)
    return {
      permanent: true,
      cause: 'model',
      reason: `${reason}; name a model that this account has, by runtime.args ["--model", …]`,
    };
  const patience = status === 429 || /usage limit|rate limit|hit your .{0,20}limit/i.test(reason);
  return { permanent: false, cause: patience ? 'rate_limited' : 'model', reason };
}

/** Tokens are counted per turn, the cost over the whole session: a turn's is known when the cost before it is. */
function usageOf(result: ClaudeResult | undefined, before: TurnUsage | undefined): { usage?: TurnUsage } {
  if (!result || result.input_tokens === undefined) return {};
  const cost =
    result.total_cost_usd === undefined || !before ? -1 : result.total_cost_usd - (before.cost_usd ?? 0);
  return {
    usage: {
      input_tokens: result.input_tokens,
      ...(result.output_tokens === undefined ? {} : { output_tokens: result.output_tokens }),
      ...(cost < 0 ? {} : { cost_usd: cost }),
    },
  };
}
