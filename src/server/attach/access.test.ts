/** Who may attach as whom, and what an attachment is sent where callers have credentials. */
import { describe, expect, it } from 'vitest';
import { AttachClient, type AttachClientOptions } from '../../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab, type AttachLabOptions } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { limits } from '../../protocol/limits.ts';
import { agentTokenKey, hashSecret } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import type { Bindings } from '../../protocol/wake.ts';
import type { Identity, Scope } from '../../network/identity.ts';
import type { NetworkSettings } from '../../network/settings.ts';
import { createRates } from '../auth/rates.ts';

const WRITE_ATTACH: ReadonlySet<Scope> = new Set(['write', 'attach']);
const OFF = { anonymous: 'off', sends: 'off', pair: 'off', claims: 'off' } as const;

/** Tokens `agent-NAME` are agents', others static ones of that id; minted ones are known by their key. */
function identityIn(mode: 'bearer' | 'open'): (token?: string) => Identity {
  return (token) => {
    if (token === undefined) return { mode, credential_key: 'anonymous', scopes: new Set() };
    const agent = /^agent-(.*)$/.exec(token)?.[1];
    if (agent)
      return {
        mode,
        credential_key: `agent-token:${agent}`,
        scopes: WRITE_ATTACH,
        agents: new Set([agent]),
      };
    return { mode, credential_key: `token:${token}`, scopes: WRITE_ATTACH };
  };
}

async function lab(
  settings: Partial<NetworkSettings> = {},
  options: AttachLabOptions = {},
): Promise<AttachLab> {
  const mode = settings.auth_mode === 'open' ? 'open' : 'bearer';
  return startAttachLab({
    identity: identityIn(mode),
    identityOf: (token) => ({
      mode,
      credential_key: agentTokenKey(token),
      scopes: WRITE_ATTACH,
      agents: new Set(['minted']),
    }),
    settings: { auth_mode: mode, agent_registration: 'token', ...settings },
    ...options,
  });
}
const attach = (
  at: AttachLab,
  token: string | undefined,
  more: Partial<AttachClientOptions> = {},
): Promise<AttachClient> =>
  AttachClient.attach({
    url: at.url,
    ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    ...more,
  });

describe('claims', () => {
  const OPEN = { auth_mode: 'open', public_read: true, agent_registration: 'open' } as const;

  /** Attaches without a credential, with a claim key if there is one. */
  async function claim(at: AttachLab, agent: string, claim_key?: string): Promise<AttachClient> {
    const client = new AttachClient({ url: at.url, agent });
    await client.until(() => client.has('HELLO'));
    client.identify(claim_key === undefined ? {} : { claim_key });
    await client.until(() => client.has('READY') || client.closed);
    return client;
  }

  it('ATT-38 who has no credential is given a token, in READY and once; who has one is not', async () => {
    const at = await lab(OPEN);
    const first = await claim(at, 'minted');
    const token = first.of('READY')[0]!['agent_token'] as string;
    expect(token).toMatch(/^magt_v1_[A-Za-z0-9_-]{43}$/);
    expect(first.raw[1]).toMatch(/"actor_uri":"[^"]+","agent_token":"magt_v1_[^"]+","capabilities":\{\}\}$/);
    expect(at.network.topology.agent('minted')!.credential_key).toBe(agentTokenKey(token));
    const again = await claim(at, 'minted');
    expect(again.error).toMatch(/bound to another credential/);
    const holder = await attach(at, 'holder', { agent: 'beta' });
    expect(holder.of('READY')[0]).not.toHaveProperty('agent_token');
  });

  it('ATT-38 the same claim key is given another token until the first was used, and then none', async () => {
    const at = await lab(OPEN, { times: { probe: 50 } });
    const key = `mkey_v1_${'k'.repeat(43)}`;
    const lost = await claim(at, 'minted', key);
    await lost.drop();
    await eventually(() => at.gateway.connections === 0);
    const found = await claim(at, 'minted', key);
    const tokens = [lost, found].map((client) => client.of('READY')[0]!['agent_token'] as string);
    expect(tokens[0]).not.toBe(tokens[1]);
    expect(at.network.topology.agent('minted')).toMatchObject({
      credential_key: agentTokenKey(tokens[1]!),
      claim_key_hash: hashSecret(key),
    });
    await found.drop();
    const used = { ...identityIn('open')('agent-minted'), credential_key: agentTokenKey(tokens[1]!) };
    await at.network.execute('agent.confirm', { agent_id: 'minted' }, used);
    expect((await claim(at, 'minted', key)).error).toMatch(/bound to another credential/);
  });

  it('ATT-38 after its claim an attachment is the agent, as the next one with the token is', async () => {
    const at = await lab(OPEN);
    const first = await claim(at, 'minted');
    const token = first.of('READY')[0]!['agent_token'] as string;
    const key = agentTokenKey(token);
    const seen: string[] = [];
    at.gateway.revalidate(({ credential_key }) => void seen.push(credential_key));
    expect(seen).toEqual([key]);
  });

  it('ATT-38 RATE-3 claims of one address are counted; credentials are not', async () => {
    const rates = createRates({ rates: { ...OFF, claims: { per_second: 0.001, burst: 2 } } });
    const at = await lab(OPEN, { rates, peer: { address: '192.0.2.1', loopback: false } });
    const claims = [];
    for (let i = 0; i < 4; i++) claims.push(await claim(at, `agent${i}`));
    expect(claims.map((client) => client.has('READY'))).toEqual([true, true, false, false]);
    expect(claims[3]!.error).toMatch(/too many claims.*wait 1000 s/);
    expect((await attach(at, 'holder', { agent: 'beta' })).has('READY')).toBe(true);
  });

  it('ATT-39 DLV-14 what coming back cannot help is permanent; too many claims is not', async () => {
    const rates = createRates({ rates: { ...OFF, claims: { per_second: 0.001, burst: 5 } } });
    const at = await lab(
      { ...OPEN, people: new Map([['ann', { id: 'ann' }]]) },
      { rates, peer: { address: '192.0.2.1', loopback: false } },
    );
    await at.createRoom('den', { visibility: 'private', members: ['squat'] });
    await at.execute('agent.register', { requested_id: 'gone', via: 'http' });
    await at.execute('agent.remove', { agent_id: 'gone' });
    await at.execute('agent.register', { requested_id: 'taken', via: 'http' });
    const refusals: unknown[] = [];
    for (const agent of ['squat', 'ann', 'gone', 'taken', 'free', 'late']) {
      const client = await attach(at, undefined, {
        agent,
        bindings: { rooms: [], dms: { enabled: true, wake: 'all' }, catch_up: 'all' },
      });
      const { code, permanent } = client.of('ERROR')[0] ?? {};
      refusals.push([agent, code, permanent]);
    }
    expect(refusals).toEqual([
      ['squat', 'claim_reserved', true],
      ['ann', 'person_reserved', true],
      ['gone', 'agent_removed', true],
      ['taken', 'agent_taken', true],
      ['free', undefined, undefined],
      ['late', 'rate_limited', undefined],
    ]);
  });
});

describe('what an attachment is sent', () => {
  const bound = (...rooms: string[]): Bindings => ({
    rooms: rooms.map((id) => ({ id, wake: 'all' })),
    dms: { enabled: true, wake: 'all' },
    catch_up: 'all',
  });
  const ALL = bound('hall', 'den', 'vault');
  const KINDS: [string, { bindings?: Bindings }][] = [
    ['of the original', {}],
    ['with the delivery protocol', { bindings: ALL }],
  ];

  /** hall is public; den has alpha, vault has far. */
  async function world(settings: Partial<NetworkSettings> = {}): Promise<AttachLab> {
    const at = await lab(settings);
    await at.createRoom('hall');
    await at.createRoom('den', { visibility: 'private', members: ['alpha'] });
    await at.createRoom('vault', { visibility: 'private', members: ['far'] });
    return at;
  }
  const say = (at: AttachLab, id: string, target: string, as = 'human:me') => at.send(as, target, { id });
  const change = (at: AttachLab, room_id: string, add?: string[], remove?: string[]) =>
    at.execute('room.members', { room_id, request: { add, remove } });

  describe.each(KINDS)('%s', (_, options) => {
    it.each([false, true])(
      'ATT-40 its rooms, the public ones and its own DMs, and nothing else (public_read %s)',
      async (public_read) => {
        const at = await world({ public_read });
        const alpha = await attach(at, 'agent-alpha', { ...options, ack: true });
        await say(at, 'vault', 'room:vault');
        await say(at, 't-vault', 'thread:tv@vault');
        await say(at, 'others', 'dm:d2@far,farther', 'agent:far');
        await say(at, 'den', 'room:den');
        await say(at, 't-den', 'thread:td@den');
        await say(at, 'own', 'dm:d1@alpha,far', 'agent:far');
        await say(at, 'hall', 'room:hall');
        await alpha.until(() => alpha.messages.length === 4);
        await alpha.settle();
        expect(alpha.messages.toSorted()).toEqual(['den', 'hall', 'own', 't-den']);
        expect(alpha.raw.join('')).not.toMatch(/vault|"d2"/);
      },
    );

    it('ATT-41 nothing follows the leaving of a room, also out of one batch', async () => {
      const at = await world();
      const alpha = await attach(at, 'agent-alpha', { ...options, ack: true });
      await say(at, 'before', 'room:den');
      await alpha.until(() => alpha.messages.includes('before'));
      await Promise.all([
        change(at, 'den', undefined, ['alpha']),
        say(at, 'in-its-batch', 'room:den'),
        say(at, 't1', 'thread:td@den'),
      ]);
      await say(at, 'after', 'room:den');
      await say(at, 'last', 'room:hall');
      await alpha.until(() => alpha.messages.includes('last'));
      expect(alpha.messages).toEqual(['before', 'last']);
      // Outstanding or not: what becomes of its messages is no business of the agent's any more.
      await at.execute('message.redact', { message_id: 'before' });
      await say(at, 'very-last', 'room:hall');
      await alpha.until(() => alpha.messages.includes('very-last'));
      expect(alpha.events.map((frame) => frame.event!.type)).not.toContain('message.redacted');
    });

    it('ATT-41 a redaction in a room that was left is not told, though its message is outstanding', async () => {
      const at = await world();
      const alpha = await attach(at, 'agent-alpha', options);
      await say(at, 'before', 'room:den');
      await alpha.until(() => alpha.messages.includes('before'));
      await change(at, 'den', undefined, ['alpha']);
      await at.execute('message.redact', { message_id: 'before' });
      await say(at, 'last', 'room:hall');
      await alpha.until(() => alpha.messages.includes('last'));
      expect(alpha.events.map((frame) => frame.event!.type)).not.toContain('message.redacted');
    });

    it('ATT-41 a room that is joined is there from the joining on, also within its batch', async () => {
      const at = await world();
      const alpha = await attach(at, 'agent-alpha', { ...options, ack: true });
      await say(at, 'before', 'room:vault');
      await Promise.all([change(at, 'vault', ['alpha']), say(at, 'in-its-batch', 'room:vault')]);
      await say(at, 'after', 'room:vault');
      await alpha.until(() => alpha.messages.includes('after'));
      expect(alpha.messages).toEqual(['in-its-batch', 'after']);
    });

    it('ATT-41 visibility counts at once', async () => {
      const at = await world();
      const alpha = await attach(at, 'agent-alpha', { ...options, ack: true });
      const turn = (room_id: string, visibility: string) =>
        at.execute('room.update', { room_id, request: { visibility } });
      await say(at, 'open', 'room:hall');
      await alpha.until(() => alpha.messages.includes('open'));
      await Promise.all([turn('hall', 'private'), say(at, 'hidden', 'room:hall')]);
      await Promise.all([turn('vault', 'public'), say(at, 'shown', 'room:vault')]);
      await alpha.until(() => alpha.messages.includes('shown'));
      expect(alpha.messages).toEqual(['open', 'shown']);
      expect(alpha.raw.join('')).not.toContain('hidden');
    });

    it('ATT-41 what came while it was away is judged by what it may read now', async () => {
      const at = await world();
      await change(at, 'vault', ['alpha']);
      const first = await attach(at, 'agent-alpha', { ...options, ack: true });
      await say(at, 'mark', 'room:hall');
      await first.until(() => first.cursor !== '');
      await first.settle();
      await first.drop();
      await eventually(() => at.gateway.connections === 0);
      await say(at, 'left', 'room:den');
      await say(at, 'kept', 'room:vault');
      await change(at, 'den', undefined, ['alpha']);
      const second = await attach(at, 'agent-alpha', { ...options, ack: true, cursor: first.cursor });
      await say(at, 'last', 'room:hall');
      // Order holds within a room: what is live in one may come before what was missed in another.
      await second.until(() => ['kept', 'last'].every((id) => second.messages.includes(id)));
      await second.settle();
      expect(second.messages.toSorted()).toEqual(['kept', 'last']);
    });

    it('ATT-41 a removed agent gets nothing of what follows in the same batch', async () => {
      const at = await world();
      const alpha = await attach(at, 'agent-alpha', options);
      await Promise.all([
        at.execute('agent.remove', { agent_id: 'alpha' }),
        say(at, 'public', 'room:hall'),
        say(at, 'private', 'room:den'),
      ]);
      await alpha.gone();
      expect(alpha.messages).toEqual([]);
      expect(alpha.error).toMatch(/was removed/);
      expect(alpha.closeCode).toBe(1006);
    });

    it('ATT-42 an attachment ends when its credential does, the others stay', async () => {
      const at = await world();
      await at.execute('agent.register', { requested_id: 'unused', via: 'http' });
      const alpha = await attach(at, 'agent-alpha', options);
      const beta = await attach(at, 'agent-beta', { ...options, agent: 'beta' });
      at.gateway.revalidate(({ credential_key }) =>
        credential_key === 'agent-token:alpha' ? new MoltnetError('unauthorized', 'it ended') : undefined,
      );
      await alpha.gone();
      expect([alpha.error, alpha.closeCode]).toEqual(['it ended', 1006]);
      if (options.bindings)
        expect(alpha.of('ERROR')[0]).toMatchObject({ code: 'unauthorized', permanent: true });
      await say(at, 'last', 'room:hall');
      await beta.until(() => beta.messages.includes('last'));
    });

    it('ATT-42 direct messages that are switched off reach nobody', async () => {
      const at = await world();
      const alpha = await attach(at, 'agent-alpha', options);
      await say(at, 'd1', 'dm:d1@alpha,far', 'agent:far');
      await alpha.until(() => alpha.messages.includes('d1'));
      // A message that was accepted before and is published after the switch.
      const late = at.send('agent:far', 'dm:d1', { id: 'd2' });
      Object.assign(at.network.settings, { direct_messages: false });
      at.gateway.revalidate(() => undefined);
      await late.catch(() => {});
      await say(at, 'last', 'room:hall');
      await alpha.until(() => alpha.messages.includes('last') || alpha.closed);
      expect(alpha.messages).not.toContain('d2');
    });
  });

  it('ATT-43 an agent acknowledges, wakes and bootstraps only what is its own', async () => {
    const at = await world();
    await change(at, 'vault', ['beta']);
    const alpha = await attach(at, 'agent-alpha', { bindings: ALL });
    const beta = await attach(at, 'agent-beta', { agent: 'beta', bindings: ALL });
    await say(at, 'm1', 'room:vault');
    await beta.until(() => beta.messages.includes('m1'));
    beta.send({ op: 'BOOTSTRAP', capabilities: {}, rooms: ['hall', 'den', 'vault'] });
    alpha.send({ op: 'BOOTSTRAP', capabilities: {}, rooms: ['hall', 'den', 'vault', 'nowhere'] });
    await alpha.until(() => alpha.has('BOOTSTRAP'));
    await beta.until(() => beta.has('BOOTSTRAP'));
    expect([alpha, beta].map((client) => client.of('BOOTSTRAP')[0]!.rooms)).toEqual([
      ['hall', 'den'],
      ['hall', 'vault'],
    ]);
    const cursor = beta.events[0]!.cursor!;
    for (const frame of [
      { op: 'ACK', cursor },
      { op: 'WAKE', cursor, wake_id: 'w1', conversation: 'room:vault', attempt: 1 },
    ]) {
      const other = await attach(at, 'agent-gamma', { agent: 'gamma', bindings: ALL });
      other.send({ capabilities: {}, ...frame });
      await other.gone();
      expect(other.of('ERROR')[0]).toMatchObject({ code: 'unknown_cursor' });
    }
    beta.ack(cursor);
    await beta.settle();
    expect(beta.closed).toBe(false);
  });
});

describe('how many', () => {
  const open = async (at: AttachLab, token?: string): Promise<number> => {
    const client = new AttachClient({
      url: at.url,
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
    });
    let status = 101;
    client.socket.on('unexpected-response', (_, response) => {
      status = response.statusCode!;
      client.socket.terminate();
    });
    await client.until(() => client.has('HELLO') || client.closed);
    return status;
  };

  it('ATT-44 without a credential 64 of one address, but for this machine', async () => {
    const at = await lab(
      { auth_mode: 'open', agent_registration: 'open' },
      { peer: { address: '2001:db8::1', loopback: false } },
    );
    const max = limits.attachments_per_address.value;
    const statuses = await Promise.all(Array.from({ length: max + 1 }, () => open(at)));
    expect(statuses.filter((status) => status === 101)).toHaveLength(max);
    expect(statuses).toContain(503);
    expect(await open(at, 'agent-a')).toBe(101);
    const here = await lab({ auth_mode: 'open', agent_registration: 'open' });
    const local = await Promise.all(Array.from({ length: max + 1 }, () => open(here)));
    expect(new Set(local)).toEqual(new Set([101]));
  });

  it('ATT-44 with an agent’s own token 16', async () => {
    const at = await lab();
    const max = limits.attachments_per_agent.value;
    const statuses = await Promise.all(Array.from({ length: max + 1 }, () => open(at, 'agent-a')));
    expect(statuses.filter((status) => status === 101)).toHaveLength(max);
    expect(statuses).toContain(503);
  });

  it('ATT-44 with one token of the configuration 1,024; one that ends makes room', async () => {
    const at = await lab();
    const max = limits.attachments_per_identity.value;
    const clients: AttachClient[] = [];
    for (let i = 0; i < max; i += 128)
      clients.push(
        ...Array.from(
          { length: 128 },
          () => new AttachClient({ url: at.url, headers: { authorization: 'Bearer fleet' } }),
        ),
      );
    for (const client of clients) await client.until(() => client.has('HELLO'));
    expect(await open(at, 'fleet')).toBe(503);
    expect(await open(at, 'other')).toBe(101);
    await clients[0]!.drop();
    await eventually(() => at.gateway.connections <= max);
    expect(await open(at, 'fleet')).toBe(101);
  });
});
