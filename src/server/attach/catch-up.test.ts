import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import { attach, bind, end, got, say, wake, wakeLab, watch } from '../../../test/support/wake-lab.ts';
import type { AttachClient } from '../../../test/support/attach-client.ts';
import type { AttachLab } from '../../../test/support/attach-lab.ts';
import { DEFAULT_CATCH_UP, type Bindings, type CatchUp, type WakePolicy } from '../../protocol/wake.ts';

const HOUR = 3_600_000;

/** The log's clock, and the writer's, so many hours on. */
interface Away {
  at: AttachLab;
  hours: (more: number) => void;
}
async function lab(path?: string, from = 0): Promise<Away> {
  let later = from * HOUR;
  const clock = () => Date.now() + later;
  const at = await wakeLab({ clock, ...(path !== undefined && { path }) });
  return { at, hours: (more) => void (later += more * HOUR) };
}

async function leave(at: AttachLab, client: AttachClient): Promise<void> {
  await client.drop();
  await eventually(() => at.gateway.connections === 0);
  await at.execute('delivery.save', { writes: [] });
}
async function told(at: AttachLab, id: string): Promise<string> {
  const { state, reason } = (await at.receipts(id))['alpha']!;
  return reason === undefined ? state : `${state}: ${reason}`;
}
const receipts = (at: AttachLab, ids: readonly string[]): Promise<string[]> =>
  Promise.all(ids.map((id) => told(at, id)));
/** What is there when everything that comes by itself has come. */
async function came(client: AttachClient): Promise<string[]> {
  for (let i = 0; i < 3; i++) await client.settle();
  return client.messages;
}

/** What came while it was away: a plain message and a mention; then, attached again, `live`. */
async function absence(catch_up: Bindings['catch_up'], hoursLater = 0) {
  const { at, hours } = await lab();
  const bindings = bind({ r: 'all' }, { catch_up });
  await leave(at, await attach(at, bindings));
  await say(at, 'plain');
  await say(at, 'named', '@alpha look');
  hours(hoursLater);
  const client = await attach(at, bindings);
  await say(at, 'live');
  await got(client, 'live');
  await at.execute('delivery.save', { writes: [] });
  return { messages: client.messages, receipts: await receipts(at, ['plain', 'named', 'live']) };
}

describe('policy and age', () => {
  it('RCPT-19 with catch_up none, or all but mentions, what is passed over is expired', async () => {
    expect(await absence('none')).toEqual({
      messages: ['live'],
      receipts: ['expired: catch_up', 'expired: catch_up', 'handed'],
    });
    for (const catch_up of ['mentions', { policy: 'mentions' }] as const)
      expect(await absence(catch_up)).toEqual({
        messages: ['named', 'live'],
        receipts: ['expired: catch_up', 'handed', 'handed'],
      });
  });

  it('RCPT-19 what is older than max_age is expired, what is younger is caught up with', async () => {
    const limited = { policy: 'all', max_age: 3_600 } as const;
    expect((await absence(limited)).messages).toEqual(['plain', 'named', 'live']);
    expect(await absence(limited, 2)).toEqual({
      messages: ['live'],
      receipts: ['expired: age', 'expired: age', 'handed'],
    });
  });

  it('RCPT-19 mentions and DMs may have an age of their own', async () => {
    const limited = { policy: 'all', max_age: 3_600, max_age_mentions: 36_000 } as const;
    expect(await absence(limited, 2)).toEqual({
      messages: ['named', 'live'],
      receipts: ['expired: age', 'handed', 'handed'],
    });
    const { at, hours } = await lab();
    const bindings = bind({ r: 'all' }, { catch_up: limited });
    await leave(at, await attach(at, bindings));
    await say(at, 'd-old', 'hi', 'dm:d@alpha,me');
    hours(9);
    await say(at, 'd-new', 'hi', 'dm:d@alpha,me');
    hours(2);
    const client = await attach(at, bindings);
    await got(client, 'd-new');
    expect(client.messages).toEqual(['d-new']);
    expect(await receipts(at, ['d-old', 'd-new'])).toEqual(['expired: age', 'handed']);
  });

  it('RCPT-19 what was handed before an absence is not expired, and comes again', async () => {
    for (const catch_up of ['none', { policy: 'all', max_age: 3_600 }] as const) {
      const { at, hours } = await lab();
      const bindings = bind({ r: 'all' }, { catch_up });
      const client = await attach(at, bindings);
      await say(at, 'handed');
      await got(client, 'handed');
      await leave(at, client);
      await say(at, 'missed');
      hours(2);
      expect(await told(at, 'handed')).toBe('stored');
      const again = await attach(at, bindings);
      await got(again, 'handed');
      expect(await told(at, 'handed')).toBe('handed');
      const cursor = await wake(again, 'w', 'handed');
      await end(at, again, cursor, { wake_id: 'w' });
      expect(await came(again)).toEqual(['handed']);
      expect(await receipts(at, ['handed', 'missed'])).toEqual([
        'silent',
        catch_up === 'none' ? 'expired: catch_up' : 'expired: age',
      ]);
    }
  });
});

describe('limits by count', () => {
  const limited = (more: Partial<CatchUp>, rooms: Record<string, WakePolicy> = { r: 'all' }): Bindings =>
    bind(rooms, { catch_up: { policy: 'all', ...more } });

  it('DLV-16 of a conversation the newest messages are handed, mentions before others; the rest is expired and counted', async () => {
    const { at, hours } = await lab();
    const bindings = limited({ max_messages: 3 });
    await leave(at, await attach(at, bindings));
    for (const id of ['m0', 'named', 'm1', 'm2', 'm3'])
      await say(at, id, id === 'named' ? '@alpha hi' : 'hi');
    hours(1);
    const live = watch(at, { observer: true });
    const client = await attach(at, bindings);
    await got(client, 'm3');
    expect(client.messages).toEqual(['named', 'm2', 'm3']);
    expect(await receipts(at, ['m0', 'm1', 'm2'])).toEqual(['expired: count', 'stored', 'handed']);
    await eventually(() => live.some(({ state }) => state === 'expired'));
    expect(live.filter(({ state }) => state === 'expired')).toMatchObject([
      { agent_id: 'alpha', message_ids: ['m0', 'm1'], conversation: 'room:r', reason: 'count' },
    ]);
    const cursor = await wake(client, 'w', 'm3');
    expect(client.of('WAKE')[0]).toMatchObject({ wake_id: 'w', earlier: 1 });
    await end(at, client, cursor, { wake_id: 'w' });
    expect(await receipts(at, ['m0', 'named', 'm1', 'm2', 'm3'])).toEqual([
      'expired: count',
      'silent',
      'expired: count',
      'silent',
      'silent',
    ]);
    await say(at, 'next');
    await wake(client, 'w2', 'next');
    expect(client.of('WAKE')[1]).not.toHaveProperty('earlier');
    expect(client.messages).toEqual(['named', 'm2', 'm3', 'next']);
  });

  it('DLV-16 so many conversations after an absence: what names the agent first, then the latest', async () => {
    const { at, hours } = await lab();
    for (const room of ['a', 'b', 'c', 'mine']) await at.createRoom(room);
    const rooms = { a: 'all', b: 'all', c: 'all', r: 'mentions', mine: 'all' } as const;
    const bindings = limited({ max_wakes: 3 }, rooms);
    await leave(at, await attach(at, bindings));
    await say(at, 'dm', 'hi', 'dm:d@alpha,me');
    await say(at, 'plain', 'hi', 'room:r');
    await say(at, 'named', '@alpha hi', 'room:r');
    for (const room of ['a', 'b', 'c']) await say(at, `in-${room}`, 'hi', `room:${room}`);
    await say(at, 'own', 'hi', 'room:mine', 'agent:alpha');
    hours(1);
    const live = watch(at, { observer: true });
    const client = await attach(at, bindings);
    await got(client, 'in-c');
    await eventually(() => live.length >= 2);
    const expired = live.filter(({ state }) => state === 'expired');
    expect(expired.map(({ message_ids, reason }) => [message_ids, reason]).toSorted()).toEqual([
      [['in-a'], 'count'],
      [['in-b'], 'count'],
    ]);
    expect((await came(client)).toSorted()).toEqual(['dm', 'in-c', 'named']);
    expect(await receipts(at, ['dm', 'named', 'in-a', 'in-b', 'in-c'])).toEqual([
      'handed',
      'handed',
      'expired: count',
      'expired: count',
      'handed',
    ]);
    await say(at, 'a-next', 'hi', 'room:a');
    await got(client, 'a-next');
    expect(client.messages).not.toContain('in-a');
  });

  it('DLV-16 a crash in between passes over the same, and an open wake is the same', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab(path);
    await first.at.createRoom('b');
    const bindings = limited({ max_messages: 2, max_wakes: 2 }, { r: 'all', b: 'all' });
    await leave(first.at, await attach(first.at, bindings));
    for (const room of ['r', 'b'])
      for (const id of ['m0', 'named', 'm1', 'm2'])
        await say(first.at, `${room}-${id}`, id === 'named' ? '@alpha' : 'hi', `room:${room}`);
    first.hours(1);
    const client = await attach(first.at, bindings);
    await wake(client, 'w', 'r-m2');
    await got(client, 'b-m2');
    await first.at.crash();
    const second = await lab(path, 2);
    const again = await attach(second.at, bindings);
    await got(again, 'b-m2');
    await got(again, 'r-m2');
    expect((await came(again)).toSorted()).toEqual(['b-m2', 'b-named', 'r-m2', 'r-named']);
    expect(again.of('WAKE')).toMatchObject([{ wake_id: 'w', earlier: 1 }]);
    await wake(again, 'w-b', 'b-m2');
    expect(again.of('WAKE')[1]).toMatchObject({ wake_id: 'w-b', earlier: 1 });
  });

  it('DLV-16 what was handed before comes again whole; of what was missed behind it, the newest', async () => {
    const { at, hours } = await lab();
    const bindings = limited({ max_messages: 2, max_wakes: 1 });
    const client = await attach(at, bindings);
    for (const id of ['h0', 'h1', 'h2']) await say(at, id);
    await got(client, 'h2');
    client.ack(await got(client, 'h0'));
    await leave(at, client);
    hours(1);
    for (const id of ['m0', 'm1', 'm2']) await say(at, id);
    hours(1);
    const again = await attach(at, bindings);
    await got(again, 'm2');
    expect(await came(again)).toEqual(['h1', 'h2', 'm1', 'm2']);
    expect(await receipts(at, ['h1', 'm1'])).toEqual(['handed', 'handed']);
    const cursor = await wake(again, 'w', 'm2');
    await end(at, again, cursor, { wake_id: 'w' });
    expect(await receipts(at, ['h1', 'm0', 'm1'])).toEqual(['silent', 'expired: count', 'silent']);
  });

  it('DLV-16 what is younger than ten minutes is no absence: a restart passes over nothing', async () => {
    const { at, hours } = await lab();
    await at.createRoom('b');
    const bindings = limited({ max_messages: 1, max_wakes: 1 }, { r: 'all', b: 'all' });
    await leave(at, await attach(at, bindings));
    for (const id of ['m0', 'm1']) await say(at, id);
    hours(1);
    for (const id of ['m2', 'm3']) await say(at, id);
    for (const id of ['b0', 'b1']) await say(at, id, 'hi', 'room:b');
    const client = await attach(at, bindings);
    await got(client, 'b1');
    expect((await came(client)).toSorted()).toEqual(['b0', 'b1', 'm1', 'm2', 'm3']);
  });

  it('RCPT-12 DLV-16 time under a pause is no absence: after a restart, too, all of it is delivered when it goes on', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab(path);
    const bindings = bind({ r: 'all' }, { catch_up: { ...DEFAULT_CATCH_UP, max_messages: 1 } });
    await attach(first.at, bindings);
    await first.at.execute('pause.set', { scope: 'room:r', paused: true });
    const receipts = watch(first.at, { observer: true });
    for (const id of ['m0', 'm1', 'm2']) await say(first.at, id);
    expect(receipts).toMatchObject(
      ['m0', 'm1', 'm2'].map((id) => ({ message_ids: [id], state: 'held', reason: 'pause' })),
    );
    await first.at.crash();
    const second = await lab(path, 72);
    const client = await attach(second.at, bindings);
    expect(await came(client)).toEqual([]);
    expect(await told(second.at, 'm0')).toBe('held: pause');
    await second.at.execute('pause.set', { scope: 'room:r', paused: false });
    await got(client, 'm2');
    expect(client.messages).toEqual(['m0', 'm1', 'm2']);
  });

  it('DLV-16 what was missed and is acknowledged without a turn was handed', async () => {
    const { at, hours } = await lab();
    const bindings = limited({ max_messages: 2 });
    await leave(at, await attach(at, bindings));
    for (const id of ['m0', 'm1', 'm2']) await say(at, id);
    hours(1);
    const client = await attach(at, bindings);
    client.ack(await got(client, 'm2'));
    await client.settle();
    await leave(at, client);
    expect(await receipts(at, ['m0', 'm1', 'm2'])).toEqual(['expired: count', 'handed', 'handed']);
  });

  it('DLV-16 a thread that the agent follows is caught up with; before its time there is nothing to catch up with', async () => {
    const { at, hours } = await lab();
    const bindings = limited({ max_wakes: 5 }, { r: 'mentions' });
    await say(at, 'before');
    await say(at, 't0', 'hi', 'thread:t@r', 'agent:alpha');
    await leave(at, await attach(at, bindings));
    await say(at, 't1', 'hi', 'thread:t@r');
    await say(at, 'o1', 'hi', 'thread:o@r');
    hours(1);
    const client = await attach(at, bindings);
    await got(client, 't1');
    expect(await came(client)).toEqual(['t1']);
    expect(await told(at, 't1')).toBe('handed');
  });
});
