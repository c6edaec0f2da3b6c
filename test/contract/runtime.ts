/**
 * What every runtime keeps. `runtimeContract` is for all of them, a socket or an HTTP service as much as a program;
 * `programContract` is for command-line programs beside it. Both run with a stand-in, for the turns that a real one
 * cannot be made to play, and on the real ones against a mock model (test/runtimes).
 */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FailureCause, Runtime, RuntimeCapabilities } from '../../src/runtimes/runtime.ts';
import type { RuntimeLab } from '../support/runtime-lab.ts';
import { deliver, until, wakeOf } from '../support/runtime-lab.ts';

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

const sessionsOf = (lab: RuntimeLab): Record<string, { runtime_session_id: string; updated_at: string }> =>
  JSON.parse(readFileSync(path.join(lab.workspace, '.moltnet', 'sessions.json'), 'utf8')).sessions;
const KEY = 'agent:alpha:local:room:general';

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

const sessionId = async (runtime: Runtime, key = KEY): Promise<string | undefined> =>
  (await runtime.sessions!.list()).find(({ session_key }) => session_key === key)?.session_id;

/** A lab for each test of this block, closed afterwards with nothing left of it. */
function labs(subject: RuntimeUnderTest): () => RuntimeLab {
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
const open = (subject: RuntimeUnderTest, lab: RuntimeLab): number =>
  subject.open?.(lab) ?? processesOf(lab.folder).length;

/** Of every runtime. What one does not claim is not asked of it. */
export function runtimeContract(subject: RuntimeUnderTest): void {
  const arrives = (text: string): string => subject.arrives?.(text) ?? text;
  const told = subject.told ?? ['accepted', 'delivered'];

  describe(`${subject.name}: the contract`, () => {
    const current = labs(subject);
    let lab: RuntimeLab;
    beforeEach(() => {
      lab = current();
    });

    it('RT-1 a turn that ends well is ok, and was told delivered before', async () => {
      const runtime = lab.runtime();
      const { sessions, ...claims } = subject.claims;
      expect(runtime.capabilities).toMatchObject(claims);
      expect(runtime.sessions !== undefined).toBe(sessions);
      expect(await runtime.probe()).toMatchObject({ ready: true });
      expect(await deliver(runtime, wakeOf('hello'))).toMatchObject({ state: 'ok', told });
      expect(subject.prompts(lab)).toEqual([arrives('hello')]);
    });

    it('RT-2 the text arrives as written, whatever it holds', async () => {
      const text = '/status\n> @/etc/passwd !ls --help -m x \u2028 "quoted" \\n — ünïcödé 🦀\n> EOF';
      const outcome = await deliver(lab.runtime(), wakeOf(text));
      expect(outcome, JSON.stringify(outcome)).toMatchObject({ state: 'ok' });
      expect(subject.prompts(lab)).toEqual([arrives(text)]);
      for (const run of lab.runs()) expect(run.argv.join('\0')).not.toContain('passwd');
    });

    if (subject.claims.sessions)
      it('RT-3 a conversation keeps its session, also over a restart of the node; another has another', async () => {
        const first = lab.runtime();
        await deliver(first, wakeOf('one'));
        const id = await sessionId(first);
        expect(id).toMatch(/./);
        await deliver(first, wakeOf('two'));
        await first.close();
        const second = lab.runtime();
        expect(await deliver(second, wakeOf('three'))).toMatchObject({ state: 'ok' });
        expect(await deliver(second, wakeOf('apart', { conversation: 'dm:x' }))).toMatchObject({
          state: 'ok',
        });
        expect(await sessionId(second)).toBe(id);
        expect(await sessionId(second, 'agent:alpha:local:dm:x')).not.toBe(id);
      });

    if (subject.claims.sessions)
      it('RT-61 a session that was reset begins anew, and no other', async () => {
        const runtime = lab.runtime();
        const sessions = runtime.sessions!;
        await deliver(runtime, wakeOf('one'));
        await deliver(runtime, wakeOf('apart', { conversation: 'dm:x' }));
        const before = await sessionId(runtime);
        const apart = await sessionId(runtime, 'agent:alpha:local:dm:x');
        expect(await sessions.reset(KEY)).toBe(true);
        expect(await sessions.reset('agent:alpha:local:room:nowhere')).toBe(false);
        expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ state: 'ok' });
        expect(await sessionId(runtime)).not.toBe(before);
        expect(await sessionId(runtime, 'agent:alpha:local:dm:x')).toBe(apart);
      });

    it('RT-5 a failure of the model is failed, may be tried again, and leaves the session usable', async () => {
      const runtime = lab.runtime();
      const failed = await deliver(runtime, wakeOf('[[http: 500]]'));
      expect(failed).toMatchObject({ state: 'failed', permanent: false, cause: 'model', told });
      expect((failed as { reason: string }).reason).not.toBe('');
      expect(await deliver(runtime, wakeOf('after'))).toMatchObject({ state: 'ok' });
    });

    it('RT-62 a model that asks for patience is rate_limited, and may be tried again', async () => {
      expect(await deliver(lab.runtime(), wakeOf('[[http: 429]]'))).toMatchObject({
        state: 'failed',
        permanent: false,
        cause: 'rate_limited',
      });
    });

    if (subject.logins)
      it('RT-6 a login that is refused is permanent and says what to do', async () => {
        expect(await deliver(lab.runtime(), wakeOf('[[http: 401]]'))).toMatchObject({
          state: 'failed',
          permanent: true,
          cause: 'not_logged_in',
          reason: expect.stringMatching(/log in/),
        });
      });

    if (subject.shell) {
      it('RT-7 the agent reaches its network: `moltnet` is first on its PATH and finds its configuration', async () => {
        expect(
          await deliver(lab.runtime(), wakeOf('[[sh: moltnet send room:general "hi there"]]')),
        ).toMatchObject({ state: 'ok' });
        const config = path.join(lab.workspace, '.moltnet', 'config.json');
        expect(lab.said()).toMatchObject([{ args: ['send', 'room:general', 'hi there'], stdin: '', config }]);
      });

      it('RT-28 what runs in a turn finds its wake, and how often it was begun, also in a process that stays', async () => {
        const runtime = lab.runtime();
        const text = '[[sh: moltnet send room:general "hi"]]';
        const first = wakeOf(text);
        const second = wakeOf(text);
        await deliver(runtime, first);
        await deliver(runtime, second);
        await deliver(runtime, { ...second, attempt: 2 });
        const of = ({ wake_id, conversation }: typeof first, run: number) => ({ wake_id, conversation, run });
        expect(lab.said().map(({ wake }) => wake)).toEqual([of(first, 1), of(second, 1), of(second, 2)]);
        await deliver(lab.runtime(), wakeOf(text, { conversation: 'dm:x' }));
        expect(lab.said().at(-1)!.wake).toMatchObject({ conversation: 'dm:x', run: 1 });
      });
    }

    it('RT-9 a turn without a sign of life is ended at runtime.inactivity_timeout, a long one at turn_timeout', async () => {
      for (const limit of ['inactivity_timeout', 'turn_timeout']) {
        const runtime = lab.runtime({ [limit]: 1 });
        expect(await deliver(runtime, wakeOf('[[hang]]'))).toMatchObject({
          state: 'failed',
          permanent: false,
          cause: 'timeout',
          reason: expect.stringContaining(limit),
        });
        await runtime.close();
      }
    });

    it('RT-10 a cancelled turn ends as cancelled, and the session goes on afterwards', async () => {
      const runtime = lab.runtime();
      const cancel = new AbortController();
      const running = deliver(runtime, wakeOf('[[hang]]'), cancel.signal);
      await until(() => subject.prompts(lab).length === 1, 'the turn runs');
      cancel.abort();
      expect(await running).toMatchObject({ state: 'cancelled' });
      expect(await deliver(runtime, wakeOf('after'))).toMatchObject({ state: 'ok' });
      const late = await deliver(runtime, wakeOf('never'), AbortSignal.abort());
      expect(late).toMatchObject({ state: 'cancelled', told: [] });
    });

    it('RT-10 a turn that waits for its session is cancelled at once, and the one that runs goes on', async () => {
      const runtime = lab.runtime();
      const [first, second] = [new AbortController(), new AbortController()];
      const running = deliver(runtime, wakeOf('[[hang]]'), first.signal);
      const waiting = deliver(runtime, wakeOf('never'), second.signal);
      await until(() => subject.prompts(lab).length === 1, 'the turn runs');
      second.abort();
      expect(await waiting).toMatchObject({ state: 'cancelled', told: [] });
      first.abort();
      expect(await running).toMatchObject({ state: 'cancelled', told });
      expect(subject.prompts(lab).join()).not.toContain('never');
    });

    it('RT-11 close ends what runs and what waits, leaves nothing behind, and can be called again', async () => {
      const runtime = lab.runtime();
      const running = deliver(runtime, wakeOf('[[hang]]'));
      const waiting = deliver(runtime, wakeOf('waits for the session'));
      await until(() => subject.prompts(lab).length === 1, 'the turn runs');
      await Promise.all([runtime.close(), runtime.close()]);
      expect(await running).toMatchObject({ state: 'cancelled' });
      expect(await waiting).toMatchObject({ state: 'cancelled', told: [] });
      expect(open(subject, lab)).toBe(0);
      expect(await deliver(runtime, wakeOf('too late'))).toMatchObject({ state: 'cancelled' });
    });

    it('RT-12 turns of one session never run at once; the order is the order of delivery', async () => {
      const runtime = lab.runtime();
      const outcomes = await Promise.all(
        ['one', 'two', 'three'].map((text) => deliver(runtime, wakeOf(text))),
      );
      expect(outcomes.map((o) => o.state)).toEqual(['ok', 'ok', 'ok']);
      expect(subject.prompts(lab)).toEqual(['one', 'two', 'three'].map(arrives));
      expect(lab.runs().filter((run) => run.two)).toEqual([]);
    });

    it('RT-13 what is missing or wrong in the set-up is permanent, and the sentence says what to do', async () => {
      for (const [config, cause, reason] of subject.broken(lab)) {
        const runtime = lab.runtime(config);
        const expected = { permanent: true, cause, reason: expect.stringMatching(reason) };
        expect(await deliver(runtime, wakeOf('hi'))).toMatchObject({ state: 'failed', ...expected });
        expect(await runtime.probe()).toMatchObject({ ready: false, ...expected });
        await runtime.close();
      }
    });

    if (subject.claims.reports_usage)
      it('RT-14 usage is what this turn used, also after a restart of the node', async () => {
        const usage = { input_tokens: 100, output_tokens: 20 };
        const runtime = lab.runtime();
        expect(await deliver(runtime, wakeOf('one'))).toMatchObject({ usage });
        expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ usage });
        await runtime.close();
        expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ usage });
      });

    if (subject.claims.dedupes)
      it('RT-63 a wake that is delivered again is not run again, also after a restart', async () => {
        const runtime = lab.runtime();
        const wake = wakeOf('once');
        for (let i = 0; i < 2; i++) expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
        await runtime.close();
        const again = lab.runtime();
        expect(await deliver(again, wake)).toMatchObject({ state: 'ok' });
        expect(subject.prompts(lab)).toHaveLength(1);
        expect(await deliver(again, wakeOf('another'))).toMatchObject({ state: 'ok' });
        expect(subject.prompts(lab)).toHaveLength(2);
      });
  });
}

/** Of command-line programs, beside `runtimeContract`. */
export function programContract(subject: ProgramUnderTest): void {
  describe(`${subject.name}: a program`, () => {
    const current = labs(subject);
    let lab: RuntimeLab;
    beforeEach(() => {
      lab = current();
    });

    it('RT-1 a probe tells the version; RT-3 the store is closed to others', async () => {
      const runtime = lab.runtime();
      expect(await runtime.probe()).toMatchObject({ version: expect.stringMatching(/\d+\.\d+\.\d+/) });
      await deliver(runtime, wakeOf('one'));
      expect(statSync(path.join(lab.workspace, '.moltnet', 'sessions.json')).mode & 0o777).toBe(0o600);
      expect(() => lab.runtime({ workspace_path: '' })).toThrow(/workspace_path is missing/);
    });

    it('RT-10 a cancelled turn leaves no process', async () => {
      const runtime = lab.runtime();
      const cancel = new AbortController();
      const running = deliver(runtime, wakeOf('[[hang]]'), cancel.signal);
      await until(() => subject.prompts(lab).length === 1, 'the turn runs');
      expect(processesOf(lab.folder)).not.toEqual([]);
      cancel.abort();
      expect(await running).toMatchObject({ state: 'cancelled' });
      expect(processesOf(lab.folder)).toEqual([]);
    });

    it('RT-4 a session that is not there is replaced by a fresh one, which is stored', async () => {
      const runtime = lab.runtime();
      await deliver(runtime, wakeOf('one'));
      await runtime.close();
      const file = path.join(lab.workspace, '.moltnet', 'sessions.json');
      const before = sessionsOf(lab)[KEY]!.runtime_session_id;
      const gone = '01900000-0000-7000-8000-000000000000';
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll(before, gone));
      const again = lab.runtime();
      expect(await deliver(again, wakeOf('two'))).toMatchObject({ state: 'ok' });
      const { runtime_session_id } = sessionsOf(lab)[KEY]!;
      await again.close();
      expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ state: 'ok' });
      expect(sessionsOf(lab)[KEY]!.runtime_session_id).toBe(runtime_session_id);
      expect(subject.prompts(lab).at(-1)).toContain('three');
    });

    it('RT-15 wrong arguments of the user are permanent', async () => {
      const outcome = await deliver(lab.runtime({ args: ['--nope'] }), wakeOf('hi'));
      expect(outcome).toMatchObject({
        state: 'failed',
        permanent: true,
        reason: expect.stringMatching(/--nope.*runtime\.args/),
      });
    });

    it('RT-16 a session store of a version that is not known is an error, and is not touched', async () => {
      const file = path.join(lab.workspace, '.moltnet', 'sessions.json');
      mkdirSync(path.dirname(file), { mode: 0o700 });
      writeFileSync(file, '{"version":"moltnet.cli-sessions.v9","sessions":{}}');
      const outcome = await deliver(lab.runtime(), wakeOf('hi'));
      expect(outcome).toMatchObject({
        state: 'failed',
        permanent: true,
        reason: expect.stringContaining('moltnet.cli-sessions.v9'),
      });
      expect(readFileSync(file, 'utf8')).toContain('v9');
    });
  });

  if (subject.fake) hardTurns(subject);
}

/** What Codex and Claude Code have in common: a shell of ours, a login, and everything that may be claimed. */
export const lastingProgram = (
  one: Pick<ProgramUnderTest, 'name' | 'fake' | 'lab' | 'prompts'>,
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

function hardTurns(subject: ProgramUnderTest): void {
  describe(`${subject.name}: hard turns`, () => {
    const current = labs(subject);
    let lab: RuntimeLab;
    beforeEach(() => {
      lab = current();
    });

    it("RT-17 the environment is a terminal's: the CLI's home, nothing of npm or of an agent around us", async () => {
      process.env['npm_config_user_agent'] = 'npm/1';
      process.env['CLAUDECODE'] = '1';
      try {
        await deliver(
          lab.runtime({ workspace_path: path.relative(process.cwd(), lab.workspace) }),
          wakeOf('hi'),
        );
      } finally {
        delete process.env['npm_config_user_agent'];
        delete process.env['CLAUDECODE'];
      }
      const [run] = lab.runs();
      expect(run!.cwd).toBe(lab.workspace);
      expect(run!.env).toMatchObject({
        HOME: lab.home,
        MOLTNET_CLIENT_CONFIG: path.join(lab.workspace, '.moltnet', 'config.json'),
      });
      expect(run!.env['PATH']!.split(':')[0]).toBe(lab.bin);
      expect(run!.env['npm_config_user_agent']).toBeUndefined();
      expect(run!.env['CLAUDECODE']).toBeUndefined();
    });

    it('RT-18 a CLI that dies in the turn is failed, may be tried again, and the session goes on', async () => {
      const runtime = lab.runtime();
      const outcome = await deliver(runtime, wakeOf('[[crash]]'));
      expect(outcome).toMatchObject({
        state: 'failed',
        permanent: false,
        reason: expect.stringContaining('SIGKILL'),
        told: ['accepted', 'delivered'],
      });
      const before = sessionsOf(lab)[KEY]!.runtime_session_id;
      expect(await deliver(runtime, wakeOf('after'))).toMatchObject({ state: 'ok' });
      expect(sessionsOf(lab)[KEY]!.runtime_session_id).toBe(before);
    });

    it('RT-18 an exit without a word is failed, and says the exit code', async () => {
      const runtime = lab.runtime();
      for (const code of [0, 3]) {
        const outcome = await deliver(runtime, wakeOf(`[[exit: ${code}]]`));
        expect(outcome).toMatchObject({
          state: 'failed',
          permanent: false,
          reason: expect.stringContaining(`exit code ${code}`),
        });
      }
    });

    it('RT-19 garbage and endless lines among the output are skipped', async () => {
      const runtime = lab.runtime();
      expect(await deliver(runtime, wakeOf('[[garbage]] [[huge]] [[garbage]]'))).toMatchObject({
        state: 'ok',
      });
      expect(lab.log.filter((line) => /too long/.test(line.message))).toHaveLength(1);
    });

    it('RT-9 output keeps a slow turn alive; notices of retries do not, and the whole turn has its limit', async () => {
      const ended = (limit: string) => ({
        state: 'failed',
        permanent: false,
        reason: expect.stringContaining(limit),
      });
      const cases: [Record<string, number>, string, object][] = [
        [{ inactivity_timeout: 2 }, '[[slow: 700]]', { state: 'ok' }],
        [{ inactivity_timeout: 1 }, '[[notices]]', ended('inactivity_timeout')],
        [{ turn_timeout: 1 }, '[[slow: 500]]', ended('turn_timeout')],
      ];
      for (const [limits, prompt, expected] of cases) {
        const runtime = lab.runtime(limits);
        expect(await deliver(runtime, wakeOf(prompt))).toMatchObject(expected);
        await runtime.close();
      }
    });

    it('RT-20 a CLI that ignores requests to end, and its child in a session of its own, are ended all the same', async () => {
      const runtime = lab.runtime();
      const file = path.join(lab.folder, 'child.pid');
      const cancel = new AbortController();
      const turn = runtime.deliver(wakeOf(`[[stubborn]] [[leave: ${file}]] [[hang]]`), {}, cancel.signal);
      await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'), 'the child runs');
      const pid = Number(readFileSync(file, 'utf8'));
      expect(lives(pid)).toBe(true);
      cancel.abort();
      expect(await turn).toMatchObject({ state: 'cancelled' });
      expect(lives(pid)).toBe(false);
      expect(processesOf(lab.folder)).toEqual([]);
    });

    it('RT-20 what a CLI leaves behind as it dies is ended, though it holds the output open', async () => {
      const file = path.join(lab.folder, 'child.pid');
      const runtime = lab.runtime();
      // The child must run before its parent dies.
      const turn = deliver(
        runtime,
        wakeOf(`[[leave: ${file}]] [[sh: while [ ! -s ${file} ]; do sleep 0.01; done]] [[crash]]`),
      );
      expect(await turn).toMatchObject({ state: 'failed' });
      expect(lives(Number(readFileSync(file, 'utf8')))).toBe(false);
    });

    it('RT-21 a program that is being written is waited for', async () => {
      const copy = path.join(lab.folder, 'busy-node');
      copyFileSync('/bin/sh', copy);
      chmodSync(copy, 0o755);
      const fd = openSync(copy, 'r+');
      const turn = deliver(lab.runtime({ command: copy, args: [] }), wakeOf('hi'));
      // The writer takes this long; the program cannot be started before.
      setTimeout(closeSync, 200, fd);
      // A shell is no agent: it is started, and says nothing that counts.
      expect(await turn).toMatchObject({ state: 'failed', reason: expect.not.stringContaining('ETXTBSY') });
    });

    it('RT-22 a broken session store is put aside and a new one begun', async () => {
      const folder = path.join(lab.workspace, '.moltnet');
      mkdirSync(folder, { mode: 0o700 });
      writeFileSync(path.join(folder, 'sessions.json'), '{"version":"moltnet.cli-sessions.v1","sess');
      expect(await deliver(lab.runtime(), wakeOf('hi'))).toMatchObject({ state: 'ok' });
      const aside = readdirSync(folder).filter((name) => name.startsWith('sessions.json.corrupt-'));
      expect(aside).toHaveLength(1);
      expect(readFileSync(path.join(folder, aside[0]!), 'utf8')).toContain('"sess');
      expect(sessionsOf(lab)[KEY]).toBeDefined();
    });

    it('RT-25 a session store that cannot be written fails the turn in plain words, and nothing else', async () => {
      const link = path.join(lab.folder, 'link');
      symlinkSync(lab.workspace, link);
      const broken = lab.runtime({ session_store_path: path.join(link, 'sessions.json') });
      expect(await deliver(broken, wakeOf('hi'))).toMatchObject({
        state: 'failed',
        permanent: true,
        reason: expect.stringMatching(/session store .* cannot be written.*session_store_path/),
      });
      expect(await deliver(lab.runtime(), wakeOf('hi'))).toMatchObject({ state: 'ok' });
    });

    it('RT-26 a turn that is over stays so when its session cannot be noted; a workspace that went is not made anew', async () => {
      const runtime = lab.runtime();
      // The session is kept there as it begins: that may be just now.
      const gone = `until rm -rf '${lab.workspace}'; do :; done`;
      expect(await deliver(runtime, wakeOf(`[[sh: ${gone}]]`))).toMatchObject({
        state: 'ok',
      });
      expect(existsSync(lab.workspace)).toBe(false);
      expect(lab.log.map(({ message }) => message)).toEqual([
        expect.stringContaining('the turn is done, and its session could not be noted: the workspace'),
      ]);
      expect(await deliver(runtime, wakeOf('again'))).toMatchObject({
        state: 'failed',
        permanent: true,
        reason: expect.stringContaining('is not a folder'),
      });
    });

    it('RT-27 what a broken program says costs no memory, ends no node and steers no terminal', async () => {
      const command = path.join(lab.folder, 'broken');
      const lines = [
        '{"type":"result","permission_denials":[null,5],"usage":"x","result":{}}',
        '{"type":"system","subtype":"permission_denied","tool_name":"Bash"}',
        '{"type":"thread.started","thread_id":{}}',
      ];
      writeFileSync(
        command,
        `#!/bin/sh\nread line\n${lines.map((line) => `for i in 1 2 3 4 5 6 7 8 9 10; do echo '${line}'; echo '${line}'; echo '${line}'; done\n`).join('')}printf 'a\\033[2Jb\\000c' >&2\nexit 7\n`,
        { mode: 0o755 },
      );
      const outcome = await deliver(lab.runtime({ command, args: [] }), wakeOf('hi\n'));
      expect(outcome).toMatchObject({
        state: 'failed',
        permanent: false,
        reason: expect.stringMatching(/: a \[2Jb c$/),
      });
      for (const { fields } of lab.log) expect(fields!['denials']).toHaveLength(20);
    });

    it('RT-13 a script whose interpreter is missing, and a home that is a file, say what to correct', async () => {
      const command = path.join(lab.folder, 'broken');
      writeFileSync(command, '#!/nowhere/sh\n', { mode: 0o755 });
      const permanent = (reason: RegExp) => ({
        state: 'failed',
        permanent: true,
        reason: expect.stringMatching(reason),
      });
      expect(await deliver(lab.runtime({ command }), wakeOf('hi'))).toMatchObject(
        permanent(/broken cannot be started: .*first line.*runtime\.command/),
      );
      expect(await deliver(lab.runtime({ home_path: command }), wakeOf('hi'))).toMatchObject(
        permanent(/runtime\.home_path .* cannot be a folder/),
      );
    });
  });
}
