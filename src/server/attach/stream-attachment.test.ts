import { describe, expect, it } from 'vitest';
import { calling } from '../../../test/support/gated-store.ts';
import { AttachClient } from '../../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import { encodeEvent } from '../../protocol/events.ts';
import type { Identity, Scope } from '../../network/identity.ts';

const ids = (prefix: string, count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${from + i}`);
async function sendAll(
  lab: AttachLab,
  names: string[],
  target = 'room:research',
  as = 'human:me',
): Promise<void> {
  for (const id of names) await lab.send(as, target, { id });
}
async function researchLab(...args: Parameters<typeof startAttachLab>): Promise<AttachLab> {
  const lab = await startAttachLab(...args);
  await lab.createRoom('research');
  return lab;
}

describe('replay', () => {
  it('ATT-1 LOG-1 a cursor gives exactly what was missed, in order, over a restart of both sides', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const before = await researchLab({ path });
    const first = await AttachClient.attach({ url: before.url, ack: true });
    await sendAll(before, ids('a', 3));
    await first.until(() => first.messages.length === 3);
    const { cursor } = first;
    await first.drop();
    // More than a page, and more than any ring would hold that is empty after the restart.
    for (let i = 0; i < 6; i++)
      await Promise.all(ids('b', 100, i * 100).map((id) => before.send('human:me', 'room:research', { id })));
    const stored = (await before.store.events({ all: true }, 0, 500)).length;
    expect(stored).toBe(500);
    await before.stop();

    const after = await startAttachLab({ path });
    const second = await AttachClient.attach({ url: after.url, ack: true, cursor });
    await sendAll(after, ['c']);
    await second.until(() => second.messages.includes('c'));
    expect([...second.messages].sort()).toEqual([...ids('b', 600), 'c'].sort());
    expect(new Set(second.messages).size).toBe(601);
    const seqs = await Promise.all(second.events.map((frame) => after.store.eventSeq(frame.cursor!)));
    expect(seqs).toEqual([...seqs].sort((a, b) => a! - b!));
  });

  it('ATT-1 what is replayed is byte for byte what was sent live', async () => {
    const lab = await researchLab({ ringCount: 1 });
    const live = await AttachClient.attach({ url: lab.url, agent: 'live' });
    await lab.send('human:me', 'room:research', { id: 'm0' });
    await live.until(() => live.messages.length === 1);
    await lab.send('agent:live', 'thread:t1@research', {
      id: 'm1',
      parts: [{ kind: 'text', text: '<&>\u2028"\\' }],
    });
    await lab.send('agent:live', 'dm:d1@live,other', { id: 'm2' });
    await lab.send('human:me', 'room:research', { id: 'last' });
    await live.until(() => live.messages.length === 4);
    const again = await AttachClient.attach({
      url: lab.url,
      agent: 'live',
      cursor: live.events[0]!.cursor,
      headers: {},
    }).catch(() => undefined);
    expect(again!.error).toMatch(/attached already/);
    await live.drop();
    const replayed = await AttachClient.attach({
      url: lab.url,
      agent: 'live',
      cursor: live.events[0]!.cursor,
    });
    await replayed.until(() => replayed.messages.length === 3);
    const events = (client: AttachClient): string[] => client.raw.filter((text) => text.includes('"EVENT"'));
    expect(events(replayed)).toEqual(events(live).slice(1));
    expect(live.events.map((frame) => frame.event!.type)).toEqual([
      'message.created',
      'thread.created',
      'message.created',
      'dm.created',
      'message.created',
      'message.created',
    ]);
    const [stored] = await lab.store.events(
      { all: true },
      (await lab.store.eventSeq(live.events[0]!.cursor!))! - 1,
      1,
    );
    expect(events(live)[0]).toBe(
      `{"op":"EVENT","version":"moltnet.attach.v1","network_id":"local","capabilities":{},"cursor":"${stored!.id}","event":${encodeEvent({ ...stored!, network_id: 'local' })}}`,
    );
  });

  it('ATT-10 without a cursor only what is new is sent', async () => {
    const lab = await researchLab();
    await sendAll(lab, ['old']);
    const client = await AttachClient.attach({ url: lab.url });
    await sendAll(lab, ['new']);
    await client.until(() => client.messages.length > 0);
    expect(client.messages).toEqual(['new']);
  });

  it.each([
    ['a cursor that was never', 'evt_unknown'],
    ['something that is no id', 'x y\u0000'],
    ['a very long one', 'e'.repeat(10_000)],
  ])('ATT-10 %s: one gap, then live, never what is old', async (_, cursor) => {
    const lab = await researchLab();
    await sendAll(lab, ['old']);
    const client = await AttachClient.attach({ url: lab.url, cursor });
    await sendAll(lab, ['new']);
    await client.until(() => client.messages.length > 0);
    expect(client.events.map((frame) => frame.event!.type)).toEqual(['stream.replay_gap', 'message.created']);
    const gap = client.events[0]!;
    expect(gap.cursor).toMatch(/^evt_gap_[0-9a-f]{64}$/);
    expect(gap.event!.id).toBe(gap.cursor);
    expect(gap.event!['replay_gap']).toMatchObject({
      oldest_event_id: expect.stringMatching(/^evt_/),
      newest_event_id: expect.stringMatching(/^evt_/),
    });
    for (const frame of client.events) client.ack(frame.cursor!);
    await client.settle();
    expect(client.closed).toBe(false);
  });

  it("ATT-10 the gap's own id goes on from where the gap was told", async () => {
    const lab = await researchLab();
    const client = await AttachClient.attach({ url: lab.url, cursor: 'evt_unknown', ack: true });
    await client.until(() => client.events.length === 1);
    await client.drop();
    await sendAll(lab, ids('m', 3));
    const again = await AttachClient.attach({ url: lab.url, cursor: client.cursor, ack: true });
    await again.until(() => again.messages.length === 3);
    expect(again.events.map((frame) => frame.event!.type)).toEqual(Array(3).fill('message.created'));
  });

  it('ATT-4 nothing is missed between READY and what follows it', async () => {
    const lab = await researchLab();
    for (let round = 0; round < 30; round++) {
      const client = new AttachClient({ url: lab.url, ack: true });
      // Posted in the turn in which READY arrives.
      let sent: Promise<unknown> | undefined;
      client.socket.on('message', (data: Buffer) => {
        if (data.includes('READY')) sent = lab.send('human:me', 'room:research', { id: `r${round}` });
      });
      await client.until(() => client.has('HELLO'));
      client.identify();
      await client.until(() => client.messages.length === 1);
      await sent;
      expect(client.messages).toEqual([`r${round}`]);
      await client.drop();
    }
  });

  it('ATT-10 storage that cannot be read: ERROR and a drop, the client comes back', async () => {
    let broken = false;
    const wrap = calling((method) =>
      method === 'events' && broken ? Promise.reject(new Error('disk')) : undefined,
    );
    const lab = await researchLab({ wrap, ringCount: 1 });
    const client = await AttachClient.attach({ url: lab.url, ack: true });
    await sendAll(lab, ['m0']);
    await client.until(() => client.messages.length === 1);
    await client.drop();
    await sendAll(lab, ids('n', 4));
    broken = true;
    const failing = await AttachClient.attach({ url: lab.url, cursor: client.cursor });
    await failing.gone();
    expect(failing.error).toBeDefined();
    broken = false;
    const again = await AttachClient.attach({ url: lab.url, cursor: client.cursor });
    await again.until(() => again.messages.length === 4);
  });
});

describe('routing', () => {
  it('ATT-9 LOG-2 W1 an attachment gets all rooms and its own DMs, and nothing about others', async () => {
    const lab = await researchLab();
    await lab.createRoom('hidden', { visibility: 'private', members: ['beta'] });
    const alpha = await AttachClient.attach({ url: lab.url, agent: 'alpha', ack: true });
    await AttachClient.attach({ url: lab.url, agent: 'beta', ack: true });
    await lab.send('agent:beta', 'dm:theirs@beta,gamma', { id: 'theirs' });
    await lab.send('agent:beta', 'dm:ours@alpha,beta', { id: 'ours' });
    await lab.send('agent:alpha', 'room:hidden', { id: 'mine' });
    await lab.execute('agent.register', { requested_id: 'delta', via: 'http' });
    await lab.execute('agent.remove', { agent_id: 'delta' });
    await lab.execute('room.remove', { room_id: 'hidden' });
    await sendAll(lab, ['last']);
    await alpha.until(() => alpha.messages.includes('last'));
    expect(alpha.events.map((frame) => frame.event!.type)).toEqual([
      'dm.created',
      'message.created',
      'message.created',
      'room.removed',
      'message.created',
    ]);
    expect(alpha.messages).toEqual(['ours', 'mine', 'last']);
    const first = alpha.events[0]!.cursor!;
    await alpha.drop();
    // The removed room's messages can no longer be read over HTTP either.
    const again = await AttachClient.attach({ url: lab.url, agent: 'alpha', cursor: first });
    await again.until(() => again.messages.includes('last'));
    expect(again.messages).toEqual(['ours', 'last']);
  });

  it('ATT-9 W25 with credentials, rooms are received by membership, from the moment it begins', async () => {
    const identity = (token?: string): Identity => ({
      mode: 'bearer',
      credential_key: `token:${token}`,
      scopes: new Set<Scope>(['attach', 'admin']),
    });
    const lab = await startAttachLab({ identity, settings: { auth_mode: 'bearer' } });
    await lab.createRoom('hidden', { visibility: 'private', members: ['beta'] });
    await lab.createRoom('shared', { members: ['alpha'] });
    const alpha = await AttachClient.attach({
      url: lab.url,
      headers: { authorization: 'Bearer a' },
      ack: true,
    });
    await lab.send('human:me', 'room:hidden', { id: 'before' });
    await lab.execute('room.members', { room_id: 'hidden', request: { add: ['alpha'], remove: undefined } });
    await lab.send('human:me', 'room:hidden', { id: 'member' });
    await lab.execute('room.members', { room_id: 'hidden', request: { add: undefined, remove: ['alpha'] } });
    await lab.send('human:me', 'room:hidden', { id: 'after' });
    await lab.send('human:me', 'room:shared', { id: 'end' });
    await alpha.until(() => alpha.messages.includes('end'));
    expect(alpha.messages).toEqual(['member', 'end']);
  });

  it('ATT-9 with direct messages off no DM is sent', async () => {
    const lab = await researchLab({ settings: { direct_messages: false } });
    const alpha = await AttachClient.attach({ url: lab.url });
    await lab.send('agent:beta', 'dm:d@alpha,beta', { id: 'dm' }).catch(() => {});
    await sendAll(lab, ['last']);
    await alpha.until(() => alpha.messages.length > 0);
    expect(alpha.messages).toEqual(['last']);
  });

  it('ATT-16 a room with more members than fit a frame goes out without them', async () => {
    const lab = await researchLab();
    const alpha = await AttachClient.attach({ url: lab.url });
    const members = Array.from({ length: 4_096 }, (_, i) => `${'n'.repeat(128)}:${'m'.repeat(124)}${i}`);
    lab.tail.publish([
      {
        seq: lab.tail.head + 1,
        id: 'evt_big',
        type: 'room.created',
        created_at: '2026-01-01T00:00:00Z',
        payload: JSON.stringify({ id: 'research', name: 'Big', members }),
        room_id: 'research',
        held: false,
      },
    ]);
    await alpha.until(() => alpha.events.length === 1);
    expect(alpha.raw.at(-1)!.length).toBeLessThan(1_048_576);
    expect(Object.keys(alpha.events[0]!.event!['room'] as object)).toEqual(['id', 'name']);
  });
});

describe('slow clients', () => {
  it('ATT-11 LOG-5 W11 beyond 1,024 unacknowledged nothing is sent, and nothing is lost', async () => {
    const lab = await researchLab({ ringCount: 100 });
    const client = await AttachClient.attach({ url: lab.url });
    const names = ids('m', 3_000);
    for (let i = 0; i < names.length; i += 100)
      await Promise.all(names.slice(i, i + 100).map((id) => lab.send('human:me', 'room:research', { id })));
    await client.settle();
    expect(client.events).toHaveLength(1_024);
    for (let i = 0; i < names.length; i++) {
      await client.until(() => client.events.length > i);
      client.ack(client.events[i]!.cursor!);
    }
    await sendAll(lab, ['live']);
    await client.until(() => client.messages.includes('live'));
    const seqs = await Promise.all(client.events.map((frame) => lab.store.eventSeq(frame.cursor!)));
    expect(seqs).toEqual([...seqs].sort((a, b) => a! - b!));
    expect(new Set(client.messages).size).toBe(3_001);
    expect(client.messages).toHaveLength(3_001);
  });

  it('ATT-11 a client that does not read costs a bounded buffer, and gets everything when it reads', async () => {
    const lab = await researchLab({ ringCount: 10, times: { silence: 60_000 } });
    const client = await AttachClient.attach({ url: lab.url });
    client.socket.pause();
    const big = 'x'.repeat(100_000);
    for (let i = 0; i < 150; i++)
      await lab.send('human:me', 'room:research', { id: `b${i}`, parts: [{ kind: 'text', text: big }] });
    const waiting = [...lab.sockets].map((socket) => socket.writableLength);
    expect(Math.max(...waiting)).toBeGreaterThan(3_000_000);
    expect(Math.max(...waiting)).toBeLessThan(5_000_000);
    client.socket.resume();
    await client.until(() => client.messages.length === 150);
    expect(client.messages).toEqual(ids('b', 150));
  });

  it('ATT-11 a client that never reads is dropped in the end', async () => {
    const lab = await researchLab({ times: { silence: 60_000, blocked: 300, ping: 100 } });
    const client = await AttachClient.attach({ url: lab.url });
    client.socket.pause();
    const big = 'x'.repeat(120_000);
    for (let i = 0; i < 80; i++)
      await lab.send('human:me', 'room:research', { id: `b${i}`, parts: [{ kind: 'text', text: big }] });
    await eventually(() => lab.gateway.connections === 0);
    expect(lab.presence.isConnected('alpha')).toBe(false);
  });
});

describe('held conversations', () => {
  async function storm(lab: AttachLab, prefix: string, count: number): Promise<void> {
    for (let i = 0; i < count; i++)
      await lab.send(i % 2 ? 'agent:beta' : 'agent:gamma', 'room:research', { id: `${prefix}${i}` });
  }
  async function heldLab(options: Parameters<typeof startAttachLab>[0] = {}): Promise<AttachLab> {
    const lab = await startAttachLab({ ...options, settings: { guard: { turns: 3 } } });
    await lab.createRoom('research');
    await lab.createRoom('other');
    return lab;
  }

  it('LOG-7 held messages come after the resume, in order, before what follows it', async () => {
    const lab = await heldLab();
    const client = await AttachClient.attach({ url: lab.url, ack: true });
    await storm(lab, 'a', 6);
    await sendAll(lab, ['elsewhere'], 'room:other');
    await client.until(() => client.messages.includes('elsewhere'));
    expect(client.messages).toEqual(['a0', 'a1', 'a2', 'elsewhere']);
    await sendAll(lab, ['person']);
    await client.until(() => client.messages.includes('person'));
    expect(client.messages).toEqual(['a0', 'a1', 'a2', 'elsewhere', 'a3', 'a4', 'a5', 'person']);
    expect(client.events.every((frame) => !frame.event!.type.startsWith('conversation.'))).toBe(true);
  });

  it.each([
    ['from the ring', 4_096],
    ['from storage', 1],
  ])('LOG-7 ATT-1 a client that comes back after the resume gets them too, %s', async (_, ringCount) => {
    const lab = await heldLab({ ringCount });
    const client = await AttachClient.attach({ url: lab.url, ack: true });
    await storm(lab, 'a', 5);
    await sendAll(lab, ['elsewhere'], 'room:other');
    await client.until(() => client.messages.includes('elsewhere'));
    await client.drop();
    await lab.execute('guard.resume', { conversation: 'room:research' });
    await sendAll(lab, ['later'], 'room:other');
    const again = await AttachClient.attach({ url: lab.url, ack: true, cursor: client.cursor });
    await again.until(() => again.messages.includes('later'));
    expect(again.messages).toEqual(['a3', 'a4', 'later']);
  });

  it('LOG-7 ATT-1 a cursor within the held range goes on within it, and repeats nothing', async () => {
    const lab = await heldLab();
    const client = await AttachClient.attach({ url: lab.url });
    await storm(lab, 'a', 7);
    await sendAll(lab, ['elsewhere'], 'room:other');
    await sendAll(lab, ['person']);
    await client.until(() => client.messages.includes('person'));
    expect(client.messages).toEqual(['a0', 'a1', 'a2', 'elsewhere', 'a3', 'a4', 'a5', 'a6', 'person']);
    for (const [i, frame] of client.events.entries()) {
      await client.drop();
      const again = await AttachClient.attach({ url: lab.url, cursor: frame.cursor });
      await again.settle();
      await sendAll(lab, [`end${i}`]);
      await again.until(() => again.messages.includes(`end${i}`));
      expect(again.messages.filter((id) => !id.startsWith('end'))).toEqual(client.messages.slice(i + 1));
      await again.drop();
    }
  });

  it('LOG-7 long held ranges are read in pages', async () => {
    const lab = await heldLab({ ringCount: 10 });
    const client = await AttachClient.attach({ url: lab.url, ack: true });
    await storm(lab, 'a', 1_300);
    await sendAll(lab, ['person']);
    await client.until(() => client.messages.includes('person'));
    expect(client.messages).toEqual([...ids('a', 1_300), 'person']);
  });
});

describe('wake accounting', () => {
  async function watched(): Promise<{
    lab: AttachLab;
    facts: { type: string; payload: Record<string, unknown> }[];
  }> {
    const lab = await researchLab();
    const facts: { type: string; payload: Record<string, unknown> }[] = [];
    lab.tail.subscribe(
      {
        push() {},
        announce: ({ event }) =>
          void (
            event.type.includes('wake') &&
            facts.push({ type: event.type, payload: JSON.parse(event.payload) as Record<string, unknown> })
          ),
      },
      { rooms: 'all', observer: true },
    );
    return { lab, facts };
  }

  it('ATT-15 ACK of a mention or a DM is announced, of other messages and of its own not', async () => {
    const { lab, facts } = await watched();
    const client = await AttachClient.attach({ url: lab.url, agent: 'cody' });
    await lab.send('human:me', 'room:research', { id: 'plain' });
    await lab.send('human:me', 'room:research', {
      id: 'mention',
      parts: [{ kind: 'text', text: '@cody look' }],
    });
    await lab.send('agent:beta', 'dm:d@cody,beta', { id: 'dm' });
    await lab.send('agent:cody', 'dm:d', { id: 'own' });
    await client.until(() => client.messages.length === 4);
    expect(facts).toEqual([]);
    for (const frame of client.events) client.ack(frame.cursor!);
    await client.settle();
    expect(facts.map((fact) => [fact.type, fact.payload['message_id'], fact.payload['reason']])).toEqual([
      ['agent.wake.delivered', 'mention', 'mention'],
      ['agent.wake.delivered', 'dm', 'dm'],
    ]);
    expect(facts[0]!.payload).toEqual({
      agent_id: 'cody',
      network_id: 'local',
      fqid: 'molt://local/agents/cody',
      name: 'CODY',
      message_id: 'mention',
      reason: 'mention',
      target: { kind: 'room', room_id: 'research' },
    });
  });

  it('ATT-15 an attachment that breaks with a wake unacknowledged is a failed wake', async () => {
    const { lab, facts } = await watched();
    const client = await AttachClient.attach({ url: lab.url, agent: 'cody' });
    await lab.send('human:me', 'room:research', {
      id: 'mention',
      parts: [{ kind: 'text', text: '@cody look' }],
    });
    await client.until(() => client.messages.length === 1);
    await client.drop();
    await eventually(() => lab.gateway.connections === 0);
    expect(facts.map((fact) => [fact.type, fact.payload['message_id']])).toEqual([
      ['agent.wake.failed', 'mention'],
    ]);
    expect(facts[0]!.payload['error']).toEqual(expect.any(String));
    expect(lab.wakes.lastFailure('cody')).toMatchObject({ message_id: 'mention', at: expect.any(String) });
  });

  it('ATT-15 a stop of the server fails no wake', async () => {
    const { lab, facts } = await watched();
    const client = await AttachClient.attach({ url: lab.url, agent: 'cody' });
    await lab.send('human:me', 'room:research', {
      id: 'mention',
      parts: [{ kind: 'text', text: '@cody look' }],
    });
    await client.until(() => client.messages.length === 1);
    await lab.gateway.close();
    expect(facts).toEqual([]);
  });

  it('ATT-15 a wake that a node reports as failed is announced and remembered', async () => {
    const { lab, facts } = await watched();
    await lab.execute('agent.register', { requested_id: 'cody', via: 'http' });
    await lab.send('human:me', 'room:research', { id: 'm1' });
    const event = { message: { id: 'm1' } };
    await lab.wakes.reportWakeFailed({
      agent_id: 'cody',
      event,
      error: 'exit 1',
      attempts: 4,
      classification: 'retry_exhausted',
    });
    expect(facts[0]).toMatchObject({
      type: 'agent.wake.failed',
      payload: {
        agent_id: 'cody',
        message_id: 'm1',
        attempts: 4,
        classification: 'retry_exhausted',
        target: { room_id: 'research' },
      },
    });
    expect(lab.wakes.lastFailure('cody')).toMatchObject({
      error: 'exit 1',
      classification: 'retry_exhausted',
    });
    await expect(lab.wakes.reportWakeFailed({ event })).rejects.toMatchObject({ code: 'bad_request' });
    await expect(lab.wakes.reportWakeFailed({ agent_id: 'cody' })).rejects.toMatchObject({
      code: 'bad_request',
    });
    await expect(lab.wakes.reportWakeFailed({ agent_id: 'nobody', event })).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});
