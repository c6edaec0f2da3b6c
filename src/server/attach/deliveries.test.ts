import { describe, expect, it } from 'vitest';
import { AttachClient } from '../../../test/support/attach-client.ts';
import type { AttachLab } from '../../../test/support/attach-lab.ts';
import { wakeMessageId } from '../../protocol/ids.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import { attach, bind, end, got, say, wake, wakeLab } from '../../../test/support/wake-lab.ts';
import type { WakeRow } from '../../store/delivery-rows.ts';

const R = bind({ r: 'all' });

/** As POST /v1/deliveries/{wake_id}/retry does. */
async function retry(at: AttachLab, wake_id: string): Promise<void> {
  const write = {
    op: 'wake.retry',
    wake_id: `alpha/${wake_id}`,
    at: new Date().toISOString(),
    opened_seq: at.tail.head,
  } as const;
  await at.execute('delivery.save', { writes: [write] });
  at.gateway.retry((await at.store.wake(`alpha/${wake_id}`)) as WakeRow, 'r');
}
async function fail(at: AttachLab, client: AttachClient, wake_id: string, message: string): Promise<void> {
  const cursor = await wake(client, wake_id, message);
  await end(at, client, cursor, { wake_id, outcome: 'failed', error: 'poison' });
}
const story = (client: AttachClient): string[] =>
  client.frames.flatMap((frame) =>
    frame.op === 'WAKE'
      ? [`WAKE ${frame.wake_id}${frame.attempt === 1 ? '' : `/${frame.attempt}`}`]
      : frame.op === 'EVENT'
        ? [frame.event!.message?.id ?? frame.event!.type]
        : [],
  );
const stateOf = async (at: AttachLab, message: string): Promise<string> =>
  (await at.receipts(message))['alpha']!.state;

describe('dead letters', () => {
  it('RCPT-3 an error that no engine can hold ends its wake all the same, as it can be held', async () => {
    const at = await wakeLab();
    const client = await attach(at, R);
    await say(at, 'm0');
    const cursor = await wake(client, 'w0', 'm0');
    // The last half of the pair is behind what is kept.
    const error = `killed\u0000 \ud800 ${'x'.repeat(1_989)}\u{1f4a5}`;
    await end(at, client, cursor, { wake_id: 'w0', outcome: 'failed', error });
    const [kept] = await at.store.failedWakes('alpha', 1);
    expect(kept!.error).toBe(`killed\u{fffd} \u{fffd} ${'x'.repeat(1_989)}\u{fffd}`);
    expect(client.closed).toBe(false);
  });

  it('RCPT-10 a failed wake does not block what is behind it, and is run again with its next attempt on demand', async () => {
    const at = await wakeLab();
    const client = await attach(at, R);
    await say(at, 'm0');
    await fail(at, client, 'w0', 'm0');
    await say(at, 'm1');
    await end(at, client, await wake(client, 'w1', 'm1'), { wake_id: 'w1' });
    await retry(at, 'w0');
    await client.until(() => client.of('WAKE').some(({ attempt }) => attempt === 2));
    const cursor = client.of('WAKE').at(-1)!.cursor!;
    await client.until(() => client.events.filter((frame) => frame.cursor === cursor).length === 2);
    expect(story(client)).toEqual(['m0', 'WAKE w0', 'm1', 'WAKE w1', 'WAKE w0/2', 'm0']);
    expect(await stateOf(at, 'm0')).toBe('started');
    await say(at, 'answer', 'yes', 'room:r', 'agent:alpha');
    await end(at, client, cursor, { wake_id: 'w0' });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({ state: 'answered', wake_id: 'w0' });
    expect(await stateOf(at, 'm1')).toBe('silent');
    await say(at, 'm2');
    await end(at, client, await wake(client, 'w2', 'm2'), { wake_id: 'w2' });
    expect(story(client).slice(6)).toEqual(['m2', 'WAKE w2']);
  });

  it('RCPT-2 RCPT-10 what a wake had said before it failed is the answer of its retry, which need not say it again', async () => {
    const at = await wakeLab();
    const client = await attach(at, R);
    await say(at, 'm0');
    const first = await wake(client, 'w0', 'm0');
    await say(at, 'answer', 'yes', 'room:r', 'agent:alpha');
    await end(at, client, first, { wake_id: 'w0', outcome: 'failed', error: 'killed' });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({ state: 'failed', answer_id: 'answer' });
    await retry(at, 'w0');
    await client.until(() => client.of('WAKE').some(({ attempt }) => attempt === 2));
    const cursor = client.of('WAKE').at(-1)!.cursor!;
    await client.until(() => client.events.filter((frame) => frame.cursor === cursor).length === 2);
    await end(at, client, cursor, { wake_id: 'w0' });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({ state: 'answered', answer_id: 'answer' });
  });

  it('RCPT-2 RCPT-10 so it is when the node of the retry goes on over a crash of the server', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await wakeLab({ path });
    const client = await attach(first, R);
    await say(first, 'm0');
    const begun = await wake(client, 'w0', 'm0');
    await say(first, 'answer', 'yes', 'room:r', 'agent:alpha');
    await end(first, client, begun, { wake_id: 'w0', outcome: 'failed', error: 'killed' });
    await retry(first, 'w0');
    await client.until(() => client.of('WAKE').some(({ attempt }) => attempt === 2));
    await wake(client, 'w0', 'm0', 2);
    await first.crash();
    const second = await wakeLab({ path });
    const back = await attach(second, R);
    const cursor = await got(back, 'm0');
    await end(second, back, cursor, { wake_id: 'w0' });
    expect((await second.receipts('m0'))['alpha']).toMatchObject({ state: 'answered', answer_id: 'answer' });
  });

  it('RCPT-2 RCPT-10 what a killed turn said after the wake was given up is the answer of its retry', async () => {
    const at = await wakeLab();
    const client = await attach(at, R);
    await say(at, 'm0');
    const first = await wake(client, 'w0', 'm0');
    await end(at, client, first, { wake_id: 'w0', outcome: 'failed', error: 'killed' });
    const late = wakeMessageId('w0', 'room:r', 1);
    await say(at, late, 'yes', 'room:r', 'agent:alpha');
    await at.send('agent:beta', 'room:r', {
      id: wakeMessageId('w0', 'room:r', 2),
      parts: [{ kind: 'text', text: 'not of that agent' }],
      intent: 'ack',
    });
    await say(at, 'elsewhere', 'hm', 'room:r', 'agent:alpha');
    await retry(at, 'w0');
    await client.until(() => client.of('WAKE').some(({ attempt }) => attempt === 2));
    const cursor = client.of('WAKE').at(-1)!.cursor!;
    await client.until(() => client.events.filter((frame) => frame.cursor === cursor).length === 2);
    await end(at, client, cursor, { wake_id: 'w0' });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({ state: 'answered', answer_id: late });
  });

  it('RCPT-10 a retry waits until nothing of the conversation is out, and goes before what comes then', async () => {
    const at = await wakeLab();
    const client = await attach(at, R);
    await say(at, 'm0');
    await fail(at, client, 'w0', 'm0');
    await say(at, 'm1');
    const cursor = await wake(client, 'w1', 'm1');
    await retry(at, 'w0');
    await say(at, 'm2');
    await client.settle();
    expect(story(client).slice(2)).toEqual(['m1', 'WAKE w1']);
    await end(at, client, cursor, { wake_id: 'w1' });
    await client.until(() => client.messages.includes('m2'));
    expect(story(client).slice(4)).toEqual(['WAKE w0/2', 'm0', 'm2']);
  });

  it('RCPT-10 a retry outlives a crash, sends nothing twice that was settled, and waits for the node', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await wakeLab({ path });
    const client = await attach(first, R);
    await say(first, 'm0');
    await fail(first, client, 'w0', 'm0');
    await say(first, 'm1');
    await end(first, client, await wake(client, 'w1', 'm1'), { wake_id: 'w1' });
    await client.drop();
    await eventually(() => first.gateway.connections === 0);
    await retry(first, 'w0');
    await say(first, 'm2');
    await first.crash();
    const second = await wakeLab({ path });
    const back = await attach(second, R);
    await got(back, 'm2');
    expect(story(back)).toEqual(['WAKE w0/2', 'm0', 'm2']);
    await second.crash();
    const third = await attach(await wakeLab({ path }), R);
    await got(third, 'm2');
    expect(story(third)).toEqual(['WAKE w0/2', 'm0', 'm2']);
  });

  it('RCPT-10 what was handed over when a retry was asked for comes again after a crash, behind it', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await wakeLab({ path });
    const client = await attach(first, R);
    await say(first, 'm0');
    await fail(first, client, 'w0', 'm0');
    await say(first, 'm1');
    await got(client, 'm1');
    // The positions are written down with the end of a wake elsewhere.
    await say(first, 't1', 'hello', 'thread:t@r');
    await end(first, client, await wake(client, 'wt', 't1'), { wake_id: 'wt' });
    await retry(first, 'w0');
    await first.crash();
    const back = await attach(await wakeLab({ path }), R);
    await back.until(() => back.messages.length >= 2);
    await back.settle();
    expect(story(back)).toEqual(['WAKE w0/2', 'm0', 'm1']);
  });

  it('RCPT-11 a dropped one is told as such, and is no longer listed as failed', async () => {
    const at = await wakeLab();
    const client = await attach(at, R);
    await say(at, 'm0');
    await fail(at, client, 'w0', 'm0');
    await at.execute('delivery.save', { writes: [{ op: 'wake.drop', wake_id: 'alpha/w0' }] });
    expect((await at.receipts('m0'))['alpha']).toMatchObject({ state: 'failed', reason: 'dropped' });
    expect(await at.store.failedWakes('alpha', 10)).toEqual([]);
  });
});

describe('holds', () => {
  const pause = (at: AttachLab, scope: string, paused: boolean) =>
    at.execute('pause.set', { scope: scope as '*', paused });

  for (const scope of ['*', 'agent:alpha', 'room:r'])
    it(`RCPT-12 a pause of ${scope} holds delivery, which goes on by itself, in order`, async () => {
      const at = await wakeLab();
      await at.createRoom('other');
      const client = await attach(at, bind({ r: 'all', other: 'all' }));
      await say(at, 'm0');
      await end(at, client, await wake(client, 'w0', 'm0'), { wake_id: 'w0' });
      await pause(at, scope, true);
      for (const id of ['m1', 'm2']) await say(at, id);
      await say(at, 't1', 'hi', 'thread:t@r');
      await client.settle();
      expect(client.messages).toEqual(['m0']);
      expect((await at.receipts('m1'))['alpha']).toMatchObject({ state: 'held', reason: 'pause' });
      if (scope === 'room:r') {
        await say(at, 'o1', 'hi', 'room:other');
        await got(client, 'o1');
      }
      expect([...at.gateway.held()]).toContainEqual({
        agent_id: 'alpha',
        conversation: 'room:r',
        reason: 'pause',
      });
      await pause(at, scope, false);
      await client.until(() => client.messages.length >= (scope === 'room:r' ? 5 : 4));
      expect(client.messages.filter((id) => id.startsWith('m'))).toEqual(['m0', 'm1', 'm2']);
      expect(client.messages).toContain('t1');
      expect([...at.gateway.held()]).toEqual([]);
    });

  it('RCPT-12 what was sent before the pause begins no turn; an open wake waits too, and both come again', async () => {
    const at = await wakeLab();
    await at.createRoom('other');
    const both = bind({ r: 'all', other: 'all' });
    const client = await attach(at, both);
    await say(at, 'm0');
    await say(at, 'o0', 'hi', 'room:other');
    await wake(client, 'w0', 'm0');
    await got(client, 'o0');
    await pause(at, 'agent:alpha', true);
    await wake(client, 'w1', 'o0');
    expect(client.of('ERROR')[0]).toMatchObject({ code: 'paused' });
    expect(client.of('ERROR')[0]!.permanent).toBeUndefined();
    const again = await attach(at, both);
    await again.settle();
    await again.settle();
    expect(story(again)).toEqual([]);
    await pause(at, 'agent:alpha', false);
    await got(again, 'o0');
    await got(again, 'm0');
    expect(story(again).toSorted()).toEqual(['WAKE w0', 'm0', 'o0']);
  });

  it('RCPT-12 a pause survives a restart', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const first = await wakeLab({ path });
    await (await attach(first, R)).drop();
    await pause(first, '*', true);
    await say(first, 'm0');
    await first.crash();
    const second = await wakeLab({ path });
    const client = await attach(second, R);
    await client.settle();
    await client.settle();
    expect(client.messages).toEqual([]);
    await pause(second, '*', false);
    await got(client, 'm0');
  });

  it('RCPT-13 a paused client that decides wakes itself is sent nothing, and goes on where it was', async () => {
    const at = await wakeLab();
    const client = await attach(at);
    await pause(at, 'agent:alpha', true);
    for (const id of ['m0', 'm1']) await say(at, id);
    await client.settle();
    expect(client.messages).toEqual([]);
    await pause(at, 'agent:alpha', false);
    await got(client, 'm1');
    expect(client.messages).toEqual(['m0', 'm1']);
  });

  it('RCPT-13 of a paused room such a client is sent nothing, and all of it in order when it goes on', async () => {
    const at = await wakeLab();
    await at.createRoom('other');
    const client = await attach(at);
    await say(at, 'm0');
    await pause(at, 'room:r', true);
    for (const id of ['m1', 'm2']) await say(at, id);
    await say(at, 't1', 'hi', 'thread:t@r');
    await say(at, 'o1', 'hi', 'room:other');
    await got(client, 'o1');
    expect(client.messages).toEqual(['m0', 'o1']);
    await pause(at, 'room:r', false);
    await say(at, 'm3');
    await got(client, 'm3');
    expect(client.messages).toEqual(['m0', 'o1', 'm1', 'm2', 't1', 'm3']);
    // From before the pause on nothing comes twice.
    const again = await AttachClient.attach({
      url: at.url,
      agent: 'beta',
      cursor: client.events.find((frame) => frame.event!.message?.id === 'm0')!.cursor!,
    });
    await got(again, 'm3');
    expect(again.messages).toEqual(['m1', 'm2', 't1', 'o1', 'm3']);
  });

  it('RCPT-13 what was left out before a client came back comes once, though all of it is of one moment', async () => {
    const at = await wakeLab({ clock: () => Date.UTC(2026, 10, 30) });
    await at.createRoom('other');
    const client = await attach(at);
    await say(at, 'm0');
    await pause(at, 'room:r', true);
    await say(at, 'm1');
    await say(at, 'o1', 'hi', 'room:other');
    const cursor = await got(client, 'o1');
    client.ack(cursor);
    await client.settle();
    await client.drop();
    const again = await AttachClient.attach({ url: at.url, agent: 'alpha', cursor });
    await pause(at, 'room:r', false);
    await say(at, 'm2');
    await got(again, 'm2');
    expect(again.messages).toEqual(['m1', 'm2']);
  });

  it('RCPT-13 that holds for a client that came back meanwhile, over a restart, and with what the guard lets go', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const settings = { guard: { turns: 1 } };
    const first = await wakeLab({ path, settings });
    await first.createRoom('other');
    const before = await attach(first);
    for (const as of ['agent:beta', 'agent:gamma']) await say(first, `m-${as.slice(6)}`, 'hi', 'room:r', as);
    await pause(first, 'room:r', true);
    await pause(first, 'room:r', true);
    await say(first, 'person');
    await say(first, 'o1', 'hi', 'room:other');
    const cursor = await got(before, 'o1');
    expect(before.messages).toEqual(['m-beta', 'o1']);
    await first.crash();
    const second = await wakeLab({ path, settings });
    const client = await AttachClient.attach({ url: second.url, agent: 'alpha', cursor });
    await say(second, 'm4');
    await say(second, 'o2', 'hi', 'room:other');
    await got(client, 'o2');
    expect(client.messages).toEqual(['o2']);
    await pause(second, 'room:r', false);
    await got(client, 'm4');
    expect(client.messages).toEqual(['o2', 'm-gamma', 'person', 'm4']);
  });

  it('RCPT-14 the daily cap holds further wakes of that agent, not of others', async () => {
    const at = await wakeLab({ budgets: { daily_wakes: 'off', agents: { alpha: 1 } } });
    const client = await attach(at, R);
    const other = await attach(at, R, 'beta');
    await say(at, 'm0');
    await end(at, client, await wake(client, 'w0', 'm0'), { wake_id: 'w0' });
    await say(at, 'm1');
    await got(other, 'm1');
    expect((await at.receipts('m1'))['alpha']).toMatchObject({ state: 'held', reason: 'budget' });
    expect(client.messages).toEqual(['m0']);
    expect(at.presence.of('alpha')).toMatchObject({ state: 'cannot_wake' });
    expect(at.presence.of('beta').state).toBe('connected');
  });

  it('RCPT-15 wakes, tokens and cost are added up by agent, room and day, also over a restart', async () => {
    const path = `${labFolder()}/moltnet.db`;
    const budgets = { daily_wakes: 2, agents: {} };
    const first = await wakeLab({ path, budgets });
    const client = await attach(first, R);
    await say(first, 'm0');
    const usage = { input_tokens: 100, output_tokens: 7, cost_usd: 0.25 };
    await end(first, client, await wake(client, 'w0', 'm0'), { wake_id: 'w0', usage });
    await first.stop();
    const second = await wakeLab({ path, budgets });
    const again = await attach(second, R);
    await say(second, 'm1');
    await end(second, again, await wake(again, 'w1', 'm1'), { wake_id: 'w1', usage });
    await second.usage.flush();
    expect(await second.store.usage('2000-01-01', undefined, 10)).toMatchObject([
      { agent_id: 'alpha', room_id: 'r', wakes: 2, input_tokens: 200, output_tokens: 14, cost_usd: 0.5 },
    ]);
    expect(second.usage.capReached('alpha')).toBe(true);
  });
});

describe('presence', () => {
  it('RCPT-16 an agent is offline, connected, working since a wake, and cannot be woken with the reason', async () => {
    const at = await wakeLab();
    expect(at.presence.of('alpha').state).toBe('offline');
    const client = await attach(at, R);
    expect(at.presence.of('alpha').state).toBe('connected');
    await say(at, 'm0');
    const cursor = await wake(client, 'w0', 'm0');
    expect(at.presence.of('alpha')).toMatchObject({
      state: 'working',
      working: [{ wake_id: 'w0', conversation: 'room:r', since: expect.any(String) as string }],
    });
    await end(at, client, cursor, { wake_id: 'w0' });
    expect(at.presence.of('alpha').state).toBe('connected');
    client.send({ op: 'STATUS', cannot_wake: 'codex is not\nlogged in' });
    await client.settle();
    expect(at.presence.of('alpha')).toMatchObject({
      state: 'cannot_wake',
      cannot_wake: 'codex is not logged in',
    });
    const until = '2026-12-01T08:00:00.000Z';
    client.send({
      op: 'STATUS',
      cannot_wake: 'slow down',
      cannot_wake_cause: 'rate_limited',
      cannot_wake_until: until,
    });
    await client.settle();
    expect(at.presence.of('alpha')).toMatchObject({
      cannot_wake: 'slow down',
      cannot_wake_cause: 'rate_limited',
      cannot_wake_until: until,
    });
    client.send({ op: 'STATUS', cannot_wake: 'odd', cannot_wake_cause: 'moon', cannot_wake_until: 'soon' });
    await client.settle();
    expect(at.presence.of('alpha')).not.toHaveProperty('cannot_wake_cause');
    expect(at.presence.of('alpha')).not.toHaveProperty('cannot_wake_until');
    client.send({ op: 'STATUS' });
    await client.settle();
    expect(at.presence.of('alpha').state).toBe('connected');
    await at.execute('pause.set', { scope: '*', paused: true });
    expect(at.presence.of('alpha')).toMatchObject({
      state: 'cannot_wake',
      cannot_wake: 'paused',
      cannot_wake_cause: 'paused',
    });
  });

  it('RCPT-16 observers are told when it changes', async () => {
    const at = await wakeLab();
    const states: unknown[] = [];
    at.tail.subscribe(
      {
        push() {},
        announce: ({ event }) =>
          void (
            event.type === 'agent.status' &&
            states.push((JSON.parse(event.payload) as { state: string }).state)
          ),
      },
      { rooms: new Set(), observer: true },
    );
    const client = await attach(at, R);
    await say(at, 'm0');
    await end(at, client, await wake(client, 'w0', 'm0'), { wake_id: 'w0' });
    client.send({ op: 'STATUS', cannot_wake: 'gone' });
    await client.settle();
    expect(states).toEqual(['working', 'connected', 'cannot_wake']);
  });

  it('RCPT-17 a wake test asks the node, and says what it answers; without one it says so', async () => {
    const at = await wakeLab();
    expect(await at.gateway.probe('alpha')).toMatchObject({ ok: false });
    const old = await attach(at, undefined, 'old');
    expect(await at.gateway.probe('old')).toMatchObject({ ok: true, reason: expect.any(String) as string });
    await old.drop();
    const client = new AttachClient({ url: at.url, bindings: R });
    await client.until(() => client.has('HELLO'));
    client.identify({ capabilities: { delivery: 1, status: 1 } });
    await client.until(() => client.has('READY'));
    const answers: object[] = [
      { cannot_wake: 'codex: not found' },
      { runtime: { kind: 'codex', version: '1' } },
    ];
    for (const [i, answer] of answers.entries()) {
      const test = at.gateway.probe('alpha');
      await client.until(() => client.of('PROBE').length > i);
      client.send({ op: 'STATUS', probe: client.of('PROBE')[i]!['probe'], ...answer });
      expect(await test).toEqual(
        i === 0
          ? { ok: false, reason: 'codex: not found' }
          : { ok: true, runtime: { kind: 'codex', version: '1' } },
      );
    }
    const left = at.gateway.probe('alpha');
    await client.until(() => client.of('PROBE').length > 2);
    await client.drop();
    expect((await left).ok).toBe(false);
  });
});
