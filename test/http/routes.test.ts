/** Every route's status, shape and field order against wire.md 1 and 3, over a real socket. */
import { describe, expect, it } from 'vitest';
import type { RunningServer } from '../../src/server/server.ts';
import { ask, askJson, hello, raw } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const POST = (body: unknown) => ({ method: 'POST', body });

type Json = Record<string, unknown>;
const general = { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' };

/** Sends a message and expects 202. */
async function said(server: RunningServer, changes: Json = {}): Promise<string> {
  const { status, json } = await askJson(server, '/v1/messages', POST(hello(changes)));
  expect(status, JSON.stringify(json)).toBe(202);
  return json['message_id'] as string;
}

describe('network', () => {
  it('HTTP-15 the document is what existing clients look for', async () => {
    const server = await startTestServer();
    const { status, headers, text } = await ask(server, '/v1/network');
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(text).toBe(
      '{"id":"local","name":"Local Lab","version":"0.0.0-test","protocols":{"http":["moltnet.http.v1"],"attach":["moltnet.attach.v1"],"pair":["moltnet.pair.v1"]},' +
        '"capabilities":{"event_stream":"sse","attachment_protocol":"websocket","public_read":false,"agent_registration":"disabled","human_ingress":true,"direct_messages":true,"message_pagination":"cursor","pairings":false,"delivery":1,"relay":2},"console":{"can_send_human":true}}',
    );
  });

  it('HTTP-15 it warns of a server without authentication that others can reach', async () => {
    const server = await startTestServer({
      server: { listen_addr: ':0', debug_events: true, human_ingress: false },
    });
    const { json } = await askJson<{ warnings: Json[]; capabilities: Json; console: Json }>(
      server,
      '/v1/network',
    );
    expect(json.warnings).toMatchObject([{ severity: 'warning', code: 'auth.none_exposed' }]);
    expect(json.capabilities).toMatchObject({ debug_events: true, human_ingress: false });
    expect(json.console).toEqual({ can_send_human: false });
  });

  it('pairings are shown without their token', async () => {
    const server = await startTestServer({
      pairings: [
        { id: 'link_b', remote_base_url: 'http://127.0.0.1:1', remote_network_id: 'net_b', token: 'secret' },
      ],
    });
    const { text } = await ask(server, '/v1/pairings');
    expect(JSON.parse(text)).toMatchObject({
      pairings: [{ id: 'link_b', remote_network_id: 'net_b', remote_base_url: 'http://127.0.0.1:1' }],
      page: { has_more: false },
    });
    expect(text).not.toContain('secret');
    expect((await ask(await startTestServer(), '/v1/pairings')).text).toBe(
      '{"pairings":[],"page":{"has_more":false}}',
    );
  });
});

describe('rooms', () => {
  it('are created, listed, shown, changed and removed', async () => {
    const server = await startTestServer();
    const created = await askJson(
      server,
      '/v1/rooms',
      POST({
        id: ' research ',
        members: ['beta', ' alpha', 'beta', 'net_b:gamma', 'molt://local/agents/delta'],
        visibility: 'public',
      }),
    );
    expect(created.status).toBe(201);
    expect(created.json).toEqual({
      id: 'research',
      network_id: 'local',
      fqid: 'molt://local/rooms/research',
      name: 'research',
      members: ['alpha', 'beta', 'delta', 'net_b:gamma'],
      visibility: 'public',
      write_policy: 'members',
      created_at: expect.stringMatching(TIME),
    });
    const shown = await askJson(server, '/v1/rooms/research');
    expect(shown.status).toBe(200);
    expect(Object.keys(shown.json)).toEqual([
      'id',
      'network_id',
      'fqid',
      'name',
      'members',
      'visibility',
      'write_policy',
      'access',
      'created_at',
    ]);
    expect(shown.json['access']).toEqual({
      can_read: true,
      can_write: true,
      reason: 'private/members-write',
    });

    const changed = await askJson(server, '/v1/rooms/research', {
      method: 'PATCH',
      body: { name: 'Research', write_policy: 'registered_agents', guard: { turns: 5 } },
    });
    expect([
      changed.status,
      changed.json['name'],
      changed.json['write_policy'],
      changed.json['guard'],
      'access' in changed.json,
    ]).toEqual([200, 'Research', 'registered_agents', { turns: 5 }, false]);

    const members = await askJson(server, '/v1/rooms/research/members', {
      method: 'PATCH',
      body: { add: ['zeta', 'eta'], remove: ['eta', 'alpha'] },
    });
    expect([members.status, members.json['members']]).toEqual([
      200,
      ['beta', 'delta', 'net_b:gamma', 'zeta'],
    ]);

    await said(server, { target: { kind: 'room', room_id: 'research' } });
    const removed = await ask(server, '/v1/rooms/research', { method: 'DELETE' });
    expect([removed.status, removed.text]).toEqual([
      200,
      '{"removed":true,"kind":"room","id":"research","mode":"soft"}',
    ]);
    expect((await askJson(server, '/v1/rooms/research')).json['code']).toBe('not_found');
    expect((await ask(server, '/v1/rooms/research/messages')).status).toBe(404);
    expect((await ask(server, '/v1/rooms/research', { method: 'DELETE' })).status).toBe(404);
  });

  it("the list is the wire's", async () => {
    const server = await startTestServer({
      rooms: [
        { id: 'a', members: [] },
        { id: 'b', members: [] },
      ],
    });
    const { text } = await ask(server, '/v1/rooms?limit=1');
    expect(text.replace(/"created_at":"[^"]+"/, '"created_at":"T"')).toBe(
      '{"rooms":[{"id":"a","network_id":"local","fqid":"molt://local/rooms/a","name":"a","visibility":"private","write_policy":"members","access":{"can_read":true,"can_write":true,"reason":"private/members-write"},"created_at":"T"}],"page":{"has_more":true,"next_after":"a"}}',
    );
  });

  it('HTTP-6 refusals', async () => {
    const server = await startTestServer({ rooms: [general] });
    const cases: [method: string, path: string, body: unknown, status: number, code: string][] = [
      ['GET', '/v1/rooms/nope', undefined, 404, 'not_found'],
      ['GET', '/v1/rooms/%20general%20', undefined, 200, ''],
      ['GET', '/v1/rooms/a%2Fb', undefined, 404, 'not_found'],
      ['GET', `/v1/rooms/${'x'.repeat(129)}`, undefined, 404, 'not_found'],
      ['GET', `/v1/rooms/${'x'.repeat(3000)}`, undefined, 404, 'not_found'],
      ['DELETE', '/v1/rooms/a%2Fb', undefined, 422, 'invalid_id'],
      ['PATCH', '/v1/rooms/a%2Fb/members', {}, 422, 'invalid_id'],
      ['PATCH', '/v1/rooms/nope/members', { add: ['a'] }, 404, 'not_found'],
      ['PATCH', '/v1/rooms/nope', { name: 'x' }, 404, 'not_found'],
      ['PATCH', '/v1/rooms/general', { guard: { turns: 0 } }, 400, 'bad_request'],
      ['PATCH', '/v1/rooms/general', { visibility: 'secret' }, 422, 'unprocessable_entity'],
      ['PATCH', '/v1/rooms/general/members', {}, 200, ''],
      ['PATCH', '/v1/rooms/general/members', null, 200, ''],
      ['PATCH', '/v1/rooms/general/members', { add: 'a' }, 400, 'bad_request'],
      ['POST', '/v1/rooms', { id: 'general' }, 409, 'room_exists'],
      ['POST', '/v1/rooms', {}, 422, 'invalid_id'],
      ['POST', '/v1/rooms', { id: 'a b' }, 422, 'invalid_id'],
      ['POST', '/v1/rooms', { id: 5 }, 400, 'bad_request'],
      ['POST', '/v1/rooms', { id: 'x', members: ['a b'] }, 422, 'invalid_id'],
      ['POST', '/v1/rooms', { id: 'x', write_policy: 'everyone' }, 422, 'unprocessable_entity'],
      ['POST', '/v1/rooms', [], 400, 'bad_request'],
    ];
    for (const [method, path, body, status, code] of cases) {
      const answer = await askJson(server, path, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      expect([
        method,
        path.slice(0, 60),
        JSON.stringify(body),
        answer.status,
        answer.json['code'] ?? '',
      ]).toEqual([method, path.slice(0, 60), JSON.stringify(body), status, code]);
    }
  });
});

describe('messages', () => {
  it('202 answers with the fields of the wire, and the event id of the message id', async () => {
    const server = await startTestServer({ rooms: [general] });
    const { status, text } = await ask(server, '/v1/messages', POST(hello({ id: 'm1' })));
    expect([status, text]).toEqual([
      202,
      '{"message_id":"m1","event_id":"evt_ca0df2c9-5aa1-44c1-90ff-2ff3c8f967fd","accepted":true,"thread_created":false,"dm_created":false}',
    ]);
  });

  it("HIST-9 the page and the single message are the wire's, byte for byte", async () => {
    const server = await startTestServer({ rooms: [{ id: 'research', members: ['beta'] }] });
    const id = await said(server, {
      origin: { network_id: 'net_b', message_id: 'orig1' },
      target: { kind: 'room', room_id: 'research' },
      from: { type: 'agent', id: 'net_b:gamma' },
      parts: [{ kind: 'text', text: 'hi <&> \u2028 "@beta"' }],
      mentions: ['local:beta', 'nobody'],
    });
    const { json, text } = await askJson<{ messages: Json[] }>(server, '/v1/rooms/research/messages').then(
      async ({ json }) => ({ json, text: (await ask(server, `/v1/messages/${id}`)).text }),
    );
    expect(text.replace(/"created_at":"[^"]+"/, '"created_at":"T"')).toBe(
      `{"id":"${id}","network_id":"local","origin":{"network_id":"net_b","message_id":"orig1"},"target":{"kind":"room","room_id":"research"},"from":{"type":"agent","id":"gamma","network_id":"net_b","fqid":"molt://net_b/agents/gamma"},"parts":[{"kind":"text","text":${JSON.stringify('hi <&> \u2028 "@beta"')}}],"mentions":["molt://local/agents/beta"],"created_at":"T"}`,
    );
    expect(JSON.stringify(json.messages[0])).toBe(text);
    expect(json.messages[0]!['created_at']).toMatch(TIME);
    expect((await ask(server, '/v1/messages/unknown')).status).toBe(404);
  });

  it('a thread and a DM begin with their first message', async () => {
    const server = await startTestServer({ rooms: [{ id: 'research', members: [] }] });
    const thread = await askJson(
      server,
      '/v1/messages',
      POST(
        hello({ target: { kind: 'thread', room_id: 'research', thread_id: 't1', parent_message_id: 'p1' } }),
      ),
    );
    expect([thread.status, thread.json['thread_created'], thread.json['dm_created']]).toEqual([
      202,
      true,
      false,
    ]);
    const dm = await askJson(
      server,
      '/v1/messages',
      POST(
        hello({
          target: {
            kind: 'dm',
            dm_id: 'd3',
            participant_ids: ['net_b:gamma', 'ada', 'local:ada', 'net_b:delta'],
          },
        }),
      ),
    );
    expect([dm.status, dm.json['thread_created'], dm.json['dm_created']]).toEqual([202, false, true]);
    const at = expect.stringMatching(TIME);
    const shown = (await askJson(server, '/v1/threads/t1')).json;
    expect(shown).toEqual({
      id: 't1',
      network_id: 'local',
      fqid: 'molt://local/threads/t1',
      room_id: 'research',
      parent_message_id: 'p1',
      message_count: 1,
      last_message_at: at,
    });
    expect(Object.keys(shown)).toEqual([
      'id',
      'network_id',
      'fqid',
      'room_id',
      'parent_message_id',
      'message_count',
      'last_message_at',
    ]);
    expect((await askJson(server, '/v1/rooms/research/threads')).json).toEqual({
      threads: [shown],
      page: { has_more: false },
    });
    expect(
      (await askJson<{ messages: Json[] }>(server, '/v1/threads/t1/messages')).json.messages,
    ).toHaveLength(1);
    const conversation = (await askJson(server, '/v1/dms/d3')).json;
    expect(conversation).toEqual({
      id: 'd3',
      network_id: 'local',
      fqid: 'molt://local/dms/d3',
      participant_ids: ['ada', 'net_b:delta', 'net_b:gamma'],
      message_count: 1,
      last_message_at: at,
    });
    expect((await askJson(server, '/v1/dms')).json).toEqual({
      dms: [conversation],
      page: { has_more: false },
    });
    expect((await askJson<{ messages: Json[] }>(server, '/v1/dms/d3/messages')).json.messages).toHaveLength(
      1,
    );
    for (const path of [
      '/v1/threads/none',
      '/v1/threads/none/messages',
      '/v1/dms/none',
      '/v1/dms/none/messages',
    ])
      expect([path, (await ask(server, path)).status]).toEqual([path, 404]);
  });

  it('with direct messages off their routes are 403', async () => {
    const server = await startTestServer({ server: { direct_messages: false }, rooms: [general] });
    for (const path of ['/v1/dms', '/v1/dms/d', '/v1/dms/d/messages', '/v1/artifacts?dm_id=d'])
      expect([path, (await askJson(server, path)).json['code']]).toEqual([path, 'direct_messages_disabled']);
    const sent = await askJson(
      server,
      '/v1/messages',
      POST(hello({ target: { kind: 'dm', dm_id: 'd', participant_ids: ['ada', 'bob'] } })),
    );
    expect([sent.status, sent.json['code']]).toEqual([403, 'direct_messages_disabled']);
  });

  it('a retry is answered like the first, other content under the id is refused', async () => {
    const server = await startTestServer({ rooms: [general] });
    const first = await ask(server, '/v1/messages', POST(hello({ id: 'once' })));
    const again = await ask(server, '/v1/messages', POST(hello({ id: 'once' })));
    expect([again.status, again.text]).toEqual([202, first.text]);
    const other = await askJson(
      server,
      '/v1/messages',
      POST(hello({ id: 'once', parts: [{ kind: 'text', text: 'other' }] })),
    );
    expect([other.status, other.json['code']]).toEqual([409, 'message_id_conflict']);
    expect(
      (await askJson<{ messages: Json[] }>(server, '/v1/rooms/general/messages')).json.messages,
    ).toHaveLength(1);
  });

  it('DELETE blanks a message wherever it is read', async () => {
    const server = await startTestServer({ rooms: [general] });
    const id = await said(server, {
      parts: [
        { kind: 'text', text: 'the secret is 1234' },
        { kind: 'url', url: 'https://example.com/1234' },
      ],
    });
    const done = await ask(server, `/v1/messages/${id}`, { method: 'DELETE' });
    expect([done.status, done.text]).toEqual([200, `{"redacted":true,"message_id":"${id}"}`]);
    for (const path of [
      `/v1/messages/${id}`,
      '/v1/rooms/general/messages',
      '/v1/artifacts?room_id=general',
    ]) {
      const { text } = await ask(server, path);
      expect([path, text.includes('1234')]).toEqual([path, false]);
    }
    expect((await askJson(server, `/v1/messages/${id}`)).json).toMatchObject({
      parts: [{ kind: 'text', text: '[redacted]' }],
      redacted_at: expect.stringMatching(TIME),
    });
    expect((await ask(server, '/v1/messages/none', { method: 'DELETE' })).status).toBe(404);
    expect((await askJson(server, '/v1/messages/a%2Fb', { method: 'DELETE' })).json['code']).toBe(
      'invalid_id',
    );
  });

  it('HIST-10 artifacts of a room, a thread, a DM', async () => {
    const server = await startTestServer({ rooms: [general] });
    const link = [
      { kind: 'text', text: 'see' },
      { kind: 'url', url: 'https://example.com/a', filename: 'a.txt', media_type: 'text/plain' },
    ];
    const inRoom = await said(server, { id: 'm_room', parts: link });
    const inThread = await said(server, {
      id: 'm_thread',
      target: { kind: 'thread', room_id: 'general', thread_id: 't' },
      parts: link,
    });
    await said(server, {
      id: 'm_dm',
      target: { kind: 'dm', dm_id: 'd', participant_ids: ['ada', 'bob'] },
      parts: link,
    });
    const of = async (query: string) =>
      (await askJson<{ artifacts: Json[] }>(server, `/v1/artifacts?${query}`)).json.artifacts.map(
        (artifact) => artifact['id'],
      );
    expect(await of('room_id=general')).toEqual([`art_${inRoom}_1`, `art_${inThread}_1`]);
    expect(await of('thread_id=t&room_id=general&dm_id=d')).toEqual([`art_${inThread}_1`]);
    expect(await of('dm_id=d&room_id=general')).toEqual(['art_m_dm_1']);
    expect(await of('dm_id=unknown')).toEqual([]);
    const { json } = await askJson<{ artifacts: Json[] }>(server, '/v1/artifacts?room_id=general&limit=1');
    expect(json.artifacts[0]).toEqual({
      id: 'art_m_thread_1',
      network_id: 'local',
      fqid: 'molt://local/artifacts/art_m_thread_1',
      message_id: 'm_thread',
      target: { kind: 'thread', room_id: 'general', thread_id: 't' },
      part_index: 1,
      kind: 'url',
      media_type: 'text/plain',
      filename: 'a.txt',
      url: 'https://example.com/a',
      created_at: expect.stringMatching(TIME),
    });
    const refused = async (query: string) => (await askJson(server, `/v1/artifacts?${query}`)).json['code'];
    expect([
      await refused(''),
      await refused('room_id=nope'),
      await refused('thread_id=nope'),
      await refused('dm_id=d&before=art_m_room_1'),
    ]).toEqual(['unprocessable_entity', 'not_found', 'not_found', 'invalid_cursor']);
  });
});

describe('agents', () => {
  it('are registered, listed with the members of rooms, shown and removed', async () => {
    const server = await startTestServer({ rooms: [{ id: 'research', members: ['beta', 'net_b:gamma'] }] });
    const created = await askJson(
      server,
      '/v1/agents/register',
      POST({ requested_agent_id: 'newbie', name: 'New' }),
    );
    expect(created.status).toBe(201);
    expect(created.json).toEqual({
      network_id: 'local',
      agent_id: 'newbie',
      actor_uid: expect.stringMatching(/^actor_[0-9a-f-]{36}$/),
      actor_uri: 'molt://local/agents/newbie',
      display_name: 'New',
      created_at: expect.stringMatching(TIME),
      updated_at: expect.stringMatching(TIME),
    });
    const again = await askJson(server, '/v1/agents/register', POST({ requested_agent_id: 'newbie' }));
    expect([again.status, again.json['actor_uid'], again.json['display_name']]).toEqual([
      200,
      created.json['actor_uid'],
      'New',
    ]);

    const { json } = await askJson<{ agents: Json[]; page: Json }>(server, '/v1/agents');
    expect(json).toEqual({
      agents: [
        {
          id: 'beta',
          fqid: 'molt://local/agents/beta',
          network_id: 'local',
          rooms: ['research'],
          connected: false,
          state: 'offline',
        },
        {
          id: 'net_b:gamma',
          fqid: 'molt://net_b/agents/gamma',
          network_id: 'net_b',
          rooms: ['research'],
          connected: false,
          state: 'offline',
        },
        {
          id: 'newbie',
          name: 'New',
          actor_uid: created.json['actor_uid'],
          fqid: 'molt://local/agents/newbie',
          network_id: 'local',
          connected: false,
          state: 'offline',
        },
      ],
      page: { has_more: false },
    });
    for (const form of [
      'newbie',
      '%20newbie',
      'local:newbie',
      encodeURIComponent('molt://local/agents/newbie'),
    ])
      expect((await askJson(server, `/v1/agents/${form}`)).json).toEqual(json.agents[2]);
    expect((await askJson(server, '/v1/agents/net_b:gamma')).json).toEqual(json.agents[1]);

    expect((await ask(server, '/v1/agents/newbie', { method: 'DELETE' })).text).toBe(
      '{"removed":true,"kind":"agent","id":"newbie","mode":"soft"}',
    );
    for (const id of ['newbie', 'nobody', 'a%2Fb', '%20', '..'])
      expect([id, (await ask(server, `/v1/agents/${id}`)).status]).toEqual([id, 404]);
    for (const id of ['newbie', 'a%2Fb'])
      expect([id, (await ask(server, `/v1/agents/${id}`, { method: 'DELETE' })).status]).toEqual([id, 404]);
  });

  it('a wake that a node gave up is shown at the agent', async () => {
    const server = await startTestServer({ rooms: [general] });
    await askJson(server, '/v1/agents/register', POST({ requested_agent_id: 'alpha' }));
    const message = { id: await said(server) };
    const body = {
      agent_id: 'alpha',
      event: { id: 'e', type: 'message.created', message },
      error: 'exit code 1',
      attempts: 4,
      classification: 'retry_exhausted',
    };
    const { status, text } = await ask(server, '/v1/agents/wake-failed', POST(body));
    expect([status, text]).toEqual([202, '{}']);
    expect((await askJson(server, '/v1/agents/alpha')).json['last_wake_failure']).toMatchObject({
      message_id: message.id,
      error: 'exit code 1',
      classification: 'retry_exhausted',
    });
    expect((await ask(server, '/v1/agents/wake-failed', POST({ event: { message } }))).status).toBe(400);
    expect((await ask(server, '/v1/agents/wake-failed', POST({ agent_id: 'alpha' }))).status).toBe(400);
  });
});

describe('apply and guard', () => {
  it('apply brings rooms and agents to what is declared', async () => {
    const server = await startTestServer();
    const { status, json } = await askJson<{ rooms: Json[]; agents: Json[] }>(
      server,
      '/v1/apply',
      POST({ network_id: 'local', rooms: [{ id: 'a', members: ['x'] }], agents: [{ id: 'x', name: 'X' }] }),
    );
    expect(status).toBe(200);
    expect(json).toMatchObject({ applied: true, rooms: [{ id: 'a', members: ['x'] }] });
    const other = await askJson(server, '/v1/apply', POST({ network_id: 'elsewhere', rooms: [{ id: 'b' }] }));
    expect([other.status, other.json['code'], (await ask(server, '/v1/rooms/b')).status]).toEqual([
      422,
      'network_mismatch',
      404,
    ]);
  });

  it('a held conversation is listed, and resumed', async () => {
    const server = await startTestServer({ rooms: [{ ...general, guard: { turns: 2 } }] });
    for (const id of ['alpha', 'beta', 'alpha', 'beta']) await said(server, { from: { type: 'agent', id } });
    const { json } = await askJson<{ conversations: Json[] }>(server, '/v1/guard');
    expect(json).toMatchObject({
      conversations: [
        {
          conversation: 'room:general',
          room_id: 'general',
          turns: 2,
          limit: 2,
          held: true,
          held_messages: 2,
        },
      ],
      page: { has_more: false },
    });
    const resumed = await askJson(server, '/v1/guard/resume', POST({ conversation: 'room:general' }));
    expect([resumed.status, resumed.json['held'], resumed.json['resumed_by']]).toEqual([
      200,
      false,
      'operator',
    ]);
    expect((await askJson(server, '/v1/guard')).json).toEqual({
      conversations: [],
      page: { has_more: false },
    });
    const codes = await Promise.all(
      [{ conversation: 'general' }, { conversation: 'room:none' }, {}].map(
        async (body) => (await askJson(server, '/v1/guard/resume', POST(body))).json['code'],
      ),
    );
    expect(codes).toEqual(['invalid_target', 'not_found', 'bad_request']);
  });
});

describe('meters and pauses', () => {
  it('GUARD-12 the meters of any conversation, by the last path segment', async () => {
    const server = await startTestServer({ rooms: [general] });
    for (const id of ['alpha', 'beta']) await said(server, { from: { type: 'agent', id } });
    const { status, json } = await askJson(server, '/v1/guard/room:general');
    expect([status, json]).toEqual([
      200,
      {
        conversation: 'room:general',
        room_id: 'general',
        turns: 2,
        limit: 30,
        held: false,
        meters: {
          turns: 2,
          turns_limit: 30,
          hour: 2,
          hour_limit: 120,
          pair: 1,
          pair_agents: ['molt://local/agents/alpha', 'molt://local/agents/beta'],
          pair_limit: 60,
        },
      },
    ]);
    for (const unknown of ['room:none', 'thread:none', 'dm:none', 'general', 'room:', '%00', 'resume'])
      expect((await askJson(server, `/v1/guard/${unknown}`)).json['code'], unknown).toBe('not_found');
  });

  it('PAUSE-1 PAUSE-2 by POST and DELETE, and listed meanwhile', async () => {
    const server = await startTestServer({ rooms: [general] });
    const paused = await askJson(server, '/v1/pauses', POST({ scope: 'room:general', until: null }));
    const pause = { scope: 'room:general', at: paused.json['at'], by: 'operator' };
    expect([paused.status, paused.json]).toEqual([200, { ...pause, paused: true }]);
    await askJson(server, '/v1/pauses', POST({ scope: ' * ', until: '2999-01-01T00:00:00Z' }));
    expect((await askJson(server, '/v1/pauses')).json).toMatchObject({
      pauses: [{ scope: '*', until: '2999-01-01T00:00:00.000Z' }, pause],
    });
    for (const scope of ['*', 'room:general', 'room:general'])
      expect((await askJson(server, `/v1/pauses/${scope}`, { method: 'DELETE' })).json).toMatchObject({
        scope,
        paused: false,
      });
    expect((await askJson(server, '/v1/pauses')).json).toEqual({ pauses: [] });
    const code = async (body: unknown) => (await askJson(server, '/v1/pauses', POST(body))).json['code'];
    expect(await code({ scope: 'dm:d' })).toBe('unprocessable_entity');
    expect(await code({ scope: 'agent:nobody' })).toBe('not_found');
    expect(await code({ scope: 'room:general', until: 'soon' })).toBe('unprocessable_entity');
    expect(await code({})).toBe('bad_request');
    expect((await askJson(server, '/v1/pauses/dm:d', { method: 'DELETE' })).json['code']).toBe(
      'unprocessable_entity',
    );
  });
});

describe('health', () => {
  it('HTTP-8 answers while the storage does', async () => {
    const server = await startTestServer({ storage: { kind: 'sqlite' } });
    expect((await ask(server, '/healthz')).text).toBe('{"status":"ok"}');
    expect((await ask(server, '/readyz')).text).toBe('{"status":"ready"}');
  });
});

describe('paths and methods', () => {
  it('HTTP-5 HEAD is GET without the body', async () => {
    const server = await startTestServer({ rooms: [general] });
    for (const path of [
      '/v1/network',
      '/v1/rooms',
      '/v1/rooms/general',
      '/v1/rooms/general/messages',
      '/healthz',
      '/console/',
    ]) {
      const [get, head] = await Promise.all([ask(server, path), ask(server, path, { method: 'HEAD' })]);
      expect([path, head.status, head.text, head.headers['content-length']]).toEqual([
        path,
        get.status,
        '',
        get.headers['content-length'],
      ]);
    }
    const stream = await ask(server, '/v1/events/stream', { method: 'HEAD' });
    expect([stream.status, stream.headers['content-type'], stream.text]).toEqual([
      200,
      'text/event-stream',
      '',
    ]);
    expect((await ask(server, '/nowhere', { method: 'HEAD' })).status).toBe(404);
  });

  it('HTTP-5 an unknown path is 404, a wrong method 405 with Allow', async () => {
    const server = await startTestServer();
    for (const path of [
      '/v1',
      '/v1/',
      '/v1/nope',
      '/v1/rooms/',
      '/v2/rooms',
      '//v1/rooms',
      '/v1/rooms/a/b',
      '/favicon.ico',
      '/%2e%2e/etc/passwd',
    ]) {
      const { status, json } = await askJson(server, path);
      expect([path, status, json['code']]).toEqual([path, 404, 'not_found']);
    }
    for (const [method, path, allow] of [
      ['PUT', '/v1/messages', 'POST'],
      ['DELETE', '/v1/rooms', 'GET, HEAD, POST'],
      ['POST', '/v1/rooms/x', 'DELETE, GET, HEAD, PATCH'],
      ['PATCH', '/metrics', 'GET, HEAD'],
      ['OPTIONS', '/v1/network', 'GET, HEAD'],
      ['PROPFIND', '/v1/rooms', 'GET, HEAD, POST'],
    ] as const) {
      const { status, json, headers } = await askJson(server, path, { method });
      expect([method, path, status, json['code'], headers['allow']]).toEqual([
        method,
        path,
        405,
        'method_not_allowed',
        allow,
      ]);
    }
    expect((await askJson(server, '/v1/nope', { method: 'POST', body: '{broken' })).status).toBe(404);
    expect((await askJson(server, '/v1/network', { method: 'POST', body: '{broken' })).status).toBe(405);
  });

  it('HTTP-2 HTTP-16 a WebSocket handshake that is none is refused like everything else', async () => {
    const server = await startTestServer();
    const good = {
      host: 'x',
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
    };
    const handshake = (method: string, changes: Partial<Record<keyof typeof good, string>>) =>
      raw(
        server,
        `${method} /v1/attach HTTP/1.1\r\n${Object.entries({ ...good, ...changes })
          .map(([name, value]) => `${name}: ${value}\r\n`)
          .join('')}\r\n`,
        /\{"code":.*\}$/,
      );
    for (const [method, changes, code] of [
      ['GET', { 'sec-websocket-key': 'short' }, 'bad_request'],
      ['GET', { 'sec-websocket-version': '12' }, 'bad_request'],
      ['POST', {}, 'method_not_allowed'],
    ] as const) {
      expect(JSON.parse(await handshake(method, changes))).toEqual({
        code,
        error: expect.any(String),
        request_id: expect.stringMatching(/^req_/),
      });
    }
  });

  it('HTTP-16 a plain GET of the attachment says what it is, another upgrade is ignored', async () => {
    const server = await startTestServer();
    expect((await askJson(server, '/v1/attach')).json['code']).toBe('bad_request');
    const h2c = {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAMAAABkAAQAoAAAAAIAAAAA',
    };
    expect((await ask(server, '/healthz', { headers: h2c })).text).toBe('{"status":"ok"}');
    expect((await ask(server, '/v1/attach', { headers: h2c })).status).toBe(400);
    expect(
      (await ask(server, '/v1/rooms', { headers: { connection: 'Upgrade', upgrade: 'websocket' } })).status,
    ).toBe(200);
  });
});
