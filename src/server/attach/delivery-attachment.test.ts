import { describe, expect, it } from 'vitest';
import { AttachClient, type Frame } from '../../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab, type AttachLabOptions } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import type { Identity, Scope } from '../../network/identity.ts';
import type { Bindings, CatchUpPolicy, WakePolicy } from '../../protocol/wake.ts';
import type { Store } from '../../store/store.ts';

function bind(
  rooms: Record<string, WakePolicy>,
  more: { catch_up?: CatchUpPolicy; dms?: Bindings['dms'] } = {},
): Bindings {
  return {
    rooms: Object.entries(rooms).map(([id, wake]) => ({ id, wake })),
    dms: more.dms ?? { enabled: true, wake: 'all' },
    catch_up: more.catch_up ?? 'all',
  };
}
const RESEARCH = bind({ research: 'all' });
const ids = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

async function lab(options: AttachLabOptions = {}): Promise<AttachLab> {
  const opened = await startAttachLab(options);
  for (const id of ['research', 'other']) if (!opened.network.topology.room(id)) await opened.createRoom(id);
  return opened;
}
const attach = (at: AttachLab, bindings: Bindings = RESEARCH, more: object = {}): Promise<AttachClient> =>
  AttachClient.attach({ url: at.url, bindings, ...more });
async function post(
  at: AttachLab,
  names: string[],
  target = 'room:research',
  as = 'human:me',
): Promise<void> {
  for (const id of names) await at.send(as, target, { id });
}
async function mention(at: AttachLab, id: string, target = 'room:research'): Promise<void> {
  await at.send('human:me', target, { id, parts: [{ kind: 'text', text: '@alpha look' }] });
}
/** Ends the connection and waits until its positions are stored. */
async function leave(at: AttachLab, client: AttachClient): Promise<void> {
  await client.drop();
  await eventually(() => at.gateway.connections === 0);
  await at.execute('delivery.save', { writes: [] });
}
const cursorOf = (client: AttachClient, message: string): string =>
  client.events.find((frame) => frame.event!.message?.id === message)!.cursor!;
async function wake(
  client: AttachClient,
  wake_id: string,
  message: string,
  more: object = {},
): Promise<Frame> {
  const before = client.of('WAKE').length;
  client.send({
    op: 'WAKE',
    wake_id,
    conversation: 'room:research',
    cursor: cursorOf(client, message),
    attempt: 1,
    ...more,
  });
  await client.until(() => client.of('WAKE').length > before || client.closed);
  return client.of('WAKE')[before]!;
}
/** What comes on a new connection, as `WAKE id/attempt` and message ids. */
async function story(client: AttachClient): Promise<string[]> {
  await client.settle();
  await client.settle();
  return client.frames.flatMap((frame) =>
    frame.op === 'WAKE'
      ? [`WAKE ${frame.wake_id}/${frame.attempt}`]
      : frame.op === 'EVENT'
        ? [frame.event!.message?.id ?? frame.event!.type]
        : [],
  );
}

describe('what is delivered', () => {
  it('DLV-1 messages that wake by the bindings, and no others', async () => {
    const at = await lab();
    await at.createRoom('threads');
    await at.createRoom('quiet');
    const client = await attach(
      at,
      bind({ research: 'all', other: 'mentions', threads: 'thread_only', quiet: 'never' }),
    );
    await post(at, ['r1']);
    await post(at, ['own'], 'room:research', 'agent:alpha');
    await post(at, ['o1'], 'room:other');
    await mention(at, 'o2', 'room:other');
    await post(at, ['t1'], 'room:threads');
    await post(at, ['t2'], 'thread:tt@threads');
    await mention(at, 'q1', 'room:quiet');
    await post(at, ['d1'], 'dm:d@alpha,beta', 'agent:beta');
    await post(at, ['d2'], 'dm:d', 'agent:alpha');
    await post(at, ['d3'], 'dm:e@gamma,beta', 'agent:beta');
    await at.createRoom('unbound');
    await mention(at, 'u1', 'room:unbound');
    await post(at, ['r2']);
    await client.until(() => client.events.length >= 5);
    await client.settle();
    expect(client.messages.toSorted()).toEqual(['d1', 'o2', 'r1', 'r2', 't2']);
    expect(client.events).toHaveLength(5);
  });

  it('DLV-1 with DMs off none is delivered', async () => {
    const at = await lab();
    const client = await attach(at, bind({ research: 'all' }, { dms: { enabled: false, wake: 'all' } }));
    await post(at, ['d1'], 'dm:d@alpha,beta', 'agent:beta');
    await post(at, ['r1']);
    await client.until(() => client.messages.length > 0);
    expect(client.messages).toEqual(['r1']);
  });

  it('DLV-2 a room begins at the head of the first attach, and the beginning survives a crash', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab({ path });
    await post(first, ['history']);
    await attach(first);
    await first.crash();
    const second = await lab({ path });
    await post(second, ['missed']);
    expect(await story(await attach(second))).toEqual(['missed']);
  });

  it('DLV-2 a member begins where its membership began, whenever it first attaches; DMs at their beginning', async () => {
    const at = await lab();
    await post(at, ['before']);
    await at.execute('room.members', { room_id: 'research', request: { add: ['alpha'], remove: undefined } });
    await post(at, ['after']);
    await post(at, ['dm'], 'dm:d@alpha,beta', 'agent:beta');
    expect((await story(await attach(at))).toSorted()).toEqual(['after', 'dm']);
  });

  it('DLV-2 a room that is made while the agent is attached is delivered from its first message', async () => {
    const at = await lab();
    const client = await attach(at, bind({ tomorrow: 'all' }));
    await at.createRoom('tomorrow');
    await post(at, ['m1'], 'room:tomorrow');
    await client.until(() => client.messages.length === 1);
    await leave(at, client);
    await post(at, ['m2'], 'room:tomorrow');
    expect(await story(await attach(at, bind({ tomorrow: 'all' })))).toEqual(['m1', 'm2']);
  });

  it('DLV-2 a room that is removed is delivered no more, and its ACKs are still taken', async () => {
    const at = await lab();
    const client = await attach(at, bind({ research: 'all', other: 'all' }));
    await post(at, ['m1']);
    await client.until(() => client.messages.length === 1);
    await at.execute('room.remove', { room_id: 'research' });
    client.ack(cursorOf(client, 'm1'));
    await post(at, ['m2'], 'room:other');
    await client.until(() => client.messages.includes('m2'));
    await leave(at, client);
    expect(await story(await attach(at, bind({ research: 'all', other: 'all' })))).toEqual(['m2']);
  });

  it('DLV-3 at most 64 of a conversation are out; an ACK brings the next, in order', async () => {
    const at = await lab({ ringCount: 20 });
    const client = await attach(at);
    const names = ids('m', 300);
    await post(at, names);
    await client.until(() => client.messages.length === 64);
    await client.settle();
    expect(client.messages).toEqual(names.slice(0, 64));
    // A full conversation waits alone.
    await post(at, ['d1'], 'dm:d@alpha,beta', 'agent:beta');
    await client.until(() => client.messages.includes('d1'));
    let acked = 0;
    while (acked < 300) {
      const room = client.events.filter(
        (frame) => frame.conversation === undefined && frame.event!.message!.target.kind === 'room',
      );
      await client.until(() => client.messages.length > acked);
      const next = Math.min(acked + 7, room.length, 300);
      if (next > acked) client.ack(room[next - 1]!.cursor!);
      acked = next;
      await client.settle();
      expect(client.error).toBeUndefined();
    }
    expect(client.messages.filter((id) => id.startsWith('m'))).toEqual(names);
  });

  it('DLV-3 at most 1,024 are out in all; everything comes in the end', async () => {
    const at = await lab();
    const client = await attach(at);
    const threads = 40;
    for (let n = 0; n < 30; n++)
      await Promise.all(
        Array.from({ length: threads }, (_, t) =>
          at.send('human:me', `thread:t${t}@research`, { id: `t${t}-${n}` }),
        ),
      );
    await client.until(() => client.messages.length === 1_024);
    await client.settle();
    expect(client.messages.length).toBe(1_024);
    for (let i = 0; i < threads * 30; i++) {
      await client.until(() => client.events.length > i || client.closed);
      expect(client.error).toBeUndefined();
      client.ack(client.events[i]!.cursor!);
    }
    await client.settle();
    expect(new Set(client.messages).size).toBe(threads * 30);
    for (let t = 0; t < threads; t++)
      expect(client.messages.filter((id) => id.startsWith(`t${t}-`))).toEqual(
        Array.from({ length: 30 }, (_, n) => `t${t}-${n}`),
      );
  });

  it('DLV-6 catch_up decides about what was missed; live messages follow the policy', async () => {
    for (const [catch_up, expected] of [
      ['all', ['a', 'b', 'c', 'd1']],
      ['mentions', ['b', 'd1']],
      ['none', []],
    ] as const) {
      const at = await lab();
      const bindings = bind({ research: 'all' }, { catch_up });
      await leave(at, await attach(at, bindings));
      await post(at, ['a']);
      await mention(at, 'b');
      await post(at, ['c']);
      await post(at, ['d1'], 'dm:d@alpha,beta', 'agent:beta');
      const client = await attach(at, bindings);
      await client.settle();
      await post(at, ['live']);
      await client.until(() => client.messages.includes('live'));
      // The room waits for nobody's ACK, so all that was missed is there.
      expect(client.messages.toSorted()).toEqual([...expected, 'live'].toSorted());
      await leave(at, client);
      // What was handed over and not acknowledged comes again, whatever catch_up says.
      const again = await attach(at, bindings);
      await again.until(() => again.messages.length > expected.length);
      const seen = (await story(again)).toSorted();
      if (catch_up !== 'mentions') expect(seen).toEqual([...expected, 'live'].toSorted());
      else expect(seen.filter((id) => id !== 'c')).toEqual([...expected, 'live'].toSorted());
    }
  });

  it('DLV-10 held messages come after the resume, in order', async () => {
    const at = await startAttachLab({ settings: { guard: { turns: 2 } } });
    await at.createRoom('research');
    const client = await attach(at);
    for (let i = 0; i < 5; i++)
      await post(at, [`m${i}`], 'room:research', i % 2 ? 'agent:beta' : 'agent:gamma');
    await client.settle();
    expect(client.messages).toEqual(['m0', 'm1']);
    client.ack(cursorOf(client, 'm1'));
    await leave(at, client);
    const again = await attach(at);
    await again.settle();
    expect(again.messages).toEqual([]);
    await post(at, ['person']);
    await again.until(() => again.messages.includes('person'));
    expect(again.messages).toEqual(['m2', 'm3', 'm4', 'person']);
  });

  it('DLV-10 an operator resumes a conversation that is held since before the attach', async () => {
    const at = await startAttachLab({ settings: { guard: { turns: 2 } } });
    await at.createRoom('research', { members: ['alpha'] });
    for (let i = 0; i < 5; i++)
      await post(at, [`m${i}`], 'room:research', i % 2 ? 'agent:beta' : 'agent:gamma');
    const client = await attach(at);
    await client.settle();
    expect(client.messages).toEqual(['m0', 'm1']);
    await at.execute('guard.resume', { conversation: 'room:research' });
    await client.until(() => client.messages.length === 5);
    expect(client.messages).toEqual(ids('m', 5));
  });

  it('DLV-11 a redaction follows a message that is out, and stops one that is not', async () => {
    const at = await lab();
    const client = await attach(at);
    const names = ids('m', 66);
    await post(at, names);
    await client.until(() => client.messages.length === 64);
    await at.execute('message.redact', { message_id: 'm3' });
    await at.execute('message.redact', { message_id: 'm64' });
    await client.until(() => client.events.length === 65);
    const notice = client.events.at(-1)!;
    expect(notice.event).toMatchObject({ type: 'message.redacted', redaction: { message_id: 'm3' } });
    client.ack(notice.cursor!);
    client.ack(cursorOf(client, 'm63'));
    await client.until(() => client.messages.includes('m65'));
    expect(client.messages).not.toContain('m64');
    expect(client.closed).toBe(false);
  });

  it('DLV-12 a room is bootstrapped once per agent, over restarts', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab({ path });
    const client = await attach(first);
    client.send({ op: 'BOOTSTRAP', rooms: ['research', 'unbound', 'research'] });
    await client.until(() => client.has('BOOTSTRAP'));
    expect(client.of('BOOTSTRAP')[0]!.rooms).toEqual(['research']);
    await first.stop();
    const second = await lab({ path });
    const again = await attach(second, bind({ research: 'all', other: 'all' }));
    again.send({ op: 'BOOTSTRAP', rooms: ['research', 'other'] });
    await again.until(() => again.has('BOOTSTRAP'));
    expect(again.of('BOOTSTRAP')[0]!.rooms).toEqual(['other']);
  });

  it('DLV-13 what other conversations hold costs nothing', async () => {
    const reads: string[] = [];
    const wrap = (store: Store): Store =>
      new Proxy(store, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]) => {
            reads.push(String(key));
            return (value as (...a: unknown[]) => unknown).apply(target, args);
          };
        },
      });
    const at = await lab({ wrap, ringCount: 1 });
    await leave(at, await attach(at));
    for (let i = 0; i < 20; i++)
      await Promise.all(ids(`o${i}-`, 50).map((id) => at.send('human:me', `thread:th${i}@other`, { id })));
    await post(at, ids('m', 30));
    reads.length = 0;
    const client = await attach(at);
    await client.until(() => client.messages.length === 30);
    await client.settle();
    expect(reads).not.toContain('events');
    expect(reads.filter((read) => read === 'conversationEvents')).toHaveLength(1);
    expect(reads.filter((read) => read === 'roomConversationsAfter')).toHaveLength(1);
  });

  it('ATT-10 an unknown cursor: a gap, then what the positions say', async () => {
    const at = await lab();
    await leave(at, await attach(at));
    await post(at, ['m1']);
    const client = await attach(at, RESEARCH, { cursor: 'evt_unknown' });
    expect(await story(client)).toEqual(['stream.replay_gap', 'm1']);
    client.ack(client.events[0]!.cursor!);
    await client.settle();
    expect(client.closed).toBe(false);
  });
});

describe('acknowledging', () => {
  it('DLV-4 ACK is cumulative within its conversation, and only there', async () => {
    const at = await lab();
    const bindings = bind({ research: 'all', other: 'all' });
    const client = await attach(at, bindings);
    await post(at, ['r1', 'r2', 'r3']);
    await post(at, ['o1'], 'room:other');
    await client.until(() => client.messages.length === 4);
    client.ack(cursorOf(client, 'r2'));
    await client.settle();
    await leave(at, client);
    expect((await story(await attach(at, bindings))).toSorted()).toEqual(['o1', 'r3']);
  });

  it.each([
    ['an unknown cursor', (client: AttachClient) => client.ack('evt_x'), /not outstanding/, 'unknown_cursor'],
    [
      'a cursor that an ACK went past',
      (client: AttachClient) => (client.ack(cursorOf(client, 'm1')), client.ack(cursorOf(client, 'm0'))),
      /not outstanding/,
      'unknown_cursor',
    ],
    [
      'a wake that is not open',
      (client: AttachClient) => client.ack(cursorOf(client, 'm1'), { wake_id: 'w9' }),
      /w9 is not open/,
      'bad_frame',
    ],
    [
      'an outcome that is none',
      (client: AttachClient) => client.ack(cursorOf(client, 'm1'), { outcome: 'maybe' }),
      /outcome/,
      'bad_frame',
    ],
    [
      'attempts that are no number',
      (client: AttachClient) => client.ack(cursorOf(client, 'm1'), { attempts: 'two' }),
      /attempts/,
      'bad_frame',
    ],
    [
      'WAKE with a bad id',
      (client: AttachClient) =>
        client.send({
          op: 'WAKE',
          wake_id: 'a b',
          conversation: 'room:research',
          cursor: cursorOf(client, 'm1'),
        }),
      /wake_id/,
      'bad_frame',
    ],
    [
      'WAKE of another conversation',
      (client: AttachClient) =>
        client.send({ op: 'WAKE', wake_id: 'w', conversation: 'room:other', cursor: cursorOf(client, 'm1') }),
      /belongs to room:research/,
      'bad_frame',
    ],
    [
      'WAKE of no conversation',
      (client: AttachClient) =>
        client.send({ op: 'WAKE', wake_id: 'w', conversation: 'kitchen', cursor: cursorOf(client, 'm1') }),
      /not a conversation/,
      'invalid_target',
    ],
    [
      'WAKE of an unknown cursor',
      (client: AttachClient) =>
        client.send({ op: 'WAKE', wake_id: 'w', conversation: 'room:research', cursor: 'evt_x' }),
      /not outstanding/,
      'unknown_cursor',
    ],
    [
      'BOOTSTRAP without rooms',
      (client: AttachClient) => client.send({ op: 'BOOTSTRAP' }),
      /rooms/,
      'bad_frame',
    ],
  ] as const)('DLV-4 ATT-7 %s: ERROR with a code, then a drop', async (_, act, error, code) => {
    const at = await lab();
    const client = await attach(at);
    await post(at, ids('m', 2));
    await client.until(() => client.messages.length === 2);
    act(client);
    await client.gone();
    expect(client.error).toMatch(error);
    expect(client.of('ERROR')[0]!.code).toBe(code);
    expect(client.of('ERROR')[0]!.permanent).toBeUndefined();
    expect(at.faults).toEqual([]);
  });

  it('DLV-4 within an open wake ACK has to name it, and its last cursor', async () => {
    for (const [message, more, error] of [
      ['m1', {}, /open wake w1/],
      ['m0', { wake_id: 'w1' }, /ends at/],
      ['m2', { wake_id: 'w1' }, /ends at/],
      ['m1', { wake_id: 'w2' }, /open wake w1/],
    ] as const) {
      const at = await lab();
      const client = await attach(at);
      await post(at, ids('m', 3));
      await client.until(() => client.messages.length === 3);
      await wake(client, 'w1', 'm1');
      client.ack(cursorOf(client, message), more);
      await client.gone();
      expect(client.error).toMatch(error);
    }
  });

  it('DLV-14 another network is permanent, an agent that is attached already is not', async () => {
    const at = await lab({ times: { probe: 100 } });
    await attach(at);
    const second = await attach(at);
    expect(second.of('ERROR')[0]).toMatchObject({ code: 'already_attached' });
    expect(second.of('ERROR')[0]!.permanent).toBeUndefined();
    const lost = await attach(at, RESEARCH, { network: 'elsewhere' });
    expect(lost.of('ERROR')[0]).toMatchObject({ code: 'network_mismatch', permanent: true });
  });
});

describe('wakes and crashes', () => {
  const path = (): string => `${labFolder()}/moltnet.db`;

  it('DLV-7 WAKE is answered when it is stored', async () => {
    const at = await lab();
    const client = await attach(at);
    await post(at, ids('m', 3));
    await client.until(() => client.messages.length === 3);
    const answer = await wake(client, 'w1', 'm1');
    expect(answer).toMatchObject({
      wake_id: 'w1',
      conversation: 'room:research',
      cursor: cursorOf(client, 'm1'),
      attempt: 1,
    });
    expect(await at.store.openWakes('alpha')).toMatchObject([{ attempt: 1, state: 'open' }]);
    const retry = await wake(client, 'w1', 'm1', { attempt: 2 });
    expect(retry.attempt).toBe(2);
    expect(await at.store.openWakes('alpha')).toMatchObject([{ attempt: 2 }]);
    client.ack(cursorOf(client, 'm1'), { wake_id: 'w1', outcome: 'ok' });
    await client.settle();
    await at.execute('delivery.save', { writes: [] });
    expect(await at.store.openWakes('alpha')).toEqual([]);
  });

  it('DLV-7 a wake that cannot be stored is not answered', async () => {
    let broken = false;
    const wrap = (store: Store): Store =>
      new Proxy(store, {
        get(target, key) {
          if (key === 'commit' && broken) return () => Promise.reject(new Error('disk full'));
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    const at = await lab({ wrap });
    const client = await attach(at);
    await post(at, ['m0']);
    await client.until(() => client.messages.length === 1);
    broken = true;
    client.send({
      op: 'WAKE',
      wake_id: 'w1',
      conversation: 'room:research',
      cursor: cursorOf(client, 'm0'),
      attempt: 1,
    });
    await client.gone();
    broken = false;
    expect(client.has('WAKE')).toBe(false);
    expect(client.has('ERROR')).toBe(true);
  });

  it('DLV-8 a crash before WAKE is stored: the messages come as ordinary ones', async () => {
    const file = path();
    const first = await lab({ path: file });
    const client = await attach(first);
    await post(first, ids('m', 2));
    await client.until(() => client.messages.length === 2);
    await first.crash();
    expect(await story(await attach(await lab({ path: file })))).toEqual(['m0', 'm1']);
  });

  it('DLV-8 a crash during the turn: the same wake with its range and attempt first, then what came meanwhile', async () => {
    const file = path();
    const first = await lab({ path: file });
    const client = await attach(first);
    await post(first, ids('m', 4));
    await client.until(() => client.messages.length === 4);
    await wake(client, 'w1', 'm1');
    await wake(client, 'w1', 'm1', { attempt: 3 });
    await post(first, ['m4']);
    await first.crash();

    const second = await lab({ path: file });
    await post(second, ['m5']);
    const again = await attach(second);
    expect(await story(again)).toEqual(['WAKE w1/3', 'm0', 'm1', 'm2', 'm3', 'm4', 'm5']);
    expect(again.of('WAKE')[0]!.cursor).toBe(cursorOf(again, 'm1'));
    expect(again.of('WAKE')[0]!.conversation).toBe('room:research');
    again.ack(cursorOf(again, 'm1'), { wake_id: 'w1', outcome: 'ok' });
    await again.settle();
    // The end of a wake is written at once, with the position: it does not wait for the next save.
    await second.execute('delivery.save', { writes: [] });
    await second.crash();

    expect(await story(await attach(await lab({ path: file })))).toEqual(['m2', 'm3', 'm4', 'm5']);
  });

  it('DLV-8 a crash that loses the ACK: the wake comes again under its id, and nothing else of it', async () => {
    const file = path();
    const first = await lab({ path: file });
    const client = await attach(first);
    await post(first, ids('m', 2));
    await client.until(() => client.messages.length === 2);
    await wake(client, 'w1', 'm1');
    await first.crash();
    const second = await lab({ path: file });
    const again = await attach(second);
    expect(await story(again)).toEqual(['WAKE w1/1', 'm0', 'm1']);
    again.ack(cursorOf(again, 'm1'), { wake_id: 'w1' });
    await again.settle();
    await leave(second, again);
    expect(await story(await attach(second))).toEqual([]);
  });

  it('DLV-5 a crash that loses a position: the messages come again', async () => {
    const file = path();
    const first = await lab({ path: file });
    const client = await attach(first);
    await post(first, ids('m', 2));
    await client.until(() => client.messages.length === 2);
    client.ack(cursorOf(client, 'm1'));
    await client.settle();
    await first.crash();
    expect(await story(await attach(await lab({ path: file })))).toEqual(['m0', 'm1']);
  });

  it('DLV-5 a stop stores the positions', async () => {
    const file = path();
    const first = await lab({ path: file });
    const client = await attach(first);
    await post(first, ids('m', 2));
    await client.until(() => client.messages.length === 2);
    client.ack(cursorOf(client, 'm0'));
    await client.settle();
    await first.stop();
    expect(await story(await attach(await lab({ path: file })))).toEqual(['m1']);
  });

  it('DLV-5 more conversations than a save writes whole keep their positions one by one', async () => {
    const file = path();
    const first = await lab({ path: file });
    const client = await attach(first);
    const threads = 100;
    for (let n = 0; n < 3; n++)
      await Promise.all(
        Array.from({ length: threads }, (_, t) =>
          first.send('human:me', `thread:t${t}@research`, { id: `t${t}-${n}` }),
        ),
      );
    await client.until(() => client.messages.length === 3 * threads);
    for (let t = 0; t < threads; t++)
      if (t % 3 > 0) client.ack(cursorOf(client, `t${t}-${t % 3 === 1 ? 0 : 2}`));
    await client.settle();
    await leave(first, client);
    const again = await attach(first);
    const expected = Array.from({ length: threads }, (_, t) =>
      (t % 3 === 0 ? [0, 1, 2] : t % 3 === 1 ? [1, 2] : []).map((n) => `t${t}-${n}`),
    ).flat();
    await again.until(() => again.messages.length >= expected.length);
    await again.settle();
    expect(again.messages.toSorted()).toEqual(expected.toSorted());
    for (const frame of again.events) if (frame.event!.message!.id.endsWith('-2')) again.ack(frame.cursor!);
    await again.settle();
    await leave(first, again);
    expect(await first.store.positions('alpha')).toEqual([]);
    expect(await story(await attach(first))).toEqual([]);
  });

  it('DLV-8 an open wake whose messages were redacted is over', async () => {
    const at = await lab();
    const client = await attach(at);
    await post(at, ids('m', 2));
    await client.until(() => client.messages.length === 2);
    await wake(client, 'w1', 'm0');
    await leave(at, client);
    await at.execute('message.redact', { message_id: 'm0' });
    const again = await attach(at);
    expect(await story(again)).toEqual(['m1']);
    expect(await at.store.openWakes('alpha')).toEqual([]);
  });

  it('DLV-8 two agents may use the same wake id', async () => {
    const at = await lab();
    const alpha = await attach(at);
    const beta = await attach(at, RESEARCH, { agent: 'beta' });
    await post(at, ['m0']);
    await Promise.all([alpha, beta].map((client) => client.until(() => client.messages.length === 1)));
    await Promise.all([wake(alpha, 'w1', 'm0'), wake(beta, 'w1', 'm0')]);
    alpha.ack(cursorOf(alpha, 'm0'), { wake_id: 'w1' });
    await alpha.settle();
    await at.execute('delivery.save', { writes: [] });
    expect(await at.store.openWakes('alpha')).toEqual([]);
    expect(await at.store.openWakes('beta')).toHaveLength(1);
  });

  it('DLV-15 the end of a wake is announced by its outcome', async () => {
    const at = await lab();
    const facts: Record<string, unknown>[] = [];
    at.tail.subscribe(
      {
        push() {},
        announce: ({ event }) =>
          void (
            event.type.includes('wake') &&
            facts.push({ type: event.type, ...(JSON.parse(event.payload) as object) })
          ),
      },
      { rooms: 'all', observer: true },
    );
    const client = await attach(at);
    await post(at, ids('m', 4));
    await client.until(() => client.messages.length === 4);
    await wake(client, 'w1', 'm1');
    client.ack(cursorOf(client, 'm1'), { wake_id: 'w1', outcome: 'ok' });
    await wake(client, 'w2', 'm2');
    client.ack(cursorOf(client, 'm2'), { wake_id: 'w2', outcome: 'failed', error: 'exit 1', attempts: 4 });
    await wake(client, 'w3', 'm3');
    client.ack(cursorOf(client, 'm3'), {
      wake_id: 'w3',
      outcome: 'failed',
      error: 'not logged in',
      attempts: 1,
      classification: 'permanent',
    });
    await client.settle();
    expect(facts).toMatchObject([
      {
        type: 'agent.wake.delivered',
        agent_id: 'alpha',
        message_id: 'm1',
        reason: 'targeted',
        target: { kind: 'room', room_id: 'research' },
      },
      {
        type: 'agent.wake.failed',
        agent_id: 'alpha',
        message_id: 'm2',
        error: 'exit 1',
        attempts: 4,
        classification: 'retry_exhausted',
      },
      { type: 'agent.wake.failed', message_id: 'm3', attempts: 1, classification: 'permanent' },
    ]);
    expect(at.wakes.lastFailure('alpha')).toMatchObject({ message_id: 'm3', error: 'not logged in' });
    expect(await at.store.failedWakes('alpha', 10)).toMatchObject([
      { error: 'not logged in' },
      { error: 'exit 1' },
    ]);
    // A failed wake is done with: it does not come again.
    await leave(at, client);
    expect(await story(await attach(at))).toEqual([]);
  });
});

describe('the lease', () => {
  it('DLV-9 one of several attachments delivers; the next takes over where it ended', async () => {
    const identity = (): Identity => ({
      mode: 'bearer',
      credential_key: 'token:one',
      scopes: new Set<Scope>(['attach', 'admin']),
    });
    const at = await startAttachLab({
      identity,
      settings: { auth_mode: 'bearer' },
      path: `${labFolder()}/moltnet.db`,
    });
    await at.createRoom('research', { members: ['alpha'] });
    const [first, second, third] = [await attach(at), await attach(at), await attach(at)];
    await post(at, ids('m', 3));
    await first!.until(() => first!.messages.length === 3);
    await second!.settle();
    expect(second!.events).toEqual([]);
    await second!.drop();
    // The position goes to disk only with the end of the attachment: the next one has to wait for that.
    first!.ack(cursorOf(first!, 'm0'));
    first!.socket.close();
    await third!.until(() => third!.messages.length === 2);
    expect(third!.messages).toEqual(['m1', 'm2']);
    await post(at, ['m3']);
    await third!.until(() => third!.messages.length === 3);
  });
});
