/** Our node against a strict server of the original's wire, which announces no delivery protocol (wire.md 0.2). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { failed, startLabNode } from '../support/node-lab.ts';
import { temporaryFolder } from '../support/server.ts';
import { StrictServer } from './strict-server.ts';

async function server(network = 'old_lab', port = 0): Promise<StrictServer> {
  const one = await StrictServer.start(network, port);
  onTestFinished(() => one.stop());
  return one;
}
const agent = (id: string, wake: 'all' | 'mentions' = 'all') => ({
  agent: { id },
  network_id: 'old_lab',
  rooms: [{ id: 'general', wake }],
});
const inGeneral = (text: string, from = 'ann', more: { mentions?: string[] } = {}) => ({
  target: { kind: 'room', room_id: 'general' },
  from: { type: from === 'ann' ? 'human' : 'agent', id: from },
  parts: [{ kind: 'text', text }],
  ...more,
});

it('NODE-2 attaches, acknowledges every event promptly (also those it ignores), and keeps the rules of the old wire', async () => {
  const old = await server();
  const lab = await startLabNode(old.url, [agent('alpha')]);
  await old.until(() => old.attached.includes('alpha'));
  old.publish(inGeneral('for alpha'));
  old.publish({ ...inGeneral('elsewhere'), target: { kind: 'room', room_id: 'other' } });
  old.publish(inGeneral('my own words', 'alpha'));
  await lab.until(() => lab.runtime('alpha').texts.some((text) => text.includes('for alpha')));
  await old.until(() => old.pending('alpha') === 0);
  expect(lab.runtime('alpha').texts.join()).not.toContain('my own words');
  expect(old.broken).toEqual([]);
});

it(
  'NODE-2 events are acknowledged while a turn is running, and keepalive does not wait for it',
  { timeout: 40_000 },
  async () => {
    const old = await server();
    const lab = await startLabNode(old.url, [agent('alpha')], {
      prepare: (runtime) => (runtime.script = () => 'hold'),
    });
    await old.until(() => old.attached.includes('alpha'));
    old.publish(inGeneral('long work'));
    await lab.until(() => lab.runtime('alpha').turns.length === 1);
    for (let i = 0; i < 100; i++) old.publish(inGeneral(`meanwhile ${i}`));
    await old.until(() => old.pending('alpha') === 0);
    expect(lab.runtime('alpha').turns).toHaveLength(1);
    lab.runtime('alpha').turns[0]!.end();
    await lab.until(() => lab.runtime('alpha').turns.length === 2);
    expect(lab.runtime('alpha').turns[1]!.wake.text).toContain('meanwhile 99');
    expect(old.broken).toEqual([]);
  },
);

it.each([1000, 1001, 1012])(
  'NODE-3 comes back after a close with %i (W20) and runs nothing twice',
  async (code) => {
    const old = await server();
    const lab = await startLabNode(old.url, [agent('alpha')]);
    await old.until(() => old.attached.includes('alpha'));
    old.publish(inGeneral('before'));
    await lab.until(() => lab.runtime('alpha').turns.length === 1);
    await old.until(() => old.pending('alpha') === 0);
    old.closeAll(code);
    await old.until(() => old.identifies.length === 2 && old.attached.includes('alpha'));
    old.publish(inGeneral('after'));
    await lab.until(() => lab.runtime('alpha').texts.some((text) => text.includes('after')));
    expect(lab.runtime('alpha').texts.filter((text) => text.includes('before'))).toHaveLength(1);
    expect(old.broken).toEqual([]);
  },
);

it('NODE-4 what the ring of 256 lost is fetched from history, in order and once', async () => {
  const old = await server();
  const lab = await startLabNode(old.url, [agent('alpha')]);
  await old.until(() => old.attached.includes('alpha'));
  old.publish(inGeneral('before'));
  await lab.until(() => lab.runtime('alpha').turns.length === 1);
  await old.until(() => old.pending('alpha') === 0);
  old.hangUp();
  for (let i = 0; i < 300; i++) old.publish(inGeneral(`missed ${i};`));
  await old.until(() => old.attached.includes('alpha'));
  await lab.until(() => lab.runtime('alpha').texts.join('\n').includes('missed 299;'));
  const said = lab.runtime('alpha').texts.join('\n');
  expect(said.split('missed 299;')).toHaveLength(2);
  expect(old.broken).toEqual([]);
});

it('NODE-7 a wake whose retries are used up is reported to the server', async () => {
  const old = await server();
  const lab = await startLabNode(old.url, [agent('alpha')], {
    prepare: (runtime) => (runtime.script = () => failed('the CLI is not logged in', true)),
  });
  await old.until(() => old.attached.includes('alpha'));
  const message = old.publish(inGeneral('never heard'));
  await old.until(() => old.wakeFailed.length === 1);
  expect(old.wakeFailed[0]).toMatchObject({
    agent_id: 'alpha',
    event: { message: { id: message.id } },
    classification: 'permanent',
  });
  expect(lab.runtime('alpha').turns).toHaveLength(1);
  expect(old.broken).toEqual([]);
});

it('NODE-4 an agent of the same name on a paired network does wake ours (W36)', async () => {
  const old = await server();
  const lab = await startLabNode(old.url, [agent('alpha')]);
  await old.until(() => old.attached.includes('alpha'));
  old.publish({
    ...inGeneral('from the other alpha', 'alpha'),
    from: { type: 'agent', id: 'alpha', network_id: 'net_b', fqid: 'molt://net_b/agents/alpha' },
  });
  await lab.until(() => lab.runtime('alpha').turns.length === 1);
  expect(old.broken).toEqual([]);
});

it('NODE-17 a server in mode open that knows no claim keys gives the agent its token all the same', async () => {
  const old = await server();
  old.open = true;
  const token_path = path.join(await temporaryFolder(), 'alpha.token');
  const auth = { mode: 'open' as const, static_token: false, token_path };
  await startLabNode(old.url, [{ ...agent('alpha'), auth }]);
  await old.until(() => old.attached.includes('alpha'));
  old.hangUp();
  await old.until(() => old.identifies.length === 2 && old.attached.includes('alpha'));
  expect([...old.tokens]).toEqual([[readFileSync(token_path, 'utf8').trim(), 'alpha']]);
  expect(old.broken).toEqual([]);
});
