import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { lives } from '../../test/contract/runtime.ts';
import {
  deliver,
  fakeClaude,
  killedHost,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../test/support/runtime-lab.ts';
import { claudeCode } from './claude-code.ts';

let lab: RuntimeLab;
beforeEach(() => {
  lab = runtimeLab(claudeCode, { command: fakeClaude });
});
afterEach(() => lab.close());

const sessionOf = (): string =>
  JSON.parse(readFileSync(path.join(lab.workspace, '.moltnet', 'sessions.json'), 'utf8')).sessions[
    'agent:alpha:local:room:general'
  ].runtime_session_id;
const transcript = (): string => path.join(lab.home, '.claude', 'projects', 'fake', `${sessionOf()}.jsonl`);

describe('claude-code: what is its own', () => {
  it('RT-55 a message has a uuid of wake and attempt, and is not expanded', async () => {
    const runtime = lab.runtime();
    const wake = wakeOf('hi', { wake_id: 'wake_fixed' });
    await deliver(runtime, wake);
    await deliver(runtime, { ...wake, attempt: 2 });
    const [first, second] = lab.runs().map((run) => run.message!);
    expect(first).toMatchObject({
      type: 'user',
      client_composed: true,
      parent_tool_use_id: null,
      uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(second!['uuid']).not.toBe(first!['uuid']);
    expect(lab.runs()[0]!.argv.join(' ')).toMatch(
      /--permission-mode dontAsk --allowedTools Bash\(moltnet \*\) --session-id/,
    );
    // One process for both.
    expect(lab.runs()[0]!.pid).toBe(lab.runs()[1]!.pid);
  });

  it('RT-56 of the processes that wait for a message, at most two are kept', async () => {
    const runtime = lab.runtime();
    for (const id of ['a', 'b', 'c']) await deliver(runtime, wakeOf('hi', { conversation: `room:${id}` }));
    const [a, b, c] = lab.runs().map((run) => run.pid) as [number, number, number];
    await until(() => !lives(a), 'the longest unused one has ended');
    expect([lives(b), lives(c)]).toEqual([true, true]);
    expect(await deliver(runtime, wakeOf('again', { conversation: 'room:a' }))).toMatchObject({
      state: 'ok',
    });
    expect(lab.runs().filter((run) => run.two)).toEqual([]);
  });

  it('RT-56 a process ends when it was not used for runtime.idle_timeout, and its session goes on', async () => {
    const runtime = lab.runtime({ idle_timeout: 1 });
    await deliver(runtime, wakeOf('one'));
    const { pid } = lab.runs()[0]!;
    expect(lives(pid)).toBe(true);
    await until(() => !lives(pid), 'it has ended');
    expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ state: 'ok' });
    expect(lab.runs().at(-1)!.argv.slice(-2)).toEqual(['--resume', sessionOf()]);
  });

  it('RT-57 a session whose transcript is damaged is replaced by a fresh one, which is stored', async () => {
    const first = lab.runtime();
    await deliver(first, wakeOf('one'));
    await first.close();
    const before = sessionOf();
    writeFileSync(transcript(), 'garbage{');
    const second = lab.runtime();
    expect(await deliver(second, wakeOf('two'))).toMatchObject({ state: 'ok' });
    expect(sessionOf()).not.toBe(before);
    await second.close();
    expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ state: 'ok' });
    expect(lab.runs().at(-1)!.argv.slice(-2)).toEqual(['--resume', sessionOf()]);
  });

  it('RT-58 a session that a person has open is not touched', async () => {
    const first = lab.runtime();
    await deliver(first, wakeOf('one'));
    await first.close();
    const person = spawn(
      process.execPath,
      ['-e', 'process.stdout.write("up"); setInterval(() => {}, 1 << 30)', '--', '--resume', sessionOf()],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const gone = new Promise((resolve) => person.once('exit', resolve));
    await new Promise((resolve) => person.stdout.once('data', resolve));
    try {
      const runtime = lab.runtime();
      expect(await deliver(runtime, wakeOf('two'))).toMatchObject({
        state: 'failed',
        permanent: false,
        reason: expect.stringContaining(`process ${person.pid}`),
      });
      person.kill('SIGKILL');
      await gone;
      expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ state: 'ok' });
    } finally {
      person.kill('SIGKILL');
    }
  });

  it('RT-45 a turn without a result is told by its lifecycle, and one without a lifecycle by its result', async () => {
    const runtime = lab.runtime();
    for (const prompt of ['[[no result]]', '[[huge]] [[no result]]'])
      expect(await deliver(runtime, wakeOf(prompt))).toMatchObject({ state: 'ok' });
    await runtime.close();
    expect(await deliver(lab.runtime(), wakeOf('[[old]]'))).toMatchObject({
      state: 'ok',
      told: ['delivered'],
    });
  });

  it('RT-9 a turn that came to its end after all, when its time was up, is done and not run again', async () => {
    const runtime = lab.runtime({ inactivity_timeout: 1 });
    expect(await deliver(runtime, wakeOf('[[stubborn]][[sh: sleep 1.5]]'))).toMatchObject({ state: 'ok' });
  });

  it('RT-9 RT-52 what a killed node left behind, and gives no sign of life, is ended as a turn is', async () => {
    await killedHost(lab, wakeOf('[[hang]]'), () => until(() => lab.runs().length === 1, 'it hangs'));
    const { pid } = lab.runs()[0]!;
    expect(await deliver(lab.runtime({ inactivity_timeout: 1 }), wakeOf('two'))).toMatchObject({
      state: 'ok',
    });
    expect(lives(pid)).toBe(false);
    expect(lab.log.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('ending an earlier'),
    );
    expect(lab.runs().filter((run) => run.two)).toEqual([]);
  });

  it.each(['its own', 'of a subagent'])(
    'RT-9 RT-52 one whose transcript grows, %s, is waited for, for longer than that',
    async (whose) => {
      const wake = wakeOf('[[sh: sleep 3]]');
      await killedHost(lab, wake, () => until(() => lab.runs().length === 1, 'it runs'));
      // The stand-in itself writes at the beginning and at the end alone.
      const subagents = path.join(transcript().slice(0, -'.jsonl'.length), 'subagents');
      mkdirSync(subagents, { recursive: true });
      const file = whose === 'its own' ? transcript() : path.join(subagents, 'agent-1.jsonl');
      const grows = setInterval(() => appendFileSync(file, '\n'), 100);
      onTestFinished(() => clearInterval(grows));
      expect(await deliver(lab.runtime({ inactivity_timeout: 1 }), wake)).toMatchObject({ state: 'ok' });
      expect(lab.runs()).toHaveLength(1);
    },
  );

  it('RT-53 what the CLI refused its agent is told', async () => {
    await deliver(lab.runtime(), wakeOf('[[denied]]'));
    const [told] = lab.log.filter((line) => line.level === 'warn');
    expect(told).toMatchObject({
      message: expect.stringContaining('settings.json'),
      fields: { denials: [{ tool: 'Bash', command: 'rm -rf /' }] },
    });
  });

  it('RT-14 the cost is that of the turn, also after a restart of the node', async () => {
    const first = lab.runtime();
    for (const text of ['one', 'two'])
      expect(await deliver(first, wakeOf(text))).toMatchObject({
        usage: { input_tokens: 100, cost_usd: 0.5 },
      });
    await first.close();
    expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ usage: { cost_usd: 0.5 } });
  });

  it('RT-59 a model that is not there is permanent', async () => {
    expect(await deliver(lab.runtime(), wakeOf('[[http: 404]]'))).toMatchObject({
      state: 'failed',
      permanent: true,
      reason: expect.stringContaining('--model'),
    });
  });
});
