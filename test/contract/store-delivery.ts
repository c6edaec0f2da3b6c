import { expect, it } from 'vitest';
import { AT, messageOf, rowsOf, wakeOf, writesOf } from '../support/store-writes.ts';
import type { SkipReason } from '../../src/store/delivery-rows.ts';
import type { StoreFactory } from './store.ts';

export function deliveryContract({ open, reopen }: StoreFactory): void {
  it('STO-29 scopes and positions are kept per agent; the last one written counts', async () => {
    const store = await open();
    await store.commit([
      rowsOf(
        { op: 'scope', agent_id: 'alpha', scope: 'room:general', start_seq: 1, settled_seq: 1 },
        { op: 'scope', agent_id: 'alpha', scope: 'dms', start_seq: 2, settled_seq: 2 },
        { op: 'scope', agent_id: 'beta', scope: 'dms', start_seq: 9, settled_seq: 9 },
        { op: 'position', agent_id: 'alpha', conversation: 'room:general', acked_seq: 5 },
        { op: 'position', agent_id: 'beta', conversation: 'room:general', acked_seq: 6 },
      ),
    ]);
    await store.commit([
      rowsOf(
        { op: 'scope', agent_id: 'alpha', scope: 'dms', start_seq: 2, settled_seq: 7 },
        { op: 'position', agent_id: 'alpha', conversation: 'room:general', acked_seq: 8 },
      ),
    ]);
    expect(await store.scopes('alpha')).toEqual([
      { agent_id: 'alpha', scope: 'dms', start_seq: 2, settled_seq: 7 },
      { agent_id: 'alpha', scope: 'room:general', start_seq: 1, settled_seq: 1 },
    ]);
    expect(await store.positions('alpha')).toEqual([
      { agent_id: 'alpha', conversation: 'room:general', acked_seq: 8, passed: null },
    ]);
    expect(await store.scopes('nobody')).toEqual([]);
    expect(await store.positions('nobody')).toEqual([]);
  });

  it('STO-29 positions.clear takes the positions of one scope up to a seq: a room with its threads, or all DMs', async () => {
    const store = await open();
    await store.commit([
      writesOf(
        messageOf('m', 'room:general'),
        messageOf('t', 'thread:t'),
        messageOf('u', 'thread:u', { room: 'other' }),
      ),
      writesOf(messageOf('d', 'dm:d', { participants: ['alpha', 'beta'] })),
      rowsOf(
        { op: 'position', agent_id: 'alpha', conversation: 'room:general', acked_seq: 4 },
        { op: 'position', agent_id: 'alpha', conversation: 'thread:t', acked_seq: 5 },
        { op: 'position', agent_id: 'alpha', conversation: 'thread:late', acked_seq: 3 },
        { op: 'position', agent_id: 'alpha', conversation: 'thread:u', acked_seq: 3 },
        { op: 'position', agent_id: 'alpha', conversation: 'room:general2', acked_seq: 3 },
        { op: 'position', agent_id: 'alpha', conversation: 'dm:d', acked_seq: 3 },
        { op: 'position', agent_id: 'beta', conversation: 'room:general', acked_seq: 3 },
      ),
    ]);
    const left = async (agent: string) =>
      (await store.positions(agent)).map(({ conversation }) => conversation);
    await store.commit([
      // A thread that begins in this very batch belongs to its room already.
      writesOf(messageOf('l', 'thread:late')),
      rowsOf({ op: 'positions.clear', agent_id: 'alpha', scope: 'room:general', up_to: 4 }),
    ]);
    expect(await left('alpha')).toEqual(['dm:d', 'room:general2', 'thread:t', 'thread:u']);
    await store.commit([rowsOf({ op: 'positions.clear', agent_id: 'alpha', scope: 'dms', up_to: 3 })]);
    expect(await left('alpha')).toEqual(['room:general2', 'thread:t', 'thread:u']);
    expect(await left('beta')).toEqual(['room:general']);
  });

  it('STO-29 an open wake is kept until it is closed, and opened again under its id', async () => {
    const store = await open();
    await store.commit([
      rowsOf(
        { op: 'wake.open', row: wakeOf('w2', { opened_at: '2026-11-21T10:00:02.000Z' }) },
        { op: 'wake.open', row: wakeOf('w1', { opened_at: '2026-11-21T10:00:01.000Z' }) },
        { op: 'wake.open', row: wakeOf('w3', { agent_id: 'beta' }) },
      ),
    ]);
    expect((await store.openWakes('alpha')).map(({ wake_id }) => wake_id)).toEqual(['w1', 'w2']);
    await store.commit([
      rowsOf(
        { op: 'wake.open', row: wakeOf('w1', { attempt: 2, last_seq: 9 }) },
        { op: 'wake.close', wake_id: 'w2', state: 'done', error: null, closed_at: AT },
      ),
    ]);
    expect(await store.openWakes('alpha')).toEqual([wakeOf('w1', { attempt: 2, last_seq: 9 })]);
    await store.commit([
      rowsOf({ op: 'wake.close', wake_id: 'nope', state: 'done', error: null, closed_at: AT }),
    ]);
    expect(await store.failedWakes(undefined, 10)).toEqual([]);
  });

  it('STO-29 failed wakes: newest first, of one agent or of all', async () => {
    const store = await open();
    const at = (second: number) => `2026-11-21T10:00:0${second}.000Z`;
    await store.commit([
      rowsOf(
        ...[1, 2, 3].map((i) => ({
          op: 'wake.open' as const,
          row: wakeOf(`w${i}`, { agent_id: i === 2 ? 'beta' : 'alpha' }),
        })),
      ),
    ]);
    await store.commit([
      rowsOf(
        ...[3, 1, 2].map((i) => ({
          op: 'wake.close' as const,
          wake_id: `w${i}`,
          state: 'failed' as const,
          error: `e${i}`,
          closed_at: at(i),
        })),
      ),
    ]);
    expect((await store.failedWakes(undefined, 2)).map(({ wake_id }) => wake_id)).toEqual(['w3', 'w2']);
    expect((await store.failedWakes('alpha', 10)).map(({ wake_id, error }) => [wake_id, error])).toEqual([
      ['w3', 'e3'],
      ['w1', 'e1'],
    ]);
    expect((await store.failedWakes('beta', 10))[0]).toEqual(
      wakeOf('w2', { agent_id: 'beta', state: 'failed', error: 'e2', closed_at: at(2) }),
    );
    expect(await store.openWakes('alpha')).toEqual([]);
  });

  it('STO-29 the ended wakes of an agent, however they ended, newest first', async () => {
    const store = await open();
    const at = (second: number) => `2026-11-21T10:00:0${second}.000Z`;
    await store.commit([
      rowsOf(
        ...[1, 2, 3, 4].map((i) => ({
          op: 'wake.open' as const,
          row: wakeOf(`w${i}`, { agent_id: i === 4 ? 'beta' : 'alpha' }),
        })),
        ...[2, 1, 4].map((i) => ({
          op: 'wake.close' as const,
          wake_id: `w${i}`,
          state: i === 2 ? ('failed' as const) : ('done' as const),
          error: i === 2 ? 'e2' : null,
          closed_at: at(i),
        })),
      ),
    ]);
    const ended = await store.endedWakes('alpha', 10);
    expect(ended.map(({ wake_id, state }) => [wake_id, state])).toEqual([
      ['w2', 'failed'],
      ['w1', 'done'],
    ]);
    expect((await store.endedWakes('alpha', 1)).map(({ wake_id }) => wake_id)).toEqual(['w2']);
    expect(await store.endedWakes('gamma', 10)).toEqual([]);
  });

  it('RCPT-20 what became of deliveries is forgotten when it is old, and nothing that is open', async () => {
    const store = await open();
    const old = '2026-01-01T00:00:00.000Z';
    await store.commit([
      rowsOf(
        { op: 'wake.open', row: wakeOf('open', { opened_at: old }) },
        ...['old', 'new'].map((id) => ({
          op: 'wake.open' as const,
          row: wakeOf(id, { state: 'failed', closed_at: id === 'old' ? old : AT }),
        })),
        { op: 'handed', agent_id: 'alpha', seq: 1, at: old },
        { op: 'handed', agent_id: 'alpha', seq: 2, at: AT },
        { op: 'deliveries.prune', before: '2026-02-01T00:00:00.000Z' },
      ),
    ]);
    expect((await store.openWakes('alpha')).map(({ wake_id }) => wake_id)).toEqual(['open']);
    expect((await store.failedWakes('alpha', 10)).map(({ wake_id }) => wake_id)).toEqual(['new']);
    const handed = async (seq: number) => {
      const place = { conversation: 'room:x', scope: 'room:x', seq } as const;
      return (await store.deliveryFacts(place, ['alpha']))[0]!.handed_at;
    };
    expect([await handed(1), await handed(2)]).toEqual([undefined, AT]);
  });

  it('DLV-16 what is passed over stays with its position and its wake; messages between two places are counted', async () => {
    const store = await open();
    const passed = '{"ranges":[{"after":1,"last":3,"reason":"count"}],"earlier":2}';
    const at = { agent_id: 'alpha', conversation: 'room:general' } as const;
    await store.commit([
      writesOf(...[1, 2, 3, 4].map((n) => messageOf(`m${n}`, 'room:general')), messageOf('o', 'room:other')),
      rowsOf(
        { op: 'position', ...at, acked_seq: 1, passed },
        { op: 'wake.open', row: wakeOf('w', { passed }) },
      ),
    ]);
    expect(await store.positions('alpha')).toEqual([{ ...at, acked_seq: 1, passed }]);
    expect(await store.openWakes('alpha')).toEqual([wakeOf('w', { passed })]);
    await store.commit([rowsOf({ op: 'position', ...at, acked_seq: 2 })]);
    expect(await store.positions('alpha')).toEqual([{ ...at, acked_seq: 2, passed: null }]);
    const seqs = [...(await store.messages(['m1', 'm2', 'm3', 'm4'])).values()].map(({ seq }) => seq);
    const [first, last] = [Math.min(...seqs), Math.max(...seqs)];
    expect(await store.countMessages('room:general', first - 1, last, 100)).toBe(4);
    expect(await store.countMessages('room:general', first, last - 1, 100)).toBe(2);
    expect(await store.countMessages('room:general', 0, last, 3)).toBe(3);
    expect(await store.countMessages('room:none', 0, last, 3)).toBe(0);
  });

  it('DLV-16 every skip that covers a message is told, and no other', async () => {
    const store = await open();
    const skip = (after_seq: number, last_seq: number, reason: SkipReason) =>
      ({
        op: 'skip',
        row: { agent_id: 'alpha', conversation: 'room:general', after_seq, last_seq, reason, at: AT },
      }) as const;
    await store.commit([
      rowsOf(
        skip(0, 5, 'age'),
        skip(5, 9, 'unmentioned_age'),
        skip(0, 12, 'count'),
        skip(12, 20, 'catch_up'),
      ),
    ]);
    const reasons = async (seq: number) =>
      (
        await store.deliveryFacts({ conversation: 'room:general', scope: 'room:general', seq }, ['alpha'])
      )[0]!.skips.map(({ reason }) => reason);
    expect(await reasons(3)).toEqual(['age', 'count']);
    expect(await reasons(6)).toEqual(['unmentioned_age', 'count']);
    expect(await reasons(13)).toEqual(['catch_up']);
    expect(await reasons(21)).toEqual([]);
  });

  it('STO-29 a bootstrap is remembered once', async () => {
    const store = await open();
    const bootstrap = (agent_id: string, room_id: string) => ({
      op: 'bootstrap' as const,
      agent_id,
      room_id,
      at: AT,
    });
    await store.commit([
      rowsOf(
        bootstrap('alpha', 'b'),
        bootstrap('alpha', 'a'),
        bootstrap('alpha', 'b'),
        bootstrap('beta', 'c'),
      ),
    ]);
    expect(await store.bootstraps('alpha')).toEqual(['a', 'b']);
  });

  if (!reopen) return;
  it('STO-29 delivery state is there after a restart', async () => {
    const store = await open();
    await store.commit([
      rowsOf(
        { op: 'position', agent_id: 'alpha', conversation: 'room:general', acked_seq: 5 },
        { op: 'wake.open', row: wakeOf('w1') },
        { op: 'bootstrap', agent_id: 'alpha', room_id: 'a', at: AT },
      ),
    ]);
    const again = await reopen(store);
    expect(await again.positions('alpha')).toHaveLength(1);
    expect(await again.openWakes('alpha')).toEqual([wakeOf('w1')]);
    expect(await again.bootstraps('alpha')).toEqual(['a']);
  });
}
