import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AttachClient } from '../../../test/support/attach-client.ts';
import { startAttachLab } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import type { Identity, Scope } from '../../network/identity.ts';

const QUICK = { identify: 200, silence: 600, ping: 100, probe: 150, linger: 200 };

describe('handshake', () => {
  it('ATT-2 HELLO comes at once, with no subprotocol and no extension', async () => {
    const lab = await startAttachLab();
    const client = new AttachClient({ url: lab.url });
    let headers: Record<string, unknown> = {};
    client.socket.on('upgrade', (response) => (headers = response.headers));
    await client.until(() => client.has('HELLO'));
    expect(client.raw[0]).toBe(
      '{"op":"HELLO","version":"moltnet.attach.v1","heartbeat_interval_ms":5000,"capabilities":{"delivery":1,"status":1}}',
    );
    expect(headers).not.toHaveProperty('sec-websocket-protocol');
    expect(headers).not.toHaveProperty('sec-websocket-extensions');
  });

  it('ATT-2 a subprotocol that a client offers is not selected', async () => {
    const lab = await startAttachLab();
    const socket = connect(lab.port, '127.0.0.1');
    let answer = '';
    await new Promise<void>((resolve) => {
      socket.on('data', (data: Buffer) => {
        answer += data.toString('latin1');
        if (answer.includes('HELLO')) resolve();
      });
      socket.write(
        'GET /v1/attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: moltnet\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
      );
    });
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1\.1 101/);
    expect(answer.toLowerCase()).not.toContain('sec-websocket-protocol');
    expect(answer.toLowerCase()).not.toContain('sec-websocket-extensions');
  });

  it('ATT-3 READY has the fields of the wire in their order', async () => {
    const lab = await startAttachLab();
    const client = await AttachClient.attach({ url: lab.url, agent: 'cody' });
    expect(client.raw[1]).toMatch(
      /^\{"op":"READY","version":"moltnet\.attach\.v1","network_id":"local","agent_id":"cody","actor_uid":"actor_[0-9a-f-]{36}","actor_uri":"molt:\/\/local\/agents\/cody","capabilities":\{\}\}$/,
    );
    expect(lab.network.topology.agent('cody')?.display_name).toBe('CODY');
  });

  it('ATT-3 without IDENTIFY the connection is dropped in silence', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const client = new AttachClient({ url: lab.url });
    await client.gone();
    expect(client.frames.map((frame) => frame.op)).toEqual(['HELLO']);
    expect(client.closeCode).toBe(1006);
  });

  const refused: [string, object | string, RegExp][] = [
    ['another op', { op: 'ACK', cursor: 'x' }, /ACK before IDENTIFY/],
    [
      'no version',
      { op: 'IDENTIFY', version: undefined, network_id: 'local', agent: { id: 'a' } },
      /version must be "moltnet.attach.v1"/,
    ],
    [
      'another version',
      { op: 'IDENTIFY', version: 'moltnet.attach.v2', network_id: 'other', agent: { id: 'a' } },
      /version must be/,
    ],
    [
      'another network, before the agent id',
      { op: 'IDENTIFY', network_id: 'other', agent: { id: '!' } },
      /network_id is "other", this is "local"/,
    ],
    ['no agent', { op: 'IDENTIFY', network_id: 'local' }, /agent\.id: not an id/],
    [
      'an agent that is a list',
      { op: 'IDENTIFY', network_id: 'local', agent: ['a'] },
      /agent: must be an object/,
    ],
    [
      'an id with a slash',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 'a/b' } },
      /agent\.id: not an id/,
    ],
    [
      'an id that looks remote (W3)',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 'net_b:gamma' } },
      /another network: use a plain id/,
    ],
    [
      'an id of the wrong type',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 7 } },
      /agent\.id: must be a string/,
    ],
    [
      'a cursor of the wrong type',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 'a' }, cursor: {} },
      /cursor: must be a string/,
    ],
    [
      'a name with a control character',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 'a', name: 'a\u0007b' } },
      /control character/,
    ],
    [
      'delivery without bindings',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 'a' }, capabilities: { delivery: 1 } },
      /bindings/,
    ],
    [
      'bindings with an unknown policy',
      {
        op: 'IDENTIFY',
        network_id: 'local',
        agent: { id: 'a' },
        capabilities: { delivery: 1 },
        bindings: { rooms: [{ id: 'r', wake: 'loudly' }], dms: { enabled: true, wake: 'all' } },
      },
      /bindings\.rooms\.0\.wake/,
    ],
    ['no JSON', 'hello', /not JSON/],
    ['a list', '[]', /not an object/],
    ['null', 'null', /not an object/],
    ['nothing', '', /not JSON/],
    ['deep nesting', '['.repeat(100_000), /not JSON|not an object/],
  ];
  it.each(refused)('ATT-3 ATT-7 IDENTIFY with %s: ERROR, then a drop', async (_, frame, error) => {
    const lab = await startAttachLab();
    const client = new AttachClient({ url: lab.url });
    await client.until(() => client.has('HELLO'));
    if (typeof frame === 'string') client.sendRaw(frame);
    else client.send(frame);
    await client.gone();
    expect(client.error).toMatch(error);
    expect(client.closeCode).toBe(1006);
    expect(lab.gateway.active).toBe(0);
    expect(lab.faults).toEqual([]);
  });

  it('ATT-3 a network id and a cursor with space around them are taken', async () => {
    const lab = await startAttachLab();
    const client = new AttachClient({ url: lab.url, network: ' local ' });
    await client.until(() => client.has('HELLO'));
    client.identify({ cursor: '  ' });
    await client.until(() => client.has('READY'));
  });

  it('ATT-3 a credential attaches only as the agents it is for', async () => {
    const identity = (token?: string): Identity => ({
      mode: 'bearer',
      credential_key: `token:${token}`,
      scopes: new Set<Scope>(['attach', 'write', 'admin']),
      agents: new Set(['alpha']),
    });
    const lab = await startAttachLab({ identity, settings: { auth_mode: 'bearer' } });
    const client = await AttachClient.attach({
      url: lab.url,
      agent: 'beta',
      headers: { authorization: 'Bearer one' },
    });
    expect(client.error).toMatch(/may not act as beta/);
    const right = await AttachClient.attach({
      url: lab.url,
      agent: 'alpha',
      headers: { authorization: 'Bearer one' },
    });
    expect(right.has('READY')).toBe(true);
  });

  it('ATT-3 frames that are sent with IDENTIFY wait for READY', async () => {
    const lab = await startAttachLab();
    const client = new AttachClient({ url: lab.url });
    await client.until(() => client.has('HELLO'));
    client.identify();
    client.send({ op: 'PING', capabilities: {} });
    await client.until(() => client.has('PONG'));
    expect(client.frames.map((frame) => frame.op)).toEqual(['HELLO', 'READY', 'PONG']);
  });
});

describe('steady state', () => {
  it('ATT-5 PINGs come, and a client that answers them stays', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const client = await AttachClient.attach({ url: lab.url });
    await client.until(() => client.of('PING').length >= 10);
    expect(client.raw.find((text) => text.includes('PING'))).toBe(
      '{"op":"PING","version":"moltnet.attach.v1","capabilities":{}}',
    );
    expect(client.closed).toBe(false);
  });

  it('ATT-5 silence drops the connection; WebSocket pings do not break it, any text frame does', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const silent = await AttachClient.attach({ url: lab.url, agent: 'silent', pong: false });
    const pinging = setInterval(() => silent.socket.ping(), 50);
    const acking = await AttachClient.attach({ url: lab.url, agent: 'busy', pong: false });
    const busy = setInterval(() => acking.send({ op: 'PONG', version: '' }), 50);
    await silent.gone();
    clearInterval(pinging);
    expect(silent.closeCode).toBe(1006);
    expect(silent.has('ERROR')).toBe(false);
    await acking.settle();
    expect(acking.closed).toBe(false);
    clearInterval(busy);
  });

  it('ATT-5 a process that stood still does not drop its clients', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const client = await AttachClient.attach({ url: lab.url });
    // Longer than the silence that is allowed; the client lives in this process and stands still with it.
    const until = performance.now() + 900;
    while (performance.now() < until);
    await client.settle();
    expect(client.closed).toBe(false);
  });

  it('ATT-6 ACKs in any order are taken; a repeated and a foreign one are errors', async () => {
    const lab = await startAttachLab();
    await lab.createRoom('research');
    const client = await AttachClient.attach({ url: lab.url });
    for (const id of ['m1', 'm2', 'm3']) await lab.send('human:me', 'room:research', { id });
    await client.until(() => client.messages.length === 3);
    const [one, two, three] = client.events.map((frame) => frame.cursor!);
    for (const cursor of [three!, one!, two!]) client.ack(cursor);
    await client.settle();
    expect(client.closed).toBe(false);
    client.ack(one!);
    await client.gone();
    expect(client.error).toMatch(/not outstanding/);

    const other = await AttachClient.attach({ url: lab.url, agent: 'beta' });
    other.ack('evt_foreign');
    await other.gone();
    expect(other.error).toMatch(/not outstanding/);
  });

  const bad: [string, object | string | Buffer, RegExp][] = [
    ['a binary frame', Buffer.from('{}'), /binary/],
    ['broken JSON', '{"op":', /not JSON/],
    ['an unknown op', { op: 'DANCE' }, /DANCE: not a frame of a client/],
    ['HELLO', { op: 'HELLO' }, /HELLO: not a frame of a client/],
    [
      'a second IDENTIFY',
      { op: 'IDENTIFY', network_id: 'local', agent: { id: 'alpha' } },
      /IDENTIFY: not a frame of a client/,
    ],
    [
      'WAKE without the delivery protocol',
      { op: 'WAKE', wake_id: 'w', cursor: 'c', conversation: 'room:r' },
      /WAKE: not a frame/,
    ],
    ['PING without version', '{"op":"PING"}', /version/],
    ['ERROR without version', '{"op":"ERROR","error":"x"}', /version/],
    ['ACK with another version', { op: 'ACK', version: 'v0', cursor: 'x' }, /version/],
    ['ACK without cursor', { op: 'ACK' }, /not outstanding/],
    ['ACK with a cursor of the wrong type', { op: 'ACK', cursor: { $gt: '' } }, /not outstanding/],
    ['ACK of a key of Object', { op: 'ACK', cursor: '__proto__' }, /not outstanding/],
    ['an op of the wrong type', { op: 7 }, /not an object with an `op`/],
  ];
  it.each(bad)('ATT-7 %s: ERROR, then a drop', async (_, frame, error) => {
    const lab = await startAttachLab();
    const client = await AttachClient.attach({ url: lab.url });
    const neighbour = await AttachClient.attach({ url: lab.url, agent: 'beta' });
    if (typeof frame === 'string' || Buffer.isBuffer(frame)) client.sendRaw(frame);
    else client.send(frame);
    await client.gone();
    expect(client.error).toMatch(error);
    expect(client.closeCode).toBe(1006);
    await neighbour.settle();
    expect(neighbour.closed).toBe(false);
    expect(lab.faults).toEqual([]);
  });

  it('ATT-7 a frame over 1 MiB closes with 1009', async () => {
    const lab = await startAttachLab();
    const client = await AttachClient.attach({ url: lab.url });
    client.sendRaw(JSON.stringify({ op: 'PONG', pad: 'x'.repeat(1_048_576) }));
    await client.gone();
    expect(client.closeCode).toBe(1009);
  });

  it('ATT-7 ERROR of a client ends its attachment without a word', async () => {
    const lab = await startAttachLab();
    const client = await AttachClient.attach({ url: lab.url });
    client.send({ op: 'ERROR', error: 'the handler failed' });
    await client.gone();
    expect(client.closeCode).toBe(1006);
    expect(client.has('ERROR')).toBe(false);
    expect(lab.presence.isConnected('alpha')).toBe(false);
  });

  it("ATT-8 a client's close is echoed; the server's own is 1012", async () => {
    const lab = await startAttachLab();
    const leaving = await AttachClient.attach({ url: lab.url, agent: 'leaving' });
    leaving.socket.close(1000);
    await leaving.gone();
    expect(leaving.closeCode).toBe(1000);
    const staying = await AttachClient.attach({ url: lab.url, agent: 'staying' });
    const unidentified = new AttachClient({ url: lab.url });
    await unidentified.until(() => unidentified.has('HELLO'));
    await lab.gateway.close();
    await Promise.all([staying.gone(), unidentified.gone()]);
    expect([staying.closeCode, unidentified.closeCode]).toEqual([1012, 1012]);
    expect(lab.gateway.connections).toBe(0);
    expect(lab.gateway.active).toBe(0);
  });

  it('ATT-8 stopping does not wait for a client that does not answer', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const client = await AttachClient.attach({ url: lab.url });
    client.socket.pause();
    await lab.gateway.close();
    expect(lab.gateway.connections).toBe(0);
  });

  it('ATT-17 an upgrade while the server stops is answered with 503', async () => {
    const lab = await startAttachLab();
    await lab.gateway.close();
    const client = new AttachClient({ url: lab.url });
    let status: number | undefined;
    client.socket.on('unexpected-response', (_, response) => {
      status = response.statusCode;
      client.socket.terminate();
    });
    await client.gone();
    expect(status).toBe(503);
  });
});

describe('who holds an agent', () => {
  it('ATT-12 in mode none a second attachment is refused while the first lives', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const first = await AttachClient.attach({ url: lab.url });
    const second = await AttachClient.attach({ url: lab.url });
    expect(second.error).toMatch(/alpha is attached already/);
    await first.settle();
    expect(first.closed).toBe(false);
    expect(lab.presence.of('alpha').attachments).toBe(1);
  });

  it('ATT-12 a first one that does not answer is replaced (W51)', async () => {
    const lab = await startAttachLab({ times: { ...QUICK, silence: 60_000 } });
    const first = await AttachClient.attach({ url: lab.url, pong: false });
    const second = await AttachClient.attach({ url: lab.url });
    expect(second.has('READY')).toBe(true);
    await first.gone();
    expect(first.closeCode).toBe(1006);
    expect(lab.presence.of('alpha')).toMatchObject({ connected: true, attachments: 1 });
  });

  it('ATT-12 of many that come at once, one holds the agent', async () => {
    const lab = await startAttachLab({ times: QUICK });
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => AttachClient.attach({ url: lab.url })),
    );
    expect(clients.filter((client) => client.has('READY'))).toHaveLength(1);
    expect(clients.filter((client) => client.error?.includes('attached already'))).toHaveLength(19);
  });

  it('ATT-12 ATT-13 the same credential is admitted twice, and presence counts both', async () => {
    const identity = (token?: string): Identity => ({
      mode: 'bearer',
      credential_key: `token:${token}`,
      scopes: new Set<Scope>(token === 'admin' ? ['attach', 'admin'] : ['attach']),
    });
    const settings = { auth_mode: 'bearer', agent_registration: 'token' } as const;
    const lab = await startAttachLab({ identity, settings });
    const facts: string[] = [];
    lab.tail.subscribe(
      { push() {}, announce: (entry) => facts.push(entry.event.type) },
      { rooms: 'all', observer: true },
    );
    const headers = { authorization: 'Bearer one' };
    const first = await AttachClient.attach({ url: lab.url, headers });
    const second = await AttachClient.attach({ url: lab.url, headers });
    expect(lab.presence.of('alpha')).toMatchObject({ connected: true, attachments: 2 });
    const stranger = await AttachClient.attach({ url: lab.url, headers: { authorization: 'Bearer two' } });
    expect(stranger.error).toMatch(/alpha is bound to another credential/);
    // wire.md 6.3: admin and attach together count as the credential that the agent is bound to.
    const admin = await AttachClient.attach({ url: lab.url, headers: { authorization: 'Bearer admin' } });
    expect(lab.presence.of('alpha').attachments).toBe(3);
    await admin.drop();
    await first.drop();
    await second.settle();
    await eventually(() => lab.presence.of('alpha').attachments === 1);
    await second.drop();
    await stranger.gone();
    await eventually(() => lab.gateway.connections === 0);
    expect(lab.presence.of('alpha')).toEqual({ connected: false, attachments: 0, state: 'offline' });
    expect(facts).toEqual(['agent.connected', 'agent.disconnected']);
  });

  it('ATT-14 DLV-14 a removed agent is told and dropped, and cannot come back by attaching', async () => {
    const lab = await startAttachLab();
    const bindings = { rooms: [], dms: { enabled: true, wake: 'all' }, catch_up: 'all' } as const;
    const legacy = await AttachClient.attach({ url: lab.url, agent: 'old' });
    const ours = await AttachClient.attach({
      url: lab.url,
      agent: 'new',
      bindings: { ...bindings, rooms: [] },
    });
    await lab.execute('agent.remove', { agent_id: 'old' });
    await lab.execute('agent.remove', { agent_id: 'new' });
    await Promise.all([legacy.gone(), ours.gone()]);
    expect(legacy.of('ERROR')[0]).toEqual({
      op: 'ERROR',
      version: 'moltnet.attach.v1',
      capabilities: {},
      error: expect.stringContaining('old was removed'),
    });
    expect(ours.of('ERROR')[0]).toMatchObject({ code: 'agent_removed', permanent: true });
    const again = await AttachClient.attach({
      url: lab.url,
      agent: 'new',
      bindings: { ...bindings, rooms: [] },
    });
    expect(again.of('ERROR')[0]).toMatchObject({ code: 'agent_removed', permanent: true });
  });
});
