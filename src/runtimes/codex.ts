/**
 * Codex CLI by `codex exec --json`, one process per turn; a conversation's thread is resumed. The prompt goes by
 * stdin. Tried with 0.169.0.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { WAKE_ENV } from '../config/wake-folder.ts';
import { startChild, type Exit } from './child.ts';
import {
  CLI_FIELDS,
  cliRuntime,
  completeCli,
  type CliContext,
  isUuid,
  keepAfterTurn,
  lastWords,
  parseLine,
  type CliProgram,
  type CliTurn,
} from './cli-runtime.ts';
import { withoutMentions } from './codex-text.ts';
import { findProcesses, killFamily } from './processes.ts';
import {
  defineRuntime,
  type FailureCause,
  type Runtime,
  type RuntimeDefinition,
  type TurnOutcome,
  type TurnUsage,
} from './runtime.ts';
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
  capabilities: {
    wake_idle: true,
    wake_busy: false,
    headless: true,
    dedupes: false,
    reports_usage: true,
    cancels: true,
  },
};

/** Milliseconds in which it ends by itself once it has said how the turn went. */
const GRACE_MS = 5000;
/** How often it is looked whether a process that was killed is gone, and the milliseconds in between. */
const LEFTOVER_ROUNDS = 100;
const LEFTOVER_MS = 50;

export const codex: RuntimeDefinition = defineRuntime({
  kind: PROGRAM.kind,
  about: 'OpenAI Codex, the command line',
  fields: CLI_FIELDS,
  skill_paths: ['.codex/skills'],
  complete: (config, note) => completeCli(PROGRAM, config, note),
  create: createCodex,
});

function createCodex(context: CliContext): Runtime {
  return cliRuntime(context, { program: PROGRAM, run });
}

async function run(turn: CliTurn): Promise<TurnOutcome> {
  const { wake, sessions, context } = turn;
  await leftoverGone(turn);
  const stored = sessions.get(wake.session_key);
  // Anything else would be taken for a thread's name, and quietly begin a new thread.
  const thread = isUuid(stored?.runtime_session_id) ? stored.runtime_session_id : undefined;
  const outcome = await exec(turn, thread, stored?.usage_total);
  if (outcome !== 'thread lost') return outcome;
  context.log('warn', 'Codex cannot resume the thread of this conversation; a new one begins', {
    conversation: wake.conversation,
    thread,
  });
  sessions.delete(wake.session_key);
  const again = await exec(turn, undefined, undefined);
  return again === 'thread lost'
    ? { state: 'failed', permanent: false, reason: 'Codex could begin no thread' }
    : again;
}

/** What one run of the CLI has said so far. */
interface Run {
  thread: string | undefined;
  delivered: boolean;
  completed?: TurnUsage;
  failed?: string;
  /** What the agent said last. */
  text?: string;
  lost: number;
}

async function exec(
  turn: CliTurn,
  thread: string | undefined,
  before: TurnUsage | undefined,
): Promise<TurnOutcome | 'thread lost'> {
  const { wake, events, signal, sessions, context } = turn;
  const said: Run = { thread, delivered: false, lost: 0 };
  let expired: string | undefined;
  let unkept: { error: unknown } | undefined;
  let stopped = false;
  let grace: NodeJS.Timeout | undefined;
  turn.begin();
  const child = await startChild({
    file: turn.file,
    args: arguments_(turn, thread),
    cwd: turn.workspace,
    env: environment(turn),
    onLine: (line) => {
      const event = parseLine(line);
      // A notice that it is still trying to connect comes without end: no sign of life.
      if (event?.['type'] !== 'error') clock.touch();
      if (event) note(event);
    },
    onTooLong: () => said.lost++,
  });
  const stop = (): void => {
    stopped = true;
    void child.stop();
  };
  const clock = startTurnClock(turn.limits, (reason) => {
    expired = reason;
    stop();
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();

  function note(event: Record<string, unknown>): void {
    switch (event['type']) {
      case 'thread.started':
        if (!isUuid(event['thread_id'] as string | undefined)) break;
        said.thread = event['thread_id'] as string;
        // At once: a crash of ours must not leave a thread that nobody finds again.
        if (said.thread === thread) break;
        try {
          sessions.set(wake.session_key, said.thread);
        } catch (error) {
          // Thrown from here it would end the node.
          unkept = { error };
          stop();
        }
        break;
      case 'turn.started':
        if (said.delivered) break;
        said.delivered = true;
        events.delivered?.();
        break;
      case 'item.completed': {
        const item = (event['item'] ?? {}) as Record<string, unknown>;
        if (item['type'] === 'agent_message') said.text = text(item['text']);
        break;
      }
      case 'turn.completed':
        said.completed = usageOf(event['usage']);
        grace ??= setTimeout(stop, GRACE_MS);
        break;
      case 'turn.failed':
        said.failed =
          text((event['error'] as Record<string, unknown> | undefined)?.['message']) || 'the turn failed';
        grace ??= setTimeout(stop, GRACE_MS);
        break;
      default:
    }
  }

  child.write(withoutMentions(wake.text));
  child.endInput();
  events.accepted?.();
  const exit = await child.exited;
  clock.stop();
  clearTimeout(grace);
  signal.removeEventListener('abort', stop);
  if (said.lost > 0) context.log('warn', 'Codex wrote lines that are too long to read', { lines: said.lost });

  if (unkept) throw unkept.error;
  const known = thread === said.thread ? before : {};
  if (said.completed && said.failed === undefined) {
    if (said.thread) keepAfterTurn(turn, said.thread, said.completed);
    const usage = difference(said.completed, known);
    // What it said stands when it was us who ended it afterwards.
    if (exit.code === 0 || stopped)
      return { state: 'ok', ...usage, ...(said.text ? { final_text: said.text } : {}) };
  }
  if (signal.aborted) return { state: 'cancelled', reason: 'the turn was cancelled' };
  if (expired !== undefined)
    return { state: 'failed', permanent: false, cause: 'timeout', reason: `Codex was ended: ${expired}` };
  if (thread !== undefined && !said.delivered && threadLost(child.stderr())) return 'thread lost';
  return failed(said, exit, child.stderr());
}

/** The argument by which a process is known to run a turn of this conversation. */
const mark = (turn: CliTurn): string =>
  `shell_environment_policy.set.MOLTNET_SESSION_KEY=${toml(turn.wake.session_key)}`;
const toml = (value: string): string => JSON.stringify(value);

/**
 * A node that was killed leaves a process behind, which breaks off as soon as it has something to say, and until then
 * keeps the thread. Its wake comes again, so it is ended.
 */
async function leftoverGone(turn: CliTurn): Promise<void> {
  for (let round = 0; !turn.signal.aborted; round++) {
    const left = findProcesses((args) => args.includes(mark(turn)) && args.includes(turn.workspace));
    if (left.length === 0) return;
    const pids = left.map(({ pid }) => pid);
    if (round === LEFTOVER_ROUNDS || left.some(({ orphan }) => !orphan))
      throw new Error(
        `another process (${pids.join(', ')}) runs a turn of this conversation; is there a second node?`,
      );
    if (round === 0)
      turn.context.log('info', 'ending a Codex process that an earlier node left behind', { pids });
    pids.forEach(killFamily);
    await new Promise((done) => setTimeout(done, LEFTOVER_MS));
  }
}

function arguments_(turn: CliTurn, thread: string | undefined): string[] {
  const own = turn.context.attachment.runtime.args ?? [];
  return [
    'exec',
    ...(own.some((arg) => SANDBOX.test(arg)) ? [] : ['-s', 'workspace-write']),
    ...['-C', turn.workspace],
    // The narrowest that lets `moltnet` out of the sandbox: without it even the loopback is shut.
    ...['-c', 'sandbox_workspace_write.network_access=true'],
    ...['-c', 'approval_policy="never"'],
    // A login shell's profile sets PATH anew: then `moltnet` is found or not as Codex's snapshot of that shell is
    // ready or not. The environment that it gets from us is the user's already.
    ...['-c', 'allow_login_shell=false'],
    ...['-c', `shell_environment_policy.set.PATH=${toml(turn.env.PATH)}`],
    ...['MOLTNET_CLIENT_CONFIG', WAKE_ENV].flatMap((name) => [
      '-c',
      `shell_environment_policy.set.${name}=${toml(turn.env[name] ?? '')}`,
    ]),
    ...['-c', mark(turn)],
    ...own,
    ...(thread === undefined ? [] : ['resume']),
    '--json',
    '--skip-git-repo-check',
    ...(thread === undefined ? [] : [thread]),
    '-',
  ];
}
const SANDBOX = /^(-s|--sandbox|--dangerously-bypass|--approve-for-me)|sandbox_mode/;

function environment(turn: CliTurn): NodeJS.ProcessEnv {
  const home = turn.context.attachment.runtime.home_path;
  if (!home) return turn.env;
  const codexHome = path.join(path.resolve(home), '.codex');
  // It refuses to run when the folder is missing.
  mkdirSync(codexHome, { recursive: true, mode: 0o700 });
  return { ...turn.env, CODEX_HOME: codexHome };
}

function threadLost(stderr: string): boolean {
  return stderr.includes('thread/resume failed') && !stderr.includes('active writer');
}

/** Failures that stay until a person does something, and what that is. */
const PERMANENT: readonly [RegExp, FailureCause, string][] = [
  [
    /\b401\b|unauthorized|not logged in|log out and sign in|token.*(expired|revoked)/i,
    'not_logged_in',
    'log in with `codex login` as the user of this node',
  ],
  [
    /Missing environment variable/i,
    'not_logged_in',
    'set that variable for the node, or name another provider in config.toml',
  ],
  [
    /Model provider `.*` not found|Error loading config|unknown configuration|invalid type|TOML parse error/i,
    'config',
    'correct config.toml or runtime.args',
  ],
  [/unexpected argument|a value is required|invalid value/i, 'config', 'correct runtime.args'],
];

const RATE = /\b429\b|rate.?limit|usage limit|quota/i;

function failed(said: Run, exit: Exit, stderr: string): TurnOutcome {
  const words = lastWords(stderr.replaceAll(/^WARNING: .*$/gm, ''));
  const ending = exit.signal ? `by ${exit.signal}` : `with exit code ${exit.code}`;
  const reason =
    said.failed ??
    (said.completed
      ? `Codex completed the turn and ended ${ending}`
      : `Codex ended ${ending} without saying how the turn went`) + (words ? `: ${words}` : '');
  const [, lasting, advice] = PERMANENT.find(([pattern]) => pattern.test(said.failed ?? words)) ?? [];
  const passing = said.failed === undefined ? 'crashed' : RATE.test(said.failed) ? 'rate_limited' : 'model';
  return {
    state: 'failed',
    permanent: lasting !== undefined,
    cause: lasting ?? passing,
    reason: advice ? `${reason}; ${advice}` : reason,
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function usageOf(usage: unknown): TurnUsage {
  const { input_tokens, output_tokens } = (usage ?? {}) as Record<string, unknown>;
  return {
    ...(typeof input_tokens === 'number' ? { input_tokens } : {}),
    ...(typeof output_tokens === 'number' ? { output_tokens } : {}),
  };
}

/** Codex counts over the whole thread. What this turn used is only known when the count before it is. */
function difference(total: TurnUsage, before: TurnUsage | undefined): { usage?: TurnUsage } {
  if (!before || total.input_tokens === undefined || total.output_tokens === undefined) return {};
  const input_tokens = total.input_tokens - (before.input_tokens ?? 0);
  const output_tokens = total.output_tokens - (before.output_tokens ?? 0);
  return input_tokens < 0 || output_tokens < 0 ? {} : { usage: { input_tokens, output_tokens } };
}
