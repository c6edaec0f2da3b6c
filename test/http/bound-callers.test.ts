/** What agents and people with credentials of their own read and do over HTTP; who may what at all is in the matrix. */
import { describe, expect, it } from 'vitest';
import { exchange, startAuthLab, type AuthLab, type Caller } from '../support/auth-lab.ts';
import { SseClient } from '../support/sse-client.ts';

const ids = async (lab: AuthLab, who: Caller, route: string, list: string): Promise<string[]> => {
  const { status, text } = await lab.call(who, `GET ${route}`);
  expect(status, text).toBe(200);
  return (JSON.parse(text) as Record<string, { id: string }[]>)[list]!.map(({ id }) => id);
};
const outcome = async (lab: AuthLab, who: Caller, route: string, body?: unknown): Promise<string> => {
  const { status, code } = await lab.call(who, route, body);
  return code === undefined ? String(status) : `${status} ${code}`;
};

describe('lists hold what the caller may read', () => {
  it('HTTP-40 rooms, and a cursor of one that is not shown is unknown', async () => {
    const lab = await startAuthLab('bearer');
    const open = ['desk', 'hall', 'lobby'];
    expect(await ids(lab, 'member', '/v1/rooms', 'rooms')).toEqual(['den', ...open]);
    expect(await ids(lab, 'listed', '/v1/rooms', 'rooms')).toEqual(['den', ...open]);
    expect(await ids(lab, 'person', '/v1/rooms', 'rooms')).toEqual(['den', ...open]);
    expect(await ids(lab, 'outsider', '/v1/rooms', 'rooms')).toEqual(open);
    expect(await ids(lab, 'observe', '/v1/rooms', 'rooms')).toEqual(['den', ...open, 'vault']);
    expect(await ids(lab, 'pair', '/v1/rooms', 'rooms')).toEqual([]);
    expect(await outcome(lab, 'outsider', 'GET /v1/rooms?after=den')).toBe('422 invalid_cursor');
    expect(await outcome(lab, 'outsider', 'GET /v1/rooms?after=desk')).toBe('200');
  });

  it('HTTP-40 agents, with those of their rooms that the caller may read', async () => {
    const lab = await startAuthLab('bearer');
    const rooms = async (who: Caller, agent: string): Promise<unknown> =>
      (JSON.parse((await lab.call(who, `GET /v1/agents/${agent}`)).text) as { rooms?: unknown }).rooms;
    expect(await rooms('observe', 'member')).toEqual(['den', 'desk', 'hall']);
    expect(await rooms('outsider', 'member')).toEqual(['desk', 'hall']);
    expect(await ids(lab, 'outsider', '/v1/agents', 'agents')).toEqual([
      'ann',
      'listed',
      'member',
      'outsider',
    ]);
    expect(await ids(lab, 'member', '/v1/agents', 'agents')).toContain('squat');
    expect(await outcome(lab, 'outsider', 'GET /v1/agents/far')).toBe('404 not_found');
    expect(await outcome(lab, 'outsider', 'GET /v1/agents?after=far')).toBe('422 invalid_cursor');
  });

  it('HTTP-40 DMs: its own, those of all whom a token is, each once and in order', async () => {
    const lab = await startAuthLab('bearer');
    for (const who of ['member', 'listed', 'person'] as const)
      expect(await ids(lab, who, '/v1/dms', 'dms')).toEqual(['dm-in']);
    expect(await ids(lab, 'outsider', '/v1/dms', 'dms')).toEqual([]);
    expect(await ids(lab, 'observe', '/v1/dms', 'dms')).toEqual(['dm-in', 'dm-out']);
    expect(await outcome(lab, 'member', 'GET /v1/dms?after=dm-out')).toBe('422 invalid_cursor');
    const pairs: [string, string[]][] = [
      ['a', ['listed', 'far']],
      ['b', ['idle', 'far']],
      ['c', ['listed', 'idle']],
      ['d', ['far', 'member']],
      ['e', ['idle', 'listed', 'far']],
      ['z', ['idle', 'far']],
    ];
    for (const [id, participant_ids] of pairs)
      await lab.post(`m-${id}`, participant_ids[0]!, { kind: 'dm', dm_id: `x-${id}`, participant_ids });
    const all = ['dm-in', 'x-a', 'x-b', 'x-c', 'x-e', 'x-z'];
    for (const limit of [1, 2, 4, 100]) {
      type Page = {
        dms: { id: string }[];
        page: { has_more: boolean; next_after?: string; next_before?: string };
      };
      const page = async (query: string): Promise<Page> =>
        JSON.parse((await lab.call('listed', `GET /v1/dms?limit=${limit}${query}`)).text) as Page;
      const met: string[] = [];
      for (let at = await page(''); ; at = await page(`&after=${at.page.next_after}`)) {
        met.push(...at.dms.map(({ id }) => id));
        expect(at.page.has_more).toBe(met.length < all.length);
        if (!at.page.has_more) break;
      }
      expect(met).toEqual(all);
      const back: string[] = [];
      for (let at = await page('&before=x-z'); ; at = await page(`&before=${at.page.next_before}`)) {
        back.unshift(...at.dms.map(({ id }) => id));
        if (!at.page.has_more) break;
      }
      expect(back).toEqual(all.slice(0, -1));
    }
  });
});

describe('what is refused says no more than that', () => {
  it('HTTP-41 who may read nothing here is not told what there is', async () => {
    const lab = await startAuthLab('bearer');
    for (const route of [
      '/v1/rooms/%',
      '/v1/rooms/%/messages',
      '/v1/rooms/%/threads',
      '/v1/threads/t-%',
      '/v1/threads/t-%/messages',
      '/v1/messages/m-%',
      '/v1/dms/%',
      '/v1/dms/%/messages',
      '/v1/agents/%',
      '/v1/artifacts?room_id=%',
      '/v1/artifacts?thread_id=t-%',
      '/v1/artifacts?dm_id=%',
    ])
      for (const name of ['den', 'vault', 'dm-in', 'nothing']) {
        const path = `GET ${route.replace('%', name)}`;
        expect([path, await outcome(lab, 'anon', path)]).toEqual([path, '401 unauthorized']);
        expect([path, await outcome(lab, 'write', path)]).toEqual([path, '403 forbidden']);
        expect([path, await outcome(lab, 'attach', path)]).toEqual([path, '403 forbidden']);
      }
  });

  it('HTTP-41 who may read some is told 403 of others, and 404 of what is not; of DMs always 403', async () => {
    const lab = await startAuthLab('bearer');
    const cases: [route: string, member: string, outsider: string, observe: string][] = [
      ['/v1/rooms/den', '200', '403 forbidden', '200'],
      ['/v1/rooms/nothing', '404 not_found', '404 not_found', '404 not_found'],
      ['/v1/rooms/hall/messages', '200', '200', '200'],
      ['/v1/threads/t-den', '200', '403 forbidden', '200'],
      ['/v1/threads/t-nothing', '404 not_found', '404 not_found', '404 not_found'],
      ['/v1/messages/m-t-den', '200', '403 forbidden', '200'],
      ['/v1/messages/m-dm-in', '200', '403 forbidden', '200'],
      ['/v1/messages/m-nothing', '404 not_found', '404 not_found', '404 not_found'],
      ['/v1/dms/dm-in/messages', '200', '403 forbidden', '200'],
      ['/v1/dms/dm-out', '403 forbidden', '403 forbidden', '200'],
      ['/v1/dms/dm-nothing', '403 forbidden', '403 forbidden', '404 not_found'],
      ['/v1/artifacts?dm_id=dm-in', '200', '403 forbidden', '200'],
      ['/v1/artifacts?dm_id=dm-nothing', '403 forbidden', '403 forbidden', '200'],
      ['/v1/artifacts?thread_id=t-den', '200', '403 forbidden', '200'],
      ['/v1/artifacts?room_id=vault', '403 forbidden', '403 forbidden', '200'],
      ['/v1/artifacts', '422 unprocessable_entity', '422 unprocessable_entity', '422 unprocessable_entity'],
    ];
    for (const [route, ...wanted] of cases) {
      const got = [];
      for (const who of ['member', 'outsider', 'observe'] as const)
        got.push(await outcome(lab, who, `GET ${route}`));
      expect([route, ...got]).toEqual([route, ...wanted]);
    }
  });

  it('HTTP-42 whoever may not is told before his body is read', async () => {
    const lab = await startAuthLab('bearer');
    for (const route of [
      'POST /v1/messages',
      'POST /v1/rooms',
      'PATCH /v1/rooms/a%2Fb',
      'PATCH /v1/rooms/den/members',
      'DELETE /v1/rooms/a%2Fb',
      'POST /v1/apply',
      'POST /v1/guard/resume',
      'POST /v1/pauses',
      'DELETE /v1/pauses/x',
      'POST /v1/agents/wake-failed',
      'POST /v1/agents/far/invite',
      'POST /v1/agents/nothing/rotate-token',
      'DELETE /v1/agents/nothing',
    ])
      for (const body of ['{', '{}', '[]']) {
        expect([route, await outcome(lab, 'anon', route, body)]).toEqual([route, '401 unauthorized']);
        expect([route, await outcome(lab, 'observe', route, body)]).toEqual([route, '403 forbidden']);
      }
  });
});

describe('agents', () => {
  it('HTTP-43 a minted token is in one answer, which nobody keeps: claim, rotation, invitation', async () => {
    const lab = await startAuthLab('claims');
    const secret = async (who: Caller, route: string, body?: unknown) => {
      const reply = await lab.call(who, route, body);
      expect([route, reply.status, reply.headers['cache-control']]).toEqual([route, 201, 'no-store']);
      return JSON.parse(reply.text) as { agent_token: string; code: string };
    };
    const claimed = await secret('anon', 'POST /v1/agents/register', { requested_agent_id: 'fresh' });
    expect(claimed.agent_token).toMatch(/^magt_v1_/);
    const rotated = await secret('operator', 'POST /v1/agents/fresh/rotate-token');
    expect(rotated.agent_token).not.toBe(claimed.agent_token);
    const { code } = await secret('operator', 'POST /v1/agents/squat/invite', {});
    expect(code).toMatch(/^minv_v1_/);
    const as = (token: string, route: string, body?: unknown) =>
      exchange(lab.port, route, { authorization: `Bearer ${token}` }, body);
    const again = await as(rotated.agent_token, 'POST /v1/agents/register', { requested_agent_id: 'fresh' });
    expect([again.status, again.text.includes('token'), again.headers['cache-control']]).toEqual([
      200,
      false,
      undefined,
    ]);
    expect((await as(claimed.agent_token, 'GET /v1/rooms')).status).toBe(401);
  });

  it('HTTP-43 a claim key makes a claim repeatable, a claim code admits to an id that is kept for somebody', async () => {
    const lab = await startAuthLab('claims');
    const claim = (body: object) => lab.call('anon', 'POST /v1/agents/register', body);
    const claim_key = `mkey_v1_${'k'.repeat(43)}`;
    const tokens = [];
    for (let i = 0; i < 2; i++) {
      const reply = await claim({ requested_agent_id: 'fresh', claim_key });
      expect(reply.status).toBe(201);
      tokens.push((JSON.parse(reply.text) as { agent_token: string }).agent_token);
    }
    expect(tokens[0]).not.toBe(tokens[1]);
    expect((await claim({ requested_agent_id: 'fresh' })).code).toBe('agent_taken');
    const { code } = await lab.must<{ code: string }>('POST /v1/agents/removed/invite', {});
    const wrong = { requested_agent_id: 'removed', claim_code: `${code}x` };
    expect((await claim(wrong)).code).toBe('invalid_claim_code');
    expect((await claim({ requested_agent_id: 'removed', claim_code: code })).status).toBe(201);
  });

  it('HTTP-44 a room with a credential takes in whoever knows it, and nobody else', async () => {
    const lab = await startAuthLab('bearer');
    await lab.must('POST /v1/rooms', { id: 'club', visibility: 'private', credential: 'open sesame' });
    const join = (who: Caller, credential: string, room = 'club', id = 'outsider') =>
      lab.call(who, `POST /v1/rooms/${room}/join`, { from: { type: 'agent', id }, credential });
    const refused = [
      await join('outsider', 'guess'),
      await join('outsider', ''),
      await join('outsider', 'open sesame', 'den'),
      await join('outsider', 'open sesame', 'club', 'member'),
    ];
    expect(refused.map(({ status, code }) => `${status} ${code}`)).toEqual(Array(4).fill('403 forbidden'));
    expect(new Set(refused.map(({ text }) => text.replace(/"request_id":"[^"]+"/, ''))).size).toBe(1);
    expect((await join('outsider', 'open sesame', 'nothing')).status).toBe(404);
    expect((await join('anon', 'open sesame')).status).toBe(401);
    const joined = await join('outsider', 'open sesame');
    expect([joined.status, (JSON.parse(joined.text) as { members: string[] }).members]).toEqual([
      200,
      ['outsider'],
    ]);
    expect(joined.text).not.toContain('sesame');
    expect((await join('outsider', 'open sesame')).status).toBe(200);
    expect(await outcome(lab, 'outsider', 'GET /v1/rooms/club/messages')).toBe('200');
  });

  it('RATE-3 guesses of a room credential are counted by identity', async () => {
    const lab = await startAuthLab('bearer', { rates: { claims: { per_second: 0.001, burst: 3 } } });
    const join = (who: Caller, id: string) =>
      outcome(lab, who, 'POST /v1/rooms/hall/join', { from: { type: 'agent', id }, credential: 'guess' });
    const tries = [];
    for (let i = 0; i < 4; i++) tries.push(await join('outsider', 'outsider'));
    expect(tries).toEqual([...Array<string>(3).fill('403 forbidden'), '429 rate_limited']);
    expect(await join('member', 'member')).toBe('403 forbidden');
  });

  it('HTTP-45 a report tells nobody where a message is that its agent is not sent', async () => {
    const lab = await startAuthLab('bearer');
    const stream = await SseClient.open(lab.port, { headers: lab.credential('outsider') });
    const reported = ['m-den', 'm-t-vault', 'm-dm-in', 'm-dm-out', 'nothing', 'm-hall'];
    for (const id of reported)
      await lab.call('outsider', 'POST /v1/agents/wake-failed', {
        agent_id: 'outsider',
        event: { message: { id } },
      });
    const told = () => stream.events.filter(({ event }) => event === 'agent.wake.failed');
    await stream.until(() => told().length === reported.length);
    const targets = told().map(({ data }) => (data!['agent'] as { target?: unknown }).target);
    expect(targets).toEqual([...Array(5).fill(undefined), { kind: 'room', room_id: 'hall' }]);
  });

  it('HTTP-45 why a wake failed is shown to observers and to the agent, not to whoever sees the agent', async () => {
    const lab = await startAuthLab('public');
    const error = 'exit 1: /home/ann/code: no key';
    await lab.must('POST /v1/agents/wake-failed', {
      agent_id: 'member',
      error,
      event: { message: { id: 'm-hall' } },
    });
    for (const route of ['GET /v1/agents', 'GET /v1/agents/member']) {
      for (const who of ['observe', 'operator', 'member'] as const)
        expect((await lab.call(who, route)).text).toContain(error);
      for (const who of ['anon', 'outsider', 'listed', 'person', 'write'] as const) {
        const { status, text } = await lab.call(who, route);
        expect([status, text.includes('"member"'), text.includes('wake')]).toEqual([200, true, false]);
      }
    }
  });

  it('HTTP-45 the token of agents or of a person reports failed wakes of its own agents only', async () => {
    const lab = await startAuthLab('bearer');
    const report = (who: Caller, agent_id: string) =>
      outcome(lab, who, 'POST /v1/agents/wake-failed', { agent_id, event: { message: { id: 'm-hall' } } });
    expect(await report('member', 'member')).toBe('202');
    expect(await report('member', 'far')).toBe('403 forbidden');
    expect(await report('member', 'nothing')).toBe('403 forbidden');
    expect(await report('listed', 'listed')).toBe('202');
    expect(await report('listed', 'member')).toBe('403 forbidden');
    expect(await report('person', 'member')).toBe('403 forbidden');
    expect(await report('write', 'member')).toBe('202');
    expect(await report('pair', 'member')).toBe('202');
    expect(await report('observe', 'member')).toBe('403 forbidden');
    expect(await report('operator', 'member')).toBe('202');
  });
});
