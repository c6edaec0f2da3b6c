/**
 * What the runtimes that are a command-line program have in common: the place their processes run in, one turn at a
 * time per session, and the ends that do not depend on the program.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { ConfigError } from '../config/issues.ts';
import type { NoteField, RuntimeConfigOf, RuntimeField, RuntimeFields } from '../config/runtime-block.ts';
import { beginWake, WAKE_ENV, wakeFolder } from '../config/wake-folder.ts';
import { findExecutable, type NpmCli } from './executable.ts';
import { parseObject, type Json } from './json.ts';
import {
  notReady,
  TURN_BY_TURN,
  type Failed,
  type ProbeResult,
  type Runtime,
  type RuntimeContext,
  type TurnEvents,
  type TurnOutcome,
  type TurnUsage,
  type Wake,
} from './runtime.ts';
import { openSessionStore, type SessionStore } from './sessions.ts';
import { SetupError } from './setup-error.ts';
import { turnLimits, type TurnLimits } from './turn-clock.ts';
import { turnQueue } from './turn-queue.ts';
import { agentEnvironment, requireWorkspace, workspaceOf } from './workspace.ts';

const PROBE_MS = 20_000;

/** What a command-line program takes; its own command stands with it. */
export const CLI_FIELDS = {
  command: { type: 'command', about: 'the program, when it is not on PATH under its own name' },
  args: { type: 'list', about: 'more arguments for it, e.g. ["--model", "gpt-5"]' },
  session_store_path: {
    type: 'path',
    about: 'where it is kept which session belongs to which conversation (.moltnet/sessions.json)',
  },
} as const satisfies RuntimeFields;
/** Of a program whose process outlasts the turn. */
export const LASTING_FIELDS = {
  ...CLI_FIELDS,
  idle_timeout: {
    type: 'number',
    min: 1,
    max: 86_400,
    about: 'seconds without a turn after which its process is ended (600)',
  },
} as const satisfies RuntimeFields;
/** Of one that holds a single session: how many processes of an agent wait for a message, and the memory of each. */
export const maxIdle = (count: number, megabytes: number) =>
  ({
    type: 'number',
    min: 1,
    max: 64,
    about: `processes that wait for a message; each holds ${megabytes} MB (${count})`,
  }) as const satisfies RuntimeField;
export type CliConfig = RuntimeConfigOf<typeof CLI_FIELDS>;
export type CliContext = RuntimeContext<CliConfig>;
export type LastingContext = RuntimeContext<RuntimeConfigOf<typeof LASTING_FIELDS>>;

/** A workspace it must have; the rest follows from that. */
export function completeProgram(
  program: { kind: string; command: string },
  config: CliConfig,
  note: NoteField,
): void {
  config.command ??= program.command;
  if (config.workspace_path === undefined)
    note('workspace_path', 'is missing', `write the folder that ${program.kind} works in`);
  else config.session_store_path ??= path.join(config.workspace_path, '.moltnet', 'sessions.json');
}

/** A command-line program as the adapters know it. */
export interface CliProgram {
  kind: string;
  /** What it is called when `runtime.command` does not say. */
  command: string;
  npm: NpmCli;
  /** What to do when it is not there. */
  advice: string;
}

/** Where and how the processes of one attachment run. */
export interface CliPlace {
  context: CliContext;
  /** Absolute path of the program. */
  file: string;
  /** Absolute. */
  workspace: string;
  env: NodeJS.ProcessEnv & { PATH: string };
  sessions: SessionStore;
  limits: TurnLimits;
}

/** One turn that an adapter is to run. The signal also falls when the runtime is closed. */
export interface CliTurn extends CliPlace {
  wake: Wake;
  events: TurnEvents;
  signal: AbortSignal;
  /** To be called when nothing of an earlier run is left, and before this one can send. */
  begin(): void;
}

/** What a program refused its agent. */
export interface Denial {
  tool: string;
  command: string;
}

/** Of one turn that are told: a program may go on being refused without end. */
export const MAX_DENIALS = 20;

/** Tells of it, and what a person may do. */
export function tellDenials({ context, wake }: CliTurn, denials: readonly Denial[], advice: string): void {
  if (denials.length > 0) context.log('warn', advice, { wake_id: wake.wake_id, denials });
}

/** How often one attempt at a wake is begun anew after interruptions that only its session remembers; and after that. */
export const MAX_RESUMPTIONS = 8;
export const TOO_OFTEN: Failed = {
  state: 'failed',
  permanent: true,
  cause: 'crashed',
  reason: 'the turn was interrupted too often',
};

export interface CliAdapter {
  program: CliProgram;
  /** Runs one turn. May throw: a SetupError is permanent, anything else is a failure that may pass. */
  run(turn: CliTurn): Promise<TurnOutcome>;
  /** Looks closer than at the version that its program tells. May throw as `run` may. */
  probe?(place: CliPlace, signal: AbortSignal): Promise<ProbeResult>;
  /** Ends processes that live longer than a turn. */
  close?(): Promise<void>;
  /** Ends what is kept of one session beside the store. */
  forget?(sessionKey: string): Promise<unknown> | undefined;
}

/** The Runtime of such a program. Throws a SetupError when the attachment has no workspace. */
export function cliRuntime(context: CliContext, adapter: CliAdapter): Runtime {
  const { program } = adapter;
  const workspace = workspaceOf(context);
  const queue = turnQueue();
  const looks = new Set<Promise<ProbeResult>>();

  const runTurn = async (wake: Wake, events: TurnEvents, signal: AbortSignal): Promise<TurnOutcome> => {
    try {
      const place = enter(context, program, workspace);
      const folder = wakeFolder(workspace, wake.session_key);
      const outcome = await adapter.run({
        ...place,
        env: { ...place.env, [WAKE_ENV]: folder },
        begin: () => beginWake(folder, wake),
        wake,
        events,
        signal,
      });
      return signal.aborted && outcome.state === 'failed' ? queue.cancelled() : outcome;
    } catch (error) {
      return signal.aborted ? queue.cancelled() : failure(error);
    }
  };
  const storeFile = (): SessionStore => sessionStore(context, workspace);
  return {
    kind: program.kind,
    capabilities: { ...TURN_BY_TURN, dedupes: true, reports_usage: true, cancels: true },
    sessions: {
      list: async () =>
        storeFile()
          .list()
          .map(([session_key, { runtime_session_id, updated_at, usage_total }]) => ({
            session_key,
            session_id: runtime_session_id,
            updated_at,
            ...(usage_total ? { usage: usage_total } : {}),
          })),
      reset: async (key) => {
        await adapter.forget?.(key);
        return storeFile().delete(key);
      },
    },
    probe: () => {
      const looking = probe(context, adapter, workspace, queue.closing).finally(() => looks.delete(looking));
      looks.add(looking);
      return looking;
    },
    // Two processes on one session would corrupt it (Claude Code) or refuse each other (Codex).
    deliver: (wake, events, caller) =>
      queue.add(wake.session_key, caller, (signal) => runTurn(wake, events, signal)),
    close: async () => {
      await Promise.all([queue.close(), ...looks]);
      await adapter.close?.();
    },
  };
}

/**
 * Notes the session of a turn that is over. When that cannot be written, it is said and the turn stays what it was:
 * as a failure it would be run a second time.
 */
export function keepAfterTurn(
  { context, sessions, wake, workspace }: CliTurn,
  sessionId: string,
  usage: TurnUsage | undefined,
): void {
  try {
    // Else the store would make the folder anew, and the next turn would run in an empty one.
    requireWorkspace(workspace);
    sessions.set(wake.session_key, sessionId, usage);
  } catch (error) {
    context.log('warn', `the turn is done, and its session could not be noted: ${(error as Error).message}`, {
      conversation: wake.conversation,
    });
  }
}

/** Looks again at each turn: a CLI that was missing may have been installed meanwhile. */
function enter(context: CliContext, program: CliProgram, workspace: string): CliPlace {
  const runtime = context.attachment.runtime;
  requireWorkspace(workspace);
  const env = agentEnvironment(context, workspace);
  return {
    context,
    workspace,
    env,
    file: findExecutable(runtime.command ?? program.command, env.PATH, program.advice, program.npm),
    sessions: sessionStore(context, workspace),
    limits: turnLimits(runtime),
  };
}

function sessionStore(context: CliContext, workspace: string): SessionStore {
  return openSessionStore(
    context.attachment.runtime.session_store_path ?? path.join(workspace, '.moltnet', 'sessions.json'),
    (aside) =>
      context.log(
        'warn',
        'the session store was not readable and is put aside; conversations begin new sessions',
        { aside },
      ),
  );
}

async function probe(
  context: CliContext,
  adapter: CliAdapter,
  workspace: string,
  signal: AbortSignal,
): Promise<ProbeResult> {
  try {
    const place = enter(context, adapter.program, workspace);
    if (adapter.probe) return await adapter.probe(place, signal);
    const { file, env } = place;
    const version = await new Promise<string>((resolve, reject) => {
      execFile(
        file,
        ['--version'],
        { cwd: workspace, env, timeout: PROBE_MS, killSignal: 'SIGKILL' },
        (error, stdout) => (error ? reject(error) : resolve(stdout.trim().split('\n')[0] ?? '')),
      ).stdin?.end();
    });
    return { ready: true, version };
  } catch (error) {
    return notReady(failure(error));
  }
}

/** Errors of starting a process that stay until a person does something. */
const LASTING: ReadonlySet<string> = new Set([
  'ENOENT',
  'EACCES',
  'ENOEXEC',
  'EPERM',
  'ENOTDIR',
  'EISDIR',
  'EROFS',
  'ELOOP',
]);

function failure(error: unknown): Failed {
  const { code, message, path: file, syscall } = error as NodeJS.ErrnoException;
  const permanent = error instanceof SetupError || error instanceof ConfigError || LASTING.has(code ?? '');
  // The file itself was looked at just before.
  const reason =
    code === 'ENOENT' && syscall?.startsWith('spawn')
      ? `${file} cannot be started: the program that its first line (#!) names is not there; correct runtime.command`
      : message;
  const cause = error instanceof SetupError ? error.failure : permanent ? 'config' : undefined;
  return { state: 'failed', permanent, reason, ...(cause ? { cause } : {}) };
}

/** The last lines of what a program wrote to stderr, in one line of at most 600 characters. */
export function lastWords(stderr: string): string {
  const words = stderr.replace(/\n\s*Stack backtrace:[^]*$/, '');
  return words
    .trim()
    .split(/\s*\n\s*/)
    .slice(-6)
    .join(' | ')
    .slice(-600)
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const isUuid = (value: string | undefined): value is string => value !== undefined && UUID.test(value);

/** A JSON object of a line of output; undefined for anything else a program may print between them. */
export const parseLine = (line: string): Json | undefined =>
  line.startsWith('{') ? parseObject(line) : undefined;
