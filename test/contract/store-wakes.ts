/** STO-29: wakes, bindings, answers, threads' speakers and usage, as they are read. */
import { expect, it } from 'vitest';
import type { UsageRow } from '../../src/store/delivery-rows.ts';
import { AT, messageOf, rowsOf, upTo, wakeOf, writesOf } from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

const fqid = (id: string): string => `molt://local/agents/${id}`;

export function wakesContract({ open }: StoreFactory): void {
  it('STO-29 a wake is read by its id as it stands; open ones of all agents by agent and age', async () => {
    const store = await open();
    const rows = [
      wakeOf('w1', { agent_id: 'beta', opened_at: '2026-11-21T10:00:02.000Z' }),
      wakeOf('w2', { agent_id: 'beta', opened_at: '2026-11-21T10:00:01.000Z', conversation: 'dm:d' }),
      wakeOf('w3', { agent_id: 'alpha', opened_seq: 7, passed: '1-2' }),
      wakeOf('w4', { agent_id: 'gamma' }),
    ];
    await store.commit([rowsOf(...rows.map((row) => ({ op: 'wake.open', row }) as const))]);
    expect(await store.wake('w3')).toEqual(rows[2]);
    expect(await store.wake('w9')).toBeUndefined();
    const closed = { op: 'wake.close', wake_id: 'w4', state: 'done', error: null, closed_at: AT } as const;
    await store.commit([rowsOf({ ...closed, outcome: 'answered', answer_id: 'm9' })]);
    expect(await store.wake('w4')).toEqual({
      ...rows[3],
      state: 'done',
      closed_at: AT,
      outcome: 'answered',
      answer_id: 'm9',
    });
    const open_ = async (limit: number) => (await store.allOpenWakes(limit)).map(({ wake_id }) => wake_id);
    expect(await open_(10)).toEqual(['w3', 'w2', 'w1']);
    expect(await open_(2)).toEqual(['w3', 'w2']);
  });

  it("STO-29 an agent's bindings are what it attached with last, of all agents by id", async () => {
    const store = await open();
    const bind = (agent_id: string, bindings: string) =>
      ({ op: 'bindings', agent_id, bindings, at: AT }) as const;
    await store.commit([rowsOf(bind('beta', '{"rooms":[]}'), bind('alpha', '{}'))]);
    await store.commit([rowsOf(bind('beta', '{"rooms":[{"id":"general"}]}'))]);
    expect(await store.bindings()).toEqual([
      { agent_id: 'alpha', bindings: '{}' },
      { agent_id: 'beta', bindings: '{"rooms":[{"id":"general"}]}' },
    ]);
  });

  it("RCPT-2 an answer is the sender's newest message in the conversation after a seq", async () => {
    const store = await open();
    const say = (id: string, sender: string, where: `room:${string}` | `thread:${string}` = 'room:general') =>
      writesOf(messageOf(id, where, { sender }));
    await store.commit([say('m1', 'alpha'), say('m2', 'beta'), say('m3', 'alpha'), say('m4', 'beta')]);
    await store.commit([say('m5', 'alpha', 'thread:t')]);
    expect(await store.answerAfter('room:general', 0, fqid('alpha'))).toBe('m3');
    expect(await store.answerAfter('room:general', 2, fqid('alpha'))).toBe('m3');
    expect(await store.answerAfter('room:general', 3, fqid('alpha'))).toBeUndefined();
    expect(await store.answerAfter('room:general', 3, fqid('beta'))).toBe('m4');
    expect(await store.answerAfter('room:nowhere', 0, fqid('beta'))).toBeUndefined();
  });

  it('STO-29 who has posted in which threads, with the seq of the first message there', async () => {
    const store = await open();
    const say = (id: string, thread: string, sender: string) =>
      writesOf(messageOf(id, `thread:${thread}`, { sender }));
    await store.commit([say('m1', 'b', 'alpha'), say('m2', 'a', 'alpha'), say('m3', 'a', 'beta')]);
    await store.commit([say('m4', 'a', 'alpha'), say('m5', 'c', 'alpha')]);
    await store.commit([writesOf(messageOf('m6', 'room:general', { sender: 'alpha' }))]);
    const all = [
      { conversation: 'thread:a', seq: 2 },
      { conversation: 'thread:b', seq: 1 },
      { conversation: 'thread:c', seq: 5 },
    ];
    expect(await store.threadsOf(fqid('alpha'), '', 10)).toEqual(all);
    expect(await store.threadsOf(fqid('alpha'), '', 2)).toEqual(all.slice(0, 2));
    expect(await store.threadsOf(fqid('alpha'), 'thread:a', 10)).toEqual(all.slice(1));
    expect(await store.threadsOf(fqid('nobody'), '', 10)).toEqual([]);
    expect(await store.threadSpeakers('thread:a', 10)).toEqual([
      { sender: fqid('alpha'), seq: 2 },
      { sender: fqid('beta'), seq: 3 },
    ]);
    expect(await store.threadSpeakers('thread:a', 1)).toHaveLength(1);
    expect(await store.threadSpeakers('thread:z', 10)).toEqual([]);
  });

  it('RCPT-15 usage of one agent, room and day is added up; it is read from a day on, and after a row', async () => {
    const store = await open();
    const used = (day: string, agent_id: string, room_id: string, wakes = 1): UsageRow => ({
      day,
      agent_id,
      room_id,
      wakes,
      input_tokens: 1_000,
      output_tokens: 10,
      cost_usd: 0.25,
    });
    const days = ['2026-11-20', '2026-11-21', '2026-11-22'];
    const rows = days.flatMap((day) => ['alpha', 'beta'].map((agent) => used(day, agent, 'general')));
    await store.commit([rowsOf(...rows.toReversed().map((row) => ({ op: 'usage', row }) as const))]);
    await store.commit([
      rowsOf(
        { op: 'usage', row: used('2026-11-21', 'alpha', 'general', 2) },
        { op: 'usage', row: used('2026-11-21', 'alpha', '') },
      ),
    ]);
    const from21 = await store.usage('2026-11-21', undefined, 10);
    expect(from21.map(({ day, agent_id, room_id, wakes }) => [day, agent_id, room_id, wakes])).toEqual([
      ['2026-11-21', 'alpha', '', 1],
      ['2026-11-21', 'alpha', 'general', 3],
      ['2026-11-21', 'beta', 'general', 1],
      ['2026-11-22', 'alpha', 'general', 1],
      ['2026-11-22', 'beta', 'general', 1],
    ]);
    expect(from21[1]).toMatchObject({ input_tokens: 2_000, output_tokens: 20, cost_usd: 0.5 });
    for (const limit of upTo(3).map((i) => i + 1)) {
      const walked: UsageRow[] = [];
      for (let page = await store.usage('2026-11-21', undefined, limit); page.length > 0;) {
        walked.push(...page);
        page = await store.usage('2026-11-21', page.at(-1), limit);
      }
      expect(walked).toEqual(from21);
    }
  });
}
