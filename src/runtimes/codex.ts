/**
 * Codex by `codex app-server`, one process per agent for as long as it is in use. A conversation is a thread; a wake
 * is a message with a client id made of (wake_id, attempt), which the thread keeps: one that came to its end is not
 * run again, also after a restart of either side. Tried with 0.169.0.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WAKE_ENV } from '../config/wake-folder.ts';
import {
  completeProgram,
  cliRuntime,
  isUuid,
  keepAfterTurn,
  MAX_RESUMPTIONS,
  TOO_OFTEN,
  type CliProgram,
  type CliTurn,
} from './cli-runtime.ts';
import {
  CODEX_FIELDS,
  codexArguments,
  mark,
  opening,
  speaksByTool,
  type CodexConfig,
} from './codex-arguments.ts';
import { thrownFailure, turnFailure } from './codex-failure.ts';
import {
  CodexRefused,
  startCodexServer,
  type CodexServer,
  type CodexThread,
  type TurnEnd,
} from './codex-server.ts';
import { withoutMentions } from './codex-text.ts';
import { runTool, TOOL, toolCommands, toolSpec, type ToolAnswer } from './codex-tool.ts';
import { idleTimer } from './idle-timer.ts';
import { findProcesses, killFamily } from './processes.ts';
import {
  attemptKey,
  defineRuntime,
  endedWell,
  type Runtime,
  type RuntimeContext,
  type RuntimeDefinition,
  type TurnOutcome,
  type TurnUsage,
} from './runtime.ts';
import type { StoredSession } from './sessions.ts';
import { startTurnClock } from './turn-clock.ts';

const PROGRAM: CliProgram = {
  kind: 'codex',
  command: 'codex',
  npm: {
    package: '@openai/codex',
    native: [
      ['linux-x64', 'x86_64-unknown-linux-musl'],
      ['linux-arm64', 'aarch64-unknown-linux-musl'],
      ['darwin-x64', 'x86_64-apple-darwin'],
      ['darwin-arm64', 'aarch64-apple-darwin'],
    ]
      .filter(([platform]) => platform === `${process.platform}-${process.arch}`)
      .map(([platform, target]) => ({
        package: `@openai/codex-${platform}`,
        file: `vendor/${target}/bin/codex`,
      })),
  },
  advice: 'install Codex with `npm install -g @openai/codex`, or write its path into runtime.command',
};

/** Milliseconds in which a turn that was interrupted ends; then the process does. */
const INTERRUPT_MS = 3000;
/** Milliseconds that a process of a node that is gone may take to notice that, and between two looks. */
const LEFTOVER_MS = 5000;
const LOOK_MS = 50;

export const codex: RuntimeDefinition = defineRuntime({
  kind: PROGRAM.kind,
  about: 'OpenAI Codex, the command line',
  fields: CODEX_FIELDS,
  skill_paths: ['.codex/skills'],
  complete: (config, note) => completeProgram(PROGRAM, config, note),
  opens: opening,
  create: createCodex,
});

function createCodex(context: RuntimeContext<CodexConfig>): Runtime {
  let server: CodexServer | undefined;
  let starting: Promise<CodexServer> | undefined;
  /** Turns that need the process, from before it is there. */
  let users = 0;
  const idle = idleTimer(context.attachment.runtime.idle_timeout, () => void end());

  let ending: Promise<unknown> | undefined;

  const end = (): Promise<unknown> | undefined => {
    ending = server?.child.end() ?? ending;
    server = undefined;
    return ending;
  };
  const start = async (turn: CliTurn): Promise<CodexServer> => {
    await leftoverGone(turn);
    turn.signal.throwIfAborted();
    return startCodexServer({
      file: turn.file,
      args: ['app-server', ...codexArguments(turn).args],
      cwd: turn.workspace,
      env: environment(turn),
      onTooLong: () => context.log('warn', 'Codex wrote lines that are too long to read'),
    });
  };
  /** The process, started when there is none. */
  const open = async (turn: CliTurn): Promise<CodexServer> => {
    if (server?.child.alive) return server;
    // Not before it is gone: threads are locked by the process that has them open.
    await (server?.child.exited ?? ending);
    const others = starting;
    starting ??= start(turn).finally(() => (starting = undefined));
    try {
      server = await starting;
    } catch (error) {
      // It may have been called off with the turn that began it.
      if (others && !turn.signal.aborted) return open(turn);
      throw error;
    }
    return server;
  };

  const run = async (turn: CliTurn): Promise<TurnOutcome> => {
    idle.stop();
    users++;
    try {
      return await oneTurn(turn, open, () => users);
    } finally {
      if (--users === 0 && server?.child.alive) idle.start();
    }
  };
  const runtime = cliRuntime(context, {
    program: PROGRAM,
    run,
    close: async () => {
      idle.stop();
      await starting?.catch(() => {});
      await end();
    },
  });
  return speaksByTool(context.attachment.runtime) ? { ...runtime, commands: toolCommands } : runtime;
}

/** Watches over one turn from before there is a process to run it in. */
async function oneTurn(
  turn: CliTurn,
  open: (turn: CliTurn) => Promise<CodexServer>,
  users: () => number,
): Promise<TurnOutcome> {
  const { signal, limits } = turn;
  let at: { server: CodexServer; thread?: CodexThread } | undefined;
  let expired: string | undefined;
  const over = Promise.withResolvers<void>();
  let isOver = false;
  let stopping: Promise<void> | undefined;
  /** Breaks the turn off; where it is the only one, with the process, so that nothing of it is left. */
  const stop = async (): Promise<void> => {
    // Before its thread is open it is called off there; a process that others use stays.
    if (!at || (!at.thread && !isOver && users() > 1)) return;
    const { server, thread } = at;
    stopping ??= (async () => {
      if (thread) server.interrupt(thread);
      if (thread) await Promise.race([over.promise, server.child.exited, patience()]);
      if (!isOver || users() === 1) await server.child.stop();
    })();
    await stopping;
  };
  const calledOff = (): boolean => signal.aborted || expired !== undefined;
  const clock = startTurnClock(limits, (reason) => {
    expired = reason;
    void stop();
  });
  const onAbort = (): void => void stop();
  signal.addEventListener('abort', onAbort, { once: true });

  let outcome: TurnOutcome;
  try {
    const server = await open(turn);
    at = { server };
    if (calledOff()) throw new Error('called off');
    outcome = await inThread(turn, server, clock.touch, (thread) => {
      at = { server, thread };
      if (calledOff()) throw new Error('called off');
    });
  } catch (error) {
    const failed = thrownFailure(error);
    if (!failed && !calledOff()) throw error;
    outcome = failed ?? { state: 'cancelled', reason: 'the turn was cancelled' };
  } finally {
    isOver = true;
    over.resolve();
    clock.stop();
    signal.removeEventListener('abort', onAbort);
  }
  if (calledOff()) await stop();
  if (outcome.state === 'ok') return outcome;
  if (signal.aborted) return { state: 'cancelled', reason: 'the turn was cancelled' };
  if (expired !== undefined)
    return { state: 'failed', permanent: false, cause: 'timeout', reason: `Codex was ended: ${expired}` };
  return outcome;
}

const patience = (): Promise<void> => sleep(INTERRUPT_MS, undefined, { ref: false });

async function inThread(
  turn: CliTurn,
  server: CodexServer,
  life: () => void,
  opened: (thread: CodexThread) => void,
): Promise<TurnOutcome> {
  const { wake, sessions } = turn;
  const before = sessions.get(wake.session_key);
  const byTool = speaksByTool(turn.context.attachment.runtime);
  const thread = await threadOf(turn, server, resumable(turn, before, byTool));
  life();
  opened(thread);
  // At once: a crash of ours must not leave a thread that nobody finds again.
  if (thread.id !== before?.runtime_session_id)
    sessions.set(wake.session_key, thread.id, undefined, byTool ? { tool: true } : {});

  const mine = thread.turns.filter(({ client_id }) => client_id.startsWith(`${wake.wake_id}#`));
  // After a crash of the node, a later attempt than the one that is repeated may have been it.
  const done = mine.findLast(
    ({ client_id, status }) => status === 'completed' && attemptOf(client_id) >= wake.attempt,
  );
  if (done) return endedWell(done.final_text);
  const tries = mine.filter(({ client_id }) => attemptOf(client_id) === wake.attempt).length;
  if (tries > MAX_RESUMPTIONS) return TOO_OFTEN;
  if (tries > 0)
    turn.context.log('info', 'the turn was interrupted before its end; it is begun anew', {
      wake_id: wake.wake_id,
      session: thread.id,
    });

  const total = thread.total ?? (thread.id === before?.runtime_session_id ? before.usage_total : undefined);
  turn.begin();
  // Ends what a call of the tool has begun.
  const over = new AbortController();
  const tools = AbortSignal.any([turn.signal, over.signal]);
  const end = await server
    .turn(thread, `${attemptKey(wake)}${tries === 0 ? '' : `.${tries}`}`, withoutMentions(wake.text), {
      accepted: () => turn.events.accepted?.(),
      delivered: () => turn.events.delivered?.(),
      life,
      tool: (name, input) => callTool(turn, tools, name, input),
    })
    .finally(() => over.abort());
  keepAfterTurn(turn, thread.id, end.total);
  return outcomeOf(end, total);
}

/** Codex asks for no other tool than those that its thread was begun with. */
function callTool(
  { context, workspace, env }: CliTurn,
  signal: AbortSignal,
  name: string,
  input: unknown,
): Promise<ToolAnswer> {
  if (name !== TOOL) return Promise.resolve({ text: `there is no tool ${name}`, success: false });
  return runTool(context.attachment, { bin: context.moltnet_bin, cwd: workspace, env, signal }, input);
}

/** A thread that was begun without the tool cannot be given it: its agent would be mute. */
function resumable(turn: CliTurn, before: StoredSession | undefined, byTool: boolean): string | undefined {
  if (before === undefined || !byTool || before.tool) return before?.runtime_session_id;
  turn.context.log(
    'info',
    'the thread of this conversation was begun when the shell had the network (runtime.network); a new one begins',
    { conversation: turn.wake.conversation, thread: before.runtime_session_id },
  );
  return undefined;
}

/** Of `<wake>#<attempt>`, or `<wake>#<attempt>.<how often it was interrupted>`. */
const attemptOf = (clientId: string): number =>
  Number.parseInt(clientId.slice(clientId.lastIndexOf('#') + 1), 10);

/** The conversation's thread; a new one when it cannot be opened any more. */
async function threadOf(
  turn: CliTurn,
  server: CodexServer,
  stored: string | undefined,
): Promise<CodexThread> {
  const params = {
    cwd: turn.workspace,
    ...codexArguments(turn).thread,
    config: { [`shell_environment_policy.set.${WAKE_ENV}`]: turn.env[WAKE_ENV] ?? '' },
  };
  if (isUuid(stored)) {
    try {
      return await server.thread(stored, params);
    } catch (error) {
      if (!(error instanceof CodexRefused) || /active writer/.test(error.message)) throw error;
      turn.context.log('warn', 'Codex cannot resume the thread of this conversation; a new one begins', {
        conversation: turn.wake.conversation,
        thread: stored,
        reason: error.message,
      });
    }
  }
  const tools = speaksByTool(turn.context.attachment.runtime) ? { dynamicTools: [toolSpec] } : {};
  return server.thread(undefined, { ...params, ...tools });
}

function outcomeOf(end: TurnEnd, before: TurnUsage | undefined): TurnOutcome {
  const usage = difference(end.total, before);
  if (end.status === 'completed') return endedWell(end.final_text, usage);
  if (end.error) return { ...turnFailure(end.error), ...usage };
  return {
    state: 'failed',
    permanent: false,
    cause: 'crashed',
    reason: `Codex says the turn was ${end.status || 'ended'}`,
    ...usage,
  };
}

/** Codex counts over the whole thread. What this turn used is only known when the count before it is. */
function difference(total: TurnUsage | undefined, before: TurnUsage | undefined): { usage?: TurnUsage } {
  if (!before || total?.input_tokens === undefined || total.output_tokens === undefined) return {};
  const input_tokens = total.input_tokens - (before.input_tokens ?? 0);
  const output_tokens = total.output_tokens - (before.output_tokens ?? 0);
  return input_tokens < 0 || output_tokens < 0 ? {} : { usage: { input_tokens, output_tokens } };
}

/**
 * The process of a node that was killed sees its input close, breaks its turns off and ends; until then it keeps its
 * threads. That end is waited for, and then brought about. One of another node that lives is left alone: Codex itself
 * refuses a thread that somebody else has open.
 */
async function leftoverGone(turn: CliTurn): Promise<void> {
  const ours = mark(turn);
  for (let waited = 0; !turn.signal.aborted; waited += LOOK_MS) {
    const left = findProcesses(
      (args) => args.includes('app-server') && ours.every((arg) => args.includes(arg)),
    ).filter(({ orphan }) => orphan);
    if (left.length === 0) return;
    const pids = left.map(({ pid }) => pid);
    if (waited === 0)
      turn.context.log('info', 'waiting for a Codex process that an earlier node left behind', { pids });
    if (waited > LEFTOVER_MS) pids.forEach(killFamily);
    await sleep(LOOK_MS);
  }
}

function environment(turn: CliTurn): NodeJS.ProcessEnv {
  // Each thread has its own.
  const { [WAKE_ENV]: _, ...env } = turn.env;
  const home = turn.context.attachment.runtime.home_path;
  if (!home) return env;
  const codexHome = path.join(path.resolve(home), '.codex');
  // It refuses to run when the folder is missing.
  mkdirSync(codexHome, { recursive: true, mode: 0o700 });
  return { ...env, CODEX_HOME: codexHome };
}
