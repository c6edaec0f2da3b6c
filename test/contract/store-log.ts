import { expect, it } from 'vitest';
import type { LogEvent } from '../../src/store/log-rows.ts';
import type { Store } from '../../src/store/store.ts';
import type { EventWrite } from '../../src/store/writes.ts';
import { conversationOf, eventOf, messageOf, upTo, writesOf } from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

const ids = (events: LogEvent[]): string[] => events.map(({ id }) => id.replace('evt_', ''));

export function logContract({ open, reopen }: StoreFactory): void {
  it('STO-24 an event comes back as it was written, with nothing that it did not have', async () => {
    const store = await open();
    const full: EventWrite = {
      id: 'e1',
      type: 'message.created',
      created_at: '2026-01-02T03:04:05.678Z',
      payload: '{"a":1}',
      conversation: 'dm:d',
      dm_id: 'd',
      participants: ['alpha', 'beta'],
      held: true,
      rows: [],
    };
    await store.commit([
      writesOf(full, eventOf('e2', { agent_id: 'alpha' }), eventOf('e3', { room_id: 'general' })),
    ]);
    const { rows: _, ...event } = full;
    const [first, second, third] = await store.events({ all: true }, 0, 10);
    expect(first).toEqual({ ...event, seq: 1 });
    expect(second).toEqual({
      seq: 2,
      id: 'e2',
      type: 'room.updated',
      created_at: eventOf('e2').created_at,
      payload: '{"about":"e2"}',
      agent_id: 'alpha',
      held: false,
    });
    expect(Object.keys(third!).sort()).toEqual([
      'created_at',
      'held',
      'id',
      'payload',
      'room_id',
      'seq',
      'type',
    ]);
  });

  it('STO-24 an audience gets its rooms, its DMs and what is about itself, in order, each once', async () => {
    const store = await open();
    await store.commit([
      writesOf(messageOf('r1', 'room:one'), messageOf('r2', 'room:two'), messageOf('r3', 'room:three')),
      writesOf(
        messageOf('d1', 'dm:d', { participants: ['alpha', 'beta'] }),
        messageOf('d2', 'dm:e', { participants: ['beta', 'gamma'] }),
      ),
      writesOf(eventOf('a1', { agent_id: 'alpha' }), eventOf('a2', { agent_id: 'beta' }), eventOf('all')),
      writesOf(
        messageOf('t1', 'thread:t', { room: 'one' }),
        messageOf('r4', 'room:one'),
        eventOf('both', { agent_id: 'alpha', room_id: 'one' }),
      ),
    ]);
    const read = async (audience: Parameters<Store['events']>[0], after = 0, limit = 100) =>
      ids(await store.events(audience, after, limit));
    expect(await read({ all: true })).toEqual([
      'r1',
      'r2',
      'r3',
      'd1',
      'd2',
      'a1',
      'a2',
      'all',
      't1',
      'r4',
      'both',
    ]);
    expect(await read({ rooms: ['one'] })).toEqual(['r1', 't1', 'r4', 'both']);
    expect(
      await read({ rooms: ['two', 'one', 'one', 'none'], participant: 'alpha', agent_id: 'alpha' }),
    ).toEqual(['r1', 'r2', 'd1', 'a1', 't1', 'r4', 'both']);
    expect(await read({ rooms: [], participant: 'beta' })).toEqual(['d1', 'd2']);
    expect(await read({ rooms: [], agent_id: 'beta' })).toEqual(['a2']);
    expect(await read({ rooms: [] })).toEqual([]);
    expect(await read({ rooms: ['one', 'two'], participant: 'alpha' }, 1, 3)).toEqual(['r2', 'd1', 't1']);
    expect(await read({ rooms: ['one', 'two'], participant: 'alpha' }, 9, 3)).toEqual(['r4', 'both']);
    expect(await read({ all: true }, 11)).toEqual([]);
    expect(await read({ all: true }, 10, 5)).toEqual(['both']);
  });

  it('STO-24 many rooms: the same events as a filter over the whole log would give, page by page', async () => {
    const store = await open();
    // A log in which most is for others at first, and most for the audience later.
    // In an order that is neither that of the ids nor of the events.
    const rooms = upTo(300).toSorted((a, b) => Math.sin(a) - Math.sin(b));
    const events = upTo(4_000).map((i) => {
      const room = i < 2_500 ? 200 + (i % 100) : (i * 7) % 300;
      if (i % 11 === 0)
        return messageOf(`m${i}`, `dm:d${i % 5}`, {
          participants: i % 2 === 0 ? ['alpha', 'beta'] : ['beta', 'gamma'],
        });
      if (i % 13 === 0) return eventOf(`evt_m${i}`, { agent_id: i % 2 === 0 ? 'alpha' : 'beta' });
      return eventOf(`evt_m${i}`, { room_id: `r${room}` });
    });
    for (let i = 0; i < events.length; i += 500)
      await store.commit(events.slice(i, i + 500).map((event) => writesOf(event)));
    for (const count of [3, 20, 64, 65, 180, 290]) {
      const audience = {
        rooms: rooms.slice(0, count).map((i) => `r${i}`),
        participant: 'alpha',
        agent_id: 'alpha',
      };
      const mine = new Set(audience.rooms);
      const expected = events
        .filter(
          (e) =>
            (e.room_id !== undefined && mine.has(e.room_id)) ||
            e.agent_id === 'alpha' ||
            e.participants?.includes('alpha'),
        )
        .map(({ id }) => id);
      for (const limit of count < 100 ? [3, 37, 500] : [37, 500]) {
        const read: string[] = [];
        for (let after = 0; ;) {
          const page = await store.events(audience, after, limit);
          read.push(...page.map(({ id }) => id));
          if (page.length < limit) break;
          after = page.at(-1)!.seq;
        }
        expect(read).toEqual(expected);
      }
    }
  });

  it('STO-24 a reader that follows while others commit misses nothing, whatever its audience', async () => {
    const store = await open();
    const rooms = upTo(400).map((i) => `r${i}`);
    let committing = true;
    const seen = { merged: [] as string[], scanned: [] as string[], all: [] as string[] };
    const follow = async (audience: Parameters<Store['events']>[0], into: string[]): Promise<void> => {
      for (let after = 0, last = false; ;) {
        const page = await store.events(audience, after, 50);
        into.push(...page.map(({ id }) => id));
        after = page.at(-1)?.seq ?? after;
        if (page.length === 0 && last) return;
        last = page.length === 0 && !committing;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const readers = [
      follow({ rooms: rooms.slice(0, 40) }, seen.merged),
      follow({ rooms }, seen.scanned),
      follow({ all: true }, seen.all),
    ];
    const written: string[] = [];
    for (const i of upTo(300)) {
      const events = upTo(4).map((k) => eventOf(`e${i}-${k}`, { room_id: `r${(i * 4 + k) % 40}` }));
      written.push(...events.map(({ id }) => id));
      await store.commit(events.map((event) => writesOf(event)));
    }
    committing = false;
    await Promise.all(readers);
    expect(seen.merged).toEqual(written);
    expect(seen.scanned).toEqual(written);
    expect(seen.all).toEqual(written);
  });

  it('STO-24 a cursor is an event id, and the bounds are the oldest and newest', async () => {
    const store = await open();
    expect(await store.eventBounds()).toEqual({});
    await store.commit([writesOf(eventOf('a'), eventOf('b'), eventOf('c'))]);
    expect(await store.eventBounds()).toEqual({ oldest: 'a', newest: 'c' });
    expect(await store.eventSeq('b')).toBe(2);
    expect(await store.eventSeq('nope')).toBeUndefined();
    expect(await store.eventSeq('')).toBeUndefined();
  });

  it('STO-24 a conversation gives its messages between two seqs, held ones too, and no other event', async () => {
    const store = await open();
    await store.commit([
      writesOf(
        messageOf('m1', 'room:general'),
        messageOf('t1', 'thread:t'),
        eventOf('x', { conversation: 'room:general', room_id: 'general' }),
      ),
      writesOf(
        messageOf('m2', 'room:general', { held: true }),
        messageOf('m3', 'room:general'),
        messageOf('d1', 'dm:d', { participants: ['alpha', 'beta'] }),
      ),
    ]);
    expect(ids(await store.conversationEvents('room:general', 0, 10))).toEqual(['m1', 'm2', 'm3']);
    expect(ids(await store.conversationEvents('room:general', 1, 1))).toEqual(['m2']);
    expect(ids(await store.conversationEvents('room:general', 0, 10, 4))).toEqual(['m1', 'm2']);
    expect(ids(await store.conversationEvents('room:general', 5, 10))).toEqual([]);
    expect((await store.conversationEvents('room:general', 1, 1))[0]).toMatchObject({
      seq: 4,
      held: true,
      room_id: 'general',
    });
    expect((await store.conversationEvents('dm:d', 0, 1))[0]).toMatchObject({
      participants: ['alpha', 'beta'],
      dm_id: 'd',
    });
  });

  it('STO-24 conversations with news: of a room with its threads, of a participant, in order of their last message', async () => {
    const store = await open();
    const both = ['alpha', 'beta'];
    await store.commit([
      writesOf(
        messageOf('m1', 'room:general'),
        messageOf('t1', 'thread:t1'),
        messageOf('t2', 'thread:t2'),
        messageOf('o1', 'thread:o', { room: 'other' }),
      ),
      writesOf(
        messageOf('d1', 'dm:d1', { participants: both }),
        messageOf('d2', 'dm:d2', { participants: both }),
        messageOf('d3', 'dm:d3', { participants: ['beta', 'gamma'] }),
      ),
      writesOf(messageOf('t3', 'thread:t1'), messageOf('d4', 'dm:d1')),
    ]);
    const room = async (after: number, limit = 10) =>
      (await store.roomConversationsAfter('general', after, limit)).map(({ key, last_seq }) => [
        key,
        last_seq,
      ]);
    expect(await room(0)).toEqual([
      ['room:general', 1],
      ['thread:t2', 3],
      ['thread:t1', 8],
    ]);
    expect(await room(1, 1)).toEqual([['thread:t2', 3]]);
    expect(await room(8)).toEqual([]);
    const dms = async (participant: string, after: number) =>
      (await store.dmConversationsAfter(participant, after, 10)).map(({ key, last_seq }) => [key, last_seq]);
    expect(await dms('alpha', 0)).toEqual([
      ['dm:d2', 6],
      ['dm:d1', 9],
    ]);
    expect(await dms('alpha', 6)).toEqual([['dm:d1', 9]]);
    expect(await dms('gamma', 0)).toEqual([['dm:d3', 7]]);
    expect((await store.dmConversationsAfter('gamma', 0, 1))[0]).toMatchObject({
      participants: ['beta', 'gamma'],
    });
    await store.commit([writesOf(eventOf('resumed', { rows: [conversationOf('dm:d3', { messages: 0 })] }))]);
    expect(await dms('gamma', 7)).toEqual([]);
  });

  it('STO-24 mentions of an agent: in one room with its threads, or in all', async () => {
    const store = await open();
    await store.commit([
      writesOf(
        messageOf('m1', 'room:general', { mentions: ['beta', 'beta', 'gamma'] }),
        messageOf('m2', 'thread:t', { mentions: ['beta'] }),
      ),
      writesOf(
        messageOf('m3', 'room:other', { mentions: ['beta'] }),
        messageOf('m4', 'dm:d', { mentions: ['beta'], participants: ['alpha', 'beta'] }),
        messageOf('m5', 'room:general'),
      ),
    ]);
    expect(await store.mentionsAfter('beta', undefined, 0, 10)).toEqual([
      { seq: 1, conversation: 'room:general' },
      { seq: 2, conversation: 'thread:t' },
      { seq: 3, conversation: 'room:other' },
      { seq: 4, conversation: 'dm:d' },
    ]);
    expect((await store.mentionsAfter('beta', 'general', 0, 10)).map(({ seq }) => seq)).toEqual([1, 2]);
    expect((await store.mentionsAfter('beta', 'general', 1, 10)).map(({ seq }) => seq)).toEqual([2]);
    expect((await store.mentionsAfter('beta', undefined, 1, 2)).map(({ seq }) => seq)).toEqual([2, 3]);
    expect(await store.mentionsAfter('nobody', undefined, 0, 10)).toEqual([]);
  });

  if (!reopen) return;
  it('STO-24 a position from before a restart goes on after it', async () => {
    const store = await open();
    await store.commit(upTo(10).map((i) => writesOf(eventOf(`e${i}`, { room_id: 'general' }))));
    const [, cursor] = await store.events({ rooms: ['general'] }, 0, 2);
    const again = await reopen(store);
    const after = await again.eventSeq(cursor!.id);
    expect(ids(await again.events({ rooms: ['general'] }, after!, 3))).toEqual(['e2', 'e3', 'e4']);
  });
}
