/** Turns over conversations, workspaces and attachments. */
import { mkdir, readFile, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { eventFrame, startScriptedServer } from '../support/node-attach-server.ts';
import { failed, ok, speaker, startLabNode } from '../support/node-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

const room = (id: string) => ({ id, members: [], visibility: 'public', write_policy: 'registered_agents' });
const rooms = ['general', 'one', 'two', 'three'].map(room);
const bound = ['general', 'one', 'two', 'three'].map((id) => ({ id, wake: 'all' as const }));

it('NODE-8 conversations take turns, one at a time in a workspace; DMs and mentions go before', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' }, rooms: bound }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  await say('room:general', 'busy');
  await lab.until(() => alpha.turns.length === 1);
  await say('room:one', '1');
  await say('room:two', '2');
  await say('room:three', '3 @alpha');
  await say('dm:d1', 'psst', { participants: ['alpha', 'ann'] });
  await say('room:one', '1 again');
  await lab.received(await say('room:general', 'more'));
  alpha.turns[0]!.end();
  await lab.until(() => alpha.turns.length === 6 && alpha.turns.every(({ outcome }) => outcome));
  expect(alpha.turns.map(({ wake }) => wake.conversation)).toEqual([
    'room:general',
    'room:three',
    'dm:d1',
    'room:one',
    'room:two',
    'room:general',
  ]);
  expect(alpha.mostRunning).toBe(1);
  expect(alpha.texts[3]).toContain('Moltnet: 2 new messages');
});

it('NODE-8 one workspace under two names is one; the node has its own limit', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const folder = await temporaryFolder();
  await mkdir(path.join(folder, 'shared'));
  await symlink(path.join(folder, 'shared'), path.join(folder, 'alias'));
  const at = (workspace_path: string) => ({
    kind: 'fake-runtime',
    workspace_path: path.join(folder, workspace_path),
  });
  await mkdir(path.join(folder, 'own'));
  const agents = [
    { agent: { id: 'a' }, runtime: at('shared') },
    { agent: { id: 'b' }, runtime: at('alias') },
    { agent: { id: 'c' }, runtime: at('own') },
    { agent: { id: 'd' } },
  ];
  const lab = await startLabNode(url, agents, {
    max_turns: 2,
    prepare: (runtime) => void (runtime.script = () => 'hold'),
  });
  for (const id of ['a', 'b', 'c', 'd']) await lab.logged('attached', id);
  await say('room:general', 'all of you');
  const running = (): string[] => ['a', 'b', 'c', 'd'].filter((id) => lab.runtime(id).running > 0);
  await lab.until(() => running().length === 2);
  const seen = new Set<string>();
  for (let left = 4; left > 0; left--) {
    await lab.until(() => running().length === Math.min(left, 2) || (running().length === 1 && left <= 2));
    const now = running();
    expect(now.length).toBeLessThanOrEqual(2);
    expect(now.includes('a') && now.includes('b')).toBe(false);
    const next = now[0]!;
    seen.add(next);
    lab.runtime(next).turns[0]!.end();
    await lab.until(() => lab.runtime(next).running === 0);
  }
  expect([...seen].sort()).toEqual(['a', 'b', 'c', 'd']);
});

it('NODE-7 a poison conversation holds up neither the others nor a workspace while it waits', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' }, rooms: bound }], {
    times: { retry: 60_000, retry_max: 60_000 },
  });
  const alpha = lab.runtime('alpha');
  alpha.script = (wake) => (wake.conversation === 'room:one' ? failed('choked') : ok);
  await lab.logged('attached');
  await say('room:one', 'poison');
  await lab.logged('tried again');
  await say('room:two', 'fine');
  await lab.until(() => alpha.turns.length === 2);
  expect(alpha.turns[1]!.wake.conversation).toBe('room:two');
});

it('NODE-7 a permanent failure is not tried again', async () => {
  const { url } = await startTestServer({ rooms });
  const { say, client } = speaker(url);
  const lab = await startLabNode(url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = () => failed('not logged in', true);
  await lab.logged('attached');
  await say('room:general', 'hello');
  expect((await lab.logged('wake FAILED')).message).toContain('(it is not tried again): not logged in');
  expect(alpha.turns).toHaveLength(1);
  expect((await client.agent('alpha')).last_wake_failure).toMatchObject({ error: 'not logged in' });
});

it("NODE-11 the workspace has the configuration that the text's commands need before the turn begins", async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const workspace_path = await temporaryFolder();
  const runtime = { kind: 'fake-runtime', workspace_path };
  const lab = await startLabNode(url, [
    { agent: { id: 'alpha', name: 'Alpha' }, runtime },
    { agent: { id: 'beta' }, runtime },
  ]);
  const file = path.join(workspace_path, '.moltnet', 'config.json');
  for (const id of ['alpha', 'beta']) await lab.logged('attached', id);
  await say('room:general', 'hello');
  await lab.until(() => lab.runtime('alpha').turns.length === 1 && lab.runtime('beta').turns.length === 1);
  const config = JSON.parse(await readFile(file, 'utf8')) as { attachments: Record<string, unknown>[] };
  expect(config.attachments.map(({ member_id }) => member_id).sort()).toEqual(['alpha', 'beta']);
  expect(config.attachments.find(({ member_id }) => member_id === 'alpha')).toMatchObject({
    base_url: url,
    network_id: 'local',
    agent_name: 'Alpha',
    rooms: [{ id: 'general', wake: 'all' }],
  });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  // With two agents in one workspace the commands say which one speaks.
  await say('room:general', 'again');
  await lab.until(() => lab.runtime('alpha').turns.length === 2);
  expect(lab.runtime('alpha').texts[1]).toContain('moltnet send room:general "YOUR TEXT" --member alpha');
});

it('NODE-11 a workspace whose configuration cannot be written fails the turn, not the node', async () => {
  const { url } = await startTestServer({ rooms });
  const { say } = speaker(url);
  const folder = await temporaryFolder();
  const { writeFile } = await import('node:fs/promises');
  await writeFile(path.join(folder, '.moltnet'), 'a file in its place');
  const lab = await startLabNode(url, [
    { agent: { id: 'alpha' }, runtime: { kind: 'fake-runtime', workspace_path: folder } },
  ]);
  await lab.logged('attached');
  await say('room:general', 'hello');
  expect((await lab.logged('wake FAILED')).message).toContain('.moltnet');
  expect(lab.runtime('alpha').turns).toEqual([]);
});

it('DLV-16 what was passed over before a wake is said in its text, also of one that comes again', async () => {
  const server = await startScriptedServer({ delivery: true, answers: false });
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await lab.logged('attached');
  server.last.send(eventFrame('m1', 'newest'));
  await server.until(() => server.last.of('WAKE').length === 1);
  const { wake_id, conversation, cursor } = server.last.of('WAKE')[0]!;
  const wake = { op: 'WAKE', wake_id, conversation, cursor, attempt: 1, earlier: 41 };
  server.last.send(wake);
  await lab.until(() => alpha.turns.length === 1);
  expect(alpha.texts[0]).toContain('Moltnet: 42 new messages for you');
  expect(alpha.texts[0]).toContain('41 older ones are not shown. Read them first: moltnet read room:general');
  await lab.node.stop();
  const next = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  await next.logged('attached');
  server.last.send(wake);
  server.last.send(eventFrame('m1', 'newest'));
  await server.until(() => server.last.of('WAKE').length === 1);
  server.last.send(wake);
  await next.until(() => next.runtime('alpha').turns.length === 1);
  expect(next.runtime('alpha').texts[0]).toContain('41 older ones are not shown');
});
