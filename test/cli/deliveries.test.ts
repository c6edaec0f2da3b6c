/** What became of a message, and what to do about turns that failed: with a real server and node. */
import { beforeEach, expect, it } from 'vitest';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import type { DeliveryItem, MessageReceipts, UsageReport } from '../../src/protocol/receipts.ts';
import { cli } from '../support/cli-io.ts';
import { cliLab, type CliLab } from '../support/cli-lab.ts';
import { failed, ok, startLabNode, type NodeLab } from '../support/node-lab.ts';
import { until } from '../support/runtime-lab.ts';
import { temporaryFolder } from '../support/server.ts';

let lab: CliLab;
let node: NodeLab;
let here: { cwd: string; env: Record<string, string> };
beforeEach(async () => {
  lab = await cliLab();
  here = { cwd: await temporaryFolder(), env: { MOLTNET_LISTEN_ADDR: new URL(lab.url).host } };
  node = await startLabNode(lab.url, [{ agent: { id: 'beta' } }]);
  await node.logged('attached', 'beta');
});
const run = (...words: string[]): ReturnType<typeof cli> => cli(words, here);
/** alpha speaks. */
const send = (text: string, ...more: string[]): ReturnType<typeof cli> =>
  cli(['send', 'room:general', text, ...more], { cwd: lab.cwd });
const beta = () => node.runtime('beta');
const receiptOf = async (id: string) =>
  ((await cli(['status', id], { cwd: lab.cwd })).json() as MessageReceipts).receipts.find(
    ({ agent_id }) => agent_id === 'beta',
  );
const comesTo = (id: string, state: string): Promise<void> =>
  until(async () => (await receiptOf(id))?.state === state, `${id} is ${state}`);
const deliveries = async (...more: string[]): Promise<DeliveryItem[]> =>
  ((await run('deliveries', ...more)).json() as { deliveries: DeliveryItem[] }).deliveries;

it('CLI-24 status shows what became of a message, to the agent that sent it', async () => {
  beta().script = () => 'hold';
  const { message_id } = (await send('@beta look')).json() as MessageAccepted;
  await node.until(() => beta().turns.length === 1);
  expect(await receiptOf(message_id)).toMatchObject({ agent_id: 'beta', state: 'started' });
  expect((await cli(['participants', 'room:general', '--plain'], { cwd: lab.cwd })).stdout).toMatch(
    /^beta {2}working in room:general since [\d:]+/m,
  );
  beta().turns[0]!.end();
  await comesTo(message_id, 'silent');
  expect((await cli(['status', message_id, '--plain'], { cwd: lab.cwd })).stdout).toMatch(
    /^@beta {2}read it and said nothing {2}/m,
  );
  expect((await cli(['status', 'msg_nowhere'], { cwd: lab.cwd })).stderr).toMatch(/^moltnet: not_found/);
  expect((await cli(['status'], { cwd: lab.cwd })).code).toBe(2);
});

it('CLI-23 send --wait ends with the answer, and says so', async () => {
  beta().script = () => 'hold';
  const sending = send('@beta 2+2?', '--wait');
  await node.until(() => beta().turns.length === 1);
  await lab.say('4');
  beta().turns[0]!.end();
  const result = await sending;
  expect(result.code).toBe(0);
  expect(result.json()).toMatchObject({
    accepted: true,
    reached: true,
    receipts: expect.arrayContaining([expect.objectContaining({ agent_id: 'beta', state: 'answered' })]),
  });
});

it('CLI-23 send --wait ends with 1 when nobody will answer any more, and when its time is over', async () => {
  beta().script = () => ok;
  const silent = await send('@beta fyi', '--wait');
  expect(silent.code).toBe(1);
  expect(silent.json()).toMatchObject({ accepted: true, reached: false });
  beta().script = () => 'hold';
  expect((await send('@beta now?', '--wait', 'answered', '--timeout', '1s')).code).toBe(1);
  expect((await send('@beta again?', '--id', 'msg_again', '--wait', 'started', '--timeout', '1s')).code).toBe(
    1,
  );
  const started = send('@beta and?', '--wait', 'started');
  beta().script = () => ok;
  beta().turns.at(-1)!.end();
  expect((await started).code).toBe(0);
});

it('CLI-27 what failed for good is listed, tried again, and given up', async () => {
  beta().script = () => failed('nobody has logged in', true);
  const { message_id } = (await send('@beta work')).json() as MessageAccepted;
  await comesTo(message_id, 'failed');
  expect(await receiptOf(message_id)).toMatchObject({ classification: 'permanent', attempts: 1 });
  const [item] = await deliveries('--state', 'failed', '--agent', '@beta');
  expect(item).toMatchObject({ agent_id: 'beta', state: 'failed', error: 'nobody has logged in' });
  expect((await run('deliveries', '--plain')).stdout).toMatch(
    /^failed {2}@beta in room:general \(no retry mends it\): nobody has logged in .*wake_/m,
  );
  expect(await deliveries('--agent', 'alpha')).toEqual([]);

  beta().script = () => ok;
  expect((await run('deliveries', 'retry', item!.wake_id!)).code).toBe(0);
  await comesTo(message_id, 'silent');
  expect(await deliveries('--state', 'failed')).toEqual([]);

  beta().script = () => failed('again', true);
  const second = ((await send('@beta more')).json() as MessageAccepted).message_id;
  await comesTo(second, 'failed');
  expect((await run('deliveries', 'drop', '--all', '--plain')).stdout).toBe(
    'is given up  @beta in room:general\n',
  );
  expect(await deliveries('--state', 'failed')).toEqual([]);
  expect(await receiptOf(second)).toMatchObject({ state: 'failed', reason: 'dropped' });
  expect((await run('deliveries', 'retry', 'wake_none')).stderr).toMatch(/^moltnet: not_found/);
  expect((await run('deliveries', 'retry')).code).toBe(2);
  expect((await run('deliveries', '--state', 'odd')).code).toBe(2);
});

it('CLI-29 wake test asks the runtime and costs no turn', async () => {
  beta().probeResult = { ready: true, version: '1.2.3' };
  expect((await run('wake', 'test', '@beta')).json()).toEqual({
    ok: true,
    runtime: { kind: 'fake-runtime', version: '1.2.3' },
  });
  beta().probeResult = { ready: false, permanent: true, reason: 'codex was not found' };
  expect(await run('wake', 'test', 'beta', '--plain')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^cannot be woken @beta: .*codex was not found/),
  });
  expect(await run('wake', 'test', '@alpha')).toMatchObject({ code: 1 });
  expect((await run('wake', 'test')).code).toBe(2);
  expect((await cli(['participants', 'room:general', '--plain'], { cwd: lab.cwd })).stdout).toMatch(
    /^beta {2}cannot be woken: .*codex was not found/m,
  );
  expect(beta().turns).toEqual([]);
});

it('CLI-29 usage shows what agents used', async () => {
  beta().script = () => ({ state: 'ok', usage: { input_tokens: 1_200, output_tokens: 34, cost_usd: 0.5 } });
  await send('@beta work', '--wait');
  const { usage } = (await run('usage')).json() as UsageReport;
  expect(usage).toMatchObject([
    { agent_id: 'beta', room_id: 'general', wakes: 1, input_tokens: 1_200, output_tokens: 34, cost_usd: 0.5 },
  ]);
  expect((await run('usage', '--plain')).stdout).toMatch(
    /^DAY .*\n\d{4}-\d\d-\d\d {2}@beta {2}general +1 +1,200 +34 +\$0\.50\n$/,
  );
  expect((await run('usage', '--days', '0')).code).toBe(2);
});
