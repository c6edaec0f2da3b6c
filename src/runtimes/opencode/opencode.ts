/**
 * opencode by `opencode serve`, one process per session for as long as it is in use. A wake is a message whose id
 * ends in what wake and attempt make: one that came to its end is not run again, also after a restart of either side.
 * Tried with 1.18.33.
 */
import path from 'node:path';
import {
  LASTING_FIELDS,
  cliRuntime,
  completeProgram,
  maxIdle,
  type CliProgram,
  type CliTurn,
} from '../cli-runtime.ts';
import type { RuntimeConfigOf, RuntimeFields } from '../../config/runtime-block.ts';
import { WAKE_ENV } from '../../config/wake-folder.ts';
import type { NpmCli } from '../executable.ts';
import { heldProcesses } from '../held-processes.ts';
import { leftoverGone } from '../program-turn.ts';
import { defineRuntime, endedWell, type Runtime, type RuntimeContext, type TurnOutcome } from '../runtime.ts';
import { stateFolder } from '../state-folder.ts';
import { startTurnClock } from '../turn-clock.ts';
import { opencodeEnvironment, withGuardedShell } from './environment.ts';
import { wordsFailure } from './failures.ts';
import { pastOf } from './messages.ts';
import { OpencodeGone, OpencodeRefused, startOpencode, type OpencodeServer } from './opencode-server.ts';
import { beginTurn, tellDelivered, type Progress } from './turn.ts';

const platform = process.platform === 'win32' ? 'windows' : process.platform;
/** As npm installs it. */
export const OPENCODE_CLI: NpmCli = {
  package: 'opencode-ai',
  native: ['', '-musl', '-baseline', '-baseline-musl'].map((variant) => ({
    package: `opencode-${platform}-${process.arch}${variant}`,
    file: process.platform === 'win32' ? 'bin/opencode.exe' : 'bin/opencode',
  })),
};

const PROGRAM: CliProgram = {
  kind: 'opencode',
  command: 'opencode',
  npm: OPENCODE_CLI,
  advice: 'install opencode with `npm install -g opencode-ai`, or write its path into runtime.command',
};

/** Processes of one agent that may wait for a message, when `runtime.max_idle` does not say. */
const MAX_IDLE = 1;
/**
 * Milliseconds in which a process may start before that counts as inactivity: some seconds, and more where it first
 * installs what its user's settings name. And how often it is then told to be alive.
 */
const START_MS = 120_000;
const LIFE_MS = 250;

const FIELDS = {
  ...LASTING_FIELDS,
  model: { type: 'text', about: 'provider/model, as `opencode models` names it' },
  max_idle: maxIdle(MAX_IDLE, 700),
} as const satisfies RuntimeFields;
type OpencodeContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

export const opencode = defineRuntime({
  kind: PROGRAM.kind,
  about: 'opencode, the command line',
  fields: FIELDS,
  skill_paths: ['.opencode/skills'],
  complete: (config, note) => {
    completeProgram(PROGRAM, config, note);
    if (config.model !== undefined && !/^[^/]+\/.+/.test(config.model))
      note('model', 'names no provider', 'write provider/model, as `opencode models` does');
  },
  opens: () =>
    'may run `moltnet` without asking, and what its own settings allow, which is everything unless they say less; what they ask for is refused',
  create: createOpencode,
});

function createOpencode(context: OpencodeContext): Runtime {
  const { idle_timeout, max_idle = MAX_IDLE, model } = context.attachment.runtime;
  const held = heldProcesses<OpencodeServer>(idle_timeout, max_idle);
  const inServer = <T>(
    turn: CliTurn,
    signal: AbortSignal,
    life: () => void,
    work: (server: OpencodeServer) => Promise<T>,
  ): Promise<T> =>
    held.use(turn.wake.session_key, '', () => whileItStarts(life, () => open(turn, signal)), work);

  const run = async (turn: CliTurn): Promise<TurnOutcome> => {
    let expired: string | undefined;
    const limit = new AbortController();
    const clock = startTurnClock(turn.limits, (reason) => {
      expired = reason;
      limit.abort();
    });
    const signal = AbortSignal.any([turn.signal, limit.signal]);
    const progress: Progress = {};
    try {
      const outcome = await inServer(turn, signal, clock.touch, (server) =>
        beginTurn({ turn, server, signal, progress, model, life: clock.touch }),
      );
      if (outcome.state !== 'failed' || !signal.aborted) return outcome;
    } catch (error) {
      const gone = error instanceof OpencodeGone && !signal.aborted && progress.message !== undefined;
      const ended = gone
        ? await inServer(turn, signal, clock.touch, (server) => lastOf(turn, server, progress, signal)).catch(
            () => undefined,
          )
        : undefined;
      if (ended) return ended;
      // What it holds is not known. A refusal is an answer like any other.
      if (!(error instanceof OpencodeRefused)) await held.drop(turn.wake.session_key);
      if (!signal.aborted) return thrown(error);
    } finally {
      clock.stop();
    }
    if (turn.signal.aborted) return { state: 'cancelled', reason: 'the turn was cancelled' };
    const retried = progress.retried === undefined ? '' : `; its model: ${progress.retried}`;
    return {
      state: 'failed',
      permanent: false,
      cause: 'timeout',
      reason: `opencode was ended: ${expired}${retried}`,
    };
  };
  return cliRuntime(context, {
    program: PROGRAM,
    run,
    forget: (key) => held.drop(key),
    close: () => held.close(),
  });
}

/** A process that starts gives no signs of life, and is not given up for that. */
async function whileItStarts<T>(life: () => void, start: () => Promise<T>): Promise<T> {
  const end = performance.now() + START_MS;
  const timer = setInterval(() => performance.now() < end && life(), LIFE_MS);
  try {
    return await start();
  } finally {
    clearInterval(timer);
    life();
  }
}

async function open(turn: CliTurn, signal: AbortSignal): Promise<OpencodeServer> {
  const { attachment, log } = turn.context as OpencodeContext;
  // The process of a node that was killed goes on with its turn, and that one comes again.
  await leftoverGone({ signal }, log, turn.env[WAKE_ENV]!);
  signal.throwIfAborted();
  const { args = [], model, home_path } = attachment.runtime;
  const folder = path.join(stateFolder(attachment), 'opencode-shell');
  const env = opencodeEnvironment(turn.env, home_path !== undefined);
  const start = (shell?: string): Promise<OpencodeServer> =>
    startOpencode({
      file: turn.file,
      args,
      cwd: turn.workspace,
      env: withGuardedShell(env, folder, shell),
      model,
      signal,
      onTooLong: () => log('warn', 'opencode wrote a line that is too long to read'),
    });
  const server = await start();
  // Its settings name a shell, which is known only now.
  if (server.shell === undefined) return server;
  await server.end();
  return start(server.shell);
}

/** Of a turn whose process died: it may have come to its end just before, and must not be run again then. */
async function lastOf(
  { wake, sessions, events }: CliTurn,
  server: OpencodeServer,
  progress: Progress,
  signal: AbortSignal,
): Promise<TurnOutcome | undefined> {
  const session = sessions.get(wake.session_key)?.runtime_session_id;
  const history = (session === undefined ? undefined : await server.messages(session, signal)) ?? [];
  if (history.some(({ info }) => info.id === progress.message)) tellDelivered(progress, events);
  const { done } = pastOf(history, wake);
  return done && endedWell(done.final_text);
}

function thrown(error: unknown): TurnOutcome {
  if (error instanceof OpencodeRefused) return wordsFailure(error.message);
  if (!(error instanceof OpencodeGone)) throw error;
  const permanent = /correct runtime\.args/.test(error.message);
  return {
    state: 'failed',
    permanent,
    cause: permanent ? 'config' : 'crashed',
    reason: error.message,
  };
}
