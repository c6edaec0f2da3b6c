import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deliver, fakeCodex, runtimeLab, wakeOf, type RuntimeLab } from '../../test/support/runtime-lab.ts';
import { codex } from './codex.ts';
import { openSessionStore } from './sessions.ts';

let lab: RuntimeLab;
beforeEach(() => {
  lab = runtimeLab(codex, { command: fakeCodex });
});
afterEach(() => lab.close());

describe('codex: what is its own', () => {
  it('RT-44 arguments: the narrow sandbox, options before resume, the prompt on stdin', async () => {
    const runtime = lab.runtime({ args: ['--model', 'x'] });
    await deliver(runtime, wakeOf('one'));
    await deliver(runtime, wakeOf('two'));
    const [first, second] = lab.runs();
    const options = (argv: string[]): string => argv.join(' ');
    expect(options(first!.argv)).toMatch(
      /^exec -s workspace-write -C \S+ .*network_access=true .*--model x --json --skip-git-repo-check -$/,
    );
    expect(options(second!.argv)).toMatch(/--model x resume --json --skip-git-repo-check [0-9a-f-]{36} -$/);
    expect(first!.argv[first!.argv.indexOf('-C') + 1]).toBe(lab.workspace);
    expect(first!.env['CODEX_HOME']).toBe(path.join(lab.home, '.codex'));
  });

  it("RT-44 a sandbox of the user's choice takes the place of ours", async () => {
    const choices = [
      ['-s', 'danger-full-access'],
      ['--sandbox=danger-full-access'],
      ['--dangerously-bypass-approvals-and-sandbox'],
      ['-c', 'sandbox_mode="danger-full-access"'],
    ];
    for (const args of choices) await deliver(lab.runtime({ args }), wakeOf('hi'));
    for (const run of lab.runs()) expect(run.argv).not.toContain('workspace-write');
  });

  it('RT-45 the end of a turn is what Codex says of it together with its exit code', async () => {
    const runtime = lab.runtime();
    const cases: [string, object][] = [
      [
        '[[late exit: 3]]',
        {
          state: 'failed',
          permanent: false,
          reason: expect.stringMatching(/completed the turn and ended with exit code 3/),
        },
      ],
      [
        '[[silent]]',
        { state: 'failed', permanent: false, reason: expect.stringMatching(/exit code 0 without saying/) },
      ],
      ['[[linger]]', { state: 'ok' }],
    ];
    for (const [prompt, outcome] of cases)
      expect(await deliver(runtime, wakeOf(prompt))).toMatchObject(outcome);
  });

  it('RT-46 a thread id that is no UUID is not kept: Codex would take it for a name and begin another thread', async () => {
    const runtime = lab.runtime();
    const key = 'agent:alpha:local:room:general';
    const store = openSessionStore(path.join(lab.workspace, '.moltnet', 'sessions.json'), () => {});
    expect(await deliver(runtime, wakeOf('[[odd id]]'))).toMatchObject({ state: 'ok' });
    expect(store.get(key)?.runtime_session_id).not.toBe('thread-of-mine');
    // One that another program has left there.
    store.set(key, 'thread-of-another');
    expect(await deliver(runtime, wakeOf('next'))).toMatchObject({ state: 'ok' });
    for (const run of lab.runs()) expect(run.argv).not.toContain('resume');
    expect(store.get(key)?.runtime_session_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('RT-3 the thread is kept as soon as it has begun, also when the turn then fails', async () => {
    const runtime = lab.runtime();
    await deliver(runtime, wakeOf('[[crash]]'));
    const { sessions } = JSON.parse(
      readFileSync(path.join(lab.workspace, '.moltnet', 'sessions.json'), 'utf8'),
    );
    await deliver(runtime, wakeOf('next'));
    expect(lab.runs()[1]!.argv).toContain(sessions['agent:alpha:local:room:general'].runtime_session_id);
  });
});
