/** A node takes over its changed file while it runs. */
import path from 'node:path';
import { expect, it } from 'vitest';
import { ConfigError } from '../../src/config/issues.ts';
import type { NodeConfig } from '../../src/config/types.ts';
import { askNode } from '../../src/node/control.ts';
import { startNode } from '../../src/node/node.ts';
import { eventFrame, startScriptedServer, type ScriptedServer } from '../support/node-attach-server.ts';
import type { RuntimeFactory } from '../../src/runtimes/runtime.ts';
import { attachmentConfig, FakeRuntime, Facts, startLabNode, type AgentConfig } from '../support/node-lab.ts';
import { temporaryFolder } from '../support/server.ts';

const configOf = (url: string, ...agents: AgentConfig[]): NodeConfig => ({
  attachments: agents.map((agent) => attachmentConfig(url, agent)),
  max_turns: 4,
});
const alpha: AgentConfig = { agent: { id: 'alpha' } };
const beta: AgentConfig = { agent: { id: 'beta' } };
const gamma: AgentConfig = { agent: { id: 'gamma' } };
/** Runtimes of which one agent's cannot be made until it is mended. */
function brokenFor(agent: string): { runtime: RuntimeFactory; mend(): void } {
  let broken = true;
  return {
    mend: () => (broken = false),
    runtime: ({ attachment }) => {
      if (broken && attachment.agent.id === agent) throw new Error('runtime.kind is not known');
      return new FakeRuntime(new Facts());
    },
  };
}
/** The live connection of an agent. */
const of = (server: ScriptedServer, id: string) =>
  server.connections.findLast(
    ({ frames, closed }) => !closed && (frames[0]?.['agent'] as { id: string } | undefined)?.id === id,
  );

it('NODE-25 new attachments start, gone ones stop with their turns, changed ones restart, the others go on', async () => {
  const server = await startScriptedServer({ delivery: true });
  const lab = await startLabNode(server.url, [alpha, beta, gamma], {
    prepare: (runtime) => (runtime.script = () => 'hold'),
  });
  await Promise.all(['alpha', 'beta', 'gamma'].map((id) => lab.logged('attached', id)));
  for (const id of ['alpha', 'beta', 'gamma']) of(server, id)!.send(eventFrame(`m-${id}`, 'work'));
  const [a, b, c] = ['alpha', 'beta', 'gamma'].map((id) => lab.runtime(id)) as [
    ReturnType<typeof lab.runtime>,
    ReturnType<typeof lab.runtime>,
    ReturnType<typeof lab.runtime>,
  ];
  await lab.until(() => a.turns.length + b.turns.length + c.turns.length === 3);
  const before = of(server, 'alpha');

  const changed: AgentConfig = { ...gamma, rooms: [{ id: 'general', wake: 'never' }] };
  const result = await lab.node.reload(configOf(server.url, changed, { agent: { id: 'delta' } }, alpha));
  expect(result).toEqual({ started: ['delta'], stopped: ['beta'], restarted: ['gamma'] });
  await lab.logged('attached', 'delta');
  await server.until(() => of(server, 'gamma')?.of('IDENTIFY').length === 1);
  expect(of(server, 'gamma')!.of('IDENTIFY')[0]!['bindings']).toMatchObject({
    rooms: [{ id: 'general', wake: 'never' }],
  });
  expect([b, c].map((one) => [one.turns[0]!.outcome?.state, one.closed])).toEqual([
    ['cancelled', 1],
    ['cancelled', 1],
  ]);
  expect(of(server, 'beta')).toBeUndefined();
  // Nothing was said of the wakes that ended so: they stay open at the server.
  expect(server.connections.flatMap((one) => one.of('ACK'))).toEqual([]);
  expect([of(server, 'alpha') === before, a.turns[0]!.outcome, a.closed]).toEqual([true, undefined, 0]);
  a.turns[0]!.end();
  await server.until(() => before!.of('ACK').length === 1);
});

it('NODE-25 the same file again touches nothing, and ends the rest of whoever waits for something to be put right', async () => {
  const server = await startScriptedServer();
  const { runtime, mend } = brokenFor('beta');
  const lab = await startLabNode(server.url, [alpha, beta], { times: { recheck: 1e9 }, runtime });
  await lab.logged('attached', 'alpha');
  await lab.logged('cannot attach', 'beta');
  mend();
  expect(await lab.node.reload(configOf(server.url, alpha, beta))).toEqual({
    started: [],
    stopped: [],
    restarted: [],
  });
  await lab.logged('attached', 'beta');
  expect(server.connections).toHaveLength(2);
});

it('NODE-25 max_turns of the file counts from then on', async () => {
  const server = await startScriptedServer({ delivery: true });
  const lab = await startLabNode(server.url, [alpha, beta], {
    max_turns: 1,
    prepare: (runtime) => (runtime.script = () => 'hold'),
  });
  await Promise.all(['alpha', 'beta'].map((id) => lab.logged('attached', id)));
  for (const id of ['alpha', 'beta']) of(server, id)!.send(eventFrame(`m-${id}`, 'work'));
  await Promise.all(['alpha', 'beta'].map((id) => lab.received(`m-${id}`)));
  const turns = (): number => lab.runtime('alpha').turns.length + lab.runtime('beta').turns.length;
  await lab.until(() => turns() > 0);
  expect(turns()).toBe(1);
  await lab.node.reload({ ...configOf(server.url, alpha, beta), max_turns: 2 });
  await lab.until(() => turns() === 2);
});

it('NODE-25 one who was alone in being well and is taken out leaves a node that ends and says why', async () => {
  const server = await startScriptedServer();
  const { runtime } = brokenFor('beta');
  const lab = await startLabNode(server.url, [alpha, beta], { times: { recheck: 1e9 }, runtime });
  await lab.logged('attached', 'alpha');
  await lab.logged('cannot attach', 'beta');
  await lab.node.reload(configOf(server.url, beta));
  expect((await lab.node.done).ended).toMatchObject([{ agent_id: 'beta' }]);
  await expect(lab.node.reload(configOf(server.url, alpha))).rejects.toThrow('the node stops');
});

it('NODE-25 NODE-26 NODE-32 a bad file changes nothing and says why, to who asks over the control socket too', async () => {
  const server = await startScriptedServer();
  const file = path.join(await temporaryFolder(), 'MoltnetNode');
  let read = (): NodeConfig => ({ ...configOf(server.url, alpha, beta), path: file });
  const node = await startNode(
    { ...configOf(server.url, alpha), path: file },
    {
      read: () => read(),
      log: () => {},
      runtime: () => ({
        kind: 'fake-runtime',
        capabilities: {} as never,
        probe: () => Promise.resolve({ ready: true }),
        deliver: () => Promise.resolve({ state: 'ok' }),
        close: () => Promise.resolve(),
      }),
    },
  );
  try {
    await server.until(() => of(server, 'alpha') !== undefined);
    expect(await askNode(file, { op: 'reload' })).toEqual({ started: ['beta'], stopped: [], restarted: [] });
    await server.until(() => of(server, 'beta') !== undefined);
    read = () => {
      throw new ConfigError([
        { file: 'MoltnetNode', line: 1, key: 'a', problem: 'is wrong' },
        { file: 'MoltnetNode', line: 2, key: 'b', problem: 'is too' },
      ]);
    };
    await expect(askNode(file, { op: 'reload' })).rejects.toThrow(
      'MoltnetNode:1:1: a: is wrong\nMoltnetNode:2:1: b: is too',
    );
    await expect(node.reload()).rejects.toThrow(ConfigError);
    // Emptied, or half written.
    read = () => ({ ...configOf(server.url), path: file });
    await expect(node.reload()).rejects.toThrow('names no attachment any more');
    await expect(askNode(file, { op: 'dance' })).rejects.toThrow('a node does not know "dance"');
    expect(server.connections.map(({ closed }) => closed)).toEqual([false, false]);
  } finally {
    await node.stop();
  }
  await expect(askNode(file, { op: 'reload' })).rejects.toThrow('no node runs');
});
