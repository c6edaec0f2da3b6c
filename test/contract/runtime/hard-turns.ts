/** Turns that only a stand-in CLI plays: crashes, garbage, stubbornness, a session store that breaks. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RuntimeLab } from '../../support/runtime-lab.ts';
import { deliver, until, wakeOf } from '../../support/runtime-lab.ts';
import type { ProgramUnderTest } from './subject.ts';
import { KEY, labs, lives, processesOf, sessionsOf } from './subject.ts';

export function hardTurns(subject: ProgramUnderTest): void {
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
