/** What the lists hold for whom: the rows of matrix.ts say only that they may be asked for. */
import { expect, it } from 'vitest';
import { hashSecret } from '../../src/protocol/credentials.ts';
import { CALLERS, MODES, startAuthLab, type Caller, type Mode, type Reply } from '../support/auth-lab.ts';
import { SseClient } from '../support/sse-client.ts';

const ALL_ROOMS = 'den desk hall lobby vault';
const PUBLIC_ROOMS = 'desk hall lobby';
const ALL_AGENTS = 'ann far farther idle listed member outsider squat';
/** Members of the public rooms. */
const PUBLIC_AGENTS = 'ann listed member';

/** Ids in each list; undefined where the list is refused. `local` is a caller of mode none or one that observes. */
const expected: Record<'rooms' | 'agents' | 'dms', (mode: Mode, who: Caller) => string | undefined> = {
  rooms(mode, who) {
    if (sees(mode, who)) return ALL_ROOMS;
    if (['member', 'listed', 'person'].includes(who)) return 'den desk hall lobby';
    if (who === 'outsider') return PUBLIC_ROOMS;
    // W39: a pair token may ask, and is shown what is public.
    if (mode === 'bearer') return who === 'pair' ? '' : undefined;
    return PUBLIC_ROOMS;
  },
  agents(mode, who) {
    if (sees(mode, who)) return ALL_AGENTS;
    if (who === 'member' || who === 'person') return 'ann listed member squat';
    if (who === 'listed') return 'ann idle listed member squat';
    if (who === 'outsider') return `${PUBLIC_AGENTS} outsider`;
    if (mode === 'bearer') return who === 'pair' ? '' : undefined;
    return PUBLIC_AGENTS;
  },
  dms(mode, who) {
    if (sees(mode, who)) return 'dm-in dm-out';
    if (['member', 'listed', 'person'].includes(who)) return 'dm-in';
    return who === 'outsider' ? '' : undefined;
  },
};
const sees = (mode: Mode, who: Caller): boolean =>
  mode === 'none' || ['observe', 'admin', 'session', 'operator'].includes(who);

for (const mode of MODES)
  it(`AUTH-94 lists hold what the caller may read, and all of it: mode ${mode}`, async () => {
    const lab = await startAuthLab(mode);
    for (const [list, of] of Object.entries(expected))
      for (const who of CALLERS) {
        if (mode !== 'none' && (who === 'unknown' || who === 'removed')) continue;
        const reply = await lab.call(who, `GET /v1/${list}`);
        const page = JSON.parse(reply.text) as Record<string, { id: string }[]>;
        const ids = reply.status === 200 ? page[list]!.map(({ id }) => id).join(' ') : undefined;
        expect(ids, `${mode}: /v1/${list} for ${who}`).toBe(of(mode, who));
      }
  });

it('AUTH-94 an agent is listed with the rooms that the caller may read', async () => {
  const lab = await startAuthLab('public');
  const roomsOf = async (who: Caller, id: string): Promise<string | undefined> =>
    (JSON.parse((await lab.call(who, `GET /v1/agents/${id}`)).text) as { rooms?: string[] }).rooms?.join(' ');
  expect(await roomsOf('anon', 'member')).toBe('desk hall');
  expect(await roomsOf('outsider', 'member')).toBe('desk hall');
  expect(await roomsOf('listed', 'member')).toBe('den desk hall');
  expect(await roomsOf('observe', 'member')).toBe('den desk hall');
});

it('AUTH-94 the documents name the rooms that the caller may read, and no others', async () => {
  for (const mode of ['bearer', 'public', 'open'] as const) {
    const lab = await startAuthLab(mode);
    for (const at of ['/install.md', '/skill.md'])
      for (const who of CALLERS) {
        const { status, text } = await lab.call(who, `GET ${at}`);
        const rooms = expected.rooms(mode, who) ?? '';
        for (const room of ALL_ROOMS.split(' '))
          if (status !== 200 || !rooms.split(' ').includes(room))
            expect(text, `${mode}: ${at} for ${who}`).not.toMatch(new RegExp(`\\b${room}\\b`));
          else expect(text, `${mode}: ${at} for ${who}`).toContain(`\`${room}\``);
      }
  }
});

it('AUTH-94 what the guard does is told to observers, and to nobody else', async () => {
  const lab = await startAuthLab('public', { guard: { turns: 2 } });
  const stream = (who: Caller): Promise<SseClient> =>
    SseClient.open(lab.port, { headers: { ...lab.credential(who), 'sec-fetch-site': 'same-origin' } });
  const observers = await Promise.all((['observe', 'admin', 'session'] as const).map(stream));
  const others = await Promise.all((['anon', 'write', 'member', 'listed', 'person'] as const).map(stream));
  for (let turn = 0; turn < 4; turn++)
    await lab.post(`g${turn}`, turn % 2 === 0 ? 'member' : 'listed', { kind: 'room', room_id: 'hall' });
  await lab.must('POST /v1/guard/resume', { conversation: 'room:hall' });
  await lab.post('g9', 'member', { kind: 'room', room_id: 'hall' });
  for (const each of [...observers, ...others])
    await each.until(() => each.messages.includes('g9') || each.ended);
  for (const { types } of observers)
    expect(types.filter((type) => type.startsWith('conversation.'))).toEqual([
      'conversation.held',
      'conversation.resumed',
    ]);
  for (const { types } of others) expect(types.join(' ')).not.toMatch(/conversation\.|pairing\.|wake/);
});

it('AUTH-94 a cursor of what the caller may not see is no cursor, as one of nothing is', async () => {
  const lab = await startAuthLab('public');
  const plain = ({ status, text }: Reply, id: string): string =>
    `${status} ${text.replace(/"request_id":"[^"]*"/, '').replaceAll(id, 'ID')}`;
  for (const [who, at, seen, foreign] of [
    ['outsider', '/v1/rooms', 'hall', 'vault'],
    ['anon', '/v1/rooms', 'hall', 'den'],
    ['anon', '/v1/agents', 'member', 'far'],
    ['member', '/v1/agents', 'member', 'far'],
    ['member', '/v1/dms', 'dm-in', 'dm-out'],
    ['member', '/v1/rooms/den/threads', 't-den', 't-vault'],
    ['member', '/v1/rooms/den/messages', 'm-den', 'm-vault'],
    ['member', '/v1/rooms/hall/messages', 'm-hall', 'm-dm-out'],
    ['member', '/v1/threads/t-den/messages', 'm-t-den', 'm-t-vault'],
    ['member', '/v1/dms/dm-in/messages', 'm-dm-in', 'm-dm-out'],
  ] as const)
    for (const by of ['before', 'after']) {
      const page = (id: string): Promise<Reply> => lab.call(who, `GET ${at}?${by}=${id}`);
      expect((await page(seen)).status, `${who} ${at} ${seen}`).toBe(200);
      const refused = await page(foreign);
      expect(refused.code, `${who} ${at} ${foreign}`).toBe('invalid_cursor');
      expect(plain(refused, foreign)).toBe(plain(await page('nowhere'), 'nowhere'));
    }
});

it('AUTH-94 what was for a removed agent is read no more, not by a static token that names it either', async () => {
  const lab = await startAuthLab('bearer');
  const stream = await SseClient.open(lab.port, { headers: lab.credential('listed') });
  await lab.must('DELETE /v1/agents/listed');
  await lab.post('after', 'member', { kind: 'dm', dm_id: 'dm-in' });
  await lab.post('in-hall', 'member', { kind: 'room', room_id: 'hall' });
  // `idle` is still an agent of this token, and reads what is public.
  await stream.until(() => stream.messages.includes('in-hall') || stream.ended);
  expect(stream.messages).toEqual(['in-hall']);
  expect((await lab.call('listed', 'GET /v1/dms')).text).not.toContain('dm-in');
  for (const at of ['/v1/dms/dm-in', '/v1/dms/dm-in/messages', '/v1/messages/after', '/v1/rooms/den'])
    expect((await lab.call('listed', `GET ${at}`)).status, at).toBe(403);
});

it('AUTH-94 no answer and no event shows a secret, or its hash, to anybody but the one it was made for', async () => {
  const lab = await startAuthLab('claims', {
    pairings: [{ id: 'friend', remote_base_url: 'http://127.0.0.1:9', token: 'secret-of-the-pairing' }],
  });
  const stream = await SseClient.open(lab.port, { headers: lab.credential('operator') });
  const credential = 'secret-of-the-room';
  const shown = [JSON.stringify(await lab.must('POST /v1/rooms', { id: 'locked', credential }))];
  shown.push(JSON.stringify(await lab.must('PATCH /v1/rooms/locked', { credential: `${credential}-2` })));
  const rooms = [{ id: 'locked', credential: `${credential}-3` }];
  shown.push(JSON.stringify(await lab.must('POST /v1/apply', { rooms })));
  const { code } = await lab.must<{ code: string }>('POST /v1/agents/newcomer/invite', {});
  const rotated = await lab.must<{ agent_token: string }>('POST /v1/agents/far/rotate-token');
  await lab.post('last', 'member', { kind: 'room', room_id: 'hall' });
  for (const at of [
    '/v1/rooms',
    '/v1/rooms/locked',
    '/v1/agents',
    '/v1/agents/far',
    '/v1/network',
    '/v1/pairings',
  ])
    shown.push((await lab.call('operator', `GET ${at}`)).text);
  for (const at of ['/v1/identity', '/v1/guard', '/metrics', '/openapi.json', '/install.md', '/skill.md'])
    shown.push((await lab.call('operator', `GET ${at}`)).text);
  shown.push((await lab.call('session', 'GET /v1/identity')).text);
  shown.push((await lab.call('operator', 'POST /v1/reload')).text);
  await stream.until(() => stream.messages.includes('last') || stream.ended);
  shown.push(stream.text);
  const secrets = [
    ...CALLERS.flatMap((who) => lab.secret(who) ?? []),
    ...['', '-2', '-3'].map((end) => `${credential}${end}`),
    'secret-of-the-pairing',
    code,
    rotated.agent_token,
  ];
  for (const secret of secrets)
    for (const text of shown) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(hashSecret(secret));
    }
  for (const text of shown) expect(text).not.toMatch(/(?:magt|minv|mses|mkey)_v1_[\w-]{20}/);
});
