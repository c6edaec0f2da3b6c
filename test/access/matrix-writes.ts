/** Rows of what changes something: logins, claims, administration, messages. matrix.ts says how to read them. */
import type { AuthLab, Caller } from '../support/auth-lab.ts';
import { ADMINS, everyone, NOBODY, PUBLIC, type Row } from './matrix.ts';

const administered = (route: string, more: Partial<Row> = {}): Row => ({
  route,
  none: 200,
  bearer: ADMINS,
  ...more,
});
const room = (lab: AuthLab, id: string, more: object = {}): Promise<unknown> =>
  lab.must('POST /v1/rooms', { id, ...more });
/** A proxy that is not trusted stands before the caller, so it is not known to be on this machine. */
const ELSEWHERE = { 'x-forwarded-for': '203.0.113.7' };
const selfOf = (who: Caller): string => (who === 'person' ? 'ann' : who);

export const sessions: Row[] = [
  {
    // A login: it is the token in the body that counts, and it must be one of the configuration.
    route: 'POST /console/session',
    body: (_n, who, lab) => ({ token: lab.secret(who) ?? '' }),
    none: 200,
    bearer: '401 401 200 200 200 200 200',
    but: { all: { member: '403', outsider: '403', removed: '403', session: '401' } },
  },
  {
    // A ticket for a login, with the same token in the body.
    route: 'POST /console/tickets',
    body: (_n, who, lab) => ({ token: lab.secret(who) ?? '' }),
    none: 201,
    bearer: '401 401 201 201 201 201 201',
    but: { all: { member: '401', outsider: '401', removed: '401', session: '401' } },
  },
  // A logout. The session of the matrix ends here, so it stands last.
  { route: 'DELETE /console/session', none: 200, bearer: PUBLIC },
];

export const registers: Row[] = [
  {
    // a free id
    route: 'POST /v1/agents/register',
    body: (n) => ({ requested_agent_id: n }),
    none: 201,
    bearer: '401 401 403 403 201 403 403',
    claims: '201 401 403 403 201 201 403',
    but: { claiming: { member: '409t~w5', outsider: '409t~w5', listed: '403~w5' } },
  },
  {
    // its own id again
    route: 'POST /v1/agents/register',
    body: (_n, who) => ({ requested_agent_id: who }),
    none: '.',
    bearer: NOBODY,
    but: {
      all: { removed: '.', member: '403', outsider: '403', listed: '403' },
      claiming: { member: '200', outsider: '200', listed: '200', removed: '403r~3.2' },
    },
  },
  {
    // somebody else's
    route: 'POST /v1/agents/register',
    body: () => ({ requested_agent_id: 'far' }),
    none: 200,
    bearer: '401 401 403 403 200 403 403',
    claims: '409t 401 403 403 200 409t 403',
    but: { claiming: { member: '409t~w5', outsider: '409t~w5', listed: '403~w5' } },
  },
  {
    // a person's
    route: 'POST /v1/agents/register',
    body: () => ({ requested_agent_id: 'ann' }),
    none: '.',
    bearer: '401 401 403 403 . 403 403',
    claims: '. 401 403 403 . . 403',
    but: {
      all: { admin: '409p~3.2', operator: '409p~3.2' },
      claiming: {
        anon: '409p~3.2',
        attach: '409p~3.2',
        member: '409t~w5',
        outsider: '409t~w5',
        listed: '403~w5',
      },
    },
  },
  {
    // a removed agent's: back by an admin alone, or with a claim code
    route: 'POST /v1/agents/register',
    before: async (lab, n) => {
      await lab.claim(n);
      await lab.must(`DELETE /v1/agents/${n}`);
    },
    body: (n) => ({ requested_agent_id: n }),
    none: 201,
    bearer: '401 401 403 403 201 403 403',
    claims: '. 401 403 403 201 . 403',
    but: {
      claiming: {
        anon: '403r~3.2',
        attach: '403r~3.2',
        member: '409t~w5',
        outsider: '409t~w5',
        listed: '403~w5',
      },
    },
  },
  {
    // one that a private room names as a member and nobody has claimed: from this machine
    route: 'POST /v1/agents/register',
    before: (lab, n) => lab.must('PATCH /v1/rooms/den/members', { add: [n] }),
    body: (n) => ({ requested_agent_id: n }),
    none: 201,
    bearer: '401 401 403 403 201 403 403',
    claims: '201 401 403 403 201 201 403',
    but: { claiming: { member: '409t~w5', outsider: '409t~w5', listed: '403~w5' } },
  },
  {
    // the same from elsewhere
    route: 'POST /v1/agents/register',
    before: (lab, n) => lab.must('PATCH /v1/rooms/den/members', { add: [n] }),
    body: (n) => ({ requested_agent_id: n }),
    headers: ELSEWHERE,
    none: '.',
    bearer: '401 401 403 403 . 403 403',
    claims: '. 401 403 403 . . 403',
    but: {
      all: { operator: '.' },
      claiming: { anon: '403c~W4', member: '409t~w5', outsider: '409t~w5', listed: '403~w5' },
    },
  },
  {
    // the same with a claim code
    route: 'POST /v1/agents/register',
    before: async (lab, n) => {
      await lab.must('PATCH /v1/rooms/den/members', { add: [n] });
      const { code } = await lab.must<{ code: string }>(`POST /v1/agents/${n}/invite`, {});
      codes.set(n, code);
    },
    body: (n) => ({ requested_agent_id: n, claim_code: codes.get(n) }),
    headers: ELSEWHERE,
    none: '.',
    bearer: '. 401 . . . . .',
    but: { all: { ...everyone('.'), unknown: '401', anon: '201~3.2', removed: '403r~3.2' } },
  },
  {
    // with a claim code that is none
    route: 'POST /v1/agents/register',
    body: (n) => ({ requested_agent_id: n, claim_code: 'minv_v1_nobody-has-made-this-one' }),
    none: '.',
    bearer: NOBODY,
    but: { all: { ...everyone('.'), anon: '403i~3.2' } },
  },
];
const codes = new Map<string, string>();

export const administration: Row[] = [
  administered('POST /v1/rooms', {
    body: (id) => ({ id }),
    none: 201,
    bearer: '401 401 403 403 201 403 403',
  }),
  administered('PATCH /v1/rooms/{roomID}', { at: '/v1/rooms/hall', body: () => ({ name: 'Hall' }) }),
  administered('PATCH /v1/rooms/{roomID}/members', {
    at: '/v1/rooms/hall/members',
    body: () => ({ add: ['member'] }),
  }),
  administered('DELETE /v1/rooms/{roomID}', { at: '/v1/rooms/{n}', before: (lab, n) => room(lab, n) }),
  administered('DELETE /v1/agents/{agentID}', { at: '/v1/agents/{n}', before: (lab, n) => lab.claim(n) }),
  administered('POST /v1/agents/{agentID}/invite', {
    at: '/v1/agents/{n}/invite',
    body: () => ({}),
    none: '.',
    bearer: '401 401 403 403 201 403 403',
  }),
  administered('POST /v1/agents/{agentID}/rotate-token', {
    at: '/v1/agents/farther/rotate-token',
    none: '.',
    bearer: '401 401 403 403 201 403 403',
  }),
  administered('POST /v1/apply', { body: (id) => ({ rooms: [{ id }] }) }),
  administered('POST /v1/reload', {}),
  administered('POST /v1/guard/resume', {
    body: () => ({ conversation: 'room:hall' }),
    // Additive: whoever sees everything and may write, and is nobody's agent.
    but: { all: { session: '200' } },
  }),
  ...['retry', 'drop'].map((action) =>
    administered(`POST /v1/deliveries/{wakeID}/${action}`, {
      at: `/v1/deliveries/none/${action}`,
      none: 404,
      bearer: '401 401 403 403 404 403 403',
      but: { all: { session: '404' } },
    }),
  ),
  administered('POST /v1/agents/{agentID}/wake-test', {
    at: '/v1/agents/far/wake-test',
    but: { all: { session: '200' } },
  }),
  ...(
    [
      ['POST /v1/pauses', { body: () => ({ scope: 'room:hall' }) }],
      ['DELETE /v1/pauses/{scope}', { at: '/v1/pauses/room:hall' }],
    ] as const
  ).map(([route, rest]) =>
    administered(route, {
      ...rest,
      // Additive: as a held conversation is resumed.
      but: { all: { session: '200' } },
    }),
  ),
  {
    // Additive: read positions, which are of people.
    route: 'PUT /v1/reads/{conversation}',
    at: '/v1/reads/room:hall',
    body: () => ({ message_id: 'm-hall' }),
    none: 403,
    bearer: '401 401 403 403 403 403 403',
    but: { all: { person: '200' } },
  },
  {
    route: 'DELETE /v1/messages/{messageID}',
    at: '/v1/messages/{n}',
    before: (lab, n) => lab.post(n, 'member', { kind: 'room', room_id: 'hall' }),
    none: 200,
    bearer: ADMINS,
    // Additive: one's own.
    but: { all: { member: '200' } },
  },
];

const PAIRS = '401 401 403 403 201 403 403';
/** Pairings; there is none in this world. */
export const pairings: Row[] = [
  administered('DELETE /v1/pairings/{pairingID}', {
    at: '/v1/pairings/nowhere',
    none: 404,
    bearer: '401 401 403 403 404 403 403',
  }),
  administered('POST /v1/pairings/{pairingID}/backfill', {
    at: '/v1/pairings/nowhere/backfill',
    body: () => ({ room_id: 'hall' }),
    none: 404,
    bearer: '401 401 403 403 404 403 403',
  }),
  administered('POST /v1/pairing-invites', { body: () => ({ rooms: ['den'] }), none: 201, bearer: PAIRS }),
  administered('GET /v1/pairing-invites'),
  // An upgrade that is none: who may not keep a link is told nothing else.
  {
    route: 'GET /v1/pair-link',
    none: 400,
    bearer: '400 400 400 400 400 400 400',
    but: { all: everyone('400~n5') },
  },
  administered('DELETE /v1/pairing-invites/{inviteID}', {
    at: '/v1/pairing-invites/nowhere',
    none: 404,
    bearer: '401 401 403 403 404 403 403',
  }),
  // A code that is none.
  administered('POST /v1/pairings/accept', {
    body: () => ({ code: 'moltnet-pair:x' }),
    none: '403k',
    bearer: '401 401 403 403 403k 403 403',
  }),
  // Its credential is the secret in the body, and this is none; a token that nobody has is not even read.
  {
    route: 'POST /v1/pairings/exchange',
    body: () => ({ secret: 'guessed', network_id: 'net_b', token: 'x' }),
    none: '403k',
    bearer: NOBODY,
    but: { all: everyone('403k~n5') },
  },
];

export const writes: Row[] = [
  {
    // as an agent that nobody has registered, into a DM of its own
    route: 'POST /v1/messages',
    body: (n) => ({
      from: { type: 'agent', id: `x${n}` },
      target: { kind: 'dm', dm_id: `dm${n}`, participant_ids: [`x${n}`, 'member'] },
      parts: [{ kind: 'text', text: 'hi' }],
    }),
    none: 202,
    bearer: '401 401 403 202 403 403 403',
    // wire.md 4.3 (7): in mode open it must be registered
    open: '401 401 403 401 403 403 403',
    but: {
      all: { member: '409t~w4.3', outsider: '409t~w4.3', listed: '403~w4.3', person: '403~3.2' },
      open: { operator: '401~w4.3' },
    },
  },
  {
    // as itself
    route: 'POST /v1/messages',
    body: (n, who) => ({
      from: { type: who === 'person' ? 'human' : 'agent', id: selfOf(who) },
      target: { kind: 'dm', dm_id: `dm${n}`, participant_ids: [selfOf(who), 'far'] },
      parts: [{ kind: 'text', text: 'hi' }],
    }),
    none: '.',
    bearer: NOBODY,
    but: { all: { removed: '403r~3.2', member: '202', outsider: '202', listed: '202', person: '202' } },
  },
  {
    // additive: paired servers of ours; what is not theirs to say is refused in the answer
    route: 'POST /v1/relay',
    body: (n) => ({ items: [{ redaction: { network_id: 'net_far', message_id: n } }] }),
    none: 200,
    bearer: '401 401 403 403 403 403 200',
  },
  {
    // wire-newer.md 4: write or pair; not for another agent
    route: 'POST /v1/agents/wake-failed',
    body: () => ({ agent_id: 'member', event: { message: { id: 'm-hall' } }, error: 'broken' }),
    none: 202,
    bearer: '401 401 403 202 403 403 202',
    but: { all: { outsider: '403~n4', listed: '403~n4', person: '403~3.2' } },
  },
  {
    // wire-newer.md 4: with the room's credential, by the agent itself
    route: 'POST /v1/rooms/{roomID}/join',
    at: '/v1/rooms/{n}/join',
    before: (lab, n) => room(lab, n, { credential: 'open sesame' }),
    body: (_n, who) => ({ from: { type: 'agent', id: selfOf(who) }, credential: 'open sesame' }),
    none: '.',
    bearer: '401 401 403 403 403 403 403',
    but: { all: { member: '200', outsider: '200', listed: '200~3.4' } },
  },
  ...[
    { credential: 'open says me' },
    { credential: '' },
    { from: { type: 'agent', id: 'far' } },
    { from: { type: 'human', id: 'ann' } },
  ].map((wrong): Row => ({
    route: 'POST /v1/rooms/{roomID}/join',
    at: '/v1/rooms/{n}/join',
    before: (lab, n) => room(lab, n, { credential: 'open sesame' }),
    body: (_n, who) => ({ from: { type: 'agent', id: selfOf(who) }, credential: 'open sesame', ...wrong }),
    none: '.',
    bearer: '401 401 403 403 403 403 403',
  })),
  {
    // a room without a credential takes none
    route: 'POST /v1/rooms/{roomID}/join',
    at: '/v1/rooms/vault/join',
    body: (_n, who) => ({ from: { type: 'agent', id: selfOf(who) }, credential: '' }),
    none: '.',
    bearer: '401 401 403 403 403 403 403',
  },
  {
    route: 'POST /v1/rooms/{roomID}/join',
    at: '/v1/rooms/nowhere/join',
    body: (_n, who) => ({ from: { type: 'agent', id: selfOf(who) }, credential: 'open sesame' }),
    none: '.',
    bearer: '401 401 . . . . .',
    but: { all: { member: '404~n4', outsider: '404~n4', listed: '404~n4', person: '.' } },
  },
];
