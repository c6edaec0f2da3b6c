/** A workspace and a home of its own for one agent runtime, and wakes for it: what the contract suite runs on. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RuntimeConfig } from '../../src/config/types.ts';
import type { WakeOfTurn } from '../../src/config/wake-folder.ts';
import type {
  Runtime,
  RuntimeContext,
  RuntimeDefinition,
  TurnOutcome,
  Wake,
} from '../../src/runtimes/runtime.ts';

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown> | undefined;
}

export interface RuntimeLab {
  folder: string;
  workspace: string;
  home: string;
  /** The folder with a stand-in `moltnet` that writes what it was called with to `said`. */
  bin: string;
  log: LogLine[];
  /** What the stand-in `moltnet` was called with: its arguments, its input, its configuration and its wake. */
  said(): { args: string[]; stdin: string; config: string; wake: WakeOfTurn }[];
  /** The runs that a stand-in CLI has noted. */
  runs(): Run[];
  context(runtime?: Partial<RuntimeConfig>, more?: Partial<RuntimeContext>): RuntimeContext;
  runtime(runtime?: Partial<RuntimeConfig>, more?: Partial<RuntimeContext>): Runtime;
  /** Closes what was made and removes the folder. */
  close(): Promise<void>;
}

export interface Run {
  argv: string[];
  cwd: string;
  env: Record<string, string | undefined>;
  prompt: string;
  pid: number;
  message?: Record<string, unknown>;
  /** Of Codex: the thread, and what it was begun or opened with. */
  thread?: string;
  params?: Record<string, unknown>;
  /** A second process on the same session. */
  two?: boolean;
}

/** @param config its `runtime` block: what every lab of it has, e.g. the command of a stand-in. */
export function runtimeLab(
  { kind, create }: Pick<RuntimeDefinition, 'kind' | 'create'>,
  config: Omit<RuntimeConfig, 'kind'> = {},
): RuntimeLab {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'moltnet-runtime-'));
  const [workspace, home, bin] = ['workspace', 'home', 'bin'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const made of [workspace, home, bin]) mkdirSync(made);
  // Where the sandbox of an agent lets it write.
  const saidFile = path.join(workspace, 'said.jsonl');
  const script = `#!/usr/bin/env node
const { appendFileSync, readFileSync } = require('node:fs');
const args = process.argv.slice(2);
const stdin = args.includes('-') ? readFileSync(0, 'utf8') : '';
const wake = JSON.parse(readFileSync(process.env.MOLTNET_WAKE + '/wake.json', 'utf8'));
appendFileSync(${JSON.stringify(saidFile)}, JSON.stringify({ args, stdin, config: process.env.MOLTNET_CLIENT_CONFIG, wake }) + '\\n');
console.log('sent');
`;
  writeFileSync(path.join(bin, 'moltnet'), script, { mode: 0o755 });
  const made: Runtime[] = [];
  const log: LogLine[] = [];
  const lab: RuntimeLab = {
    folder,
    workspace,
    home,
    bin,
    log,
    said: () => readLines(saidFile),
    runs: () => readLines(path.join(home, 'runs.jsonl')),
    context: (runtime = {}, more = {}) => ({
      attachment: {
        agent: { id: 'alpha', name: 'Alpha' },
        base_url: 'http://127.0.0.1:1',
        network_id: 'local',
        auth: { mode: 'none', static_token: false },
        runtime: {
          kind,
          workspace_path: workspace,
          home_path: home,
          inactivity_timeout: 60,
          turn_timeout: 120,
          ...config,
          ...runtime,
        },
        rooms: [{ id: 'general', wake: 'mentions' }],
        dms: { enabled: true, wake: 'all' },
        catch_up: 'all',
        bootstrap: false,
        publish: 'explicit',
      },
      moltnet_bin: bin,
      log: (level, message, fields) => log.push({ level, message, fields }),
      ...more,
    }),
    runtime: (runtime, more) => {
      const one = create(lab.context(runtime, more));
      made.push(one);
      return one;
    },
    close: async () => {
      await Promise.all(made.map((one) => one.close()));
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return lab;
}

function readLines<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

let wakes = 0;
/** A wake with this text, in the conversation of a room. */
export function wakeOf(text: string, more: Partial<Wake> = {}): Wake {
  const conversation = more.conversation ?? 'room:general';
  return {
    wake_id: `wake_${++wakes}`,
    attempt: 1,
    conversation,
    session_key: `agent:alpha:local:${conversation}`,
    text,
    ...more,
  };
}

/** Runs one turn to its end, with what was told on the way. */
export async function deliver(
  runtime: Runtime,
  wake: Wake,
  signal: AbortSignal = new AbortController().signal,
): Promise<TurnOutcome & { told: string[] }> {
  const told: string[] = [];
  const outcome = await runtime.deliver(
    wake,
    { accepted: () => told.push('accepted'), delivered: () => told.push('delivered') },
    signal,
  );
  return { ...outcome, told };
}

/** Waits for a fact that no event tells. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  what: string,
  ms = 30_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await fact())) {
    if (performance.now() > end) throw new Error(`this did not come true in ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

export const fakeCodex: string = fileURLToPath(new URL('fake-codex.mjs', import.meta.url));
export const fakeClaude: string = fileURLToPath(new URL('fake-claude.mjs', import.meta.url));
export const fakeGemini: string = fileURLToPath(new URL('fake-gemini.mjs', import.meta.url));
export const fakeOpencode: string = fileURLToPath(new URL('fake-opencode.mjs', import.meta.url));

/** Runs a turn in a process of its own and kills that, -9, at the moment when `at` comes true. */
export async function killedHost(
  lab: RuntimeLab,
  wake: Wake,
  at: () => Promise<unknown>,
  options: { hold?: boolean } = {},
): Promise<void> {
  const host = fileURLToPath(new URL('runtime-host.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      host,
      JSON.stringify({ context: lab.context(), wake, ...options }),
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await Promise.race([at(), gone.then(() => Promise.reject(new Error('the host ended by itself')))]);
  child.kill('SIGKILL');
  await gone;
}
