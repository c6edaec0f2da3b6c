import { expect, it } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { gated, type GatedStore } from '../../test/support/gated-store.ts';
import { openLab } from '../../test/support/network-lab.ts';
import type { Store } from '../store/store.ts';
import { Delivery } from './delivery.ts';
import type { DeliverySink } from './delivery-types.ts';
import { Tail } from './tail.ts';

interface DeliveryLab extends GatedStore {
  tail: Tail;
  delivery: Delivery;
  /** Ids of the messages that were sent. */
  sent: string[];
  full: boolean;
  failSaves: boolean;
  failedSaves: number;
  saves: number;
  post(id: string, target?: string): Promise<void>;
}

async function deliveryLab(read: keyof Store): Promise<DeliveryLab> {
  let tail: Tail | undefined;
  const lab = await openLab({ onCommitted: (events) => tail?.publish(events) });
  const gate = gated(lab, read);
  tail = new Tail({ store: gate.store, ringCount: 2 });
  await lab.createRoom({ id: 'a', visibility: 'public', write_policy: 'registered_agents' });
  const sent: string[] = [];
  const state = { full: false, failSaves: false, failedSaves: 0, saves: 0 };
  const sink: DeliverySink = {
    ready: () => !state.full,
    event: (entry) => void sent.push(entry.message?.id ?? entry.event.type),
    wake() {},
    began() {},
    wakeEnded() {},
    receipt() {},
    fail: (error) => expect.unreachable(String(error)),
  };
  const delivery = new Delivery({
    agent: { network_id: 'local', id: 'alpha' },
    bindings: { rooms: [{ id: 'a', wake: 'all' }], dms: { enabled: true, wake: 'all' }, catch_up: 'all' },
    tail,
    store: gate.store,
    sink,
    dms: true,
    hold: () => undefined,
    room: (id) => (lab.network.topology.room(id) ? { created_seq: 0, open: true } : undefined),
    async save(writes) {
      if (state.failSaves && ++state.failedSaves) throw new Error('disk full');
      await lab.execute('delivery.save', { writes });
      state.saves++;
    },
  });
  return Object.assign(state, gate, {
    tail,
    delivery,
    sent,
    post: async (id: string, target = 'room:a') => void (await lab.send('human:me', target, { id })),
  });
}

it('DLV-3 LOG-4 what is published while a conversation is read comes after it, and is not forgotten', async () => {
  const at = await deliveryLab('conversationEvents');
  await at.delivery.open();
  at.delivery.start();
  at.full = true;
  for (const id of ['m0', 'm1']) await at.post(id);
  at.close();
  at.full = false;
  at.delivery.resume();
  await at.waiting();
  for (const id of ['m2', 'm3']) await at.post(id);
  at.open();
  await eventually(() => at.sent.length === 4);
  expect(at.sent).toEqual(['m0', 'm1', 'm2', 'm3']);
  await at.delivery.close();
});

it('DLV-3 what is published while candidates are searched is found', async () => {
  const at = await deliveryLab('roomConversationsAfter');
  await at.delivery.open();
  await at.post('m0');
  at.close();
  at.delivery.start();
  await at.waiting();
  await at.post('t0', 'thread:t@a');
  await at.post('m1');
  at.open();
  await eventually(() => at.sent.length === 3);
  expect(at.sent.filter((id) => id.startsWith('m'))).toEqual(['m0', 'm1']);
  expect(at.sent).toContain('t0');
  await at.delivery.close();
});

it('DLV-10 a resume while it is asked whether a conversation is held counts', async () => {
  const at = await deliveryLab('conversations');
  await at.lab.execute('room.update', { room_id: 'a', request: { guard: { turns: 1 } } });
  await at.delivery.open();
  at.delivery.start();
  at.full = true;
  for (let i = 0; i < 4; i++)
    await at.lab.send(i % 2 ? 'agent:beta' : 'agent:gamma', 'room:a', { id: `m${i}` });
  expect(at.lab.network.isHeld('room:a')).toBe(true);
  at.close();
  at.full = false;
  at.delivery.resume();
  await at.waiting();
  await at.lab.execute('guard.resume', { conversation: 'room:a' });
  at.open();
  await eventually(() => at.sent.length === 4);
  expect(at.sent).toEqual(['m0', 'm1', 'm2', 'm3']);
  await at.delivery.close();
});

it('DLV-5 a save that fails is made up for by the next', async () => {
  const at = await deliveryLab('events');
  await at.delivery.open();
  at.delivery.start();
  await at.post('m0');
  await at.post('t0', 'thread:t@a');
  await eventually(() => at.sent.length === 2);
  const cursor = async (id: string): Promise<string> => (await at.store.messages([id])).get(id)!.event_id;
  at.failSaves = true;
  at.delivery.ack({ cursor: await cursor('m0') });
  await eventually(() => at.failedSaves > 0);
  at.failSaves = false;
  const { saves } = at;
  await eventually(() => at.saves > saves);
  expect(await at.store.positions('alpha')).toMatchObject([{ conversation: 'thread:t' }]);
  expect((await at.store.scopes('alpha')).find((scope) => scope.scope === 'room:a')!.settled_seq).toBe(
    at.tail.head,
  );
  await at.delivery.close();
});

it('DLV-4 closing twice, and before it was opened, does nothing', async () => {
  const at = await deliveryLab('events');
  await at.delivery.close();
  await at.delivery.close();
  await at.delivery.open();
  expect(at.tail.size).toBe(0);
});
