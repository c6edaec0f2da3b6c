/** Who may sign as whom, and write where: wire.md 4.3 and 4.4 as one table, from the document. */
import { RELAY_HEADER } from '../../src/protocol/pairings.ts';
import { expect, it } from 'vitest';
import { startAuthLab, type AuthLab, type Caller, type Mode } from '../support/auth-lab.ts';
import { parseCell } from './matrix.ts';

/** Room policies, and a new DM in which the sender takes part. */
const PLACES = ['members', 'registered_agents', 'operators', 'dm'] as const;

/** Members of each of the rooms; `rem` and `ria` are of the network net_b. */
const MEMBERS = ['member', 'listed', 'ann', 'visitor', 'casual', 'net_b:rem', 'net_b:ria'];

interface Case {
  as: Caller;
  /** `type id`, `@network` behind it: relayed from there; `#network`: it only says that it is of there. */
  from: string;
  /** One cell a place, or one for all (the notation of matrix.ts). */
  cells: string;
  /** In mode open, where it differs. */
  open?: string;
}

const CASES: readonly Case[] = [
  { as: 'anon', from: 'agent stranger', cells: '401' },
  { as: 'anon', from: 'human walker', cells: '401' },
  { as: 'unknown', from: 'agent stranger', cells: '401' },
  { as: 'observe', from: 'agent stranger', cells: '403' },
  { as: 'attach', from: 'agent stranger', cells: '403' },
  { as: 'admin', from: 'agent stranger', cells: '403' },
  { as: 'admin', from: 'human walker', cells: '403' },

  // a static token with write
  { as: 'write', from: 'agent stranger', cells: '403w 403w 202 202', open: '401' },
  { as: 'write', from: 'agent casual', cells: '202', open: '401' },
  { as: 'write', from: 'human walker', cells: '403w 403w 202 202' },
  { as: 'write', from: 'human visitor', cells: '202' },
  { as: 'write', from: 'agent member', cells: '409t' },
  { as: 'write', from: 'agent listed', cells: '409t' },
  { as: 'write', from: 'human ann', cells: '409p~3.2' },
  { as: 'write', from: 'human member', cells: '409t~3.2' },
  { as: 'write', from: 'human listed', cells: '409t~3.2' },
  { as: 'write', from: 'agent ann', cells: '409p~3.2', open: '.' },
  { as: 'write', from: 'agent removed', cells: '403r~3.2', open: '.' },
  { as: 'session', from: 'human walker', cells: '403w 403w 202 202' },
  { as: 'session', from: 'human ann', cells: '409p~3.2' },
  { as: 'session', from: 'agent stranger', cells: '403w 403w 202 202', open: '401' },
  { as: 'session', from: 'agent member', cells: '409t' },

  // admin and write together
  { as: 'operator', from: 'agent stranger', cells: '202', open: '401' },
  { as: 'operator', from: 'agent outsider', cells: '202' },
  { as: 'operator', from: 'human walker', cells: '202' },
  { as: 'operator', from: 'human ann', cells: '409p~3.2' },
  { as: 'operator', from: 'human member', cells: '409t~3.2' },

  // agent tokens
  { as: 'member', from: 'agent member', cells: '202 202 403w 202' },
  { as: 'outsider', from: 'agent outsider', cells: '403w 202 403w 202' },
  { as: 'member', from: 'agent outsider', cells: '409t' },
  { as: 'member', from: 'agent stranger', cells: '409t' },
  { as: 'member', from: 'human member', cells: '403' },
  { as: 'member', from: 'human walker', cells: '403' },
  { as: 'member', from: 'human ann', cells: '403' },
  { as: 'removed', from: 'agent removed', cells: '403r~3.2' },

  // a static token with agents: it is its agents'
  { as: 'listed', from: 'agent listed', cells: '202 202 403w~W13 202' },
  { as: 'listed', from: 'agent idle', cells: '403w 403w 403w~W13 202' },
  { as: 'listed', from: 'agent stranger', cells: '403' },
  { as: 'listed', from: 'agent member', cells: '403' },
  { as: 'listed', from: 'human walker', cells: '403w 403w 403w~W13 202' },
  { as: 'listed', from: 'human visitor', cells: '202 202 403w~W13 202' },

  // a person's
  { as: 'person', from: 'human ann', cells: '202' },
  { as: 'person', from: 'human bob', cells: '403~3.2' },
  { as: 'person', from: 'human walker', cells: '403~3.2' },
  { as: 'person', from: 'human member', cells: '403~3.2' },
  { as: 'person', from: 'agent stranger', cells: '403~3.2' },
  { as: 'person', from: 'agent member', cells: '403~3.2' },
  { as: 'person', from: 'agent ann', cells: '403~3.2' },

  // a pair token, and others who speak for another network
  { as: 'pair', from: 'agent stranger', cells: '403' },
  { as: 'pair', from: 'human walker', cells: '403' },
  { as: 'pair', from: 'agent member', cells: '403' },
  { as: 'pair', from: 'agent rem@net_b', cells: '202 202 403w 202' },
  { as: 'pair', from: 'agent roe@net_b', cells: '403w 403w 403w 202' },
  { as: 'pair', from: 'human ria@net_b', cells: '202 202 403w 202' },
  { as: 'pair', from: 'human rob@net_b', cells: '403w 403w 403w 202' },
  { as: 'anon', from: 'agent rem@net_b', cells: '401' },
  { as: 'write', from: 'agent rem@net_b', cells: '409', open: '403' },
  { as: 'write', from: 'human ria@net_b', cells: '403' },
  { as: 'operator', from: 'agent rem@net_b', cells: '409', open: '403' },
  { as: 'operator', from: 'human ria@net_b', cells: '403' },
  { as: 'member', from: 'agent rem@net_b', cells: '409', open: '403' },
  { as: 'write', from: 'agent rem#net_b', cells: '409', open: '403' },
  { as: 'member', from: 'agent member#net_b', cells: '409', open: '403' },
];

const ROUTE = 'POST /v1/messages';
/** A relay that is told a refusal by its status (RLY-22). */
const RELAYED = { [RELAY_HEADER]: '1' };

function request(n: string, from: string, place: string): object {
  const [, type, id, sign, network] = /^(\w+) ([\w-]+)(?:([@#])(\w+))?$/.exec(from)!;
  const actor = { type, id, ...(network && { network_id: network }) };
  return {
    id: n,
    from: actor,
    ...(sign === '@' && { origin: { network_id: network, message_id: n } }),
    target:
      place === 'dm'
        ? { kind: 'dm', dm_id: `dm-${n}`, participant_ids: [network ? `${network}:${id}` : id, 'far'] }
        : { kind: 'room', room_id: `w-${place}` },
    parts: [{ kind: 'text', text: 'hi' }],
  };
}

async function startRooms(mode: Mode): Promise<AuthLab> {
  const lab = await startAuthLab(mode);
  for (const policy of PLACES.slice(0, 3))
    await lab.must('POST /v1/rooms', { id: `w-${policy}`, write_policy: policy, members: MEMBERS });
  return lab;
}

for (const mode of ['bearer', 'claims', 'open'] as const)
  it(`AUTH-92 who signs as whom and writes where: mode ${mode}`, async () => {
    const lab = await startRooms(mode);
    const wrong: string[] = [];
    for (const [index, { as, from, cells, open }] of CASES.entries()) {
      const columns = (mode === 'open' ? (open ?? cells) : cells).split(' ');
      for (const [place, text] of PLACES.map((each, i) => [each, columns[i] ?? columns[0]!] as const)) {
        const cell = parseCell(text);
        if (!cell) continue;
        const reply = await lab.call(as, ROUTE, request(`w${index}-${place}`, from, place), RELAYED);
        if (reply.status !== cell.status || (reply.code ?? cell.code) !== cell.code)
          wrong.push(
            `${mode}: ${as} as ${from} into ${place}: expected ${text}, got ${reply.status} ${reply.text.slice(0, 160)}`,
          );
      }
    }
    expect(wrong.join('\n')).toBe('');
  });

it('AUTH-92 what pair tokens relay names its network in one voice, and people of others come by pairing alone', async () => {
  const lab = await startRooms('bearer');
  const relayed = (n: string, from: object): object => ({
    ...request(n, 'agent rem@net_b', 'members'),
    from: { type: 'agent', id: 'rem', ...from },
  });
  for (const [n, from] of [
    ['r1', {}],
    ['r2', { network_id: 'net_c' }],
    ['r3', { network_id: 'net_b', fqid: 'molt://net_c/agents/rem' }],
    ['r4', { network_id: 'net_b', id: 'net_c:rem' }],
    ['r5', { network_id: 'local' }],
  ] as const)
    expect((await lab.call('pair', ROUTE, relayed(n, from), RELAYED)).status, n).toBe(409);
  const none = await startRooms('none');
  for (const [from, status] of [
    ['agent stranger', 202],
    ['human walker', 202],
    ['agent rem#net_b', 202],
    ['human ria@net_b', 403],
  ] as const)
    for (const place of PLACES) {
      const reply = await none.call(
        'anon',
        ROUTE,
        request(`n-${from.replace(/\W/g, '')}-${place}`, from, place),
        RELAYED,
      );
      expect(reply.status, `${from} ${place} ${reply.text}`).toBe(status);
    }
});

it('AUTH-93 a DM takes messages of its participants only, whoever asks (W2)', async () => {
  for (const mode of ['none', 'bearer', 'open'] as const) {
    const lab = await startAuthLab(mode);
    const into = (who: Caller, id: string, participant_ids?: string[]) =>
      lab.call(who, 'POST /v1/messages', {
        from: { type: 'agent', id },
        target: { kind: 'dm', dm_id: 'dm-in', participant_ids },
        parts: [{ kind: 'text', text: 'hi' }],
      });
    expect((await into('outsider', 'outsider')).code).toBe('not_a_participant');
    expect((await into('operator', 'far')).code).toBe('not_a_participant');
    expect((await into('outsider', 'outsider', ['outsider', 'member', 'listed', 'ann'])).code).toBe(
      'dm_participants_mismatch',
    );
    expect((await into('member', 'member')).status).toBe(202);
  }
});

it('AUTH-93 `access` of a room is what the caller finds when it writes there (issue-3.4)', async () => {
  for (const mode of ['bearer', 'claims', 'open'] as const) {
    const lab = await startRooms(mode);
    for (const who of [
      'anon',
      'observe',
      'attach',
      'member',
      'outsider',
      'listed',
      'person',
      'operator',
    ] as const) {
      const listed = await lab.call(who, 'GET /v1/rooms');
      if (listed.status !== 200) continue;
      const { rooms } = JSON.parse(listed.text) as {
        rooms: { id: string; access: { can_read: boolean; can_write: boolean; reason: string } }[];
      };
      for (const { id, access } of rooms) {
        const from =
          who === 'person'
            ? { type: 'human', id: 'ann' }
            : who === 'operator'
              ? { type: 'human', id: 'walker' }
              : { type: 'agent', id: who };
        const sent = await lab.call(who, 'POST /v1/messages', {
          from,
          target: { kind: 'room', room_id: id },
          parts: [{ kind: 'text', text: 'hi' }],
        });
        const read = await lab.call(who, `GET /v1/rooms/${id}/messages`);
        expect([access.can_read, access.can_write], `${mode} ${who} ${id} ${sent.text}`).toEqual([
          read.status === 200,
          sent.status === 202,
        ]);
      }
    }
  }
});
