import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import { attach, bind, end, got, say, wake, wakeLab, watch } from '../../../test/support/wake-lab.ts';

const lab = (path?: string) => wakeLab(path === undefined ? {} : { path });

describe('states', () => {
  it('RCPT-1 a message is stored, handed, started, and then answered or silent', async () => {
    const at = await lab();
    const client = await attach(at, bind({ r: 'all' }));
    await client.drop();
    await eventually(() => at.gateway.connections === 0);
    await say(at, 'm0');
    expect((await at.receipts('m0'))['alpha']).toMatchObject({
      agent_id: 'alpha',
      fqid: 'molt://local/agents/alpha',
      state: 'stored',
    });
    const again = await attach(at, bind({ r: 'all' }));
    await got(again, 'm0');
    expect((await at.receipts('m0'))['alpha']!.state).toBe('handed');
    const cursor = await wake(again, 'w0', 'm0');
    expect((await at.receipts('m0'))['alpha']).toMatchObject({
      state: 'started',
      wake_id: 'w0',
      attempts: 1,
    });
    await say(at, 'answer', 'yes', 'room:r', 'agent:alpha');
    await end(at, again, cursor, { wake_id: 'w0', outcome: 'ok' });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({ state: 'answered', answer_id: 'answer' });
    await say(at, 'm1');
    const next = await wake(again, 'w1', 'm1');
    await end(at, again, next, { wake_id: 'w1', outcome: 'ok' });
    const silent = (await at.receipts('m1'))['alpha']!;
    expect(silent.state).toBe('silent');
    expect(silent.answer_id).toBeUndefined();
  });

  it('RCPT-2 an answer in another conversation, or from before the turn, is none', async () => {
    const at = await lab();
    await at.createRoom('other');
    const client = await attach(at, bind({ r: 'all', other: 'all' }));
    await say(at, 'm0');
    await got(client, 'm0');
    await say(at, 'early', 'hm', 'room:r', 'agent:alpha');
    const cursor = await wake(client, 'w0', 'm0');
    await say(at, 'elsewhere', 'hm', 'room:other', 'agent:alpha');
    await say(at, 'by-another', 'hm', 'room:r', 'agent:beta');
    await end(at, client, cursor, { wake_id: 'w0', outcome: 'ok' });
    expect((await at.receipts('m0'))['alpha']!.state).toBe('silent');
  });

  it('RCPT-2 what was posted while the attachment was away, or before a crash of the server, is an answer', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab(path);
    const client = await attach(first, bind({ r: 'all' }));
    await say(first, 'm0');
    await wake(client, 'w0', 'm0');
    await client.drop();
    await eventually(() => first.gateway.connections === 0);
    await say(first, 'answer', 'yes', 'room:r', 'agent:alpha');
    await first.crash();
    const second = await lab(path);
    expect((await second.receipts('m0'))['alpha']!.state).toBe('started');
    const again = await attach(second, bind({ r: 'all' }));
    await end(second, again, await got(again, 'm0'), { wake_id: 'w0', outcome: 'ok' });
    expect((await second.receipts('m0'))['alpha']).toMatchObject({ state: 'answered', answer_id: 'answer' });
  });

  it('RCPT-3 a wake that failed says why, how often it was tried, and how it is classified', async () => {
    const at = await lab();
    const client = await attach(at, bind({ r: 'all' }));
    await say(at, 'm0');
    const cursor = await wake(client, 'w0', 'm0');
    const failed = { error: 'not logged in', attempts: 1, classification: 'permanent' };
    await end(at, client, cursor, { wake_id: 'w0', outcome: 'failed', ...failed });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({
      ...failed,
      state: 'failed',
    });
  });

  it('RCPT-4 it is for those mentioned, the participants of a DM, and those who are bound to the room with wake all', async () => {
    const at = await lab();
    for (const [agent, policy] of [
      ['alpha', 'all'],
      ['beta', 'mentions'],
      ['gamma', 'thread_only'],
      ['delta', 'never'],
    ] as const) {
      const client = await attach(at, bind({ r: policy }), agent);
      await client.drop();
    }
    await at.execute('agent.register', { requested_id: 'old', via: 'http' });
    await say(at, 'plain');
    expect(Object.keys(await at.receipts('plain'))).toEqual(['alpha']);
    await say(at, 'named', '@beta @delta @old look');
    expect(
      Object.entries(await at.receipts('named')).map(([id, { state, reason }]) => [id, state, reason]),
    ).toEqual([
      ['alpha', 'stored', undefined],
      ['beta', 'stored', undefined],
      ['delta', 'ignored', 'policy'],
      ['old', 'stored', undefined],
    ]);
    await say(at, 't', 'hi', 'thread:t@r');
    expect(Object.keys(await at.receipts('t'))).toEqual(['alpha', 'gamma']);
    await say(at, 'd', 'hi', 'dm:d@alpha,beta', 'agent:beta');
    expect(Object.keys(await at.receipts('d'))).toEqual(['alpha']);
    await say(at, 'own', 'hi', 'room:r', 'agent:alpha');
    expect(Object.keys(await at.receipts('own'))).toEqual([]);
  });

  it('RCPT-5 an ack wakes nobody: it is ignored by those whom it names', async () => {
    const at = await lab();
    await attach(at, bind({ r: 'mentions' }));
    await at.send('human:me', 'room:r', {
      id: 'ack',
      intent: 'ack',
      parts: [{ kind: 'text', text: '@alpha ok' }],
    });
    expect((await at.receipts('ack'))['alpha']).toMatchObject({ state: 'ignored', reason: 'intent' });
  });

  it('RCPT-5 what lies in the middle of a wake and wakes nobody is not what it was for: an ack, and the notice of the guard', async () => {
    const at = await wakeLab({ settings: { guard: { turns: 1 } } });
    const client = await attach(at, bind({ r: 'all' }));
    await say(at, 'm0');
    await at.send('human:me', 'room:r', { id: 'ack', intent: 'ack', parts: [{ kind: 'text', text: 'ok' }] });
    await say(at, 'm1', 'hm', 'room:r', 'agent:beta');
    await say(at, 'm2', 'hm', 'room:r', 'agent:gamma');
    await say(at, 'm3');
    const { rows } = await at.store.messagePage('room:r', { limit: 10 });
    const notice = rows.find(({ payload }) => payload.includes('"type":"system"'))!.id;
    await got(client, 'm3');
    const cursor = await wake(client, 'w0', 'm3');
    await end(at, client, cursor, { wake_id: 'w0', outcome: 'ok' });
    expect((await at.receipts('m0'))['alpha']!.state).toBe('silent');
    expect((await at.receipts('m3'))['alpha']!.state).toBe('silent');
    expect((await at.receipts('ack'))['alpha']).toMatchObject({ state: 'ignored', reason: 'intent' });
    expect(await at.receipts(notice)).toEqual({});
  });

  it('RCPT-6 clients that decide wakes themselves: handed is what they acknowledged, also after a restart', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await lab(path);
    const client = await attach(first);
    await say(first, 'm0', '@alpha look');
    const cursor = await got(client, 'm0');
    expect((await first.receipts('m0'))['alpha']!.state).toBe('handed');
    client.ack(cursor);
    await client.settle();
    await first.stop();
    const second = await lab(path);
    const receipt = (await second.receipts('m0'))['alpha']!;
    expect(receipt.state).toBe('handed');
    expect(receipt.at).toBeDefined();
  });

  it('RCPT-7 what the guard holds is held, with the time of the hold', async () => {
    const at = await lab();
    await at.execute('room.update', { room_id: 'r', request: { guard: { turns: 1 } } });
    const client = await attach(at, bind({ r: 'all' }));
    for (let i = 0; i < 4; i++) await say(at, `m${i}`, 'hi', 'room:r', i % 2 ? 'agent:beta' : 'agent:gamma');
    expect(at.network.isHeld('room:r')).toBe(true);
    const { state, reason, at: since } = (await at.receipts('m3'))['alpha']!;
    expect([state, reason]).toEqual(['held', 'guard']);
    expect(since).toBeDefined();
    await at.execute('guard.resume', { conversation: 'room:r' });
    await got(client, 'm3');
    expect((await at.receipts('m3'))['alpha']!.state).toBe('handed');
  });
});

describe('live', () => {
  it('RCPT-8 observers and the sender are told each state with its messages; nobody else is', async () => {
    const at = await lab();
    const client = await attach(at, bind({ r: 'all' }));
    const observer = watch(at, { observer: true });
    const sender = watch(at, { agents: new Set(['beta']) });
    const other = watch(at, { agents: new Set(['alpha', 'gamma']) });
    await say(at, 'mine', 'hi', 'room:r', 'agent:beta');
    await say(at, 'theirs', 'hi', 'room:r', 'human:me');
    await eventually(() => observer.length > 1);
    expect(observer.map(({ state, message_ids }) => [state, message_ids])).toEqual([
      ['handed', ['mine']],
      ['handed', ['theirs']],
    ]);
    const cursor = await wake(client, 'w0', 'theirs');
    await say(at, 'answer', 'yes', 'room:r', 'agent:alpha');
    await end(at, client, cursor, { wake_id: 'w0', outcome: 'ok' });
    expect(sender.map(({ state, message_ids }) => [state, message_ids])).toEqual([
      ['handed', ['mine']],
      ['started', ['mine']],
      ['answered', ['mine']],
    ]);
    expect(sender.at(-1)).toMatchObject({
      agent_id: 'alpha',
      conversation: 'room:r',
      wake_id: 'w0',
      answer_id: 'answer',
    });
    expect(observer.filter(({ state }) => state === 'answered')).toHaveLength(2);
    expect(other).toEqual([]);
  });

  it('RCPT-8 a message that a turn takes at once is not told as handed', async () => {
    const at = await lab();
    const client = await attach(at, bind({ r: 'all' }));
    const observer = watch(at, { observer: true });
    await say(at, 'm0');
    const cursor = await wake(client, 'w0', 'm0');
    await end(at, client, cursor, { wake_id: 'w0', outcome: 'ok' });
    await say(at, 'm1');
    await eventually(() => observer.some(({ message_ids }) => message_ids.includes('m1')));
    expect(
      observer.filter(({ message_ids }) => message_ids.includes('m0')).map(({ state }) => state),
    ).toEqual(['started', 'silent']);
  });
});
