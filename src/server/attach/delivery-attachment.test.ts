import { describe, expect, it } from 'vitest';
import { calling } from '../../../test/support/gated-store.ts';
import { startAttachLab } from '../../../test/support/attach-lab.ts';
import {
  attach,
  bind,
  cursorOf,
  ids,
  lab,
  leave,
  mention,
  post,
  RESEARCH,
  story,
} from '../../../test/support/delivery-lab.ts';
import { labFolder } from '../../../test/support/network-lab.ts';

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
    // Its first wake has not ended.
    client.send({ op: 'BOOTSTRAP', rooms: ['research'] });
    await client.until(() => client.of('BOOTSTRAP').length === 2);
    expect(client.of('BOOTSTRAP')[1]!.rooms).toEqual(['research']);
    client.send({ op: 'BOOTSTRAP', rooms: ['research', 'unbound'], done: true });
    await client.settle();
    expect(client.of('BOOTSTRAP')).toHaveLength(2);
    await first.stop();
    const second = await lab({ path });
    const again = await attach(second, bind({ research: 'all', other: 'all' }));
    again.send({ op: 'BOOTSTRAP', rooms: ['research', 'other'] });
    await again.until(() => again.has('BOOTSTRAP'));
    expect(again.of('BOOTSTRAP')[0]!.rooms).toEqual(['other']);
  });

  it('DLV-13 what other conversations hold costs nothing', async () => {
    const reads: string[] = [];
    const wrap = calling((method) => void reads.push(method));
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
