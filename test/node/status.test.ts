/** What the node tells of its runtimes: whether they can be woken, what turns cost, and what no retry mends. */
import { expect, it } from 'vitest';
import { eventFrame, startScriptedServer, type ScriptedServer } from '../support/node-attach-server.ts';
import { failed, startLabNode, type FakeRuntime, type NodeLab } from '../support/node-lab.ts';

const alpha = { agent: { id: 'alpha' } };
const missing = { ready: false, permanent: true, reason: 'codex was not found on PATH; install it' } as const;
const hello = { capabilities: { delivery: 1, status: 1 } };

async function lab(
  prepare: (runtime: FakeRuntime) => void = () => {},
): Promise<{ server: ScriptedServer; node: NodeLab; runtime: FakeRuntime }> {
  const server = await startScriptedServer({ delivery: true, hello });
  const node = await startLabNode(server.url, [alpha], { prepare, times: { recheck: 1e9 } });
  return { server, node, runtime: node.runtime('alpha') };
}
/** Of the last STATUS. */
const status = (server: ScriptedServer): unknown => {
  const { cannot_wake, runtime, probe } = server.last.of('STATUS').at(-1)!;
  return { cannot_wake, runtime, probe };
};
const told = (server: ScriptedServer, count: number): Promise<void> =>
  server.until(() => (server.connections.at(-1)?.of('STATUS').length ?? 0) >= count);

it('NODE-27 after READY the server is told that the runtime can be woken, and which it is', async () => {
  const { server } = await lab((runtime) => void (runtime.probeResult = { ready: true, version: '1.2.3' }));
  await told(server, 1);
  expect(server.last.of('IDENTIFY')[0]).toMatchObject({ capabilities: { delivery: 1, status: 1 } });
  expect(status(server)).toEqual({ runtime: { kind: 'fake-runtime', version: '1.2.3' } });
});

it('NODE-27 a server that does not ask hears nothing of it', async () => {
  const server = await startScriptedServer({ delivery: true });
  const node = await startLabNode(server.url, [alpha]);
  await node.logged('attached');
  server.last.send({ op: 'PROBE', probe: 'p1' });
  server.last.send(eventFrame('m1', 'work'));
  await server.until(() => server.last.of('ACK').length === 1);
  expect(server.last.of('STATUS')).toEqual([]);
  expect(server.last.of('IDENTIFY')[0]!['capabilities']).not.toHaveProperty('status');
  expect(node.runtime('alpha').probes).toBe(1);
});

it('NODE-28 a runtime that is missing does not keep the agent away: it is attached, and says why it cannot be woken', async () => {
  const { server, node } = await lab((one) => {
    one.probeResult = missing;
    one.script = () => failed(missing.reason, true);
  });
  await node.logged('cannot run: codex was not found');
  await told(server, 1);
  expect(status(server)).toMatchObject({ cannot_wake: missing.reason });

  server.last.send(eventFrame('m1', 'work'));
  await server.until(() => server.last.of('ACK').length === 1);
  expect(server.last.of('ACK')[0]).toMatchObject({
    outcome: 'failed',
    error: missing.reason,
    attempts: 1,
    classification: 'permanent',
  });
});

it('NODE-27 PROBE looks at the runtime now, without a turn, and is answered by its id', async () => {
  const { server, runtime } = await lab();
  await told(server, 1);
  runtime.probeResult = missing;
  server.last.send({ op: 'PROBE', probe: 'p1' });
  await server.until(() => server.last.of('STATUS').some(({ probe }) => probe === 'p1'));
  expect(status(server)).toMatchObject({ cannot_wake: missing.reason, probe: 'p1' });
  runtime.probeResult = { ready: true };
  server.last.send({ op: 'PROBE', probe: 'p2' });
  await server.until(() => server.last.of('STATUS').some(({ probe }) => probe === 'p2'));
  expect(status(server)).toEqual({ runtime: { kind: 'fake-runtime' }, probe: 'p2' });
  expect(runtime.turns).toEqual([]);
});

it('NODE-28 what only a turn can tell stays told until a turn says otherwise', async () => {
  const { server, runtime } = await lab();
  runtime.script = (_wake, number) =>
    number === 1 ? failed('nobody has\nlogged in', true) : { state: 'ok' };
  await told(server, 1);
  server.last.send(eventFrame('m1', 'work'));
  await told(server, 2);
  expect(status(server)).toMatchObject({ cannot_wake: 'the last turn failed: nobody has logged in' });
  server.last.send({ op: 'PROBE', probe: 'p1' });
  await told(server, 3);
  expect(status(server)).toMatchObject({ cannot_wake: expect.stringContaining('logged in'), probe: 'p1' });
  server.last.send(eventFrame('m2', 'work'));
  await told(server, 4);
  expect(status(server)).toEqual({ runtime: { kind: 'fake-runtime' } });
});

it('NODE-28 a runtime that cannot run is looked at again now and then, without a turn', async () => {
  const server = await startScriptedServer({ delivery: true, hello });
  const node = await startLabNode(server.url, [alpha], {
    prepare: (runtime) => void (runtime.probeResult = missing),
    times: { recheck: 5 },
  });
  const runtime = node.runtime('alpha');
  await told(server, 1);
  await node.until(() => runtime.probes > 3);
  runtime.probeResult = { ready: true };
  await told(server, 2);
  expect(status(server)).toEqual({ runtime: { kind: 'fake-runtime' } });
});

it('NODE-33 a rate limit is told with its end; until then no turn of the agent begins, and no try is used up', async () => {
  const { server, runtime } = await lab();
  const began: number[] = [];
  runtime.script = (_wake, number) => {
    began.push(Date.now());
    if (number > 1) return { state: 'ok' };
    return { ...failed('429: slow down'), cause: 'rate_limited', retry_after_s: 0.3 };
  };
  await told(server, 1);
  server.last.send(eventFrame('m1', 'work'));
  await told(server, 2);
  const { cannot_wake, cannot_wake_cause, cannot_wake_until } = server.last.of('STATUS')[1]!;
  expect({ cannot_wake, cannot_wake_cause }).toEqual({
    cannot_wake: '429: slow down',
    cannot_wake_cause: 'rate_limited',
  });
  server.last.send(eventFrame('m2', 'more', { target: { kind: 'room', room_id: 'other' } }));
  await server.until(() => server.last.of('ACK').length === 2);
  const until = Date.parse(String(cannot_wake_until));
  expect(began).toHaveLength(3);
  expect(began.slice(1).every((at) => at >= until)).toBe(true);
  expect(runtime.turns.map(({ wake }) => wake.attempt).toSorted()).toEqual([1, 1, 2]);
  expect(status(server)).toEqual({ runtime: { kind: 'fake-runtime' } });
});

it('NODE-33 a rate limit without an end is waited out longer each time', async () => {
  const server = await startScriptedServer({ delivery: true, hello });
  const times = { limited: 40, limited_max: 1e9, retry: 1, retry_max: 1 };
  const node = await startLabNode(server.url, [alpha], { times });
  const runtime = node.runtime('alpha');
  runtime.script = (_wake, number) =>
    number < 3 ? { ...failed('too many requests'), cause: 'rate_limited' } : { state: 'ok' };
  await told(server, 1);
  server.last.send(eventFrame('m1', 'work'));
  await server.until(() => server.last.of('ACK').length === 1);
  const waits = server.last
    .of('STATUS')
    .flatMap(({ cannot_wake_until: at }) => (at === undefined ? [] : [Date.parse(String(at))]));
  expect(waits).toHaveLength(2);
  expect(waits[1]! - waits[0]!).toBeGreaterThanOrEqual(96);
});

it('NODE-29 ACK carries what all turns of a wake used, as far as the runtime tells it', async () => {
  const { server, runtime } = await lab();
  runtime.script = (_wake, number) =>
    [
      { ...failed('once'), usage: { input_tokens: 100, output_tokens: 10 } },
      { state: 'ok' as const, usage: { input_tokens: 50, output_tokens: Number.NaN, cost_usd: 0.25 } },
      { state: 'ok' as const },
    ][number - 1]!;
  await told(server, 1);
  server.last.send(eventFrame('m1', 'work'));
  await server.until(() => server.last.of('ACK').length === 1);
  server.last.send(eventFrame('m2', 'work'));
  await server.until(() => server.last.of('ACK').length === 2);
  const [first, second] = server.last.of('ACK');
  expect(first).toMatchObject({
    outcome: 'ok',
    usage: { input_tokens: 150, output_tokens: 10, cost_usd: 0.25 },
  });
  expect(second).not.toHaveProperty('usage');
});

it('NODE-30 what the server sends wakes the agent, also where its bindings alone do not say so', async () => {
  const server = await startScriptedServer({ delivery: true });
  const node = await startLabNode(server.url, [{ ...alpha, rooms: [{ id: 'general', wake: 'mentions' }] }]);
  await node.logged('attached');
  const target = { kind: 'thread', room_id: 'general', thread_id: 't1' };
  server.last.send(eventFrame('m1', 'a reply', { target }));
  const runtime = node.runtime('alpha');
  await node.until(() => runtime.turns.length === 1);
  expect(runtime.texts[0]).toContain('> a reply');
  expect(runtime.texts[0]).toMatch(
    /mention you \(@alpha\), and by every message in threads that you have posted in/,
  );
});
