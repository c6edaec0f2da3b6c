import { describe, expect, it, vi } from 'vitest';
import { calling } from '../../../test/support/gated-store.ts';
import { startAttachLab } from '../../../test/support/attach-lab.ts';
import {
  attach,
  cursorOf,
  ids,
  lab,
  leave,
  post,
  RESEARCH,
  story,
  wake,
} from '../../../test/support/delivery-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import type { Identity, Scope } from '../../network/identity.ts';

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
    const wrap = calling((method) =>
      method === 'commit' && broken ? Promise.reject(new Error('disk full')) : undefined,
    );
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

  it('DLV-17 frames that wait for their turn are taken in their order, and what came before the server stops counts', async () => {
    const at = await lab();
    const client = await attach(at);
    await post(at, ids('m', 4));
    await client.until(() => client.messages.length === 4);
    // So many others come back that nothing is free.
    const { pace } = at.tail;
    let go = Promise.withResolvers<void>();
    const turn = vi.spyOn(pace, 'turn').mockImplementation(() => go.promise);
    vi.spyOn(pace, 'free').mockReturnValue(false);
    const begin = (wake_id: string, cursor: string): void =>
      void client.send({ op: 'WAKE', wake_id, conversation: 'room:research', cursor, attempt: 1 });
    const cursor = cursorOf(client, 'm1');
    begin('w1', cursor);
    client.ack(cursor, { wake_id: 'w1', outcome: 'ok' });
    client.send({ op: 'PING' });
    await eventually(() => turn.mock.calls.length === 1);
    expect(turn).toHaveBeenCalledWith('frame');
    expect(client.of('PONG')).toEqual([]);
    go.resolve();
    await client.until(() => client.of('PONG').length === 1);
    expect(client.has('ERROR')).toBe(false);
    await at.execute('delivery.save', { writes: [] });
    expect(await at.store.openWakes('alpha')).toEqual([]);
    expect(await at.store.positions('alpha')).toMatchObject([{ acked_seq: await at.store.eventSeq(cursor) }]);

    go = Promise.withResolvers();
    turn.mockClear();
    begin('w2', cursorOf(client, 'm3'));
    await eventually(() => turn.mock.calls.length === 1);
    await at.gateway.close();
    expect(await at.store.openWakes('alpha')).toMatchObject([{ last_seq: at.tail.head }]);
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
