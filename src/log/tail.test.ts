import { describe, expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { gated } from '../../test/support/gated-store.ts';
import { openLab, type Lab } from '../../test/support/network-lab.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { LogEntry } from './entry.ts';
import { LogReader, type ReaderSink } from './reader.ts';
import { Ring } from './ring.ts';
import { Tail, type Interest } from './tail.ts';
import { LogEntry as Entry } from './entry.ts';

const event = (seq: number, more: Partial<LogEvent> = {}): LogEvent => ({
  seq,
  id: `evt_${seq}`,
  type: 'message.created',
  created_at: '2026-01-01T00:00:00Z',
  payload: '{}',
  conversation: 'room:a',
  room_id: 'a',
  held: false,
  ...more,
});

async function tailOf(
  options: { ringCount?: number; onBehind?: () => void } = {},
): Promise<{ tail: Tail; lab: Lab; faults: unknown[] }> {
  let tail: Tail | undefined;
  const faults: unknown[] = [];
  const lab = await openLab({ onCommitted: (events) => tail?.publish(events) });
  tail = new Tail({ store: lab.store, onFault: (error) => faults.push(error), ...options });
  await lab.createRoom({ id: 'a', visibility: 'public', write_policy: 'registered_agents' });
  return { tail, lab, faults };
}

/** A tail whose subscribers write down by name what they get. */
async function listening(lab: Lab) {
  const tail = new Tail({ store: lab.store });
  const got: Record<string, number[]> = {};
  const note = (name: string) => (entry: LogEntry) => void (got[name] ??= []).push(entry.seq);
  const listen = (name: string, interest: Interest): (() => void) =>
    tail.subscribe({ push: note(name), announce: note(name) }, interest);
  return { tail, got, listen };
}

/** A sink that takes as many as it is told to. */
class Sink implements ReaderSink {
  readonly taken: LogEntry[] = [];
  capacity = Infinity;
  error: unknown;
  #waiters: (() => void)[] = [];
  ready(): boolean {
    return this.taken.length < this.capacity;
  }
  take(entry: LogEntry): void {
    this.taken.push(entry);
    for (const waiter of this.#waiters.splice(0)) waiter();
  }
  fail(error: unknown): void {
    this.error = error;
  }
  get seqs(): number[] {
    return this.taken.map((entry) => entry.seq);
  }
  async until(count: number): Promise<void> {
    while (this.taken.length < count) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}
const ALL: Interest = { rooms: 'all' };

describe('routing', () => {
  it('LOG-2 LOG-3 an event goes to those whom its room or DM concerns, in order', async () => {
    const { tail } = await tailOf();
    const got: Record<string, number[]> = {};
    const listen = (name: string, interest: Interest): (() => void) =>
      tail.subscribe({ push: (entry) => void (got[name] ??= []).push(entry.seq) }, interest);
    listen('every room', ALL);
    listen('a', { rooms: new Set(['a']) });
    listen('b', { rooms: new Set(['b']) });
    listen('x', { rooms: new Set(), participants: new Set(['x']) });
    const leave = listen('y', { rooms: new Set(['a']), participants: new Set(['y']) });
    listen('observer', { rooms: new Set(), observer: true });
    tail.publish([
      event(101),
      event(102, { room_id: 'b', conversation: 'room:b' }),
      event(103, { room_id: undefined, conversation: 'dm:d', dm_id: 'd', participants: ['x', 'z'] }),
      event(104, { room_id: undefined, conversation: undefined, type: 'agent.removed', agent_id: 'x' }),
    ]);
    leave();
    tail.publish([event(105)]);
    expect(got).toEqual({
      'every room': [101, 102, 105],
      a: [101, 105],
      b: [102],
      x: [103],
      y: [101],
      observer: [101, 102, 103, 104, 105],
    });
    expect(tail.head).toBe(105);
  });

  it('LOG-2 LOG-3 rooms that are open to a reader, DMs of several, and what happens to its agents: each once', async () => {
    const { tail, got, listen } = await listening(await openLab());
    const asked: string[] = [];
    const open = (room_id: string): boolean => {
      asked.push(room_id);
      return room_id.startsWith('open');
    };
    for (const name of ['first', 'second'])
      listen(name, { rooms: new Set(['a', 'open-1']), open, participants: new Set(['x', 'y']) });
    listen('agents', { rooms: new Set(), agents: new Set(['x', 'y']) });
    const dm = { room_id: undefined, dm_id: 'd', conversation: 'dm:d' } as const;
    tail.publish([
      event(101, { room_id: 'a' }),
      event(102, { room_id: 'open-1' }),
      event(103, { room_id: 'open-2' }),
      event(104, { room_id: 'b' }),
      event(105, { ...dm, participants: ['w', 'x', 'y'] }),
      event(106, { ...dm, participants: ['w', 'z'] }),
      event(107, { room_id: undefined, type: 'agent.removed', agent_id: 'y' }),
      event(108, { room_id: undefined, type: 'agent.removed', agent_id: 'z' }),
    ]);
    for (const agent_id of ['x', 'z'])
      tail.announce({ type: 'agent.connected', agent_id, payload: { agent_id } });
    tail.announce({ type: 'pairing.updated', payload: {} });
    const some = [101, 102, 103, 105];
    expect(got).toEqual({ first: some, second: some, agents: [107, 0] });
    // One function for all who share it.
    expect(asked).toEqual(['a', 'open-1', 'open-2', 'b']);
  });

  it('LOG-30 a listener hears an event before its readers, who are found by what it makes of it', async () => {
    const { tail, got, listen } = await listening(await openLab());
    const reader = { push: (entry: LogEntry) => void (got['reader'] ??= []).push(entry.seq) };
    tail.subscribe(reader, { rooms: new Set(['a']) });
    listen('other', { rooms: new Set(['a']) });
    tail.listen(({ seq }) => {
      if (seq === 102) tail.update(reader, { rooms: new Set(['b']) });
      if (seq === 104) throw new Error('a fault');
    });
    tail.publish([
      event(101, { room_id: 'a' }),
      event(102, { room_id: 'a' }),
      event(103, { room_id: 'b' }),
      event(104, { room_id: 'b' }),
      event(105, { room_id: 'a' }),
    ]);
    expect(got).toEqual({ reader: [101, 103, 104], other: [101, 102, 105] });
  });

  it('LOG-8 volatile facts go to observers, have no position and do not move the head', async () => {
    const { tail } = await tailOf();
    const { head } = tail;
    const facts: LogEntry[] = [];
    tail.subscribe({ push() {}, announce: (entry) => facts.push(entry) }, { rooms: 'all', observer: true });
    tail.subscribe({ push() {}, announce: () => expect.unreachable() }, ALL);
    tail.announce({ type: 'agent.connected', payload: { agent_id: 'x' } });
    expect(facts.map((entry) => [entry.volatile, entry.event.type])).toEqual([[true, 'agent.connected']]);
    expect(tail.head).toBe(head);
    expect(tail.ring.after(0)).not.toBe(facts[0]);
  });

  it('LOG-9 a reader that throws keeps nothing from the others', async () => {
    const { tail, faults } = await tailOf();
    const got: number[] = [];
    tail.subscribe(
      {
        push: () => {
          throw new Error('fault');
        },
      },
      ALL,
    );
    tail.subscribe({ push: (entry) => void got.push(entry.seq) }, ALL);
    tail.publish([event(101), event(102)]);
    expect(got).toEqual([101, 102]);
    expect(faults).toHaveLength(2);
  });

  it('LOG-3 an event is one entry for all its readers', async () => {
    const { tail } = await tailOf();
    const entries = new Set<LogEntry>();
    for (let i = 0; i < 10; i++) tail.subscribe({ push: (entry) => void entries.add(entry) }, ALL);
    tail.publish([event(101)]);
    expect(entries.size).toBe(1);
  });
});

describe('the ring', () => {
  it('LOG-6 is bounded by count and by bytes, and knows from where on it is whole', () => {
    const ring = new Ring({ floor: 10, maxCount: 3, maxBytes: 1_000_000 });
    for (let seq = 11; seq <= 20; seq++) ring.add(new Entry(event(seq)));
    expect([
      ring.size,
      ring.floor,
      ring.after(0)!.seq,
      ring.after(18)!.seq,
      ring.after(20),
      ring.get(19)!.seq,
      ring.get(17),
    ]).toEqual([3, 17, 18, 19, undefined, 19, undefined]);
    const heavy = new Ring({ floor: 0, maxCount: 1_000, maxBytes: 100_000 });
    for (let seq = 1; seq <= 100; seq++) heavy.add(new Entry(event(seq, { payload: 'x'.repeat(10_000) })));
    expect(heavy.size).toBeLessThan(5);
    expect(heavy.floor).toBe(100 - heavy.size);
  });

  it('LOG-6 holds events with gaps between their seqs', () => {
    const ring = new Ring({ floor: 0, maxCount: 100, maxBytes: 1_000_000 });
    for (const seq of [3, 7, 8, 40]) ring.add(new Entry(event(seq)));
    expect([0, 3, 5, 8, 39, 40].map((position) => ring.after(position)?.seq)).toEqual([
      3,
      7,
      7,
      40,
      40,
      undefined,
    ]);
    ring.forget(7);
    expect([ring.floor, ring.size, ring.after(7)!.seq]).toEqual([7, 2, 8]);
  });
});

describe('readers', () => {
  it.each([4_096, 8, 1])(
    'LOG-1 LOG-5 a reader that takes little at a time gets everything once, in order (ring of %i)',
    async (ringCount) => {
      let behind = 0;
      const { tail, lab } = await tailOf({ ringCount, onBehind: () => void behind++ });
      const sink = new Sink();
      sink.capacity = 3;
      const reader = new LogReader({ tail, sink, interest: ALL, withholds: true });
      reader.start(0);
      for (let i = 0; i < 60; i++) {
        await lab.send('human:me', 'room:a', `m${i}`);
        if (i % 4 === 0) {
          sink.capacity += 5;
          reader.resume();
        }
      }
      sink.capacity = Infinity;
      reader.resume();
      const wanted = lab.events.filter((each) => each.room_id !== undefined).map((each) => each.seq);
      await sink.until(wanted.length);
      expect(sink.seqs).toEqual(wanted);
      await lab.send('human:me', 'room:a', 'live');
      await sink.until(wanted.length + 1);
      expect(reader.live).toBe(true);
      sink.capacity = sink.taken.length;
      await lab.send('human:me', 'room:a', 'one too many');
      expect([reader.live, behind > 0]).toEqual([false, true]);
      reader.close();
      expect(tail.size).toBe(0);
    },
  );

  it('LOG-4 what is published while storage is read is neither lost nor doubled', async () => {
    const { tail, lab } = await tailOf({ ringCount: 2 });
    for (let i = 0; i < 30; i++) await lab.send('human:me', 'room:a', `old${i}`);
    const sink = new Sink();
    const reader = new LogReader({ tail, sink, interest: ALL, withholds: true });
    reader.start(0);
    await Promise.all(Array.from({ length: 40 }, (_, i) => lab.send('human:me', 'room:a', `new${i}`)));
    const wanted = lab.events.filter((each) => each.room_id !== undefined).map((each) => each.seq);
    await sink.until(wanted.length);
    expect(sink.seqs).toEqual(wanted);
    reader.close();
  });

  it('LOG-4 what is read from storage before it is published is not given again when it is', async () => {
    let tail: Tail | undefined;
    const unpublished: LogEvent[] = [];
    const lab = await openLab({ onCommitted: (events) => void unpublished.push(...events) });
    tail = new Tail({ store: lab.store });
    await lab.createRoom({ id: 'a', visibility: 'public', write_policy: 'registered_agents' });
    for (let i = 0; i < 5; i++) await lab.send('human:me', 'room:a', `m${i}`);
    const sink = new Sink();
    const reader = new LogReader({ tail, sink, interest: ALL, withholds: true });
    // Before what the ring holds, so that it is read from storage, all of it.
    reader.start(0);
    const wanted = unpublished.filter((each) => each.room_id !== undefined).map((each) => each.seq);
    await sink.until(wanted.length);
    await eventually(() => reader.live);
    tail.publish(unpublished.filter((each) => each.seq > tail.head));
    await lab.send('human:me', 'room:a', 'live');
    tail.publish(unpublished.slice(-1));
    expect(sink.seqs).toEqual([...wanted, unpublished.at(-1)!.seq]);
    reader.close();
  });

  it('LOG-2 an interest that grows while a page is read shows the new room from there on', async () => {
    const gate = gated(await openLab(), 'events');
    const tail = new Tail({ store: gate.store, ringCount: 1 });
    gate.lab.events.length = 0;
    const { lab } = gate;
    const follow = (): void => tail.publish(lab.events.filter((each) => each.seq > tail.head));
    for (const id of ['a', 'b'])
      await lab.createRoom({ id, visibility: 'public', write_policy: 'registered_agents' });
    for (let i = 0; i < 5; i++) await lab.send('human:me', 'room:a', `a${i}`);
    follow();
    // Committed, and not published yet: the page has the last of room a, but not what room b got before it.
    for (let i = 0; i < 5; i++) await lab.send('human:me', 'room:b', `b${i}`);
    await lab.send('human:me', 'room:a', 'last');
    const sink = new Sink();
    const reader = new LogReader({ tail, sink, interest: { rooms: new Set(['a']) }, withholds: true });
    gate.close();
    reader.start(0);
    await gate.waiting();
    reader.update({ rooms: new Set(['a', 'b']) });
    follow();
    gate.open();
    await eventually(() => reader.live);
    const posted = lab.events.filter((each) => each.type === 'message.created').map((each) => each.seq);
    expect(
      sink.taken.filter((entry) => entry.event.type === 'message.created').map((entry) => entry.seq),
    ).toEqual(posted);
    reader.close();
  });

  it('LOG-9 storage that fails stops the reader and tells it', async () => {
    const { tail } = await tailOf();
    const sink = new Sink();
    const failing = new Proxy(tail, {
      get(target, key) {
        if (key === 'store') return { events: () => Promise.reject(new Error('disk')) };
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const reader = new LogReader({ tail: failing, sink, interest: ALL, withholds: true });
    reader.start(-1);
    await eventually(() => sink.error !== undefined);
    expect(String(sink.error)).toContain('disk');
    expect(tail.size).toBe(0);
  });
});
