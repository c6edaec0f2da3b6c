import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lives, processesOf } from '../../test/contract/runtime.ts';
import {
  deliver,
  fakeCodex,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../test/support/runtime-lab.ts';
import { codex } from './codex.ts';
import { openSessionStore } from './sessions.ts';

let lab: RuntimeLab;
beforeEach(() => {
  lab = runtimeLab(codex, { command: fakeCodex });
});
afterEach(() => lab.close());

/** What the threads were begun or opened with. */
const threadParams = (): Record<string, unknown>[] =>
  lab.runs().map(({ params }) => params as Record<string, unknown>);

describe('codex: what is its own', () => {
  it('RT-44 one process for all conversations, the narrow sandbox, and each thread with its own wake', async () => {
    const runtime = lab.runtime({ args: ['--model', 'x', '-c', 'a=1'] });
    await deliver(runtime, wakeOf('one'));
    await deliver(runtime, wakeOf('two', { conversation: 'dm:x' }));
    const [first, second] = lab.runs();
    expect(first!.argv.join(' ')).toMatch(
      /^app-server -c sandbox_workspace_write\.network_access=false .* -c a=1$/,
    );
    expect(second!.pid).toBe(first!.pid);
    expect(first!.env['CODEX_HOME']).toBe(path.join(lab.home, '.codex'));
    expect(threadParams()).toEqual([
      expect.objectContaining({
        approvalPolicy: 'never',
        sandbox: 'workspace-write',
        model: 'x',
        cwd: lab.workspace,
      }),
      expect.objectContaining({ sandbox: 'workspace-write' }),
    ]);
  });

  it("RT-44 a sandbox of the user's choice takes the place of ours", async () => {
    const choices: [string[], string | undefined][] = [
      [['-s', 'danger-full-access'], 'danger-full-access'],
      [['--sandbox=read-only'], 'read-only'],
      [['--dangerously-bypass-approvals-and-sandbox'], 'danger-full-access'],
      [['-c', 'sandbox_mode="danger-full-access"'], undefined],
    ];
    for (const [args, sandbox] of choices) {
      const runtime = lab.runtime({ args });
      await deliver(
        runtime,
        wakeOf('hi', { conversation: `room:${choices.findIndex(([one]) => one === args)}` }),
      );
      await runtime.close();
      expect(threadParams().at(-1)!['sandbox']).toBe(sandbox);
    }
  });

  it('RT-45 a process that ends without having said how the turn went has failed it', async () => {
    expect(await deliver(lab.runtime(), wakeOf('[[silent]]'))).toMatchObject({
      state: 'failed',
      permanent: false,
      cause: 'crashed',
      reason: expect.stringMatching(/ended with exit code 0/),
    });
  });

  it('RT-46 a thread id that is no UUID is not resumed: Codex would take it for a name and begin another thread', async () => {
    const key = 'agent:alpha:local:room:general';
    const store = openSessionStore(path.join(lab.workspace, '.moltnet', 'sessions.json'), () => {});
    store.set(key, 'thread-of-another');
    expect(await deliver(lab.runtime(), wakeOf('next'))).toMatchObject({ state: 'ok' });
    expect(store.get(key)?.runtime_session_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('RT-3 the thread is kept as soon as it has begun, also when the turn then fails', async () => {
    const runtime = lab.runtime();
    await deliver(runtime, wakeOf('[[crash]]'));
    const { sessions } = JSON.parse(
      readFileSync(path.join(lab.workspace, '.moltnet', 'sessions.json'), 'utf8'),
    );
    await deliver(runtime, wakeOf('next'));
    expect(lab.runs()[1]!.thread).toBe(sessions['agent:alpha:local:room:general'].runtime_session_id);
  });

  it('RT-47 a wake that broke off with its process is begun anew, up to nine times; one that came to its end is done', async () => {
    const runtime = lab.runtime();
    const wake = wakeOf('[[crash]]');
    for (let i = 0; i < 9; i++)
      expect(await deliver(runtime, wake)).toMatchObject({
        state: 'failed',
        permanent: false,
        cause: 'crashed',
      });
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'failed', permanent: true });
    expect(lab.runs()).toHaveLength(9);
    expect(await deliver(runtime, { ...wake, attempt: 2, text: '[[say: there]]' })).toMatchObject({
      state: 'ok',
      final_text: 'there',
    });
    await runtime.close();
    // The node did not live to hear of that, and begins where it stood.
    expect(await deliver(lab.runtime(), wake)).toMatchObject({ state: 'ok', final_text: 'there', told: [] });
    expect(lab.runs()).toHaveLength(10);
  });

  it('RT-48 cancelling one turn leaves the others of the process alone', async () => {
    const runtime = lab.runtime();
    const cancel = new AbortController();
    const slow = deliver(runtime, wakeOf('[[slow: 300]]', { conversation: 'dm:x' }));
    const hanging = deliver(runtime, wakeOf('[[hang]]'), cancel.signal);
    await until(() => lab.runs().length === 2, 'both run');
    cancel.abort();
    expect(await hanging).toMatchObject({ state: 'cancelled' });
    expect(await slow).toMatchObject({ state: 'ok' });
  });

  it('RT-48 a turn that is cancelled while the process starts takes no other with it', async () => {
    const runtime = lab.runtime();
    const cancel = new AbortController();
    const first = deliver(runtime, wakeOf('one'), cancel.signal);
    const second = deliver(runtime, wakeOf('two', { conversation: 'dm:x' }));
    await until(() => processesOf(lab.folder).length > 0, 'it starts');
    cancel.abort();
    expect(await first).toMatchObject({ state: 'cancelled', told: [] });
    expect(await second).toMatchObject({ state: 'ok' });
    expect(lab.runs()).toHaveLength(1);
    // Alone, it takes the process with it.
    const alone = lab.runtime({ session_prefix: 'other' });
    await runtime.close();
    const off = new AbortController();
    const third = deliver(alone, wakeOf('three'), off.signal);
    await until(() => processesOf(lab.folder).length > 0, 'it starts');
    off.abort();
    expect(await third).toMatchObject({ state: 'cancelled' });
    expect(processesOf(lab.folder)).toEqual([]);
  });

  it('RT-44 folders that are opened beside the workspace add up, a profile and other options are passed on', async () => {
    const args = ['--add-dir', '/a', '--profile=p', '--add-dir=/b', '--enable', 'x'];
    await deliver(lab.runtime({ args }), wakeOf('hi'));
    expect(lab.runs()[0]!.argv.slice(-6)).toEqual([
      ...['-c', 'profile="p"', '--enable', 'x'],
      ...['-c', 'sandbox_workspace_write.writable_roots=["/a","/b"]'],
    ]);
  });

  it('RT-54 that nobody has logged in is known without a turn', async () => {
    mkdirSync(path.join(lab.home, '.codex'), { recursive: true });
    writeFileSync(path.join(lab.home, '.codex', 'fake-logged-out'), '');
    expect(await deliver(lab.runtime(), wakeOf('hi'))).toMatchObject({
      state: 'failed',
      permanent: true,
      cause: 'not_logged_in',
      reason: expect.stringContaining('codex login'),
      told: [],
    });
  });

  it('RT-56 the process ends when it was not used for runtime.idle_timeout', async () => {
    const runtime = lab.runtime({ idle_timeout: 1 });
    await deliver(runtime, wakeOf('hi'));
    const { pid } = lab.runs()[0]!;
    expect(lives(pid)).toBe(true);
    await until(() => !lives(pid), 'it has ended');
    expect(await deliver(runtime, wakeOf('again'))).toMatchObject({ state: 'ok' });
    expect(lab.runs()[1]!.thread).toBe(lab.runs()[0]!.thread);
  });
});
