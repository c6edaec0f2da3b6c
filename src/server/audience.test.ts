/** The event stream of those who may not observe, by what each may read. */
import { describe, expect, it } from 'vitest';
import { AttachClient } from '../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab, type AttachLabOptions } from '../../test/support/attach-lab.ts';
import { SseClient } from '../../test/support/sse-client.ts';
import type { Identity, Scope } from '../network/identity.ts';
import type { NetworkSettings } from '../network/settings.ts';
import { MoltnetError } from '../protocol/errors.ts';

describe('what others than observers are sent', () => {
  const scopes = (...list: Scope[]): ReadonlySet<Scope> => new Set(list);
  const WHO: Record<string, Omit<Identity, 'mode'>> = {
    anonymous: { credential_key: 'anonymous', scopes: scopes() },
    writer: { credential_key: 'token:writer', scopes: scopes('write') },
    observer: { credential_key: 'token:observer', scopes: scopes('observe') },
    alpha: { credential_key: 'agent-token:a', scopes: scopes('write', 'attach'), agents: new Set(['alpha']) },
    pair: {
      credential_key: 'token:two',
      scopes: scopes('write', 'attach'),
      agents: new Set(['alpha', 'beta']),
      human: { id: 'ann' },
    },
  };
  const identity = (token = 'anonymous'): Identity => ({ mode: 'bearer', ...WHO[token]! });

  async function world(
    settings: Partial<NetworkSettings> = {},
    options: AttachLabOptions = {},
  ): Promise<AttachLab> {
    const at = await startAttachLab({
      identity,
      settings: { auth_mode: 'bearer', public_read: true, ...settings },
      ...options,
    });
    await at.createRoom('hall');
    await at.createRoom('den', { visibility: 'private', members: ['alpha'] });
    await at.createRoom('vault', { visibility: 'private', members: ['far'] });
    return at;
  }
  const stream = (at: AttachLab, who: string, headers: Record<string, string> = {}): Promise<SseClient> =>
    SseClient.open(at.port, {
      headers: { ...(who !== 'anonymous' && { authorization: `Bearer ${who}` }), ...headers },
    });
  const say = (at: AttachLab, id: string, target: string, as = 'human:me') => at.send(as, target, { id });
  /** Says something everywhere, at last in the public room. */
  async function everywhere(at: AttachLab, mark: string): Promise<void> {
    await say(at, `${mark}-den`, 'room:den');
    await say(at, `${mark}-vault`, 'room:vault');
    await say(at, `${mark}-t-den`, 'thread:t1@den');
    await say(at, `${mark}-t-hall`, 'thread:t2@hall');
    await say(at, `${mark}-alpha`, 'dm:d1@alpha,far', 'agent:far');
    await say(at, `${mark}-beta`, 'dm:d2@beta,far', 'agent:far');
    await say(at, `${mark}-two`, 'dm:d3@alpha,beta,ann', 'agent:alpha');
    await say(at, `${mark}-far`, 'dm:d4@far,farther', 'agent:far');
    await say(at, `${mark}-hall`, 'room:hall');
  }

  it.each([
    ['anonymous', ['t-hall', 'hall']],
    ['writer', ['t-hall', 'hall']],
    ['alpha', ['den', 't-den', 't-hall', 'alpha', 'two', 'hall']],
    ['pair', ['den', 't-den', 't-hall', 'alpha', 'beta', 'two', 'hall']],
    ['observer', ['den', 'vault', 't-den', 't-hall', 'alpha', 'beta', 'two', 'far', 'hall']],
  ])('SSE-28 %s: messages of what it may read, live and in a replay, each once', async (who, wanted) => {
    const at = await world({}, { ringCount: 4 });
    const live = await stream(at, who);
    await say(at, 'm-first', 'room:hall');
    await everywhere(at, 'm');
    await live.until(() => live.messages.includes('m-hall'));
    expect(live.messages.slice(1)).toEqual(wanted.map((name) => `m-${name}`));
    const first = live.events.find((event) => event.data?.message?.id === 'm-first')!.id!;
    const again = await stream(at, who, { 'last-event-id': first });
    await again.until(() => again.messages.includes('m-hall'));
    const after = live.events.slice(live.events.findIndex((event) => event.id === first) + 1);
    expect(again.events.slice(1)).toEqual(after);
  });

  it('SSE-28 the public is sent the types of the wire, redactions and changes of its rooms', async () => {
    const at = await world();
    const client = await stream(at, 'anonymous');
    await AttachClient.attach({ url: at.url, agent: 'alpha', headers: { authorization: 'Bearer alpha' } });
    await at.createRoom('plaza');
    await at.createRoom('cellar', { visibility: 'private' });
    await at.execute('room.members', { room_id: 'plaza', request: { add: ['alpha'], remove: undefined } });
    await at.execute('room.update', { room_id: 'plaza', request: { name: 'Plaza' } });
    await say(at, 'p1', 'thread:tp@plaza');
    await at.execute('message.redact', { message_id: 'p1' });
    await at.execute('room.remove', { room_id: 'cellar' });
    await at.execute('room.remove', { room_id: 'plaza' });
    await say(at, 'last', 'room:hall');
    await client.until(() => client.messages.includes('last'));
    expect(client.types).toEqual([
      'room.created',
      'room.updated',
      'thread.created',
      'message.created',
      'message.redacted',
      'room.removed',
      'message.created',
    ]);
    expect(client.text).not.toContain('cellar');
  });

  it('SSE-29 an agent is told of itself, and of nobody else; the guard is for observers', async () => {
    const at = await world({ guard: { turns: 2 } });
    const client = await stream(at, 'alpha');
    const attach = (agent: string) =>
      AttachClient.attach({ url: at.url, agent, headers: { authorization: `Bearer ${agent}` } });
    await at.execute('agent.register', { requested_id: 'other', name: 'Other', via: 'http' });
    const self = await attach('alpha');
    at.presence.connect('other')('client_closed');
    await self.drop();
    for (const [i, as] of ['agent:far', 'agent:other', 'agent:far', 'agent:other'].entries())
      await say(at, `m${i}`, 'room:hall', as);
    await say(at, 'last', 'room:hall');
    await client.until(() => client.messages.includes('last') && client.types.includes('agent.disconnected'));
    expect(client.types.filter((type) => type !== 'message.created')).toEqual([
      'agent.registered',
      'agent.connected',
      'agent.disconnected',
    ]);
    const about = client.events.flatMap((event) =>
      event.event?.startsWith('agent.') ? [event.data!['agent']] : [],
    );
    expect(about).toMatchObject([{ agent_id: 'alpha' }, { agent_id: 'alpha' }, { agent_id: 'alpha' }]);
  });

  it.each([1, 4_096])(
    'SSE-30 nothing follows the leaving of a room, also out of one batch and in a replay (ring of %i)',
    async (ringCount) => {
      const at = await world({}, { ringCount });
      const client = await stream(at, 'alpha');
      await say(at, 'before', 'room:den');
      await Promise.all([
        at.execute('room.members', { room_id: 'den', request: { add: undefined, remove: ['alpha'] } }),
        say(at, 'in-its-batch', 'room:den'),
        say(at, 'thread-of-it', 'thread:t1@den'),
      ]);
      await say(at, 'after', 'room:den');
      await say(at, 'last', 'room:hall');
      await client.until(() => client.messages.includes('last'));
      expect(client.messages).toEqual(['before', 'last']);
      expect(client.types).toEqual(['message.created', 'message.created']);
      const first = client.events.find((event) => event.data?.message?.id === 'before')!.id!;
      const again = await stream(at, 'alpha', { 'last-event-id': first });
      await again.until(() => again.messages.includes('last'));
      expect(again.messages).toEqual(['last']);
    },
  );

  it('SSE-30 a room that is joined is there from the joining on, also within its batch', async () => {
    const at = await world();
    const client = await stream(at, 'alpha');
    await say(at, 'before', 'room:vault');
    await Promise.all([
      at.execute('room.members', { room_id: 'vault', request: { add: ['alpha'], remove: undefined } }),
      say(at, 'in-its-batch', 'room:vault'),
    ]);
    await say(at, 'after', 'room:vault');
    await client.until(() => client.messages.includes('after'));
    expect(client.types).toEqual(['room.members.updated', 'message.created', 'message.created']);
    expect(client.messages).toEqual(['in-its-batch', 'after']);
  });

  it('SSE-30 a room that becomes private is gone for the public at once, and comes back when it is public', async () => {
    const at = await world();
    const [anyone, member] = [await stream(at, 'anonymous'), await stream(at, 'alpha')];
    await at.execute('room.members', { room_id: 'hall', request: { add: ['alpha'], remove: undefined } });
    const turn = (visibility: string) =>
      at.execute('room.update', { room_id: 'hall', request: { visibility } });
    await Promise.all([turn('private'), say(at, 'hidden', 'room:hall')]);
    await Promise.all([turn('public'), say(at, 'shown', 'room:hall')]);
    for (const client of [anyone, member]) await client.until(() => client.messages.includes('shown'));
    expect(anyone.messages).toEqual(['shown']);
    expect(member.messages).toEqual(['hidden', 'shown']);
    const types = anyone.types.filter((type) => type.startsWith('room.'));
    expect(types).toEqual(['room.updated']);
  });

  it('SSE-30 a room that was private when it was removed is not told of in a replay, public as its successor is', async () => {
    const at = await world();
    const client = await stream(at, 'anonymous');
    await say(at, 'first', 'room:hall');
    await client.until(() => client.messages.includes('first'));
    const { id } = client.events.at(-1)!;
    await at.execute('room.remove', { room_id: 'vault' });
    await at.createRoom('vault', { members: [] });
    await say(at, 'last', 'room:hall');
    const again = await stream(at, 'anonymous', { 'last-event-id': id! });
    await again.until(() => again.messages.includes('last'));
    expect(again.types).toEqual(['room.created', 'message.created']);
  });

  it('SSE-30 of an agent that was removed nothing more is sent to who was it, nor of its rooms and DMs', async () => {
    const at = await world();
    await at.execute('agent.register', { requested_id: 'alpha', via: 'http' });
    const client = await stream(at, 'pair');
    await say(at, 'before', 'room:den');
    await Promise.all([
      at.execute('agent.remove', { agent_id: 'alpha' }),
      say(at, 'in-its-batch', 'room:den'),
      say(at, 't1', 'thread:t1@den'),
    ]);
    await say(at, 'last', 'room:hall');
    await client.until(() => client.messages.includes('last'));
    expect(client.messages).toEqual(['before', 'last']);
    expect(client.types).toEqual(['message.created', 'agent.removed', 'message.created']);
  });

  it('SSE-31 a stream ends when its credential does, or when it is open to it no more', async () => {
    const at = await world();
    const names = ['anonymous', 'writer', 'alpha', 'observer'];
    const clients = await Promise.all(names.map((who) => stream(at, who)));
    const open = () => names.filter((_, i) => !clients[i]!.ended);
    at.streams.revalidate(() => undefined);
    await say(at, 'still', 'room:hall');
    for (const client of clients) await client.until(() => client.messages.includes('still'));
    at.streams.revalidate(({ credential_key }) =>
      credential_key === 'agent-token:a' ? new MoltnetError('unauthorized') : undefined,
    );
    await clients[2]!.until(() => clients[2]!.ended);
    expect(open()).toEqual(['anonymous', 'writer', 'observer']);
    Object.assign(at.network.settings, { public_read: false });
    at.streams.revalidate(() => undefined);
    await clients[1]!.until(() => clients[0]!.ended && clients[1]!.ended);
    expect(open()).toEqual(['observer']);
    expect(clients.map((client) => client.broken)).toEqual([false, false, false, false]);
  });
});
