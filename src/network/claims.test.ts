import { describe, expect, it } from 'vitest';
import { bearer, codeOf, openLab, type Lab } from '../../test/support/network-lab.ts';
import { agentTokenKey, newClaimKey } from '../protocol/credentials.ts';
import type { MoltnetError } from '../protocol/errors.ts';
import { agentIdentity, anyone, type Identity } from './identity.ts';
import type { NetworkSettings } from './settings.ts';
import type { CommandTypes } from './commands.ts';

type Claim = Partial<CommandTypes['agent.register'][0]>;

const nobody: Identity = { mode: 'bearer', credential_key: 'anonymous', scopes: new Set() };
const admin = bearer('op', ['admin']);
const DAY = 24 * 3600 * 1000;

const openRegistration = (settings: Partial<NetworkSettings> = {}, more: object = {}) =>
  openLab({
    settings: { auth_mode: 'bearer', agent_registration: 'open', ...settings },
    identity: admin,
    ...more,
  });
const claim = (lab: Lab, requested_id: string, more: Claim = {}, as: Identity = nobody) =>
  lab.execute('agent.register', { requested_id, via: 'http', ...more }, as);
const owner = (token: string | undefined, id = 'alpha') => agentIdentity('bearer', agentTokenKey(token!), id);
const say = (lab: Lab, as: Identity, id = 'alpha') => {
  const from = { type: 'agent', id };
  const target = { kind: 'dm', participant_ids: [id, 'far'] };
  return codeOf(
    lab.execute(
      'message.send',
      { request: { from, target, parts: [{ kind: 'text', text: 'hi' }] } as never },
      as,
    ),
  );
};

describe('a claim without a credential', () => {
  it('AGENT-20 mints a token that is shown once and kept as its hash, and the id is its own', async () => {
    const lab = await openRegistration();
    const { registration, created } = await claim(lab, 'alpha', { name: 'Alpha' });
    expect(created).toBe(true);
    expect(registration.agent_token).toMatch(/^magt_v1_[A-Za-z0-9_-]{43}$/);
    expect(Object.keys(registration)).toEqual([
      'network_id',
      'agent_id',
      'actor_uid',
      'actor_uri',
      'display_name',
      'agent_token',
      'created_at',
      'updated_at',
    ]);
    const own = owner(registration.agent_token);
    expect(lab.network.topology.agent('alpha')!.credential_key).toBe(own.credential_key);
    expect(await say(lab, own)).toBe('accepted');
    expect(await codeOf(claim(lab, 'alpha'))).toBe('agent_taken');
    expect(await codeOf(claim(lab, 'alpha', { via: 'attach' }))).toBe('agent_taken');
    const again = await claim(lab, 'alpha', {}, own);
    expect([again.created, again.registration.agent_token]).toEqual([false, undefined]);
    expect(await codeOf(claim(lab, 'beta', {}, own))).toBe('agent_taken');
    expect(JSON.stringify(lab.events)).not.toContain(registration.agent_token);
  });

  it('AGENT-20 is refused where registration is not open, and an agent left over from mode none is nobody’s', async () => {
    const lab = await openRegistration({ agent_registration: 'token' });
    expect(await codeOf(claim(lab, 'alpha'))).toBe('unauthorized');
    expect(await codeOf(claim(lab, 'alpha', { via: 'attach' }))).toBe('unauthorized');
    await lab.execute('agent.register', { requested_id: 'old', via: 'http' }, anyone);
    lab.network.settings.agent_registration = 'open';
    expect(await codeOf(claim(lab, 'old'))).toBe('agent_taken');
    expect(await codeOf(claim(lab, 'old', { claim_key: newClaimKey() }))).toBe('agent_taken');
  });

  it('AGENT-20 mints nothing in mode none, and for a credential of the configuration', async () => {
    const lab = await openLab();
    const inNone = await claim(lab, 'alpha', { claim_key: newClaimKey() }, anyone);
    expect(inNone.registration.agent_token).toBeUndefined();
    expect(lab.network.topology.agent('alpha')).toMatchObject({
      credential_key: 'anonymous',
      claim_key_hash: null,
    });
    const open = await openRegistration();
    const byToken = await claim(
      open,
      'alpha',
      { claim_key: newClaimKey() },
      bearer('node', ['attach', 'write']),
    );
    expect(byToken.registration.agent_token).toBeUndefined();
    expect(open.network.topology.agent('alpha')).toMatchObject({
      credential_key: 'token:node',
      claim_key_hash: null,
    });
  });
});

describe('a claim key', () => {
  it('AGENT-21 mints again until the token is used, and voids the one before', async () => {
    const lab = await openRegistration();
    const claim_key = newClaimKey();
    const first = await claim(lab, 'alpha', { claim_key, via: 'attach' });
    const second = await claim(lab, 'alpha', { claim_key, name: 'Alpha' });
    expect([first.created, second.created]).toEqual([true, true]);
    const [lost, kept] = [owner(first.registration.agent_token), owner(second.registration.agent_token)];
    expect(lost.credential_key).not.toBe(kept.credential_key);
    expect(second.registration).toMatchObject({
      actor_uid: first.registration.actor_uid,
      created_at: first.registration.created_at,
      display_name: 'Alpha',
    });
    expect(await say(lab, lost)).toBe('agent_taken');
    expect(lab.network.topology.agentByCredential(lost.credential_key)).toBeUndefined();
    expect(lab.network.topology.agentByCredential(kept.credential_key)?.id).toBe('alpha');
    expect(await codeOf(claim(lab, 'alpha', { claim_key: newClaimKey() }))).toBe('agent_taken');
    expect(await codeOf(claim(lab, 'alpha'))).toBe('agent_taken');

    const confirm = (as: Identity) => lab.execute('agent.confirm', { agent_id: 'alpha' }, as);
    expect(await confirm(lost)).toEqual({ confirmed: false });
    expect(await confirm(kept)).toEqual({ confirmed: true });
    expect(await confirm(kept)).toEqual({ confirmed: false });
    expect(await codeOf(claim(lab, 'alpha', { claim_key }))).toBe('agent_taken');
    expect(await say(lab, kept)).toBe('accepted');
  });

  it('AGENT-21 is kept as a hash and over a restart, and is no key unless it is long enough to be secret', async () => {
    const lab = await openRegistration();
    const claim_key = newClaimKey();
    await claim(lab, 'alpha', { claim_key: ` ${claim_key} ` });
    for (const weak of ['mkey_v1_short', 'x'.repeat(9), claim_key.replace('mkey', 'magt'), `${claim_key}a`]) {
      const refusal = await claim(lab, 'beta', { claim_key: weak }).catch((error: MoltnetError) => error);
      expect(refusal).toMatchObject({ code: 'unprocessable_entity' });
      expect((refusal as MoltnetError).message).not.toContain(weak.slice(8));
    }
    expect(await codeOf(claim(lab, 'beta', { claim_key: ' ' }))).toBe('accepted');
    expect(JSON.stringify([lab.events, lab.network.topology.agent('alpha')])).not.toContain(claim_key);
    await lab.network.close();
    const again = await openRegistration({}, { store: lab.store });
    expect((await claim(again, 'alpha', { claim_key })).registration.agent_token).toBeDefined();
  });
});

describe('an id that a private room names as a member', () => {
  it('AGENT-22 is not claimed from outside by whoever comes first', async () => {
    const lab = await openRegistration();
    await lab.createRoom({ id: 'board', members: ['alpha', 'beta', 'gamma'] });
    await lab.createRoom({ id: 'hall', visibility: 'public', members: ['delta'] });
    for (const via of ['http', 'attach'] as const)
      expect(await codeOf(claim(lab, 'alpha', { via }))).toBe('claim_reserved');
    expect(await codeOf(claim(lab, 'delta'))).toBe('accepted');
    expect(await codeOf(claim(lab, 'alpha', { loopback: true }))).toBe('accepted');
    expect(await codeOf(claim(lab, 'beta', {}, bearer('node', ['attach'])))).toBe('accepted');
    lab.network.settings.first_come_claims = true;
    expect(await codeOf(claim(lab, 'gamma', { via: 'attach' }))).toBe('accepted');
  });

  it('AGENT-22 is not imitated from outside: a person in another case, anybody with marks at the end', async () => {
    const lab = await openRegistration({ people: new Map([['ann', { id: 'ann' }]]) });
    await claim(lab, 'alpha');
    for (const id of ['Ann', 'ANN', 'ann.', 'Ann-_', 'alpha.', 'alpha__'])
      for (const via of ['http', 'attach'] as const)
        expect(await codeOf(claim(lab, id, { via })), id).toBe('claim_reserved');
    for (const id of ['anna', 'an', 'a.nn', 'alpha.2', 'beta.'])
      expect(await codeOf(claim(lab, id)), id).toBe('accepted');
    expect(await codeOf(claim(lab, 'Ann', { loopback: true }))).toBe('accepted');
    const { code } = await lab.execute('agent.invite', { agent_id: 'alpha.' });
    expect(await codeOf(claim(lab, 'alpha.', { claim_code: code }))).toBe('accepted');
  });

  it('AGENT-22 is claimed by anybody in mode none', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'board', members: ['alpha'] });
    expect(await codeOf(lab.register('alpha'))).toBe('accepted');
  });
});

describe('a claim code', () => {
  const invite = (lab: Lab, agent_id: string, expires_in?: number) =>
    lab.execute('agent.invite', { agent_id, ...(expires_in && { expires_in }) });

  it('AGENT-23 admits to its id once, over HTTP, whoever else may register', async () => {
    const lab = await openRegistration({ agent_registration: 'disabled' });
    await lab.createRoom({ id: 'board', members: ['alpha'] });
    const { code, ...rest } = await invite(lab, ' alpha ');
    expect(code).toMatch(/^minv_v1_[A-Za-z0-9_-]{43}$/);
    expect(rest).toEqual({ agent_id: 'alpha', expires_at: expect.stringMatching(/Z$/) });
    expect(await codeOf(claim(lab, 'beta', { claim_code: code }))).toBe('invalid_claim_code');
    expect(await codeOf(claim(lab, 'alpha', { claim_code: `${code}x` }))).toBe('invalid_claim_code');
    expect(await codeOf(claim(lab, 'alpha', { claim_code: code, via: 'attach' }))).toBe('unauthorized');
    lab.network.settings.agent_registration = 'open';
    expect(await codeOf(claim(lab, 'alpha', { claim_code: code, via: 'attach' }))).toBe('claim_reserved');
    lab.network.settings.agent_registration = 'disabled';
    const { registration } = await claim(lab, 'alpha', { claim_code: ` ${code} ` });
    expect(await say(lab, owner(registration.agent_token))).toBe('accepted');
    expect(await codeOf(claim(lab, 'alpha', { claim_code: code }))).toBe('invalid_claim_code');
    expect(lab.network.topology.inviteOf('alpha')).toBeUndefined();
    expect(JSON.stringify(lab.events)).not.toContain(code);
  });

  it('AGENT-23 binds the id to the caller’s own credential, and takes none that is taken', async () => {
    const lab = await openRegistration({ agent_registration: 'disabled' });
    const { code } = await invite(lab, 'alpha');
    const node = bearer('node', ['attach', 'write']);
    const { registration } = await claim(lab, 'alpha', { claim_code: code }, node);
    expect(registration.agent_token).toBeUndefined();
    expect(await claim(lab, 'alpha', { claim_code: code }, node)).toMatchObject({ created: false });
    lab.network.settings.agent_registration = 'open';
    expect(await codeOf(claim(lab, 'alpha', { claim_code: code }))).toBe('agent_taken');
    expect(await codeOf(claim(lab, 'free', { claim_code: code }))).toBe('invalid_claim_code');
  });

  it('AGENT-23 is no way to learn which ids there are', async () => {
    const people = new Map([['ana', { id: 'ana' }]]);
    const lab = await openRegistration({ agent_registration: 'disabled', people });
    await lab.register('alpha');
    await lab.register('gone');
    await lab.execute('agent.remove', { agent_id: 'gone' });
    for (const id of ['alpha', 'gone', 'ana', 'nobody'])
      expect([id, await codeOf(claim(lab, id, { claim_code: 'minv_v1_guess' }))]).toEqual([
        id,
        'invalid_claim_code',
      ]);
  });

  it('AGENT-23 ends: after 7 days or as asked, by a new one, by a registration, and by a removal', async () => {
    let now = Date.UTC(2026, 0, 1);
    const lab = await openRegistration({}, { clock: () => now });
    const week = await invite(lab, 'alpha');
    expect(Date.parse(week.expires_at) - now).toBe(7 * DAY);
    const hour = await invite(lab, 'beta', 3600);
    expect(Date.parse(hour.expires_at) - now).toBe(3_600_000);
    now += 3_600_000;
    expect(await codeOf(claim(lab, 'beta', { claim_code: hour.code }))).toBe('invalid_claim_code');
    const newer = await invite(lab, 'alpha');
    expect(await codeOf(claim(lab, 'alpha', { claim_code: week.code }))).toBe('invalid_claim_code');
    expect(await codeOf(claim(lab, 'alpha', { claim_code: newer.code }))).toBe('accepted');

    const { code } = await invite(lab, 'gamma');
    await claim(lab, 'gamma');
    await lab.execute('agent.remove', { agent_id: 'gamma' });
    expect(await codeOf(claim(lab, 'gamma', { claim_code: code }))).toBe('invalid_claim_code');
    await lab.createRoom({ id: 'board', members: ['ghost'] });
    const ghost = await invite(lab, 'ghost');
    await lab.execute('agent.remove', { agent_id: 'ghost' });
    expect(await codeOf(claim(lab, 'ghost', { claim_code: ghost.code }))).toBe('invalid_claim_code');
  });

  it('AGENT-23 is given for a free id only, and such an id is not made of a name', async () => {
    const lab = await openRegistration({ people: new Map([['ana', { id: 'ana' }]]) });
    await lab.register('alpha');
    expect(await codeOf(invite(lab, 'alpha'))).toBe('agent_taken');
    expect(await codeOf(invite(lab, 'ana'))).toBe('person_reserved');
    expect(await codeOf(invite(lab, 'net_b:x'))).toBe('invalid_agent_id');
    await invite(lab, 'scout');
    for (const name of ['Scout', 'Ana']) {
      const { registration } = await lab.execute('agent.register', { name, via: 'http' }, nobody);
      expect(registration.agent_id).toMatch(new RegExp(`^${name.toLowerCase()}-[0-9a-f]{8}$`));
    }
  });
});

describe('a removed agent', () => {
  it('AGENT-24 comes back by an admin or a claim code, as somebody new, and by nothing else', async () => {
    const lab = await openRegistration();
    const claim_key = newClaimKey();
    const first = await claim(lab, 'alpha', { claim_key });
    const own = owner(first.registration.agent_token);
    await lab.createRoom({ id: 'board', members: ['alpha'] });
    await lab.execute('agent.remove', { agent_id: 'alpha' });
    for (const [as, more] of [
      [nobody, {}],
      [nobody, { claim_key }],
      [nobody, { loopback: true }],
      [own, {}],
      [bearer('node', ['attach']), {}],
      [nobody, { via: 'attach' }],
      [bearer('op', ['admin', 'attach']), { via: 'attach' }],
    ] as [Identity, Claim][])
      expect([more, await codeOf(claim(lab, 'alpha', more, as))]).toEqual([more, 'agent_removed']);
    expect(await say(lab, own)).toBe('agent_removed');

    const { code } = await lab.execute('agent.invite', { agent_id: 'alpha' });
    const back = await claim(lab, 'alpha', { claim_code: code, claim_key });
    expect(back.created).toBe(true);
    expect(back.registration.actor_uid).not.toBe(first.registration.actor_uid);
    expect(lab.network.topology.room('board')!.members.has('alpha')).toBe(false);
    expect(await say(lab, own)).toBe('agent_taken');
    expect(await say(lab, owner(back.registration.agent_token))).toBe('accepted');

    await lab.execute('agent.remove', { agent_id: 'alpha' });
    expect(await claim(lab, 'alpha', {}, admin)).toMatchObject({ created: true });
  });
});

describe('rotating a token', () => {
  it('AGENT-25 mints one in the place of the old one, which is void at once', async () => {
    const lab = await openRegistration();
    const claim_key = newClaimKey();
    const first = await claim(lab, 'alpha', { claim_key });
    const mark = lab.events.length;
    const rotated = await lab.execute('agent.rotate', { agent_id: ' alpha ' });
    expect(rotated.agent_token).toMatch(/^magt_v1_/);
    expect(rotated.actor_uid).toBe(first.registration.actor_uid);
    expect(lab.typesSince(mark)).toEqual(['agent.registered']);
    expect(await say(lab, owner(first.registration.agent_token))).toBe('agent_taken');
    expect(await say(lab, owner(rotated.agent_token))).toBe('accepted');
    expect(await codeOf(claim(lab, 'alpha', { claim_key }))).toBe('agent_taken');
    expect(JSON.stringify(lab.events)).not.toContain(rotated.agent_token);
  });

  it('AGENT-22 a new DM names few ids that nobody has; known ones, people and a DM that is there count nothing', async () => {
    const lab = await openRegistration();
    const { registration } = await claim(lab, 'alpha');
    const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
    const dm = (participants: string[], dm_id?: string) =>
      codeOf(
        lab.execute(
          'message.send',
          {
            request: {
              from: { type: 'agent', id: 'alpha' },
              target: { kind: 'dm', participant_ids: ['alpha', ...participants], dm_id },
              parts: [{ kind: 'text', text: 'hi' }],
            } as never,
          },
          owner(registration.agent_token),
        ),
      );
    expect(await dm(names('x', 17))).toBe('too_many_participants');
    expect(await codeOf(claim(lab, 'x0'))).toBe('accepted');
    expect(await dm(['x0', ...names('y', 16)], 'many')).toBe('accepted');
    expect(await codeOf(claim(lab, 'y0'))).toBe('claim_reserved');
    expect(await dm(names('net_b:z', 30))).toBe('accepted');
    expect(await dm(['x0', ...names('y', 16)], 'many')).toBe('accepted');
  });

  it('AGENT-22 what was said to an id in a DM is not for whoever claims it first', async () => {
    const lab = await openRegistration();
    const { registration } = await claim(lab, 'alpha');
    const dm = await say(lab, owner(registration.agent_token));
    expect(dm).toBe('accepted');
    for (const via of ['http', 'attach'] as const)
      expect(await codeOf(claim(lab, 'far', { via }))).toBe('claim_reserved');
    // A name that would make this id makes another.
    const named = await lab.execute('agent.register', { name: 'Far', via: 'http' }, nobody);
    expect(named.registration.agent_id).toMatch(/^far-[0-9a-f]{8}$/);
    // In one batch with the DM's first message too.
    const [said, raced] = await Promise.all([
      lab.execute(
        'message.send',
        {
          request: {
            from: { type: 'agent', id: 'alpha' },
            target: { kind: 'dm', participant_ids: ['alpha', 'near'] },
            parts: [{ kind: 'text', text: 'hi' }],
          } as never,
        },
        owner(registration.agent_token),
      ),
      codeOf(claim(lab, 'near')),
    ]);
    expect([said.dm_created, raced]).toEqual([true, 'claim_reserved']);
    expect(await codeOf(claim(lab, 'far', { loopback: true }))).toBe('accepted');
  });

  it('AGENT-30 who came in mode none is bound by a token, or on this machine, and by nobody else', async () => {
    const lab = await openRegistration();
    for (const id of ['one', 'two', 'three']) await claim(lab, id, {}, anyone);
    const uid = lab.network.topology.agent('one')?.actor_uid;
    expect(await codeOf(claim(lab, 'one', { loopback: false }))).toBe('agent_taken');
    expect(await codeOf(claim(lab, 'one', {}, bearer('w', ['write'])))).not.toBe('accepted');
    await claim(lab, 'one', { via: 'attach' }, bearer('node', ['attach']));
    expect(lab.network.topology.agent('one')).toMatchObject({ credential_key: 'token:node', actor_uid: uid });
    expect(await codeOf(claim(lab, 'one', { via: 'attach' }, bearer('other', ['attach'])))).toBe(
      'agent_taken',
    );
    const { registration } = await claim(lab, 'two', { loopback: true });
    expect(await say(lab, owner(registration.agent_token, 'two'), 'two')).toBe('accepted');
    // With a code too, over HTTP, from anywhere; a person's token holds no agent.
    await claim(lab, 'four', {}, anyone);
    const { code } = await lab.execute('agent.invite', { agent_id: 'four' });
    const person: Identity = { ...bearer('p', ['write']), human: { id: 'pia' } };
    expect(await codeOf(claim(lab, 'four', { claim_code: code }, person))).toBe('forbidden');
    const invited = await claim(lab, 'four', { claim_code: code });
    expect(await say(lab, owner(invited.registration.agent_token, 'four'), 'four')).toBe('accepted');
    // An admin that may not attach renames it, and takes nothing.
    await claim(lab, 'three', { name: 'Three' }, bearer('root', ['admin']));
    expect(lab.network.topology.agent('three')).toMatchObject({
      credential_key: 'anonymous',
      display_name: 'Three',
    });
  });

  it('AGENT-25 gives one to an agent of mode none, and none where the configuration holds it', async () => {
    const lab = await openRegistration();
    await claim(lab, 'old', {}, anyone);
    const { agent_token } = await lab.execute('agent.rotate', { agent_id: 'old' });
    expect(await say(lab, owner(agent_token, 'old'), 'old')).toBe('accepted');
    // One that came with a shared token gets one of its own.
    await claim(lab, 'shared', {}, bearer('node', ['attach']));
    const own = await lab.execute('agent.rotate', { agent_id: 'shared' });
    expect(await say(lab, owner(own.agent_token, 'shared'), 'shared')).toBe('accepted');
    await claim(lab, 'held', {}, bearer('node', ['attach']));
    Object.assign(lab.network.settings, { token_agents: new Map([['held', 'token:node']]) });
    for (const kind of ['agent.rotate', 'agent.invite'] as const) {
      const refusal = await lab.execute(kind, { agent_id: 'held' }).catch((error: MoltnetError) => error);
      const code = kind === 'agent.rotate' ? 'conflict' : 'agent_taken';
      expect(refusal).toMatchObject({ code });
    }
    await lab.execute('agent.remove', { agent_id: 'held' });
    expect(await codeOf(lab.execute('agent.invite', { agent_id: 'held' }))).toBe('conflict');
    // Let back in by an admin it is its token's again.
    await claim(lab, 'held', {}, bearer('root', ['admin', 'write']));
    expect(lab.network.topology.agent('held')?.credential_key).toBe('token:node');
    expect(await codeOf(lab.execute('agent.rotate', { agent_id: 'nobody' }))).toBe('not_found');
    expect(await codeOf(lab.execute('agent.rotate', { agent_id: 'a b' }))).toBe('invalid_agent_id');
    await lab.execute('agent.remove', { agent_id: 'old' });
    expect(await codeOf(lab.execute('agent.rotate', { agent_id: 'old' }))).toBe('not_found');
  });
});
