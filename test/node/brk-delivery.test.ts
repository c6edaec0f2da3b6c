import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { ok, failed, speaker, startLabNode } from '../support/node-lab.ts';
import { startProxy } from '../support/node-proxy.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];
const seen = (texts: string[]): string[] => texts.flatMap((t) => [...t.matchAll(/^> (m\d+)$/gm)].map((m) => m[1]!));

it('a room removed during a turn, re-created, message', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_w, n) => (n === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'm1');
  await lab.until(() => alpha.turns.length === 1);
  await say('room:general', 'm2');
  await client.removeRoom('general');
  await client.createRoom({ id: 'general', visibility: 'public', write_policy: 'registered_agents' });
  await say('room:general', 'm3');
  alpha.turns[0]!.end();
  await lab.until(() => seen(alpha.texts).includes('m3'));
  console.log('A', seen(alpha.texts), lab.log.map((l) => l.message));
  await say('room:general', 'm4');
  await lab.until(() => seen(alpha.texts).includes('m4'));
  console.log('A', seen(alpha.texts), lab.log.slice(-6).map((l) => l.message));
}, 10000);

it('b open wake, node away, room removed and re-created', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = () => 'hold';
  await lab.logged('attached');
  await say('room:general', 'm1');
  await lab.until(() => alpha.turns.length === 1);
  await lab.node.stop();
  await client.removeRoom('general');
  await client.createRoom({ id: 'general', visibility: 'public', write_policy: 'registered_agents' });
  await say('room:general', 'm2');
  const lab2 = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const a2 = lab2.runtime('alpha');
  await lab2.until(() => seen(a2.texts).includes('m2'));
  console.log('B', a2.turns.map((t) => [t.wake.attempt, seen([t.wake.text])]));
}, 10000);

it('c1 presented wake, room removed in between presented events', async () => {
  const { url } = await startTestServer({ rooms });
  const proxy = await startProxy(url);
  const { say, client } = speaker(url);
  const lab = await startLabNode(proxy.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_w, n) => (n === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'm1');
  await lab.until(() => alpha.turns.length === 1);
  proxy.refuse();
  proxy.cut();
  alpha.turns[0]!.end();
  await client.removeRoom('general');
  await client.createRoom({ id: 'general', visibility: 'public', write_policy: 'registered_agents' });
  await say('room:general', 'm2');
  proxy.admit();
  await lab.until(() => seen(alpha.texts).includes('m2'));
  console.log('C', seen(alpha.texts), lab.log.map((l) => l.message));
}, 10000);

it('d redaction of an open wake while the node is away, and of a queued one', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = () => 'hold';
  await lab.logged('attached');
  const one = await say('room:general', 'm1');
  await lab.until(() => alpha.turns.length === 1);
  const two = await say('room:general', 'm2');
  await lab.node.stop();
  await client.redact(one);
  await say('room:general', 'm3');
  await client.redact(two);
  const lab2 = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const a2 = lab2.runtime('alpha');
  await lab2.until(() => seen(a2.texts).includes('m3'));
  await say('room:general', 'm4');
  await lab2.until(() => seen(a2.texts).includes('m4'));
  console.log('D', a2.turns.map((t) => [t.wake.attempt, seen([t.wake.text])]), a2.texts[0]);
}, 10000);

it('e agent removed and readmitted during a turn', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }, { agent: { id: 'beta' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_w, n) => (n === 1 ? 'hold' : ok);
  await lab.logged('attached', 'alpha');
  await say('room:general', 'm1');
  await lab.until(() => alpha.turns.length === 1);
  await client.removeAgent('alpha');
  await say('room:general', 'm2');
  await client.registerAgent({ requested_agent_id: 'alpha' });
  await say('room:general', 'm3');
  alpha.turns[0]!.end();
  await lab.until(() => seen(alpha.texts).includes('m3'));
  await say('room:general', 'm4');
  await lab.until(() => seen(alpha.texts).includes('m4'));
  console.log('E', alpha.turns.map((t) => [t.wake.attempt, seen([t.wake.text])]), lab.log.filter(l => l.fields['agent'] === 'alpha').map((l) => l.message));
}, 10000);

it('g 1000 messages in 200 threads over cuts', async () => {
  const { url } = await startTestServer({ rooms });
  const proxy = await startProxy(url);
  const { say } = speaker(url);
  const lab = await startLabNode(proxy.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  let n = 0;
  alpha.script = () => (++n % 97 === 0 ? failed('x') : ok);
  await lab.logged('attached');
  const sends: Promise<unknown>[] = [];
  for (let i = 0; i < 1000; i++) {
    sends.push(say(`thread:t${i % 200}`, `m${i}`));
    if (i % 20 === 0) await Promise.all(sends.splice(0));
    if (i % 150 === 0) proxy.cut();
  }
  await Promise.all(sends);
  const goal = new Set(Array.from({ length: 1000 }, (_, i) => `m${i}`));
  await lab.until(() => new Set(seen(alpha.texts)).size === goal.size);
  const okTurns = alpha.turns.filter((t) => t.outcome?.state === 'ok').map((t) => t.wake.text);
  const counts = new Map<string, number>();
  for (const m of seen(okTurns)) counts.set(m, (counts.get(m) ?? 0) + 1);
  console.log('G', alpha.turns.length, [...counts.values()].filter((c) => c !== 1).length, 'cut count', lab.log.filter((l) => l.message.startsWith('connection')).map((l) => l.message));
  for (const t of new Set(alpha.turns.map((x) => x.wake.conversation))) {
    const order = alpha.turns.filter((x) => x.wake.conversation === t).flatMap((x) => seen([x.wake.text]).map((m) => Number(m.slice(1))));
    expect(order.filter((v, i) => i > 0 && v < order[i - 1]!)).toEqual([]);
  }
}, 60000);
