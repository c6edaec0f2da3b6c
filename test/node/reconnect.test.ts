/** What a broken connection, a stopped node or a stopped server does to a wake: it is run, and not twice. */
import { expect, it } from 'vitest';
import { FakeRuntime, Facts, failed, ok, speaker, startLabNode } from '../support/node-lab.ts';
import { startProxy } from '../support/tcp-proxy.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';
import { startServer } from '../../src/server/server.ts';
import { createLog } from '../../src/server/log.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];

it('NODE-6 a turn goes on while the connection is away; its end is told afterwards under the same wake', async () => {
  const { url } = await startTestServer({ rooms });
  const proxy = await startProxy(url);
  const { say } = speaker(url);
  const lab = await startLabNode(proxy.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'one');
  await lab.until(() => alpha.turns.length === 1);
  proxy.cut();
  // The server presents the open wake again; the turn that runs is not started a second time.
  await lab.until(() => lab.log.filter(({ message }) => message === 'attached').length === 2);
  await say('room:general', 'two');
  alpha.turns[0]!.end();
  await lab.until(() => alpha.turns.length === 2);
  expect(alpha.texts[1]).toContain('> two');
  expect(alpha.texts[1]).not.toContain('> one');
  // The server agrees: a new node has nothing to run.
  await lab.logged('turn done');
  await lab.until(() => alpha.turns[1]!.outcome !== undefined);
  await lab.node.stop();
  const again = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  await again.logged('attached');
  await say('room:general', 'three');
  await again.until(() => again.runtime('alpha').turns.length === 1);
  expect(again.runtime('alpha').texts[0]).toContain('Moltnet: 1 new message');
});

it('NODE-6 a turn that ends while there is no connection is acknowledged when there is one', async () => {
  const { url } = await startTestServer({ rooms });
  const proxy = await startProxy(url);
  const { say } = speaker(url);
  const lab = await startLabNode(proxy.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'one');
  await lab.until(() => alpha.turns.length === 1);
  proxy.refuse();
  proxy.cut();
  await lab.logged('connection ended');
  alpha.turns[0]!.end();
  await say('room:general', 'two');
  proxy.admit();
  await lab.until(() => alpha.turns.length === 2);
  expect(alpha.texts[1]).toContain('Moltnet: 1 new message');
  expect(alpha.texts[1]).toContain('> two');
});

it('NODE-6 an ACK that is lost with its connection is sent again, and the turn is not', async () => {
  const { url } = await startTestServer({ rooms });
  const proxy = await startProxy(url);
  const { say } = speaker(url);
  const lab = await startLabNode(proxy.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'one');
  await lab.until(() => alpha.turns.length === 1);
  proxy.swallow();
  alpha.turns[0]!.end();
  await lab.logged('turn done');
  proxy.cut();
  await lab.until(() => lab.log.filter(({ message }) => message === 'attached').length === 2);
  await say('room:general', 'two');
  await lab.until(() => alpha.turns.length === 2);
  expect(alpha.texts.map((text) => /> (.*)/.exec(text)![1])).toEqual(['one', 'two']);
});

it('NODE-7 the count of attempts goes on over a reconnect', async () => {
  const { url } = await startTestServer({ rooms });
  const proxy = await startProxy(url);
  const { say } = speaker(url);
  const lab = await startLabNode(proxy.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : failed('again'));
  await lab.logged('attached');
  await say('room:general', 'poison');
  await lab.until(() => alpha.turns.length === 1);
  proxy.refuse();
  proxy.cut();
  await lab.logged('connection ended');
  alpha.turns[0]!.end(failed('first'));
  await lab.logged('tried again: first');
  proxy.admit();
  await lab.logged('wake FAILED');
  expect(alpha.turns.map(({ wake }) => wake.attempt)).toEqual([1, 2, 3, 4]);
  expect(new Set(alpha.turns.map(({ wake }) => wake.wake_id)).size).toBe(1);
});

it('NODE-10 WAKE-6 stop ends the turn and leaves its wake open: the next node runs it under the same id and attempt', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const first = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = first.runtime('alpha');
  alpha.script = () => 'hold';
  await first.logged('attached');
  await say('room:general', 'one');
  await first.until(() => alpha.turns.length === 1);
  await first.node.stop();
  await first.node.done;
  expect(alpha.turns[0]!.outcome).toMatchObject({ state: 'cancelled' });
  expect(alpha.closed).toBe(1);
  await say('room:general', 'two');

  const second = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const again = second.runtime('alpha');
  await second.until(() => again.turns.length === 2);
  expect(again.turns[0]!.wake).toMatchObject({ wake_id: alpha.turns[0]!.wake.wake_id, attempt: 1 });
  expect(again.texts[0]).toContain('> one');
  expect(again.texts[0]).not.toContain('> two');
  expect(again.texts[0]).toContain('begun before');
  expect(again.texts[1]).toContain('> two');
});

it('NODE-10 stop during the last attempt gives the wake one more, it does not give it up', async () => {
  const { url } = await startTestServer({ rooms });
  const first = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = first.runtime('alpha');
  alpha.script = (_wake, number) => (number < 4 ? failed('choked') : 'hold');
  await first.logged('attached');
  await speaker(url).say('room:general', 'one');
  await first.until(() => alpha.turns.length === 4);
  await first.node.stop();
  const second = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  await second.until(() => second.runtime('alpha').turns.length === 1);
  expect(second.runtime('alpha').turns[0]!.wake).toMatchObject({
    wake_id: alpha.turns[0]!.wake.wake_id,
    attempt: 4,
  });
});

it('NODE-6 a server that restarts in the middle of a turn gets its end, and sends what came meanwhile', async () => {
  const config = { rooms, storage: { kind: 'sqlite' as const } };
  const first = await startTestServer(config);
  const lab = await startLabNode(first.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await speaker(first.url).say('room:general', 'one');
  await lab.until(() => alpha.turns.length === 1);
  await speaker(first.url).say('room:general', 'two');
  await first.stop();
  expect((await lab.logged('connection ended')).message).toContain('the server is restarting');
  const restarted = await startServer(
    { ...first.config, server: { ...first.config.server, listen_addr: `127.0.0.1:${first.port}` } },
    { log: createLog('silent') },
  );
  try {
    await lab.until(() => lab.log.filter(({ message }) => message === 'attached').length === 2);
    alpha.turns[0]!.end();
    await lab.until(() => alpha.turns.length === 2);
    expect(alpha.texts[1]).toContain('> two');
    expect(alpha.texts[1]).not.toContain('> one');
    await lab.node.stop();
  } finally {
    await restarted.stop();
  }
});

it('NODE-2 a server that is not there yet is waited for', async () => {
  const { freePort } = await import('../support/process.ts');
  const port = await freePort();
  const lab = await startLabNode(`http://127.0.0.1:${port}`, [{ agent: { id: 'alpha' } }]);
  expect((await lab.logged('waits:')).message).toContain(
    `no Moltnet server at http://127.0.0.1:${port}: connection refused`,
  );
  expect(lab.log.filter(({ message }) => message.startsWith('waits:'))).toHaveLength(1);
  const { url } = await startTestServer({ rooms, server: { listen_addr: `127.0.0.1:${port}` } });
  await lab.logged('attached');
  await speaker(url).say('room:general', 'one');
  await lab.until(() => lab.runtime('alpha').turns.length === 1);
});

it('NODE-6 messages of hours without a node come, in order, as one wake', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const stateDir = await temporaryFolder();
  const first = await startLabNode(url, [{ agent: { id: 'alpha' } }], { stateDir });
  await first.logged('attached');
  await first.node.stop();
  for (const text of ['one', 'two', 'three']) await say('room:general', text);
  const facts = new Facts();
  const runtimes = new Map([['alpha', new FakeRuntime(facts)]]);
  const second = await startLabNode(url, [{ agent: { id: 'alpha' } }], { stateDir, facts, runtimes });
  await second.until(() => second.runtime('alpha').turns.length === 1);
  expect([...second.runtime('alpha').texts[0]!.matchAll(/^> (.*)$/gm)].map(([, text]) => text)).toEqual([
    'one',
    'two',
    'three',
  ]);
});
