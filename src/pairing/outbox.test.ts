import { expect, it, onTestFinished } from 'vitest';
import type { LogEvent } from '../store/log-rows.ts';
import type { RelayState, RelayWrite } from '../store/relay-rows.ts';
import type { Outcome } from './outcome.ts';
import { Outbox } from './outbox.ts';
import { eventually } from '../../test/support/eventually.ts';

const event = (seq: number, conversation = 'room:general'): LogEvent => ({
  seq,
  id: `e${seq}`,
  type: 'message.created',
  created_at: '2026-11-30T00:00:00.000Z',
  payload: JSON.stringify({ id: `m${seq}` }),
  conversation: conversation as 'room:general',
  room_id: 'general',
  held: false,
});

/** A fake store and a fake peer over a log in an array. */
function outboxOver(
  log: LogEvent[],
  answers: (seq: number) => Outcome = () => ({ kind: 'relayed' }),
  state: RelayState = { settled_seq: 0, positions: [] },
) {
  const sent: number[] = [];
  const saved: RelayWrite[] = [];
  const faults: unknown[] = [];
  let broken = 0;
  let stands = true;
  const failing = (): void => {
    if (broken-- > 0) throw new Error('storage is away');
  };
  const outbox = new Outbox({
    pairing_id: 'b',
    store: {
      relayState: async () => state,
      events: async (_audience, after, limit) => {
        failing();
        return log.filter(({ seq }) => seq > after).slice(0, limit);
      },
      conversationEvents: async (conversation, after, limit) => {
        failing();
        return log.filter((one) => one.conversation === conversation && one.seq > after).slice(0, limit);
      },
    },
    stands: () => stands,
    isFor: () => true,
    ready: async () => true,
    most: () => 1,
    send: async ([event]) => {
      sent.push(event!.seq);
      const outcome = answers(event!.seq);
      return outcome.kind === 'relayed' ? [outcome] : outcome;
    },
    save: async (writes) => void saved.push(...writes),
    onOutcome: () => {},
    onFault: (error) => void faults.push(error),
  });
  onTestFinished(() => outbox.close());
  return {
    outbox,
    sent,
    saved,
    faults,
    breaks: (times: number) => void (broken = times),
    stand: (yes: boolean) => void (stands = yes),
  };
}

it('RLY-4: goes on from the settled seq and the positions of conversations', async () => {
  const log = [event(1), event(2), event(3, 'room:ops'), event(4), event(5, 'room:ops')];
  const state: RelayState = {
    settled_seq: 1,
    positions: [{ conversation: 'room:ops', acked_seq: 3 }],
  };
  const { outbox, sent } = outboxOver(log, undefined, state);
  await outbox.start(5);
  await eventually(() => outbox.pending === 0);
  expect(sent.toSorted()).toEqual([2, 4, 5]);
  log.push(event(6));
  outbox.notice(log[5]!);
  await eventually(() => sent.includes(6));
});

it('RLY-55: storage that is away for a moment, or a fault, stops nothing for good', async () => {
  const log = [event(1), event(2)];
  const { outbox, sent, faults, breaks } = outboxOver(log, (seq) => {
    if (seq === 2 && sent.length < 4) throw new Error('a fault of ours');
    return { kind: 'relayed' };
  });
  breaks(3);
  await outbox.start(2);
  await eventually(() => outbox.pending === 0);
  expect(sent).toEqual([1, 2, 2, 2]);
  expect(faults).toHaveLength(5);
});

it('RLY-5: one that fails there again and again is refused after 8 tries, and the next one goes on', async () => {
  const { outbox, sent, saved } = outboxOver([event(1), event(2)], (seq) =>
    seq === 1 ? { kind: 'stuck', code: 'internal_error', message: 'no', tries: 2 } : { kind: 'relayed' },
  );
  await outbox.start(2);
  await eventually(() => outbox.pending === 0);
  await outbox.flush();
  expect(sent).toEqual([1, 1, 2]);
  expect(saved).toMatchObject([
    { op: 'relay.refusal', row: { seq: 1, message_id: 'm1', code: 'internal_error' } },
    { op: 'relay.settled', settled_seq: 2 },
  ]);
});

it('RLY-5: what a paired network says of its refusal is stored as it can be', async () => {
  const { outbox, saved } = outboxOver([event(1)], () => ({
    kind: 'refused',
    code: 'no\0',
    reason: `\ud800${'x'.repeat(298)}\u{1f4a5}`,
  }));
  await outbox.start(1);
  await eventually(() => outbox.pending === 0);
  await outbox.flush();
  expect(saved[0]).toMatchObject({
    row: { code: 'no\u{fffd}', reason: `\u{fffd}${'x'.repeat(298)}\u{fffd}` },
  });
});

it('RLY-70: while another server may relay nothing is sent; when the lease stands after all it goes on', async () => {
  const { outbox, sent, stand } = outboxOver([event(1), event(2)], (seq) => {
    // It stood still while the first one was under way.
    if (seq === 1) stand(false);
    return { kind: 'relayed' };
  });
  await outbox.start(2);
  await eventually(() => outbox.attemptsOf('room:general')?.first === 2);
  expect(sent).toEqual([1]);
  stand(true);
  await eventually(() => outbox.pending === 0);
  expect(sent).toEqual([1, 2]);
});
