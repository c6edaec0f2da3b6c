/** What only the real opencode can show: what it hands to its shells, and what it does when its connections break. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findExecutable } from '../../src/runtimes/executable.ts';
import { opencode, OPENCODE_CLI } from '../../src/runtimes/opencode/opencode.ts';
import type { Runtime } from '../../src/runtimes/runtime.ts';
import { startMockModel, type MockModel } from '../support/mock-model.ts';
import { deliver, runtimeLab, wakeOf, type RuntimeLab } from '../support/runtime-lab.ts';
import { modelEnvironment, opencodeCommand, prepareOpencodeHome, setEnvironment } from './real-clis.ts';

let model: MockModel;
let restore: () => void;
let lab: RuntimeLab;
/** One process for all of this file: it takes seconds to start. */
let runtime: Runtime;
beforeAll(async () => {
  model = await startMockModel();
  restore = setEnvironment({
    ...modelEnvironment(model),
    REAL_OPENCODE: findExecutable(opencodeCommand, '', 'npm ci', OPENCODE_CLI),
  });
  const relay = fileURLToPath(new URL('opencode-behind-relay.mjs', import.meta.url));
  lab = runtimeLab(opencode, { command: relay });
  prepareOpencodeHome(lab.home, model);
  const file = path.join(lab.home, '.config', 'opencode', 'opencode.json');
  const settings = JSON.parse(readFileSync(file, 'utf8')) as object;
  const bash = { '*': 'ask', 'env*': 'allow', 'touch *': 'allow', 'sleep *': 'allow' };
  // The file that breaks its connections is outside of the workspace.
  const permission = { bash, external_directory: 'allow' };
  writeFileSync(file, JSON.stringify({ ...settings, permission }));
  runtime = lab.runtime();
});
afterAll(async () => {
  await lab.close();
  restore();
  await model.close();
});
const lastResult = (): string => model.requests.at(-1)!.tool_results.at(-1)!;

it('RT-124 the shells of the real opencode do not have the password of its server', async () => {
  expect(await deliver(runtime, wakeOf('[[sh: env]]'))).toMatchObject({ state: 'ok' });
  expect(lastResult()).toContain('MOLTNET_WAKE=');
  expect(lastResult()).toContain('OPENCODE=1');
  expect(lastResult()).not.toContain('OPENCODE_SERVER');
});

it('RT-126 of the shell of the real opencode, what is asked for is moltnet alone', async () => {
  const file = path.join(lab.workspace, 'file');
  await deliver(runtime, wakeOf(`[[sh: moltnet read room:general > ${file}]]`));
  expect(lastResult()).toMatch(/Nobody is there to be asked/);
  await deliver(runtime, wakeOf(`[[sh: moltnet read room:general | tee ${file}]]`));
  await deliver(runtime, wakeOf('[[sh: moltnet send room:general "$(cat /etc/hostname)"]]'));
  expect(existsSync(file)).toBe(false);
  expect(lab.said()).toEqual([]);
  await deliver(runtime, wakeOf('[[sh: moltnet send room:general "a > b"]]'));
  expect(lab.said()).toMatchObject([{ args: ['send', 'room:general', 'a > b'] }]);
  expect(lab.log.filter(({ message }) => /nobody is there to allow/.test(message))).toHaveLength(3);
});

it('RT-125 all connections to the real opencode break in a turn: it is watched to its end, and runs once', async () => {
  const before = model.turns().length;
  const wake = wakeOf(
    `[[sh: touch ${lab.home}/cut]] [[sh: sleep 1]] [[sh: moltnet send room:general "still here"]]`,
  );
  const outcome = await deliver(runtime, wake);
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ state: 'ok', told: ['accepted', 'delivered'] });
  expect(model.turns().length - before).toBe(1);
  expect(lab.said().at(-1)).toMatchObject({ args: ['send', 'room:general', 'still here'] });
});
