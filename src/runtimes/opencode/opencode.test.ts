import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { processesOf } from '../../../test/contract/runtime.ts';
import {
  deliver,
  fakeOpencode,
  killedHost,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../../test/support/runtime-lab.ts';
import { opencode } from './opencode.ts';

let lab: RuntimeLab;
beforeEach(() => {
  lab = runtimeLab(opencode, { command: fakeOpencode });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await lab.close();
});
const prompts = (): string[] => lab.runs().map((run) => run.prompt);
const settings = (given: object): void =>
  writeFileSync(path.join(lab.home, 'fake-opencode.json'), JSON.stringify(given));
const retries = () => lab.log.filter(({ message }) => /asks it again/.test(message));

it('RT-122 that it asks its model again is told, and the turn goes on', async () => {
  expect(await deliver(lab.runtime(), wakeOf('[[http once: 429]]'))).toMatchObject({ state: 'ok' });
  expect(retries()).toMatchObject([{ level: 'info', fields: { attempt: 1, reason: 'mock 429' } }]);
});

it('RT-122 what it would ask for long is given up with its reason, and the process serves the next turn', async () => {
  const runtime = lab.runtime();
  const cases: [string, object][] = [
    ['[[http: 503]]', { cause: 'model', reason: 'mock 503' }],
    ['[[http: 429]]', { cause: 'rate_limited', reason: 'mock 429' }],
    ['[[http: 429]] [[wait: 3600]]', { cause: 'rate_limited', retry_after_s: 3600 }],
  ];
  for (const [prompt, failure] of cases)
    expect(await deliver(runtime, wakeOf(prompt))).toMatchObject({
      state: 'failed',
      permanent: false,
      ...failure,
    });
  // Twice each, and the long wait at once.
  expect(retries()).toHaveLength(5);
  expect(await deliver(runtime, wakeOf('after'))).toMatchObject({ state: 'ok' });
  expect(new Set(lab.runs().map(({ pid }) => pid)).size).toBe(1);
});

it('RT-122 a turn that ends for its inactivity names what its model said', async () => {
  expect(await deliver(lab.runtime({ inactivity_timeout: 1 }), wakeOf('[[notices]]'))).toMatchObject({
    state: 'failed',
    cause: 'timeout',
    reason: expect.stringMatching(/inactivity_timeout.*; its model: Notice/),
  });
});

const hosted = { id: 'opencode', options: { apiKey: 'public' }, models: { free: {} } };
const own = { id: 'anthropic', models: { claude: {} } };
it.each([
  ['nobody has chosen one', {}, [hosted], {}, 'not_logged_in', /opencode auth login.*opencode\.json/],
  ['nobody has chosen one of two', {}, [hosted, own], {}, 'not_logged_in', /nobody has chosen/],
  ['there is none', {}, [], {}, 'not_logged_in', /nobody has chosen/],
  [
    'its provider has no login',
    { model: 'anthropic/x' },
    [hosted],
    {},
    'not_logged_in',
    /provider anthropic/,
  ],
  ['runtime.model has no login', {}, [hosted], { model: 'anthropic/x' }, 'not_logged_in', /runtime\.model/],
  ['it is not known', {}, [hosted, own], { model: 'anthropic/x' }, 'model', /knows no model anthropic\/x/],
] as const)(
  'RT-123 refused before the turn, for good: of models, %s',
  async (_title, config, providers, runtime, cause, reason) => {
    settings({ config, providers });
    expect(await deliver(lab.runtime(runtime), wakeOf('hi'))).toMatchObject({
      state: 'failed',
      permanent: true,
      cause,
      reason: expect.stringMatching(reason),
      told: [],
    });
    expect(prompts()).toEqual([]);
    expect(processesOf(lab.folder)).toEqual([]);
  },
);

it('RT-123 a model of its own settings, of its agent, of `runtime`, last picked, or of the one login is a choice', async () => {
  const state = path.join(lab.home, '.local', 'state', 'opencode');
  const cases: [object, object[], Record<string, string>, object?][] = [
    [{ model: 'opencode/free' }, [hosted], {}],
    [{ agent: { build: { model: 'opencode/free' } } }, [hosted], {}],
    [{}, [hosted], { model: 'opencode/free' }],
    [{}, [own, hosted], {}],
    [{ provider: { anthropic: {} } }, [hosted, own], {}],
    [{}, [hosted], {}, { recent: [null, { providerID: 'opencode', modelID: 'free' }] }],
  ];
  mkdirSync(state, { recursive: true });
  for (const [config, providers, runtime, picked] of cases) {
    settings({ config, providers });
    if (picked) writeFileSync(path.join(state, 'model.json'), JSON.stringify(picked));
    const one = lab.runtime(runtime);
    expect(await deliver(one, wakeOf('hi')), JSON.stringify(config)).toMatchObject({ state: 'ok' });
    await one.close();
  }
});

it('RT-124 its shells do not have the password of its server, and have the shell of its user or none', async () => {
  const model = 'fake/model';
  const chosen = { model, shell: '/bin/sh' };
  const cases: [object, string | undefined, string?][] = [
    [{ model }, '/bin/bash'],
    [{ model }, undefined],
    [chosen, '/bin/bash', chosen.shell],
  ];
  for (const [config, shell, runs] of cases) {
    vi.stubEnv('SHELL', shell);
    settings({ config });
    const runtime = lab.runtime();
    const outcome = await deliver(runtime, wakeOf('[[sh: env; echo "by $0"]]'));
    const { final_text } = outcome as { final_text: string };
    expect(final_text).toContain('MOLTNET_WAKE=');
    expect(final_text).not.toContain('OPENCODE_SERVER');
    if (shell) expect(final_text).toContain(`SHELL=${shell}\n`);
    else expect(final_text).not.toMatch(/^SHELL=/m);
    if (runs) expect(final_text).toContain(`by ${runs}`);
    await runtime.close();
  }
});

it('RT-125 a stream of events that breaks off is opened again, and what was asked meanwhile is answered', async () => {
  const text = '[[drop events]] [[ask: moltnet send room:general hi]] [[slow: 100]]';
  const outcome = await deliver(lab.runtime({ inactivity_timeout: 10 }), wakeOf(text));
  expect(outcome).toMatchObject({ state: 'ok', final_text: 'once', told: ['accepted', 'delivered'] });
});

it('RT-1 an answer that overtakes its events tells all the same that the session has the message', async () => {
  const outcome = await deliver(lab.runtime(), wakeOf('[[late events]] hello'));
  expect(outcome).toMatchObject({ state: 'ok', told: ['accepted', 'delivered'] });
});

it('RT-125 a turn whose answer was lost is not begun again: its session says how it ended', async () => {
  const runtime = lab.runtime();
  const turn = await deliver(runtime, wakeOf('[[drop answer]] [[slow: 100]] [[say: the end]]'));
  expect(turn).toMatchObject({ state: 'ok', final_text: 'the end' });
  expect(await deliver(runtime, wakeOf('[[drop answer]] [[http: 429]]'))).toMatchObject({
    state: 'failed',
    cause: 'rate_limited',
  });
  expect(await deliver(runtime, wakeOf('[[drop answer]] [[slow: 50]] [[crash]]'))).toMatchObject({
    state: 'failed',
    cause: 'crashed',
  });
  expect(prompts()).toHaveLength(3);
});

it('RT-121 a process that dies as its turn has ended is asked anew, and the turn is not run again', async () => {
  const runtime = lab.runtime();
  const wake = wakeOf('[[say: all done]] [[end crash]]');
  expect(await deliver(runtime, wake)).toMatchObject({
    state: 'ok',
    final_text: 'all done',
    told: ['accepted', 'delivered'],
  });
  expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
  expect(prompts()).toHaveLength(1);
});

it('RT-121 kill -9 of the node: a turn that broke off is begun anew in its session, by a process of its own', async () => {
  const flag = path.join(lab.workspace, 'flag');
  const wake = wakeOf(`[[sh: test -e ${flag} || sleep 600]]`);
  await killedHost(lab, wake, () => until(() => prompts().length === 1, 'the turn runs'));
  writeFileSync(flag, '');
  const runtime = lab.runtime();
  expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
  expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
  expect(prompts()).toHaveLength(2);
  expect(lab.runs().filter(({ two }) => two)).toEqual([]);
  expect(await runtime.sessions!.list()).toHaveLength(1);
});

const build = (...rules: [string, string][]) => ({
  agents: [
    {
      name: 'build',
      permission: rules.map(([pattern, action]) => ({ permission: 'bash', pattern, action })),
    },
  ],
});
it.each([
  ['moltnet send room:general "a > b"', 'once', 'once'],
  ['moltnet read room:general > file', 'reject', 'once'],
  ['moltnet read room:general | tee file', 'reject', 'once'],
  ['moltnet send room:general "$(cat secret)"', 'reject', 'once'],
  ['ls', 'once', 'once'],
  ['ls -la', 'once', 'once'],
  ['lsof', 'reject', 'once'],
])('RT-126 %s: what its user left open, and moltnet alone', async (command, held, open) => {
  for (const [given, expected] of [
    [build(['*', 'ask'], ['ls *', 'allow']), held],
    [build(['*', 'allow']), open],
  ] as const) {
    settings(given);
    const runtime = lab.runtime();
    expect(await deliver(runtime, wakeOf(`[[ask: ${command}]]`))).toMatchObject({ final_text: expected });
    await runtime.close();
  }
  const told = lab.log.filter(({ message }) => /nobody is there to allow/.test(message));
  expect(told).toHaveLength(held === 'reject' ? 1 : 0);
});
