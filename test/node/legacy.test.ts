/** The node against a server that announces nothing (wire.md 6, 12): the strict server of the original's wire, and scripts. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { eventId, StrictServer } from '../peer/strict-server.ts';
import { eventFrame, startScriptedServer } from '../support/node-attach-server.ts';
import { failed, ok, startLabNode, type AgentConfig, type NodeLab } from '../support/node-lab.ts';
import { temporaryFolder } from '../support/server.ts';

async function strictServer(): Promise<StrictServer> {
  const server = await StrictServer.start('old_lab');
  onTestFinished(async () => {
    await server.stop();
    expect(server.broken).toEqual([]);
  });
  return server;
}
const alphaOf = (changes: Partial<AgentConfig> = {}): AgentConfig => ({
  agent: { id: 'alpha' },
  network_id: 'old_lab',
  ...changes,
});
const room = { kind: 'room', room_id: 'general' };
const say = (
  server: StrictServer,
  text: string,
  more: Partial<Parameters<StrictServer['publish']>[0]> = {},
) =>
  server.publish({
    target: room,
    from: { type: 'human', id: 'ann' },
    parts: [{ kind: 'text', text }],
    ...more,
  });
const quotes = (lab: NodeLab): string[] =>
  lab.runtime('alpha').texts.flatMap((text) => [...text.matchAll(/^> (.*)$/gm)].map(([, quote]) => quote!));
/** It attached, and what was missed is there. */
const attached = async (lab: NodeLab, server: StrictServer): Promise<void> => {
  await server.until(() => server.attached.includes('alpha'));
  await lab.logged('attached');
};

it('NODE-9 every event is acknowledged at once, also during a turn; wakes are decided here, own messages told by FQID', async () => {
  const server = await strictServer();
  const lab = await startLabNode(server.url, [alphaOf({ rooms: [{ id: 'general', wake: 'mentions' }] })]);
  const alpha = lab.runtime('alpha');
  alpha.script = (_wake, number) => (number === 1 ? 'hold' : ok);
  await attached(lab, server);
  const mentions = ['molt://old_lab/agents/alpha'];
  say(server, 'first @alpha', { mentions });
  await lab.until(() => alpha.turns.length === 1);
  say(server, 'nobody is meant');
  say(server, 'my own', { mentions, from: { type: 'agent', id: 'alpha' } });
  // The same id on a paired network is somebody else (W36).
  say(server, 'from afar @alpha', {
    mentions,
    from: { type: 'agent', id: 'alpha', network_id: 'net_b', fqid: 'molt://net_b/agents/alpha' },
  });
  say(server, 'another room @alpha', { mentions, target: { kind: 'room', room_id: 'unbound' } });
  say(server, 'for others', { target: { kind: 'dm', dm_id: 'd1', participant_ids: ['beta', 'gamma'] } });
  say(server, 'for us', { target: { kind: 'dm', dm_id: 'd2', participant_ids: ['old_lab:alpha', 'ann'] } });
  await server.until(() => server.pending('alpha') === 0);
  expect(alpha.turns).toHaveLength(1);
  alpha.turns[0]!.end();
  await lab.until(() => alpha.turns.length === 3);
  expect(quotes(lab).sort()).toEqual(['first @alpha', 'for us', 'from afar @alpha']);
  expect(alpha.texts.find((text) => text.includes('from afar'))).toContain('from @net_b:alpha (agent)');
});

it('NODE-9 what was said while the connection was away is fetched, once, however much of it the server has forgotten', async () => {
  const server = await strictServer();
  const lab = await startLabNode(server.url, [alphaOf()]);
  const alpha = lab.runtime('alpha');
  await attached(lab, server);
  say(server, 'before');
  await lab.until(() => alpha.turns.length === 1 && alpha.turns[0]!.outcome !== undefined);
  alpha.script = () => 'hold';
  server.hangUp();
  await server.until(() => server.attached.length === 0);
  for (let i = 0; i < 300; i++) say(server, `missed ${i}`);
  await server.until(() => server.attached.length === 1);
  await lab.until(() => alpha.turns.length === 2);
  await server.until(() => server.pending('alpha') === 0);
  say(server, 'live');
  alpha.turns[1]!.end();
  await lab.until(() => alpha.turns.length === 3);
  alpha.turns[2]!.end();
  const counts = alpha.texts.slice(1).map((text) => Number(/Moltnet: (\d+) new/.exec(text)![1]));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(301);
  expect(quotes(lab).at(-1)).toBe('live');
});

it('NODE-9 a node that starts again goes on where it was: what was handled is not run again, what was not is', async () => {
  const server = await strictServer();
  const stateDir = path.join(await temporaryFolder(), 'state');
  say(server, 'before our time');
  const first = await startLabNode(server.url, [alphaOf()], { stateDir });
  const alpha = first.runtime('alpha');
  alpha.script = (wake) => (wake.text.includes('unfinished') ? 'hold' : ok);
  await attached(first, server);
  say(server, 'handled');
  await first.until(() => alpha.turns.length === 1);
  say(server, 'unfinished');
  await first.until(() => alpha.turns.length === 2);
  await first.node.stop();
  expect(quotes(first)).toEqual(['handled', 'unfinished']);
  const file = path.join(stateDir, 'old_lab.alpha.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readFile(file, 'utf8')).toContain('moltnet.node-state.v1');

  say(server, 'while away');
  const second = await startLabNode(server.url, [alphaOf()], { stateDir });
  await second.until(() => quotes(second).length === 2);
  await server.until(() => server.pending('alpha') === 0);
  say(server, 'live');
  await second.until(() => quotes(second).length === 3);
  expect(quotes(second)).toEqual(['unfinished', 'while away', 'live']);
});

it('NODE-9 catch_up none wakes nobody for what was missed', async () => {
  const server = await strictServer();
  const stateDir = path.join(await temporaryFolder(), 'state');
  const agent = alphaOf({ catch_up: 'none' });
  const first = await startLabNode(server.url, [agent], { stateDir });
  await attached(first, server);
  say(server, 'one');
  await first.until(() => quotes(first).length === 1);
  await first.node.stop();
  say(server, 'missed');
  const second = await startLabNode(server.url, [agent], { stateDir });
  await attached(second, server);
  say(server, 'two');
  await second.until(() => quotes(second).length === 1);
  expect(quotes(second)).toEqual(['two']);
});

it('NODE-9 an absence costs so many wakes, what names the agent first', async () => {
  const server = await strictServer();
  const stateDir = path.join(await temporaryFolder(), 'state');
  const ago = (hours: number) => ({ created_at: new Date(Date.now() - hours * 3_600_000).toISOString() });
  const rooms = ['general', 'other'].map((id) => ({ id, wake: 'all' as const }));
  const agent = alphaOf({ rooms, catch_up: { policy: 'all', max_wakes: 1, max_age: 9_000 } });
  const first = await startLabNode(server.url, [agent], { stateDir });
  await attached(first, server);
  say(server, 'one', ago(4));
  await first.until(() => quotes(first).length === 1);
  await first.node.stop();
  const other = { target: { kind: 'room', room_id: 'other' } };
  say(server, 'too old @alpha', { ...other, ...ago(3) });
  const mentions = ['molt://old_lab/agents/alpha'];
  say(server, 'to me @alpha', { ...other, mentions, ...ago(2) });
  say(server, 'in the room', ago(1));
  const second = await startLabNode(server.url, [agent], { stateDir });
  await attached(second, server);
  await second.until(() => quotes(second).length === 1);
  say(server, 'two');
  await second.until(() => quotes(second).length === 2);
  expect(quotes(second)).toEqual(['to me @alpha', 'two']);
});

it('NODE-9 a wake that is given up is reported to the server, and the next one runs', async () => {
  const server = await strictServer();
  const lab = await startLabNode(server.url, [alphaOf()]);
  const alpha = lab.runtime('alpha');
  alpha.script = (wake) => (wake.text.includes('poison') ? failed('choked') : ok);
  await attached(lab, server);
  const { id } = say(server, 'poison');
  await server.until(() => server.wakeFailed.length === 1);
  expect(server.wakeFailed[0]).toMatchObject({
    agent_id: 'alpha',
    error: 'choked',
    attempts: 4,
    classification: 'retry_exhausted',
    event: { id: eventId(id), type: 'message.created', message: { id } },
  });
  say(server, 'good');
  await lab.until(() => alpha.turns.length === 5);
});

it('NODE-9 threads and DMs that moved while the node was away are caught up too; a refusal of one list leaves the others', async () => {
  const at = (second: number): string => `2026-11-21T03:30:${String(second).padStart(2, '0')}Z`;
  const server = await startScriptedServer();
  const page = { has_more: false };
  const message = (id: string, second: number, target: Record<string, unknown>) =>
    (eventFrame(id, id, { target, created_at: at(second) })['event'] as { message: unknown }).message;
  const thread = { kind: 'thread', room_id: 'general', thread_id: 't1' };
  const dm = { kind: 'dm', dm_id: 'd1', participant_ids: ['alpha', 'ann'] };
  server.documents['/v1/rooms/general/messages'] = { messages: [message('old', 1, room)], page };
  server.documents['/v1/rooms/general/threads'] = {
    threads: [{ id: 't0', room_id: 'general', message_count: 1, last_message_at: at(2) }],
    page,
  };
  server.documents['/v1/dms'] = { dms: null, page };
  const stateDir = path.join(await temporaryFolder(), 'state');
  const agent = { agent: { id: 'alpha' } };
  const first = await startLabNode(server.url, [agent], { stateDir });
  await first.logged('attached');
  server.last.send(eventFrame('live', 'live', { created_at: at(5) }));
  await first.until(() => quotes(first).length === 1);
  await first.logged('turn done');
  await first.node.stop();

  server.documents['/v1/rooms/general/messages'] = { messages: [message('live', 5, room)], page };
  server.documents['/v1/rooms/general/threads'] = {
    threads: [
      { id: 't0', room_id: 'general', message_count: 1, last_message_at: at(2) },
      { id: 't1', room_id: 'general', message_count: 2, last_message_at: at(9) },
    ],
    page,
  };
  server.documents['/v1/threads/t1/messages'] = { messages: [message('thread-new', 9, thread)], page };
  server.documents['/v1/dms'] = {
    dms: [
      { id: 'd1', participant_ids: ['alpha', 'ann'], message_count: 1, last_message_at: at(9) },
      { id: 'd2', participant_ids: ['x', 'y'], message_count: 1, last_message_at: at(9) },
    ],
    page,
  };
  server.documents['/v1/dms/d1/messages'] = { messages: [message('dm-new', 9, dm)], page };
  const second = await startLabNode(server.url, [agent], { stateDir });
  await second.until(() => quotes(second).length === 2);
  expect(quotes(second).sort()).toEqual(['dm-new', 'thread-new']);
  await second.node.stop();

  // Without the list of DMs (an agent's token on the original) rooms are caught up all the same.
  delete server.documents['/v1/dms'];
  server.documents['/v1/rooms/general/messages'] = {
    messages: [message('live', 5, room), message('later', 11, room)],
    page,
  };
  const third = await startLabNode(server.url, [agent], { stateDir });
  await third.until(() => quotes(third).length === 1);
  expect(quotes(third)).toEqual(['later']);
  expect((await third.logged('DMs: what was missed cannot be read')).level).toBe('warn');
});

it('NODE-9 what comes while the history is fetched is held back until it is there, and taken once', async () => {
  const server = await startScriptedServer();
  const page = { has_more: false };
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  const alpha = lab.runtime('alpha');
  // The history is not there yet: 404 is a refusal, so begin with a fault that passes.
  await lab.logged('attached');
  server.documents['/v1/rooms/general/messages'] = {
    messages: [(eventFrame('m1', 'one')['event'] as { message: unknown }).message],
    page,
  };
  server.last.send(eventFrame('m1', 'one'));
  server.last.send(eventFrame('m1', 'one'));
  await lab.until(() => alpha.turns.length === 1);
  await server.until(() => server.last.of('ACK').length === 2);
  expect(quotes(lab)).toEqual(['one']);
});

it('NODE-9 bootstrap wakes are remembered by the node itself', async () => {
  const server = await strictServer();
  const stateDir = path.join(await temporaryFolder(), 'state');
  const first = await startLabNode(server.url, [alphaOf({ bootstrap: true })], { stateDir });
  await first.until(() => first.runtime('alpha').turns.length === 1);
  expect(first.runtime('alpha').texts[0]).toContain('now take part in room:general');
  await first.node.stop();
  const second = await startLabNode(server.url, [alphaOf({ bootstrap: true })], { stateDir });
  await attached(second, server);
  say(server, 'hello');
  await second.until(() => second.runtime('alpha').turns.length === 1);
  expect(quotes(second)).toEqual(['hello']);
});

it('NODE-9 a memory that cannot be read or written is told once, and the node goes on', async () => {
  const { writeFile } = await import('node:fs/promises');
  const server = await strictServer();
  const blocked = path.join(await temporaryFolder(), 'file');
  await writeFile(blocked, '');
  const lab = await startLabNode(server.url, [alphaOf()], { stateDir: path.join(blocked, 'state') });
  await attached(lab, server);
  say(server, 'one');
  await lab.until(() => quotes(lab).length === 1);
  await lab.logged('turn done');
  expect(
    lab.log.filter(({ message }) => message.includes('memory of this server cannot be kept')),
  ).toHaveLength(1);
});
