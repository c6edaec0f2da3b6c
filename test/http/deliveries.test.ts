/** Deliveries and usage as the API shows them. */
import { beforeEach, expect, it } from 'vitest';
import type { DeliveryItem, DeliveryList, ReceiptEvent, UsageReport } from '../../src/protocol/receipts.ts';
import { createClient, type Client } from '../../src/client/http.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { AttachClient } from '../support/attach-client.ts';
import { until } from '../support/runtime-lab.ts';
import { askJson } from '../support/server-http.ts';
import { SseClient } from '../support/sse-client.ts';
import { startTestServer } from '../support/server.ts';
import { bind } from '../support/wake-lab.ts';

const room = (id: string) => ({ id, members: [], visibility: 'public', write_policy: 'registered_agents' });
let server: RunningServer;
let client: Client;
beforeEach(async () => {
  server = await startTestServer({
    rooms: [room('r')],
    budgets: { agents: { beta: 1, idle: 5 } },
  });
  client = createClient({ baseUrl: server.url });
});
const attach = (agent: string): Promise<AttachClient> =>
  AttachClient.attach({
    url: `${server.url.replace('http', 'ws')}/v1/attach`,
    agent,
    bindings: bind({ r: 'all' }),
  });
const say = (id: string) =>
  client.send({
    id,
    target: { kind: 'room', room_id: 'r' },
    from: { type: 'human', id: 'me' },
    parts: [{ kind: 'text', text: 'hello' }],
  });
/** A wake that fails, over everything that was sent. */
async function fail(at: AttachClient, wake_id: string, message: string): Promise<void> {
  await at.until(() => at.messages.includes(message));
  const { cursor } = at.events.find((frame) => frame.event!.message?.id === message)!;
  at.send({ op: 'WAKE', wake_id, conversation: 'room:r', cursor, attempt: 1 });
  await at.until(() => at.of('WAKE').some((frame) => frame.wake_id === wake_id));
  at.ack(cursor!, { wake_id, outcome: 'failed', error: 'no', attempts: 1 });
}
const list = async (query = ''): Promise<DeliveryItem[]> =>
  ((await askJson(server, `/v1/deliveries${query}`)).json as unknown as DeliveryList).deliveries;
const failed = (count: number): Promise<void> =>
  until(async () => (await list('?state=failed')).length === count, `${count} have failed`);
const post = (path: string) => askJson(server, `/v1/deliveries/${path}`, { method: 'POST', body: {} });

it('RCPT-10 RCPT-11 retry and drop: not found, two agents with one id, not failed any more; told live', async () => {
  const stream = new SseClient(server.port);
  await stream.until(() => stream.text.includes('stream-open'));
  const told = () =>
    stream.events.flatMap(({ data }) =>
      data?.type === 'message.receipt' ? [data['receipt'] as ReceiptEvent] : [],
    );
  const [alpha, beta] = [await attach('alpha'), await attach('beta')];
  await say('m0');
  await fail(alpha, 'w', 'm0');
  await fail(beta, 'w', 'm0');
  await failed(2);
  expect((await post('w_none/retry')).status).toBe(404);
  expect(await post('w/retry')).toMatchObject({ status: 409, json: { code: 'conflict' } });
  expect(await post('w/retry?agent=al%20pha')).toMatchObject({ status: 400 });
  expect(await post('w/retry?agent=alpha')).toMatchObject({
    status: 200,
    json: { wake_id: 'w', agent_id: 'alpha', state: 'open', attempts: 2, message_id: 'm0' },
  });
  expect(await post('w/retry?agent=alpha')).toMatchObject({ status: 409, json: { code: 'conflict' } });
  expect(await post('w/drop?agent=beta')).toMatchObject({ status: 200, json: { state: 'dropped' } });
  expect(await post('w/drop?agent=beta')).toMatchObject({ status: 409 });
  await alpha.until(() => alpha.of('WAKE').some(({ attempt }) => attempt === 2));
  await stream.until(() => told().some(({ reason }) => reason === 'dropped'));
  const after = told().filter(({ attempts, reason }) => attempts === 2 || reason === 'dropped');
  expect(after).toMatchObject([
    { agent_id: 'alpha', state: 'started', wake_id: 'w', message_ids: ['m0'], attempts: 2 },
    { agent_id: 'beta', state: 'failed', wake_id: 'w', message_ids: ['m0'], reason: 'dropped' },
  ]);
  expect(await list('?state=open')).toMatchObject([{ agent_id: 'alpha', state: 'open' }]);
});

it('RCPT-10 the list: of each state, so many, the newest failure first; odd questions are refused or clamped', async () => {
  const alpha = await attach('alpha');
  for (let i = 0; i < 3; i++) {
    await say(`m${i}`);
    await fail(alpha, `w${i}`, `m${i}`);
    await failed(i + 1);
  }
  const ids = async (query: string) => (await list(query)).map(({ wake_id }) => wake_id);
  expect(await ids('?state=failed')).toEqual(['w2', 'w1', 'w0']);
  expect(await ids('?limit=1')).toEqual(['w2']);
  expect(await ids('?limit=0')).toHaveLength(3);
  expect(await ids('?limit=-5')).toHaveLength(1);
  expect(await ids('?limit=1e9')).toHaveLength(3);
  expect(await ids('?agent=beta')).toEqual([]);
  // Turns of one agent, however they ended.
  expect((await list('?state=ended&agent=alpha')).map(({ wake_id, state }) => [wake_id, state])).toEqual([
    ['w2', 'failed'],
    ['w1', 'failed'],
    ['w0', 'failed'],
  ]);
  await post('w1/drop');
  expect((await list('?state=ended&agent=alpha&limit=2')).map(({ state }) => state)).toEqual([
    'failed',
    'dropped',
  ]);
  expect(await list('?state=ended&agent=beta')).toEqual([]);
  for (const query of ['?state=odd', '?limit=many', '?agent=a%20b', '?state=ended'])
    expect((await askJson(server, `/v1/deliveries${query}`)).status).toBe(400);
});

it('RCPT-12 RCPT-14 what is held back is listed of agents that are not attached too', async () => {
  const [alpha, beta] = [await attach('alpha'), await attach('beta')];
  await say('m0');
  await fail(beta, 'w', 'm0');
  await failed(1);
  await alpha.drop();
  await beta.drop();
  await until(async () => !(await client.agent('beta')).connected, 'beta is gone');
  await askJson(server, '/v1/pauses', { method: 'POST', body: { scope: 'agent:alpha' } });
  const held = { agent_id: 'alpha', conversation: 'room:r', state: 'held', reason: 'pause' };
  expect(await list('?state=held')).toEqual([held]);
  await say('m1');
  expect(await list('?state=held')).toEqual([held, { ...held, agent_id: 'beta', reason: 'budget' }]);
  expect(await list('?state=held&limit=1')).toEqual([held]);
  expect(await list('?state=held&agent=beta')).toMatchObject([{ agent_id: 'beta' }]);
  await askJson(server, '/v1/pauses/agent:alpha', { method: 'DELETE' });
  expect(await list('?state=held')).toMatchObject([{ agent_id: 'beta' }]);
});

it('RCPT-15 usage: the caps with what was used of them, so many days at most', async () => {
  const beta = await attach('beta');
  await say('m0');
  await fail(beta, 'w', 'm0');
  await failed(1);
  const usage = async (query = '') =>
    (await askJson(server, `/v1/usage${query}`)).json as unknown as UsageReport;
  const report = await usage();
  const today = new Date().toISOString().slice(0, 10);
  expect(report.caps).toEqual([
    { agent_id: 'beta', daily_wakes: 1, today: 1 },
    { agent_id: 'idle', daily_wakes: 5, today: 0 },
  ]);
  expect(report.usage).toEqual([{ day: today, agent_id: 'beta', room_id: 'r', wakes: 1 }]);
  const daysOf = ({ since }: UsageReport) =>
    Math.round((Date.parse(today) - Date.parse(since)) / 86_400_000) + 1;
  expect(daysOf(report)).toBe(1);
  expect(daysOf(await usage('?days=7'))).toBe(7);
  expect(daysOf(await usage('?days=1000'))).toBe(90);
  expect(daysOf(await usage('?days=-3'))).toBe(1);
  expect((await askJson(server, '/v1/usage?days=many')).status).toBe(400);
});
