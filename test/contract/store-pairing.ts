import { expect, it } from 'vitest';
import { ConstraintError } from '../../src/store/errors.ts';
import type { RelayRefusalRow } from '../../src/store/relay-rows.ts';
import type { PairingRow } from '../../src/store/topology-rows.ts';
import { AT, eventOf, messageOf, roomOf, rowsOf, upTo, writesOf } from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

const pairingRow = (id: string, rest: Partial<PairingRow> = {}): PairingRow => ({
  id,
  remote_network_id: id,
  remote_network_name: 'Network B',
  remote_base_url: 'http://b.example',
  token: 'what we send',
  token_hash: `hash-${id}`,
  link: false,
  created_at: AT,
  ...rest,
});
const refusal = (seq: number, pairing_id = 'net_b'): RelayRefusalRow => ({
  pairing_id,
  seq,
  message_id: `m${seq}`,
  conversation: 'room:general',
  code: 'not_shared',
  reason: 'no such room',
  at: AT,
});

export function pairingContract({ open, reopen }: StoreFactory): void {
  it('STO-60 pairings and open codes are part of the topology; one that is written again is replaced', async () => {
    let store = await open();
    const invite = { code_hash: 'h', id: 'inv_1', rooms: '["general"]', created_at: AT, expires_at: AT };
    const changed = pairingRow('net_b', { remote_base_url: null, token: null, link: true });
    await store.commit([
      writesOf(eventOf('e1', { rows: [{ op: 'pairing', row: pairingRow('net_b') }] })),
      rowsOf({ op: 'pairing', row: changed }, { op: 'pairing', row: pairingRow('net_a') }),
      rowsOf(
        { op: 'pairing.invite', row: invite },
        { op: 'pairing.invite', row: { ...invite, code_hash: 'i' } },
      ),
      rowsOf({ op: 'pairing.invite.remove', code_hash: 'i' }),
    ]);
    if (reopen) store = await reopen(store);
    const topology = await store.loadTopology();
    expect(topology.pairings).toEqual([pairingRow('net_a'), changed]);
    expect(topology.pairing_invites).toEqual([invite]);
    const twin = pairingRow('other', { remote_network_id: 'net_b' });
    await expect(store.commit([rowsOf({ op: 'pairing', row: twin })])).rejects.toBeInstanceOf(
      ConstraintError,
    );
  });

  it('STO-61 a share has the seq of its event or the one given, keeps it, and goes with its room or pairing', async () => {
    const store = await open();
    const share = (room_id: string, pairing_id: string, since_seq?: number) =>
      ({ op: 'share', room_id, pairing_id, ...(since_seq !== undefined && { since_seq }) }) as const;
    await store.commit([
      writesOf(roomOf('general'), roomOf('ops')),
      writesOf(
        eventOf('e3', { rows: [share('general', '*'), share('general', 'net_b', 1), share('ops', 'net_b')] }),
      ),
      writesOf(eventOf('e4', { rows: [share('general', '*')] })),
    ]);
    const shares = async () =>
      (await store.loadTopology()).shares.map((one) => `${one.room_id} ${one.pairing_id} ${one.since_seq}`);
    expect(await shares()).toEqual(['general * 3', 'general net_b 1', 'ops net_b 3']);
    await store.commit([rowsOf({ op: 'share.remove', room_id: 'general', pairing_id: '*' })]);
    expect(await shares()).toEqual(['general net_b 1', 'ops net_b 3']);
    await store.commit([
      writesOf(eventOf('e5', { rows: [{ op: 'room.remove', id: 'ops', removed_at: AT }] })),
    ]);
    expect(await shares()).toEqual(['general net_b 1']);
    await store.commit([rowsOf({ op: 'pairing.remove', id: 'net_b' })]);
    expect(await shares()).toEqual([]);
  });

  it('STO-62 relay begins at the newest event, goes forward only, and is forgotten with its pairing', async () => {
    let store = await open();
    expect(await store.relayState('net_b')).toBeUndefined();
    const position = (conversation: 'room:general' | 'room:ops', acked_seq: number) =>
      ({ op: 'relay.position', pairing_id: 'net_b', conversation, acked_seq }) as const;
    await store.commit([
      writesOf(eventOf('e1'), eventOf('e2')),
      rowsOf({ op: 'pairing', row: pairingRow('net_b') }, { op: 'relay.begin', pairing_id: 'net_b' }),
      writesOf(eventOf('e3')),
      rowsOf({ op: 'relay.begin', pairing_id: 'net_b' }),
    ]);
    expect(await store.relayState('net_b')).toEqual({ settled_seq: 2, positions: [] });
    expect(await store.relays()).toEqual(['net_b']);
    await store.commit([
      rowsOf(position('room:general', 5), position('room:ops', 9), position('room:general', 4)),
    ]);
    await store.commit([rowsOf({ op: 'relay.settled', pairing_id: 'net_b', settled_seq: 5 })]);
    await store.commit([rowsOf({ op: 'relay.settled', pairing_id: 'net_b', settled_seq: 3 })]);
    if (reopen) store = await reopen(store);
    expect(await store.relayState('net_b')).toEqual({
      settled_seq: 5,
      positions: [{ conversation: 'room:ops', acked_seq: 9 }],
    });
    const rows = [refusal(1), refusal(3), refusal(2), refusal(1, 'net_c')];
    await store.commit([rowsOf(...rows.map((row) => ({ op: 'relay.refusal', row }) as const))]);
    await store.commit([rowsOf({ op: 'relay.refusal', row: { ...refusal(1), code: 'later' } })]);
    expect(await store.relayRefusals('net_b', 2)).toEqual([refusal(3), refusal(2)]);
    expect(await store.relayRefusal('net_b', 1)).toEqual(refusal(1));
    expect(await store.relayRefusal('net_b', 4)).toBeUndefined();
    await store.commit([rowsOf({ op: 'pairing.remove', id: 'net_b' })]);
    expect(await store.relayState('net_b')).toBeUndefined();
    expect(await store.relayRefusals('net_b', 500)).toEqual([]);
    expect(await store.relayRefusals('net_c', 500)).toHaveLength(1);
  });

  it('STO-63 refusals are kept to a number for each pairing, the newest, and it is known which are forgotten', async () => {
    const store = await open();
    const begin = (pairing_id: string) => ({ op: 'relay.begin', pairing_id }) as const;
    const rows = [...upTo(5).map((i) => refusal(i + 1)), refusal(1, 'net_c'), refusal(2, 'net_c')];
    await store.commit([
      rowsOf(begin('net_b'), begin('net_c'), ...rows.map((row) => ({ op: 'relay.refusal', row }) as const)),
    ]);
    await store.forgetRelays({ refusals: 2, taken: 10 });
    expect(await store.relayRefusals('net_b', 500)).toEqual([refusal(5), refusal(4)]);
    expect(await store.relayRefusals('net_c', 500)).toHaveLength(2);
    expect(await store.refusalsAfter('net_b')).toBe(3);
    expect(await store.refusalsAfter('net_c')).toBe(0);
    await store.forgetRelays({ refusals: 2, taken: 10 });
    expect(await store.refusalsAfter('net_b')).toBe(3);
  });

  it('STO-64 messages of other networks that are pruned are remembered, to a number for each network, the newest', async () => {
    let store = await open();
    await store.commit([writesOf(roomOf('general'))]);
    const said = upTo(5).map((i) =>
      messageOf(`m${i}`, 'room:general', { origin: { network: 'net_b', id: `o${i}` } }),
    );
    await store.commit([
      writesOf(...said, messageOf('own', 'room:general'), messageOf('last', 'room:general')),
    ]);
    expect(await store.relayTaken('net_b', ['o0'])).toEqual([]);
    const { head } = store;
    await store.commit([rowsOf({ op: 'prune', seqs: upTo(6).map((i) => head - 6 + i) })]);
    if (reopen) store = await reopen(store);
    const ids = ['o0', 'o1', 'o2', 'o3', 'o4', 'o5', 'own'];
    expect((await store.relayTaken('net_b', ids)).toSorted()).toEqual(['o0', 'o1', 'o2', 'o3', 'o4']);
    expect(await store.relayTaken('local', ids)).toEqual([]);
    expect(await store.relayTaken('net_c', ids)).toEqual([]);
    // Each network has its own number.
    const others = ['net_a', 'net_z'].flatMap((network, n) =>
      upTo(n + 2).map((i) =>
        messageOf(`${network}-${i}`, 'room:general', { origin: { network, id: `o${i}` } }),
      ),
    );
    await store.commit([writesOf(...others, messageOf('newest', 'room:general'))]);
    const end = store.head;
    await store.commit([rowsOf({ op: 'prune', seqs: upTo(others.length).map((i) => end - 1 - i) })]);
    await store.forgetRelays({ refusals: 10, taken: 2 });
    expect((await store.relayTaken('net_b', ids)).toSorted()).toEqual(['o3', 'o4']);
    expect((await store.relayTaken('net_a', ids)).toSorted()).toEqual(['o0', 'o1']);
    expect((await store.relayTaken('net_z', ids)).toSorted()).toEqual(['o1', 'o2']);
    await store.forgetRelays({ refusals: 10, taken: 2 });
    expect((await store.relayTaken('net_b', ids)).toSorted()).toEqual(['o3', 'o4']);
  });

  it('STO-65 of a span so much is granted, and no more, over restarts; a new span begins anew', async () => {
    let store = await open();
    const reserve = (amount: number, span = 7) => store.reserve({ name: 'q', span, amount, most: 10 });
    expect(await reserve(4)).toBe(4);
    expect(await Promise.all([reserve(4), reserve(4)])).toEqual([4, 2]);
    if (reopen) store = await reopen(store);
    expect(await reserve(1)).toBe(0);
    expect(await store.reserve({ name: 'other', span: 7, amount: 20, most: 10 })).toBe(10);
    expect(await reserve(3, 8)).toBe(3);
    expect(await reserve(9, 8)).toBe(7);
  });
}
