/**
 * Claude Code, one process per session for as long as it is in use, resumed afterwards. A wake goes in as a message
 * whose uuid is made of (wake_id, attempt): the CLI runs a message that its session holds no second time, also after
 * a restart of either side. Tried with 2.1.329.
 */
import { randomUUID } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RuntimeConfigOf, RuntimeFields } from '../config/runtime-block.ts';
import { uuidV5 } from '../protocol/ids.ts';
import { outcomeOf } from './claude-outcome.ts';
import { startClaude, type ClaudeProcess, type MessageEnd } from './claude-process.ts';
import { transcriptSize, turnFinished } from './claude-transcript.ts';
import {
  LASTING_FIELDS,
  cliRuntime,
  completeProgram,
  isUuid,
  maxIdle,
  MAX_RESUMPTIONS,
  tellDenials,
  TOO_OFTEN,
  type CliProgram,
  type CliTurn,
} from './cli-runtime.ts';
import type { NpmCli } from './executable.ts';
import { heldProcesses } from './held-processes.ts';
import { findProcesses, killFamily } from './processes.ts';
import {
  attemptKey,
  defineRuntime,
  type Runtime,
  type RuntimeContext,
  type RuntimeDefinition,
  type TurnOutcome,
} from './runtime.ts';
import { startTurnClock } from './turn-clock.ts';

/** As npm installs it. */
export const CLAUDE_CLI: NpmCli = {
  package: '@anthropic-ai/claude-code',
  native: ['', '-musl'].map((libc) => ({
    package: `@anthropic-ai/claude-code-${process.platform}-${process.arch}${libc}`,
    file: process.platform === 'win32' ? 'claude.exe' : 'claude',
  })),
};

const PROGRAM: CliProgram = {
  kind: 'claude-code',
  command: 'claude',
  npm: CLAUDE_CLI,
  advice:
    'install Claude Code with `npm install -g @anthropic-ai/claude-code`, or write its path into runtime.command',
};

/** Processes of one agent that may wait for a message, when `runtime.max_idle` does not say. */
const MAX_IDLE = 2;
/** Attempts at one wake that are looked for in a transcript. */
const MAX_ATTEMPTS = 10;
/** Milliseconds between two looks at a process of a node that is gone. */
const LEFTOVER_MS = 200;
/** What to do about what it refused. */
const DENIED =
  "Claude Code refused its agent what its permissions do not cover; allow it in the workspace's .claude/settings.json or by runtime.args if it should";

/** Tells our processes from a person's. */
const OUR_ARGUMENT = '--replay-user-messages';

/** `Bash(moltnet *)` covers pipes into it, here-documents and chains of it, and nothing that it is chained with. */
const PERMISSIONS: readonly string[] = ['--permission-mode', 'dontAsk', '--allowedTools', 'Bash(moltnet *)'];

const FIELDS = {
  ...LASTING_FIELDS,
  max_idle: maxIdle(MAX_IDLE, 200),
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
  const { idle_timeout, max_idle = MAX_IDLE } = context.attachment.runtime;
  const held = heldProcesses<ClaudeProcess>(idle_timeout, max_idle);

  const open = async (turn: CliTurn, how: SessionFlag, id: string): Promise<ClaudeProcess> => {
    await leftoverGone(turn, id);
    turn.signal.throwIfAborted();
    return startClaude({
      file: turn.file,
      args: [...STREAM, ...PERMISSIONS, ...(context.attachment.runtime.args ?? []), how, id],
      cwd: turn.workspace,
      env: turn.env,
      onTooLong: () => context.log('warn', 'Claude Code wrote a line that is too long to read'),
    });
  };

  /** Sends one message into a process and watches over its turn. */
  const attempt = async (
    turn: CliTurn,
    id: string,
    process_: ClaudeProcess,
    message: Message,
  ): Promise<Sent> => {
    turn.begin();
    const stop = (): void => void process_.child.stop();
    let expired: string | undefined;
    const clock = startTurnClock(turn.limits, (reason) => {
      expired = reason;
      stop();
    });
    turn.signal.addEventListener('abort', stop, { once: true });
    if (turn.signal.aborted) stop();
    const end = await process_.send(message, turn.events, clock.touch);
    clock.stop();
    turn.signal.removeEventListener('abort', stop);
    tellDenials(turn, process_.takeDenials(), DENIED);
    return { id, end, expired };
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

  const sendTo = (turn: CliTurn, message: Message, how: SessionFlag, id: string): Promise<Sent> =>
    held.use(
      turn.wake.session_key,
      id,
      () => open(turn, how, id),
      (process_) => attempt(turn, id, process_, message),
    );

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
      if (resumption === MAX_RESUMPTIONS) return TOO_OFTEN;
      context.log('info', 'the turn was interrupted before its end; it is gone on with', {
        wake_id: wake.wake_id,
        session: id,
      });
    }
  };

  return cliRuntime(context, {
    program: PROGRAM,
    run,
    forget: (key) => held.drop(key),
    close: () => held.close(),
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

const messageUuid = (wake_id: string, attempt: number, resumption: number): string =>
  uuidV5(`${attemptKey({ wake_id, attempt })}${resumption === 0 ? '' : `#${resumption}`}`);

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
 * would lose one of their histories, so that end is waited for; at the turn's time limits it is brought about. Its signs
 * of life are what it writes into its transcript: nobody reads its output any more.
 */
async function leftoverGone(turn: CliTurn, id: string): Promise<void> {
  const { inactivity, total } = turn.limits;
  const began = performance.now();
  let sign = { at: began, size: -1 };
  for (let told = false; !turn.signal.aborted; told = true) {
    const holders = findProcesses(
      (args) => args.includes(id) && args.some((arg) => SESSION_FLAGS.includes(arg)),
    );
    if (holders.length === 0) return;
    const stranger = holders.find(({ args }) => !args.includes(OUR_ARGUMENT));
    if (stranger)
      throw new Error(`process ${stranger.pid} has the Claude Code session ${id} open; close it there`);
    const pids = holders.map(({ pid }) => pid);
    const { log } = turn.context;
    if (!told) log('info', 'waiting for an earlier Claude Code process of this session to finish', { pids });
    const now = performance.now();
    const size = transcriptSize(configDirOf(turn.env), id);
    if (size !== sign.size) sign = { at: now, size };
    const late = now - began > total * 1_000;
    const orphans = holders.every(({ orphan }) => orphan);
    if (late && !orphans)
      throw new Error(`process ${pids.join(', ')} of another node has the Claude Code session ${id} open`);
    if (late || (orphans && now - sign.at > inactivity * 1_000)) {
      log('warn', 'ending an earlier Claude Code process: a time limit of its turn is over', { pids });
      pids.forEach(killFamily);
    }
    await sleep(LEFTOVER_MS);
  }
}
const SESSION_FLAGS: readonly string[] = ['--session-id', '--resume', '-r'];

function configDirOf(env: NodeJS.ProcessEnv): string {
  return env['CLAUDE_CONFIG_DIR'] ?? path.join(env['HOME'] ?? os.homedir(), '.claude');
}
