/** Every frame that an attachment may send × everybody who may attach (wire.md 5, 6.2 to 6.4; the delivery protocol). */
import { expect, it } from 'vitest';
import { AttachClient, type AttachClientOptions } from '../support/attach-client.ts';
import { CALLERS, MODES, startAuthLab, type AuthLab, type Caller, type Mode } from '../support/auth-lab.ts';

const BINDINGS: AttachClientOptions['bindings'] = {
  rooms: ['hall', 'den', 'desk', 'lobby', 'vault'].map((id) => ({ id, wake: 'all' as const })),
  dms: { enabled: true, wake: 'all' },
  catch_up: 'all',
};

/** Each as this caller, from this machine unless `elsewhere`; `{n}` is a fresh id. */
const CLAIMS: Record<
  string,
  { id: string; elsewhere?: true; before?: (lab: AuthLab, n: string) => Promise<unknown> }
> = {
  itself: { id: '{self}' },
  another: { id: 'far' },
  person: { id: 'ann' },
  removed: { id: 'removed' },
  unknown: { id: '{n}' },
  /** Nobody has claimed it, and a private room names it (W4). */
  reserved: {
    id: '{n}',
    before: (lab, n) => lab.must('PATCH /v1/rooms/den/members', { add: [n] }),
  },
  reserved_elsewhere: {
    id: '{n}',
    elsewhere: true,
    before: (lab, n) => lab.must('PATCH /v1/rooms/den/members', { add: [n] }),
  },
  /** An agent of another network (W3). */
  foreign: { id: 'net_b:gamma' },
};

/** READY, READY+ with a token that was minted, or the code of ERROR; `.` for what nothing is said about. */
const EXPECTED: Record<string, Record<keyof typeof CLAIMS, string>> = {
  // registration in the handshake does not look at agent_registration (wire.md 6.2, 5)
  attach: {
    itself: 'READY',
    another: 'agent_taken',
    person: 'person_reserved',
    removed: 'agent_removed',
    unknown: 'READY',
    reserved: 'READY',
    reserved_elsewhere: '.',
    foreign: 'invalid_agent_id',
  },
  agentToken: {
    itself: 'READY',
    another: 'agent_taken',
    person: 'agent_taken',
    removed: 'agent_taken',
    unknown: 'agent_taken',
    reserved: 'agent_taken',
    reserved_elsewhere: 'agent_taken',
    foreign: 'invalid_agent_id',
  },
  listed: {
    itself: 'READY',
    another: 'forbidden',
    person: 'forbidden',
    removed: 'forbidden',
    unknown: 'forbidden',
    reserved: 'forbidden',
    reserved_elsewhere: 'forbidden',
    foreign: 'invalid_agent_id',
  },
  anon: {
    itself: 'READY+',
    another: 'agent_taken',
    person: 'person_reserved',
    removed: 'agent_removed',
    unknown: 'READY+',
    reserved: 'READY+',
    reserved_elsewhere: 'claim_reserved',
    foreign: 'invalid_agent_id',
  },
  none: {
    itself: 'READY',
    another: 'READY',
    person: '.',
    removed: 'agent_removed',
    unknown: 'READY',
    reserved: 'READY',
    reserved_elsewhere: 'READY',
    foreign: 'invalid_agent_id',
  },
};
/** Coming back is vain (DLV-14): a node that is told so stops. */
const FINAL = new Set(['agent_taken', 'agent_removed', 'person_reserved', 'forbidden', 'invalid_agent_id']);

function kindOf(mode: Mode, who: Caller): string | undefined {
  if (mode === 'none') return who === 'anon' ? 'none' : undefined;
  if (who === 'anon') return mode === 'claims' || mode === 'open' ? 'anon' : undefined;
  if (who === 'member' || who === 'outsider') return 'agentToken';
  return who === 'attach' || who === 'listed' ? who : undefined;
}
const attachers = (mode: Mode): Caller[] => CALLERS.filter((who) => kindOf(mode, who) !== undefined);

function client(lab: AuthLab, who: Caller, agent: string, elsewhere = false): Promise<AttachClient> {
  return AttachClient.attach({
    url: `ws://127.0.0.1:${lab.port}/v1/attach`,
    agent,
    bindings: BINDINGS,
    headers: { ...lab.credential(who), ...(elsewhere && { 'x-forwarded-for': '203.0.113.7' }) },
  });
}
for (const mode of MODES)
  it(`AUTH-95 whom an attachment may identify itself as: mode ${mode}`, async () => {
    const lab = await startAuthLab(mode);
    const wrong: string[] = [];
    for (const who of attachers(mode))
      for (const [claim, { id, elsewhere, before }] of Object.entries(CLAIMS)) {
        const cell = EXPECTED[kindOf(mode, who)!]![claim]!;
        if (cell === '.') continue;
        const n = `f-${who}-${claim.replace('_', '-')}`;
        await before?.(lab, n);
        const self = who === 'anon' || who === 'attach' ? `self-of-${who}` : who;
        const attached = await client(lab, who, id.replace('{self}', self).replace('{n}', n), elsewhere);
        const ready = attached.of('READY')[0];
        const error = attached.of('ERROR')[0];
        const got = ready
          ? `READY${ready['agent_token'] === undefined ? '' : '+'}`
          : (error?.code ?? 'nothing');
        if (got !== cell)
          wrong.push(`${mode}: ${who} as ${claim}: expected ${cell}, got ${got} ${error?.error ?? ''}`);
        if (error && FINAL.has(cell) && error.permanent !== true)
          wrong.push(`${mode}: ${who} as ${claim}: ${cell} is not permanent`);
        if (!ready) {
          await attached.gone();
          if (attached.closeCode === 1000 || attached.closeCode === 1001)
            wrong.push(`${mode}: ${who} as ${claim}: closed with ${attached.closeCode}`);
        }
        await attached.drop();
      }
    expect(wrong.join('\n')).toBe('');
  });

it('AUTH-95 a claim by attach gives its token once, and the token is the agent', async () => {
  const lab = await startAuthLab('claims');
  const first = await client(lab, 'anon', 'newcomer');
  const token = first.of('READY')[0]!['agent_token'] as string;
  expect(token).toMatch(/^magt_v1_[\w-]{43}$/);
  await first.drop();
  expect((await client(lab, 'anon', 'newcomer')).of('ERROR')[0]?.code).toBe('agent_taken');
  const url = `ws://127.0.0.1:${lab.port}/v1/attach`;
  const headers = { authorization: `Bearer ${token}` };
  const again = await AttachClient.attach({ url, agent: 'newcomer', bindings: BINDINGS, headers });
  expect(again.of('READY')[0]).not.toHaveProperty('agent_token');
});

it('AUTH-95 an attachment that claimed its agent ends when the agent gets another token, or is removed', async () => {
  const lab = await startAuthLab('claims');
  for (const [id, route] of [
    ['rotated', 'POST /v1/agents/rotated/rotate-token'],
    ['thrown-out', 'DELETE /v1/agents/thrown-out'],
  ] as const) {
    const attached = await client(lab, 'anon', id);
    expect(attached.has('READY')).toBe(true);
    await lab.must(route);
    await attached.gone();
    expect(attached.of('ERROR')[0]?.code).toBe(id === 'rotated' ? 'unauthorized' : 'agent_removed');
    expect([1000, 1001]).not.toContain(attached.closeCode);
  }
});

/** What is sent after READY → the code of ERROR, or undefined where the attachment goes on. */
const FRAMES: Record<string, { send: (to: AttachClient) => void; code?: string }> = {
  pong: { send: (to) => to.send({ op: 'PONG' }) },
  ping: { send: (to) => to.send({ op: 'PING' }) },
  'ack of nothing': { send: (to) => to.ack('evt_that_was_never_sent'), code: 'unknown_cursor' },
  "ack of another's event": { send: (to) => to.ack(foreignEvent), code: 'unknown_cursor' },
  "wake of another's conversation": {
    send: (to) =>
      to.send({ op: 'WAKE', wake_id: 'w1', conversation: 'dm:dm-out', cursor: foreignEvent, attempt: 1 }),
    code: 'unknown_cursor',
  },
  'wake of a private room': {
    send: (to) =>
      to.send({ op: 'WAKE', wake_id: 'w2', conversation: 'room:vault', cursor: foreignEvent, attempt: 1 }),
    code: 'unknown_cursor',
  },
  identify: { send: (to) => to.identify({ agent: { id: 'far' } }), code: 'bad_frame' },
  event: { send: (to) => to.send({ op: 'EVENT', cursor: 'x' }), code: 'bad_frame' },
  ready: { send: (to) => to.send({ op: 'READY' }), code: 'bad_frame' },
  hello: { send: (to) => to.send({ op: 'HELLO' }), code: 'bad_frame' },
  'unknown op': { send: (to) => to.send({ op: 'ADMIN' }), code: 'bad_frame' },
  'no version': { send: (to) => to.sendRaw('{"op":"PING"}'), code: 'bad_frame' },
  'no JSON': { send: (to) => to.sendRaw('{"op":'), code: 'bad_frame' },
  'a list': { send: (to) => to.sendRaw('[]'), code: 'bad_frame' },
  'no op': { send: (to) => to.sendRaw('{"version":"moltnet.attach.v1"}'), code: 'bad_frame' },
  binary: { send: (to) => to.sendRaw(Buffer.from([1, 2, 3])), code: 'bad_frame' },
};
let foreignEvent = '';

for (const mode of MODES)
  it(`AUTH-95 what an attachment may send after READY: mode ${mode}`, async () => {
    const lab = await startAuthLab(mode);
    const sent = await lab.must<{ event_id: string }>('POST /v1/messages', {
      from: { type: 'agent', id: 'far' },
      target: { kind: 'dm', dm_id: 'dm-out' },
      parts: [{ kind: 'text', text: 'not for you' }],
    });
    foreignEvent = sent.event_id;
    const wrong: string[] = [];
    for (const who of attachers(mode))
      for (const [name, { send, code }] of Object.entries(FRAMES)) {
        // An anonymous caller has a new id each time: the one before is its token's now.
        const self = mode === 'none' ? 'outsider' : who === 'anon' ? `g-${name.replace(/\W/g, '-')}` : who;
        const attached = await client(lab, who, self === 'attach' ? 'self-of-attach' : self);
        if (!attached.has('READY')) {
          wrong.push(`${mode}: ${who} was not attached: ${attached.error}`);
          continue;
        }
        send(attached);
        if (code === undefined) {
          await attached.settle();
          if (attached.closed) wrong.push(`${mode}: ${who} ${name}: ended, ${attached.error}`);
        } else {
          await attached.gone();
          const got = attached.of('ERROR')[0]?.code;
          if (got !== code)
            wrong.push(`${mode}: ${who} ${name}: expected ${code}, got ${got} ${attached.error}`);
        }
        for (const frame of attached.raw)
          if (frame.includes('not for you')) wrong.push(`${mode}: ${who} ${name}: ${frame}`);
        await attached.drop();
      }
    expect(wrong.join('\n')).toBe('');
  });

it('AUTH-95 BOOTSTRAP answers the rooms that the agent is sent, and says nothing of others', async () => {
  const lab = await startAuthLab('bearer');
  const asked = { op: 'BOOTSTRAP', rooms: ['hall', 'den', 'vault', 'nowhere'] };
  for (const [who, rooms] of [
    ['member', ['hall', 'den']],
    ['outsider', ['hall']],
    ['listed', ['hall', 'den']],
  ] as const) {
    const attached = await client(lab, who, who);
    attached.send(asked);
    await attached.until(() => attached.has('BOOTSTRAP') || attached.closed);
    expect(attached.of('BOOTSTRAP')[0]?.rooms, who).toEqual(rooms);
  }
});
