/** What a command-line program keeps beside what every runtime keeps. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RuntimeLab } from '../../support/runtime-lab.ts';
import { deliver, until, wakeOf } from '../../support/runtime-lab.ts';
import { hardTurns } from './hard-turns.ts';
import type { ProgramUnderTest } from './subject.ts';
import { KEY, labs, processesOf, sessionsOf } from './subject.ts';

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
