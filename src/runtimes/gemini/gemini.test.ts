import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  deliver,
  fakeGemini,
  killedHost,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../../test/support/runtime-lab.ts';
import { gemini } from './gemini.ts';

let lab: RuntimeLab;
beforeEach(() => {
  lab = runtimeLab(gemini, { command: fakeGemini });
});
afterEach(() => lab.close());

const prompts = (): string[] => lab.runs().flatMap(({ prompt }) => prompt ?? []);
const outcomes = (): unknown[] =>
  lab.runs().flatMap((run) => (run as { outcome?: { optionId?: string } }).outcome?.optionId ?? []);
const chats = (): string => path.join(lab.home, '.gemini', 'tmp', 'fake', 'chats');

describe('gemini (stand-in CLI): what is its own', () => {
  it('RT-130 text that would begin with one of its commands does not', async () => {
    const runtime = lab.runtime();
    for (const text of ['/memory show', ' \n/help', '$x', 'Moltnet: /help'])
      await deliver(runtime, wakeOf(text));
    expect(prompts()).toEqual([
      'Moltnet: /memory show',
      'Moltnet:  \n/help',
      'Moltnet: $x',
      'Moltnet: /help',
    ]);
  });

  it('RT-130 a process that is just ending is waited for before its session is opened again', async () => {
    const runtime = lab.runtime({ max_idle: 1 });
    await deliver(runtime, wakeOf('[[lingers: 500]]'));
    await deliver(runtime, wakeOf('apart', { conversation: 'dm:x' }));
    expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ state: 'ok' });
    const [first, , third] = lab.runs();
    expect(third!.pid).not.toBe(first!.pid);
    expect(lab.runs().filter((run) => run.two)).toEqual([]);
  });

  it('RT-131 a wake that came to its end is known with its final text, also after a restart', async () => {
    const wake = wakeOf('[[said before]]');
    const first = lab.runtime();
    for (let i = 0; i < 2; i++)
      expect(await deliver(first, wake)).toMatchObject({ state: 'ok', final_text: 'done' });
    await first.close();
    const again = lab.runtime();
    expect(await deliver(again, wake)).toMatchObject({ state: 'ok', final_text: 'done' });
    expect(prompts()).toHaveLength(1);
    expect(await deliver(again, { ...wake, attempt: 2 })).toMatchObject({ state: 'ok' });
    expect(prompts()).toHaveLength(2);
  });

  it('RT-131 after kill -9 of the node, what is left of its turn is ended, and the turn is begun anew', async () => {
    const wake = wakeOf('[[hang]]');
    await killedHost(lab, wake, () => until(() => prompts().length === 1, 'the turn runs'));
    const runtime = lab.runtime({ turn_timeout: 1 });
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'failed', cause: 'timeout' });
    const [first, second] = lab.runs() as { pid: number; session?: string; two?: boolean }[];
    expect(second!.pid).not.toBe(first!.pid);
    expect(lab.runs().filter((run) => run.two)).toEqual([]);
    expect(lab.log.map(({ message }) => message)).toContain(
      'ending a process that an earlier node left behind',
    );
  });

  it('RT-133 a plain `moltnet` is allowed once, anything else is refused and told', async () => {
    const runtime = lab.runtime();
    await deliver(runtime, wakeOf('[[ask: moltnet send room:general "hi"]]'));
    await deliver(runtime, wakeOf('[[ask: moltnet send room:general "$(id)"]] [[ask: rm -rf .]]'));
    await deliver(runtime, wakeOf('[[ask: moltnet send room:general "hi"]] [[ask kind: edit]]'));
    expect(outcomes()).toEqual(['proceed_once', 'cancel', 'cancel', 'cancel']);
    expect(
      lab.log.map(({ message, fields }) => [/tools\.allowed/.test(message), fields!['denials']]),
    ).toEqual([
      [
        true,
        [
          { tool: 'execute', command: 'moltnet send room:general "$(id)"' },
          { tool: 'execute', command: 'rm -rf .' },
        ],
      ],
      [true, [{ tool: 'edit', command: 'moltnet send room:general "hi"' }]],
    ]);
  });

  it('RT-134 telemetry and updates are off, and its shell is kept from what looks like a secret', async () => {
    await deliver(lab.runtime({ args: ['--model', 'x'] }), wakeOf('hi'));
    const folder = path.join(lab.home, '.moltnet', 'gemini');
    expect(JSON.parse(readFileSync(path.join(folder, 'defaults.json'), 'utf8'))).toMatchObject({
      general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false },
      telemetry: { enabled: false },
      security: { environmentVariableRedaction: { enabled: true } },
    });
    expect(lab.runs()[0]!.argv).toEqual([
      '--acp',
      '--skip-trust',
      '--policy',
      path.join(folder, 'policy.toml'),
      '--model',
      'x',
    ]);
  });

  it('RT-134 what it writes of failed requests is kept from others, and for a day', async () => {
    await deliver(lab.runtime(), wakeOf('hi'));
    const folder = path.join(lab.home, '.moltnet', 'gemini', 'tmp');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect((lab.runs()[0] as { tmp?: string }).tmp).toBe(folder);
    const [old, young] = ['1', '2'].map((one) => path.join(folder, `gemini-client-error-${one}.json`));
    for (const file of [old!, young!]) writeFileSync(file, '{}');
    const before = new Date(Date.now() - 2 * 86_400_000);
    utimesSync(old!, before, before);
    await deliver(lab.runtime(), wakeOf('apart', { conversation: 'dm:x' }));
    expect([old, young].map((file) => existsSync(file!))).toEqual([false, true]);
  });

  it('RT-135 a session in which nothing went well yet is kept, whoever starts beside it', async () => {
    const runtime = lab.runtime();
    await deliver(runtime, wakeOf('[[http: 500]]'));
    await deliver(runtime, wakeOf('apart', { conversation: 'dm:x' }));
    expect(await deliver(runtime, wakeOf('two'))).toMatchObject({ state: 'ok' });
    await runtime.close();
    expect(await deliver(lab.runtime(), wakeOf('three'))).toMatchObject({ state: 'ok' });
    const [first, , second, third] = lab.runs().map((run) => (run as { session?: string }).session);
    expect([second, third]).toEqual([first, first]);
    expect(lab.log).toEqual([]);
  });

  it('RT-135 what its starts have left without a turn goes after an hour, and what holds one stays', async () => {
    const runtime = lab.runtime();
    await deliver(runtime, wakeOf('one'));
    await runtime.close();
    const [kept] = readdirSync(chats()).filter((name) => name.endsWith('.jsonl'));
    const left = ['session-2026-01-01T00-00-aaaaaaaa.jsonl', 'session-2026-01-01T00-00-bbbbbbbb.jsonl'];
    for (const name of left)
      writeFileSync(path.join(chats(), name), '{"sessionId":"x"}\n{"$set":{"messages":[]}}\n');
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const name of [left[0]!, kept!]) utimesSync(path.join(chats(), name), old, old);
    await deliver(lab.runtime(), wakeOf('apart', { conversation: 'dm:x' }));
    const names = readdirSync(chats());
    expect(names).not.toContain(left[0]);
    expect(names).toEqual(expect.arrayContaining([left[1], kept]));
  });

  it('RT-135 a session is the same over any number of restarts within the minute it began in', async () => {
    // As where its user has them tidied.
    mkdirSync(path.join(lab.home, '.gemini'), { recursive: true });
    writeFileSync(
      path.join(lab.home, '.gemini', 'settings.json'),
      JSON.stringify({ general: { sessionRetention: { enabled: true } } }),
    );
    for (const text of ['one', 'two', 'three', 'four']) {
      const runtime = lab.runtime();
      expect(await deliver(runtime, wakeOf(text))).toMatchObject({ state: 'ok' });
      await runtime.close();
    }
    const ids = lab.runs().map((run) => (run as { session?: string }).session);
    expect(ids).toHaveLength(4);
    expect(new Set(ids).size).toBe(1);
    expect(lab.log).toEqual([]);
    const kept = readdirSync(chats()).filter((name) => name.endsWith('.jsonl'));
    expect(kept).toHaveLength(1);
  });

  it('RT-135 a session whose file is damaged is replaced by a fresh one', async () => {
    const first = lab.runtime();
    await deliver(first, wakeOf('one'));
    await first.close();
    for (const name of readdirSync(chats())) writeFileSync(path.join(chats(), name), 'garbage{');
    const second = lab.runtime();
    expect(await deliver(second, wakeOf('two'))).toMatchObject({ state: 'ok' });
    expect(lab.log.map(({ message }) => message)).toEqual([
      'Gemini CLI cannot open the session of this conversation; a new one begins',
    ]);
  });

  it('RT-15 a Gemini CLI that does not know our own arguments is too old', async () => {
    const command = path.join(lab.folder, 'old');
    writeFileSync(command, "#!/bin/sh\necho 'Unknown arguments: skip-trust, skipTrust' >&2\nexit 1\n", {
      mode: 0o755,
    });
    expect(await lab.runtime({ command }).probe()).toMatchObject({
      ready: false,
      permanent: true,
      cause: 'config',
      reason: expect.stringMatching(/too old; install/),
    });
  });

  it('RT-136 where it waits for a login it is ended at once, in a turn and in a probe', async () => {
    writeFileSync(path.join(lab.home, 'logged-out'), '');
    const runtime = lab.runtime();
    const expected = {
      permanent: true,
      cause: 'not_logged_in',
      reason: expect.stringContaining('log in by'),
    };
    expect(await deliver(runtime, wakeOf('hi'))).toMatchObject({ state: 'failed', ...expected, told: [] });
    expect(await runtime.probe()).toMatchObject({ ready: false, ...expected });
  });

  it('RT-136 a probe leaves no session', async () => {
    expect(await lab.runtime().probe()).toEqual({ ready: true, version: '0.0.0' });
    expect(existsSync(chats())).toBe(true);
    expect(readdirSync(chats())).toEqual([]);
  });

  it('RT-137 a cancelled turn is broken off in its session before its process ends', async () => {
    const runtime = lab.runtime();
    const cancel = new AbortController();
    const running = deliver(runtime, wakeOf('[[hang]]'), cancel.signal);
    await until(() => prompts().length === 1, 'the turn runs');
    cancel.abort();
    expect(await running).toMatchObject({ state: 'cancelled' });
    const [file] = readdirSync(chats()).filter((name) => name.endsWith('.jsonl'));
    const last = readFileSync(path.join(chats(), file!), 'utf8').trim().split('\n').at(-1)!;
    expect(JSON.parse(last)).toEqual({ $set: { messages: [] } });
  });

  it.each([
    ['[[silent]]', false, /answered nothing/],
    ['[[stop: max_tokens]]', true, /sessions reset/],
    ['[[stop: refusal]]', false, /refusal/],
    ['[[stop: cancelled]]', false, /cancelled/],
    ['[[words: models/x is not found for API version v1beta]]', true, /--model/],
    ['[[words: API key not valid. Please pass a valid API key.]]', true, /log in/],
    ['[[words: You have exhausted your quota]]', false, /quota/],
  ])('RT-138 %s is no turn that ended well', async (text, permanent, reason) => {
    expect(await deliver(lab.runtime(), wakeOf(text))).toMatchObject({
      state: 'failed',
      permanent,
      reason: expect.stringMatching(reason),
    });
  });
});
