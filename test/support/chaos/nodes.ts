/** The nodes of a chaos run, each a process with two agents. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import { DEFAULT_CATCH_UP, type Bindings } from '../../../src/protocol/wake.ts';
import { attachmentConfig } from '../node-lab-config.ts';
import { main } from '../process.ts';
import type { ChaosAgent, FactFile } from './record.ts';
import type { World } from './world.ts';
import type { NodeSettings } from './node-child.ts';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

interface NodeAgent extends ChaosAgent {
  runtime: 'codex' | 'claude-code' | 'command';
  catch_up: Bindings['catch_up'];
}
const STAND_IN = { codex: 'fake-codex', 'claude-code': 'fake-claude', command: 'fake-command' } as const;
const agent = (
  id: string,
  node: string,
  runtime: NodeAgent['runtime'],
  wake: 'all' | 'mentions',
  catch_up: Bindings['catch_up'],
): NodeAgent => ({
  id,
  node,
  runtime,
  // Codex and Claude Code know a wake by its id, also after a crash.
  dedupes: runtime !== 'command',
  rooms: { plaza: wake, work: 'mentions', guarded: wake },
  catch_up,
});
/** On each node one that is woken by everything, and one with the limits that are the default. */
export const AGENTS: readonly NodeAgent[] = [
  agent('cx1', 'node-0', 'codex', 'all', 'all'),
  agent('cl1', 'node-0', 'claude-code', 'mentions', DEFAULT_CATCH_UP),
  agent('pg1', 'node-1', 'command', 'mentions', DEFAULT_CATCH_UP),
  agent('cl2', 'node-1', 'claude-code', 'all', 'all'),
];

export interface ChaosNode {
  readonly name: string;
  readonly pid: number | undefined;
  readonly up: boolean;
  start(): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

export interface NodesOptions {
  world: World;
  folder: string;
  facts: FactFile;
  seed: string;
  /** Share of turns that fail in some way. */
  fails: number;
  /** Milliseconds at most between what an agent says. */
  pace: number;
}

/** Not started. Node i is attached to server i of the world, round about, and knows the others. */
export function chaosNodes(options: NodesOptions): ChaosNode[] {
  const { world, folder, facts, seed, fails, pace } = options;
  const bin = path.join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const launcher = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${main}' "$@"\n`;
  writeFileSync(path.join(bin, 'moltnet'), launcher, { mode: 0o755 });
  const peers = AGENTS.map(({ id }) => id);
  const environment = (life: number): NodeJS.ProcessEnv => ({
    ...process.env,
    MOLTNET_FAKE_SCRIPT: pathToFileURL(here('agent.mjs')).href,
    MOLTNET_FAKE_OPTIONS: JSON.stringify({ facts: facts.file, seed, peers, fails, pace, life }),
  });
  const names = [...new Set(AGENTS.map(({ node }) => node))];
  return names.map((name, index) => {
    const attachments = AGENTS.filter(({ node }) => node === name).map((agent) =>
      attachmentOf(agent, urlsFrom(world, index), folder),
    );
    const settings: NodeSettings = { name, attachments, bin, folder, facts: facts.file };
    return nodeProcess(settings, environment);
  });
}

const urlsFrom = ({ servers }: World, index: number): string[] =>
  servers.map((_, i) => servers[(index + i) % servers.length]!.url);

function attachmentOf(
  { id, runtime, rooms, catch_up }: NodeAgent,
  [url, ...other_urls]: readonly string[],
  folder: string,
): AttachmentConfig {
  const workspace = path.join(folder, 'agents', id, 'workspace');
  mkdirSync(workspace, { recursive: true });
  return attachmentConfig(url!, {
    agent: { id },
    ...(other_urls.length > 0 && { other_urls }),
    rooms: Object.entries(rooms).map(([room, wake]) => ({ id: room, wake })),
    catch_up,
    runtime: {
      kind: runtime,
      command: here(`../${STAND_IN[runtime]}.mjs`),
      // What it plays speaks by the command of its shell.
      ...(runtime === 'codex' && { network: true }),
      workspace_path: workspace,
      home_path: path.join(folder, 'agents', id, 'home'),
      inactivity_timeout: 2,
      turn_timeout: 60,
    },
  });
}

function nodeProcess(settings: NodeSettings, environment: (life: number) => NodeJS.ProcessEnv): ChaosNode {
  let child: ChildProcess | undefined;
  let lives = 0;
  let gone = Promise.resolve();
  const end = async (signal: 'SIGKILL' | 'SIGTERM'): Promise<void> => {
    child?.kill(signal);
    child = undefined;
    await gone;
  };
  return {
    name: settings.name,
    get pid() {
      return child?.pid;
    },
    get up() {
      return child !== undefined;
    },
    start() {
      if (child) return;
      child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', here('node-child.ts'), JSON.stringify(settings)],
        { env: environment(++lives), stdio: ['ignore', 'ignore', 'inherit'] },
      );
      const { promise, resolve } = Promise.withResolvers<void>();
      child.once('exit', () => resolve());
      gone = promise;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

/** Processes of runtimes in this folder that have begun a turn and live. */
export function liveRuntimes(
  facts: FactFile,
  folder: string,
): { pid: number; agent: string; wake: string }[] {
  const found = new Map<number, { pid: number; agent: string; wake: string }>();
  for (const fact of facts.read())
    if (fact.t === 'run') found.set(fact.pid, { pid: fact.pid, agent: fact.agent, wake: fact.wake });
    else if (fact.t === 'done')
      for (const [pid, { agent, wake }] of found)
        if (agent === fact.agent && wake === fact.wake) found.delete(pid);
  return [...found.values()].filter(({ pid }) => isRuntime(pid, folder));
}

function isRuntime(pid: number, folder: string): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`).startsWith(folder) &&
      /fake-(codex|claude|command)/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    );
  } catch {
    return false;
  }
}
