import { expect, it, onTestFinished } from 'vitest';
import {
  startScriptedServer,
  eventFrame,
  VERSION,
  type ScriptedServer,
} from '../../test/support/node-attach-server.ts';
import { Facts } from '../../test/support/node-lab.ts';
import { limits } from '../protocol/limits.ts';
import type {
  AttachmentEnd,
  AttachmentSocket,
  AttachmentTimes,
  PresentedWake,
  ReadyAttachment,
} from './attachment.ts';
import { openAttachment } from './attachment-socket.ts';

const bindings = {
  rooms: [{ id: 'general', wake: 'mentions' as const }],
  dms: { enabled: true, wake: 'all' as const },
  catch_up: 'all' as const,
};

interface Client {
  socket: AttachmentSocket;
  ready?: ReadyAttachment;
  events: string[];
  wakes: PresentedWake[];
  pings: number;
  ends: AttachmentEnd[];
  until(holds: () => boolean): Promise<void>;
}

function open(
  server: { url: string },
  options: { times?: Partial<AttachmentTimes>; cursor?: string; token?: string; claimKey?: string } = {},
): Client {
  const facts = new Facts();
  const client: Client = {
    socket: undefined as unknown as AttachmentSocket,
    events: [],
    wakes: [],
    pings: 0,
    ends: [],
    until: (holds) => facts.until(holds),
  };
  const note = (change: () => void) => {
    change();
    facts.noted();
  };
  client.socket = openAttachment(
    { baseUrl: server.url, networkId: 'local', agent: { id: 'alpha', name: 'Alpha' }, bindings, ...options },
    {
      ready: (ready) => note(() => (client.ready = ready)),
      event: (cursor) => note(() => client.events.push(cursor)),
      wake: (wake) => note(() => client.wakes.push(wake)),
      bootstrap: () => {},
      ping: () => note(() => client.pings++),
      ended: (end) => note(() => client.ends.push(end)),
    },
  );
  onTestFinished(() => client.socket.close());
  return client;
}
const identified = async (server: ScriptedServer): Promise<Record<string, unknown>> => {
  await server.until(() => server.connections.length > 0 && server.last.of('IDENTIFY').length === 1);
  return server.last.of('IDENTIFY')[0]!;
};

it('NODE-3 it identifies itself as wire.md 12.2 says, without Origin, subprotocol and compression', async () => {
  const server = await startScriptedServer();
  const client = open(server, { cursor: 'evt_9', token: 'secret-1' });
  expect(await identified(server)).toEqual({
    op: 'IDENTIFY',
    version: VERSION,
    capabilities: { rooms: true, threads: true, dms: true, artifacts: true },
    network_id: 'local',
    agent: { type: 'agent', id: 'alpha', name: 'Alpha' },
    cursor: 'evt_9',
  });
  const { headers } = server.last;
  expect(headers['authorization']).toBe('Bearer secret-1');
  for (const name of ['origin', 'sec-websocket-protocol', 'sec-websocket-extensions'])
    expect(headers).not.toHaveProperty(name);
  await client.until(() => client.ready !== undefined);
  expect(client.ready).toMatchObject({ delivery: false });
});

it('NODE-3 it announces the delivery protocol, with its bindings, only where the server does', async () => {
  const server = await startScriptedServer({ delivery: true });
  const client = open(server, { cursor: 'evt_9' });
  const identify = await identified(server);
  expect(identify).toMatchObject({ capabilities: { delivery: 1 }, bindings });
  expect(identify).not.toHaveProperty('cursor');
  await client.until(() => client.ready !== undefined);
  client.socket.wake({ wake_id: 'wake_1', conversation: 'room:general', cursor: 'evt_1', attempt: 1 });
  client.socket.ack('evt_1', { wake_id: 'wake_1', outcome: 'failed', error: 'no', attempts: 4 });
  await client.until(() => client.wakes.length === 1);
  await server.until(() => server.last.of('ACK').length === 1);
  expect(server.last.of('ACK')[0]).toEqual({
    op: 'ACK',
    version: VERSION,
    capabilities: {},
    cursor: 'evt_1',
    wake_id: 'wake_1',
    outcome: 'failed',
    error: 'no',
    attempts: 4,
  });
});

it('NODE-3 PING is answered at once, before the events after it are looked at', async () => {
  const server = await startScriptedServer();
  const client = open(server);
  await client.until(() => client.ready !== undefined);
  server.last.send({ op: 'PING' });
  server.last.send(eventFrame('m1', 'one'));
  await client.until(() => client.events.length === 1);
  await server.until(() => server.last.of('PONG').length === 1);
});

it.each([
  ['another version', { op: 'READY', version: 'moltnet.attach.v2', network_id: 'local' }, 'has version'],
  ['no version', { op: 'READY', version: undefined, network_id: 'local' }, 'has version'],
  ['another network', { op: 'READY', network_id: 'other' }, 'READY names network "other"'],
  ['another agent', { op: 'READY', network_id: 'local', agent_id: 'beta' }, 'READY names agent "beta"'],
  ['no READY', { op: 'EVENT', cursor: 'x', event: { id: 'x', type: 'y' } }, 'EVENT before READY'],
])('NODE-3 a server with %s is left', async (_what, frame, reason) => {
  const server = await startScriptedServer({ ready: false });
  const client = open(server);
  await identified(server);
  server.last.send(frame);
  await client.until(() => client.ends.length === 1);
  expect(client.ends[0]!.reason).toContain(reason);
  expect(client.ends[0]).toMatchObject({ was_ready: false, permanent: false });
  expect(client.ready).toBeUndefined();
  await server.until(() => server.last.closed);
});

it.each([
  [
    'EVENT without a cursor',
    JSON.stringify({ op: 'EVENT', version: VERSION, event: { id: 'a', type: 'b' } }),
  ],
  ['EVENT without an event', JSON.stringify({ op: 'EVENT', version: VERSION, cursor: 'a' })],
  ['no JSON', '{'],
  ['a list', '[]'],
  ['a binary frame', Buffer.from('{}')],
])('NODE-3 %s ends the connection', async (_what, raw) => {
  const server = await startScriptedServer();
  const client = open(server);
  await client.until(() => client.ready !== undefined);
  server.last.raw(raw);
  await client.until(() => client.ends.length === 1);
  expect(client.ends[0]).toMatchObject({ was_ready: true, permanent: false });
  expect(client.events).toEqual([]);
});

it('NODE-3 unknown ops, event types and fields are passed over', async () => {
  const server = await startScriptedServer();
  const client = open(server);
  await client.until(() => client.ready !== undefined);
  server.last.send({ op: 'TELEGRAPH', more: 1 });
  server.last.send({
    op: 'EVENT',
    cursor: 'evt_1',
    event: { id: 'evt_1', type: 'weather.changed', sun: true },
  });
  await client.until(() => client.events.length === 1);
  expect(client.ends).toEqual([]);
});

it('NODE-3 a frame over 1 MiB ends the connection, not the process', async () => {
  const server = await startScriptedServer();
  const client = open(server);
  await client.until(() => client.ready !== undefined);
  server.last.send({ op: 'PING', filler: 'x'.repeat(limits.frame.value) });
  await client.until(() => client.ends.length === 1);
  expect(client.ends[0]!.reason).toBe('the server sent a frame over 1048576 bytes');
});

it('NODE-3 the word of the server says more than its hang-up', async () => {
  const server = await startScriptedServer({ delivery: true });
  const client = open(server);
  await client.until(() => client.ready !== undefined);
  server.last.send({ op: 'ERROR', error: 'alpha was removed', code: 'agent_removed', permanent: true });
  server.last.hangUp();
  await client.until(() => client.ends.length === 1);
  expect(client.ends[0]).toEqual({
    reason: 'alpha was removed',
    was_ready: true,
    permanent: true,
    code: 'agent_removed',
  });
});

it('NODE-3 deadlines: no HELLO, no READY, silence', async () => {
  const times = { hello: 60, silence: 60, tick: 10 };
  const mute = await startScriptedServer({ hello: { op: 'PONG' } });
  const unready = await startScriptedServer({ ready: false, hello: { heartbeat_interval_ms: 10 } });
  const silent = await startScriptedServer({ hello: { heartbeat_interval_ms: 10 } });
  for (const [server, reason] of [
    [mute, 'PONG before HELLO'],
    [unready, 'no READY in time'],
    [silent, 'nothing was heard from the server in time'],
  ] as const) {
    const client = open(server, { times });
    await client.until(() => client.ends.length === 1);
    expect(client.ends[0]!.reason).toContain(reason);
  }
});

it('CLIENT-1 a claim key goes with IDENTIFY, never as a credential; the minted token comes with READY', async () => {
  const server = await startScriptedServer({ ready: () => ({ agent_token: 'magt_v1_new' }) });
  const client = open(server, { claimKey: 'mkey_v1_secret' });
  await client.until(() => client.ready !== undefined);
  expect(client.ready).toMatchObject({ agent_token: 'magt_v1_new' });
  expect(server.last.of('IDENTIFY')[0]).toMatchObject({ claim_key: 'mkey_v1_secret' });
  expect(server.last.headers['authorization']).toBeUndefined();
  const other = open(server, { token: 'magt_v1_new' });
  await other.until(() => other.ready !== undefined);
  expect(server.last.of('IDENTIFY')[0]).not.toHaveProperty('claim_key');
});

it.each([
  [401, 'unauthorized', true],
  [403, 'agent_removed', true],
  [429, 'rate_limited', false],
  [503, 'too_many_attachments', false],
])('CLIENT-2 an upgrade refused with %i %s: permanent %s', async (status, code, permanent) => {
  const server = await startScriptedServer();
  server.refuse = { status, code, error: 'because of this', ...(permanent ? {} : { retry_after: 7 }) };
  const client = open(server);
  await client.until(() => client.ends.length === 1);
  expect(client.ends[0]).toEqual({
    reason: `${server.url} answered ${status}: because of this`,
    code,
    http_status: status,
    permanent,
    was_ready: false,
    ...(permanent ? {} : { retry_after: 7 }),
  });
});

it('CLIENT-2 ERROR says itself whether it is permanent, with its code', async () => {
  const server = await startScriptedServer({ ready: false });
  for (const [index, permanent] of [true, false].entries()) {
    const client = open(server);
    await server.until(() => server.connections[index]?.of('IDENTIFY').length === 1);
    server.last.send({ op: 'ERROR', error: 'no', code: 'agent_taken', permanent });
    await client.until(() => client.ends.length === 1);
    expect(client.ends[0]).toMatchObject({ reason: 'no', code: 'agent_taken', permanent });
  }
});

it('NODE-3 an upgrade that is refused tells its status; nobody there tells so', async () => {
  const server = await startScriptedServer();
  server.refuse = 403;
  const client = open(server);
  await client.until(() => client.ends.length === 1);
  expect(client.ends[0]).toMatchObject({ http_status: 403, was_ready: false });
  expect(client.ends[0]!.reason).toContain('403');
  const nobody = open({ url: 'http://127.0.0.1:1' });
  await nobody.until(() => nobody.ends.length === 1);
  expect(nobody.ends[0]!.reason).toContain('no Moltnet server at http://127.0.0.1:1: connection refused');
  await nobody.socket.close();
});

it('NODE-3 close is clean, is told once, and nothing is called after it', async () => {
  const server = await startScriptedServer();
  const client = open(server);
  await client.until(() => client.ready !== undefined);
  const closed = client.socket.close();
  server.last.send(eventFrame('m1', 'late'));
  await closed;
  await client.socket.close();
  await server.until(() => server.last.closed);
  expect(client.ends).toHaveLength(1);
  expect(client.events).toEqual([]);
  client.socket.ack('evt_1');
});

it('NODE-3 a base URL with a path and a query attaches below the path', async () => {
  const server = await startScriptedServer();
  const client = open({ url: `${server.url}/?x=1#y` });
  await client.until(() => client.ready !== undefined);
});
