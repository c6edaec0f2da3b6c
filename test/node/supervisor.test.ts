/** The node as a whole: what is wrong with one attachment, and when the node ends. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  attachmentConfig,
  Facts,
  FakeRuntime,
  ok,
  speaker,
  startLabNode,
  type AgentConfig,
} from '../support/node-lab.ts';
import { startScriptedServer, eventFrame } from '../support/node-attach-server.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';
import { judge } from '../../src/node/preflight.ts';
import { backoffMs } from '../../src/node/backoff.ts';
import { createRuntime } from '../../src/runtimes/registry.ts';
import type { RuntimeContext } from '../../src/runtimes/runtime.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];
const network = (changes: Record<string, unknown> = {}) =>
  ({
    id: 'local',
    name: 'x',
    version: '1',
    protocols: { http: ['moltnet.http.v1'], attach: ['moltnet.attach.v1'] },
    capabilities: { attachment_protocol: 'websocket', direct_messages: true },
    ...changes,
  }) as never;
const attachment = {
  base_url: 'http://x',
  network_id: 'local',
  dms: { enabled: true, wake: 'all' as const },
};

it('NODE-2 every problem of a server is named at once', () => {
  const verdict = judge(
    attachment,
    network({ id: 'other', protocols: { http: ['moltnet.http.v9'] }, capabilities: {} }),
  );
  expect(verdict).toMatchObject({
    state: 'blocked',
    problems: [
      expect.stringContaining('network_id is "local"'),
      expect.stringContaining('moltnet.http.v1'),
      expect.stringContaining('moltnet.attach.v1'),
      expect.stringContaining('not over websocket'),
    ],
  });
  // Servers of before the protocol lists pass on their capabilities.
  expect(judge(attachment, network({ protocols: undefined }))).toEqual({ state: 'ready', warnings: [] });
  expect(
    judge(
      attachment,
      network({ capabilities: { attachment_protocol: 'websocket', direct_messages: false } }),
    ),
  ).toMatchObject({ state: 'ready', warnings: [expect.stringContaining('direct messages')] });
});

it('NODE-2 one bad attachment does not stop the others', async () => {
  const { url } = await startTestServer({ rooms });
  const lab = await startLabNode(url, [
    { agent: { id: 'bad' }, network_id: 'elsewhere' },
    { agent: { id: 'tokenless' }, auth: { mode: 'bearer', static_token: false, token_env: 'NOT_SET' } },
    { agent: { id: 'good' } },
  ]);
  await lab.logged('attached', 'good');
  expect((await lab.logged('cannot attach', 'bad')).message).toContain('network_id is "elsewhere"');
  expect((await lab.logged('cannot attach', 'tokenless')).message).toContain('NOT_SET');
  await speaker(url).say('room:general', 'hello');
  await lab.until(() => lab.runtime('good').turns.length === 1);
});

it('RT-153 a runtime is told which environment variables are secrets of the others, and not its own', async () => {
  const { url } = await startTestServer({ rooms });
  const withheld = new Map<string, RuntimeContext['withheld']>();
  const token = (token_env: string): Partial<AgentConfig> => ({
    auth: { mode: 'bearer', static_token: false, token_env },
  });
  for (const name of ['A_TOKEN', 'SHARED_TOKEN']) vi.stubEnv(name, 'none');
  onTestFinished(() => void vi.unstubAllEnvs());
  const lab = await startLabNode(
    url,
    [
      { agent: { id: 'a' }, ...token('A_TOKEN') },
      { agent: { id: 'b' }, ...token('SHARED_TOKEN') },
      {
        agent: { id: 'c' },
        ...token('SHARED_TOKEN'),
        runtime: { kind: 'webhook', secret_env: 'HOOK_SECRET' },
      },
    ],
    {
      runtime: (context) => {
        withheld.set(context.attachment.agent.id, context.withheld);
        return new FakeRuntime(new Facts());
      },
    },
  );
  await eventually(() => withheld.size === 3);
  expect(['a', 'b', 'c'].map((id) => withheld.get(id)!().toSorted())).toEqual([
    ['HOOK_SECRET', 'SHARED_TOKEN'],
    ['A_TOKEN', 'HOOK_SECRET'],
    ['A_TOKEN'],
  ]);
  await lab.node.reload({
    attachments: [attachmentConfig(url, { agent: { id: 'a' }, ...token('A_TOKEN') })],
    max_turns: 4,
  });
  expect(withheld.get('a')!().toSorted()).toEqual(['HOOK_SECRET', 'SHARED_TOKEN']);
});

it('NODE-2 when no attachment can go on, the node ends and says why', async () => {
  const { url } = await startTestServer({ rooms });
  const lab = await startLabNode(
    url,
    [
      { agent: { id: 'a' }, network_id: 'elsewhere' },
      { agent: { id: 'b' }, runtime: { kind: 'abacus' } },
    ],
    { runtime: createRuntime },
  );
  const { ended } = await lab.node.done;
  expect(ended.map(({ agent_id }) => agent_id).sort()).toEqual(['a', 'b']);
  expect(ended.flatMap(({ problems }) => problems).join('\n')).toContain('"abacus" is not known');
});

it('NODE-2 an agent that is removed is not brought back by its node; readmitted it goes on', async () => {
  const { url } = await startTestServer({ rooms });
  const { client, say } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }, { agent: { id: 'beta' } }]);
  await lab.logged('attached', 'alpha');
  await lab.logged('attached', 'beta');
  await client.removeAgent('alpha');
  await lab.until(
    () =>
      lab.log.filter(({ message, fields }) => fields['agent'] === 'alpha' && message.includes('removed'))
        .length > 0,
  );
  expect((await client.agents()).agents.map(({ id }) => id)).toEqual(['beta']);
  await client.registerAgent({ requested_agent_id: 'alpha' });
  await lab.until(
    () =>
      lab.log.filter(({ message, fields }) => fields['agent'] === 'alpha' && message === 'attached')
        .length === 2,
  );
  await say('room:general', 'hello');
  await lab.until(() => lab.runtime('alpha').turns.length === 1);
});

it('NODE-2 a runtime that may come right by itself: the agent is there, says why, and its messages wait until it can', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }], {
    prepare: (runtime) =>
      void (runtime.probeResult = {
        ready: false,
        permanent: false,
        reason: 'the gateway is not up',
        cause: 'missing',
      }),
  });
  const alpha = lab.runtime('alpha');
  expect((await lab.logged('waited for')).message).toContain('cannot run: the gateway is not up');
  await lab.logged('attached');
  const id = await say('room:general', 'hello');
  await lab.received(id);
  await lab.until(() => alpha.probes > 2);
  expect(await client.agent('alpha')).toMatchObject({
    connected: true,
    state: 'cannot_wake',
    cannot_wake: 'the gateway is not up',
    cannot_wake_cause: 'missing',
  });
  expect(alpha.turns).toEqual([]);
  alpha.probeResult = { ready: true };
  await lab.until(() => alpha.turns.length === 1);
  expect(alpha.turns[0]!.wake.attempt).toBe(1);
  expect(await client.agent('alpha')).not.toHaveProperty('cannot_wake');
});

it('NODE-4 whatever the close code, the node comes back (W20)', async () => {
  const server = await startScriptedServer();
  await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  for (const [n, code] of [1000, 1001, 1012, 4001].entries()) {
    await server.until(() => server.connections.length === n + 1 && server.last.of('IDENTIFY').length === 1);
    server.last.close(code);
  }
  await server.until(() => server.connections.length === 5);
});

it('NODE-4 waiting times double up to a limit, with a jitter, and begin anew after a good connection', async () => {
  const plain = { first: 500, max: 15_000, random: () => 0.5 };
  expect([1, 2, 3, 4, 5, 6, 7, 99].map((n) => backoffMs(n, plain))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000,
  ]);
  expect(backoffMs(2, { ...plain, random: () => 0 })).toBe(800);
  expect(backoffMs(2, { ...plain, random: () => 1 })).toBe(1_200);
  const server = await startScriptedServer();
  const waits = async (stable: number): Promise<number[]> => {
    const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }], {
      times: { reconnect: 4, reconnect_max: 1_000, stable },
    });
    const began = server.connections.length;
    for (let n = 1; n <= 4; n++) {
      await server.until(
        () => server.connections.length === began + n && server.last.of('IDENTIFY').length === 1,
      );
      await lab.until(() => lab.log.filter(({ message }) => message.startsWith('attached')).length === n);
      server.last.hangUp();
      await lab.until(
        () => lab.log.filter(({ message }) => message.startsWith('connection ended')).length === n,
      );
    }
    await lab.node.stop();
    return lab.log
      .filter(({ message }) => message.startsWith('connection ended'))
      .map(({ fields }) => fields['in_ms'] as number);
  };
  expect(Math.max(...(await waits(0)))).toBeLessThanOrEqual(5);
  expect((await waits(60_000)).at(-1)).toBeGreaterThanOrEqual(25);
});

it('NODE-3 PINGs are answered during a turn, and under a flood of events', async () => {
  const server = await startScriptedServer({ delivery: true });
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  server.last.send(eventFrame('m0', 'begin'));
  await lab.until(() => alpha.turns.length === 1);
  for (let i = 1; i <= 500; i++) {
    server.last.send(eventFrame(`m${i}`, createHash('sha256').update(String(i)).digest('hex').repeat(50)));
    if (i % 50 === 0) server.last.send({ op: 'PING' });
  }
  await server.until(() => server.last.of('PONG').length === 10);
  expect(alpha.running).toBe(1);
  expect(server.last.of('ACK')).toEqual([]);
  alpha.turns[0]!.end();
  await lab.until(() => alpha.turns.length === 2);
  expect(alpha.texts[1]).toContain('Moltnet: 500 new messages');
});

it('NODE-6 the turn begins only when the server has stored its wake', async () => {
  const server = await startScriptedServer({ delivery: true, answers: false });
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  await lab.logged('attached');
  server.last.send(eventFrame('m1', 'hello'));
  await server.until(() => server.last.of('WAKE').length === 1);
  const wake = server.last.of('WAKE')[0]!;
  expect(wake).toMatchObject({ conversation: 'room:general', attempt: 1 });
  server.last.send({ op: 'PING' });
  await server.until(() => server.last.of('PONG').length === 1);
  expect(lab.runtime('alpha').turns).toEqual([]);
  server.last.send({
    op: 'WAKE',
    wake_id: wake['wake_id'],
    conversation: wake['conversation'],
    cursor: wake['cursor'],
    attempt: 1,
  });
  await server.until(() => server.last.of('ACK').length === 1);
  expect(server.last.of('ACK')[0]).toMatchObject({
    cursor: wake['cursor'],
    wake_id: wake['wake_id'],
    outcome: 'ok',
  });
});

it('NODE-6 a server that does not answer WAKE counts as gone', async () => {
  const server = await startScriptedServer({ delivery: true, answers: false });
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }], { times: { answer: 30 } });
  await lab.logged('attached');
  server.last.send(eventFrame('m1', 'hello'));
  await server.until(() => server.connections.length === 2);
  expect(lab.runtime('alpha').turns).toEqual([]);
  await lab.logged('connection ended: the server did not answer WAKE in time');
});

it('NODE-13 a message that is redacted while it waits is not shown; when nothing is left there is no turn', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number <= 2 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'one');
  await lab.until(() => alpha.turns.length === 1);
  await say('room:general', 'a secret', { id: 'msg_secret' });
  await say('room:general', 'two');
  await client.redact('msg_secret');
  await lab.received(await say('room:general', 'three'));
  alpha.turns[0]!.end();
  await lab.until(() => alpha.turns.length === 2);
  expect(alpha.texts[1]).not.toContain('secret');
  expect([...alpha.texts[1]!.matchAll(/^> (.*)$/gm)].map(([, text]) => text)).toEqual(['two', 'three']);
  await say('room:general', 'another secret', { id: 'msg_secret_2' });
  await client.redact('msg_secret_2');
  await lab.until(
    () => lab.log.filter(({ message }) => message === 'received message.redacted').length === 2,
  );
  alpha.turns[1]!.end();
  await say('dm:d1', 'after', { participants: ['alpha', 'ann'] });
  await lab.until(() => alpha.turns.length === 3);
  expect(alpha.turns[2]!.wake.conversation).toBe('dm:d1');
});

it('NODE-12 bootstrap wakes: none by default; once per room when asked for, also over restarts', async () => {
  const { url } = await startTestServer({ rooms: [...rooms, { ...rooms[0]!, id: 'dev' }] });
  const agent = {
    agent: { id: 'alpha' },
    rooms: [
      { id: 'general', wake: 'mentions' as const },
      { id: 'dev', wake: 'all' as const },
    ],
  };
  const plain = await startLabNode(url, [agent]);
  await plain.logged('attached');
  await speaker(url).say('room:dev', 'hello');
  await plain.until(() => plain.runtime('alpha').turns.length === 1);
  expect(plain.runtime('alpha').texts[0]).toContain('> hello');
  await plain.node.stop();
  const asked = await startLabNode(url, [{ ...agent, bootstrap: true }]);
  const alpha = asked.runtime('alpha');
  await asked.until(
    () =>
      alpha.turns.length === 2 &&
      asked.log.filter(({ message }) => message.startsWith('turn done')).length === 2,
  );
  expect(alpha.turns.map(({ wake }) => wake.conversation).sort()).toEqual(['room:dev', 'room:general']);
  expect(alpha.texts[0]).toContain('now take part in room:');
  await asked.node.stop();
  const again = await startLabNode(url, [{ ...agent, bootstrap: true }]);
  await again.logged('attached');
  await speaker(url).say('room:dev', 'later');
  await again.until(() => again.runtime('alpha').turns.length === 1);
  expect(again.runtime('alpha').texts[0]).toContain('> later');
});

it('NODE-12 a node that dies before its bootstrap wake has ended runs it again; a connection that breaks does not', async () => {
  const server = await startScriptedServer({ delivery: true });
  const agent = { agent: { id: 'alpha' }, bootstrap: true };
  const lab = await startLabNode(server.url, [agent], {
    prepare: (runtime) => void (runtime.script = () => 'hold'),
  });
  const alpha = lab.runtime('alpha');
  const answer = async (): Promise<void> => {
    await server.until(() => server.last?.of('BOOTSTRAP').length > 0);
    server.last.send({ op: 'BOOTSTRAP', rooms: ['general'] });
  };
  await lab.logged('attached');
  await answer();
  await lab.until(() => alpha.turns.length === 1);
  server.last.hangUp();
  await server.until(() => server.connections.length === 2);
  await answer();
  alpha.turns[0]!.end();
  const done = (): unknown[] => server.last.of('BOOTSTRAP').filter((frame) => frame['done'] === true);
  await server.until(() => done().length === 1);
  expect(done()).toMatchObject([{ rooms: ['general'] }]);
  server.last.hangUp();
  await server.until(() => server.connections.length === 3);
  await answer();
  await server.until(() => done().length === 1);
  expect(alpha.turns).toHaveLength(1);
});

it('NODE-15 a token that the server mints is stored privately and used from then on', async () => {
  const server = await startScriptedServer({ ready: false });
  const token_path = path.join(await temporaryFolder(), 'tokens', 'alpha');
  const auth = { mode: 'open' as const, static_token: false, token_path };
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' }, auth }]);
  await server.until(() => server.connections.length === 1 && server.last.of('IDENTIFY').length === 1);
  expect(server.last.headers['authorization']).toBeUndefined();
  server.last.send({ op: 'READY', network_id: 'local', agent_id: 'alpha', agent_token: 'magt_v1_secret' });
  await lab.logged('token was stored');
  expect(await readFile(token_path, 'utf8')).toBe('magt_v1_secret\n');
  expect((await stat(token_path)).mode & 0o777).toBe(0o600);
  server.last.hangUp();
  await server.until(() => server.connections.length === 2);
  expect(server.last.headers['authorization']).toBe('Bearer magt_v1_secret');
  expect(
    lab.log.every(({ message, fields }) => !JSON.stringify([message, fields]).includes('magt_v1_secret')),
  ).toBe(true);
});

it('NODE-10 stop returns soon whatever the node is doing', async () => {
  const mute = createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void mute.close());
  const lab = await startLabNode(
    `http://127.0.0.1:${(mute.address() as AddressInfo).port}`,
    [{ agent: { id: 'alpha' } }, { agent: { id: 'beta' } }],
    {
      prepare: (runtime, agent) => {
        if (agent === 'beta') runtime.probe = () => new Promise(() => {});
      },
    },
  );
  await new Promise<void>((resolve) => mute.once('connection', () => resolve()));
  await lab.node.stop();
  await lab.node.stop();
  expect(await lab.node.done).toEqual({ ended: [] });
});
