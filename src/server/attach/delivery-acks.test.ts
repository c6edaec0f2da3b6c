import { describe, expect, it } from 'vitest';
import { AttachClient } from '../../../test/support/attach-client.ts';
import {
  attach,
  bind,
  cursorOf,
  ids,
  lab,
  leave,
  post,
  RESEARCH,
  story,
  wake,
} from '../../../test/support/delivery-lab.ts';

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
