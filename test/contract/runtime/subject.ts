/** What the contract of a runtime is run on, and what its tests ask of it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { FailureCause, Runtime, RuntimeCapabilities } from '../../../src/runtimes/runtime.ts';
import type { RuntimeLab } from '../../support/runtime-lab.ts';
import { until } from '../../support/runtime-lab.ts';

/**
 * The model, or the stand-in, plays what the text of a wake says: `[[http: N]]` the model answers so, `[[hang]]` it
 * never answers, `[[sh: command]]` the agent runs that, else it says `done`.
 */
export interface RuntimeUnderTest {
  name: string;
  lab(): RuntimeLab | Promise<RuntimeLab>;
  /** The prompts that have reached the model, in order: a turn that ran twice is there twice. */
  prompts(lab: RuntimeLab): string[];
  /** The agent's shell is ours to set up: `[[sh: moltnet …]]` reaches the stand-in of the lab. */
  shell: boolean;
  /** It can be told whether a person has logged in. */
  logins: boolean;
  /** What it says of itself; each of these is then held to. */
  claims: Pick<RuntimeCapabilities, 'dedupes' | 'reports_usage'> & { sessions: boolean };
  /** What is told of a turn that ends well. */
  told?: readonly ('accepted' | 'delivered')[];
  /** What its text becomes on the way to the model; itself when left out. */
  arrives?(text: string): string;
  /** What still runs or is connected; the processes of the lab's folder when left out. */
  open?(lab: RuntimeLab): number;
  /** Set-ups in which no turn can run, and what its failure and its probe say. */
  broken(lab: RuntimeLab): [config: Record<string, string>, cause: FailureCause, reason: RegExp][];
}

/** A command-line program. */
export interface ProgramUnderTest extends RuntimeUnderTest {
  /** The stand-in CLI plays crashes, garbage and stubbornness; the real ones do not. */
  fake: boolean;
}

export const sessionsOf = (
  lab: RuntimeLab,
): Record<string, { runtime_session_id: string; updated_at: string }> =>
  JSON.parse(readFileSync(path.join(lab.workspace, '.moltnet', 'sessions.json'), 'utf8')).sessions;
export const KEY = 'agent:alpha:local:room:general';

/** A process that runs, and is no zombie. */
export function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The processes that carry this folder in their environment. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder);
      } catch {
        return false;
      }
    });
}

export const sessionId = async (runtime: Runtime, key = KEY): Promise<string | undefined> =>
  (await runtime.sessions!.list()).find(({ session_key }) => session_key === key)?.session_id;

/** A lab for each test of this block, closed afterwards with nothing left of it. */
export function labs(subject: RuntimeUnderTest): () => RuntimeLab {
  let lab: RuntimeLab;
  beforeEach(async () => {
    lab = await subject.lab();
  });
  afterEach(async () => {
    await lab.close();
    await until(() => open(subject, lab) === 0, 'nothing is left');
  });
  return () => lab;
}
export const open = (subject: RuntimeUnderTest, lab: RuntimeLab): number =>
  subject.open?.(lab) ?? processesOf(lab.folder).length;

/** What Codex and Claude Code have in common: a shell of ours, a login, and everything that may be claimed. */
export const lastingProgram = (
  one: Pick<ProgramUnderTest, 'name' | 'fake' | 'lab' | 'prompts' | 'arrives'>,
): ProgramUnderTest => ({
  ...one,
  claims: { dedupes: true, reports_usage: true, sessions: true },
  shell: true,
  logins: true,
  broken: brokenPrograms,
});

/** What a program that is not there, or not a program, is told as. */
export const brokenPrograms = (lab: RuntimeLab): [Record<string, string>, FailureCause, RegExp][] => [
  [{ command: 'no-such-cli-anywhere' }, 'missing', /was not found on PATH; install .*npm install -g/],
  [{ command: path.join(lab.folder, 'nothing') }, 'missing', /does not exist; install/],
  [{ command: path.join(lab.workspace) }, 'missing', /is not an executable file/],
  [{ workspace_path: path.join(lab.folder, 'nowhere') }, 'config', /is not a folder; make it/],
];
