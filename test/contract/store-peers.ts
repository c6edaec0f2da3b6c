/** STO-54, STO-56, STO-57: what the servers on one database know of each other; and that an engine with one server has none. */
import { expect, it } from 'vitest';
import type { ForeignBatch, Peers } from '../../src/store/peers.ts';
import type { Store } from '../../src/store/store.ts';
import { LeaseLostError, StateMovedError } from '../../src/store/errors.ts';
import { eventually } from '../support/eventually.ts';
import {
  agentRow,
  conversationOf,
  eventOf,
  messageOf,
  roomOf,
  rowsOf,
  upTo,
  writesOf,
} from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

export function peersContract({ open, another }: StoreFactory): void {
  if (!another) {
    it('STO-54 an engine with one server follows nobody, is never behind, and has no peers', async () => {
      const store = await open();
      const batches: ForeignBatch[] = [];
      store.follow((batch) => batches.push(batch));
      expect([store.peers, store.position, store.behind]).toEqual([undefined, 0, 0]);
      await store.commit([writesOf(messageOf('m1', 'room:general'))]);
      expect(store.catchUp()).toBeUndefined();
      expect([store.position, store.behind, batches]).toEqual([0, 0, []]);
      // Nothing is known of when it was decided, so nothing is refused for it.
      expect(await store.commit([writesOf(eventOf('e1'))], 1, 999)).toEqual([[2]]);
    });
    return;
  }

  /** Two servers, and what each was given of the other. */
  async function two(): Promise<[Followed, Followed]> {
    const first = await open();
    const servers = [first, await another!(first)].map((store) => {
      const batches: ForeignBatch[] = [];
      store.follow((batch) => batches.push(batch));
      return { store, batches };
    });
    return servers as [Followed, Followed];
  }

  it('STO-54 what another server commits is given once, in order of seq, with its events, its rows and its position', async () => {
    const [a, b] = await two();
    await a.store.commit([writesOf(roomOf('general'), messageOf('m1', 'room:general'))]);
    await a.store.commit([rowsOf({ op: 'agent', row: agentRow('alpha') })]);
    await b.store.catchUp();
    expect(b.batches.map(({ events }) => events.map(({ seq, id }) => [seq, id]))).toEqual([
      [
        [1, 'evt_room_general'],
        [2, 'evt_m1'],
      ],
      [],
    ]);
    const rows = b.batches.flatMap((batch) => batch.rows);
    expect(rows.map(({ row, seq }) => [row.op, seq])).toEqual([
      ['room', 1],
      ['conversation', 2],
      ['agent', 2],
    ]);
    expect(rows[1]).toMatchObject({ first_seq: 2, row: { row: { key: 'room:general' }, messages: 1 } });
    expect(b.batches.map(({ position }) => position)).toEqual(
      [...new Set(b.batches.map(({ position }) => position))].toSorted((x, y) => x - y),
    );
    expect(b.store.position).toBe(b.batches.at(-1)!.position);
    expect(b.store.head).toBe(2);
    // Its own are not given to the server that made them.
    await a.store.catchUp();
    expect(a.batches).toEqual([]);
    // Nothing new: nothing is given twice.
    await b.store.catchUp();
    expect(b.batches).toHaveLength(2);
  });

  it('STO-54 commits of two servers at once have one order, and each is given the other’s before its own resolve', async () => {
    const [a, b] = await two();
    const seqs = await Promise.all(
      upTo(40).map(async (i) => {
        const { store, batches } = i % 2 === 0 ? a : b;
        const [[seq]] = (await store.commit([writesOf(eventOf(`e${i}`))])) as [[number]];
        const before = batches.flatMap(({ events }) => events.map((event) => event.seq));
        return { seq, own: i % 2, before };
      }),
    );
    expect(seqs.map(({ seq }) => seq).toSorted((x, y) => x - y)).toEqual(upTo(40).map((i) => i + 1));
    for (const { seq, own, before } of seqs) {
      const others = seqs.filter((each) => each.own !== own && each.seq < seq).map((each) => each.seq);
      expect(before).toEqual(expect.arrayContaining(others));
    }
    await Promise.all([a.store.catchUp(), b.store.catchUp()]);
    for (const { batches } of [a, b]) {
      const given = batches.flatMap(({ events }) => events.map(({ seq }) => seq));
      expect(given).toEqual(given.toSorted((x, y) => x - y));
      expect(new Set(given).size).toBe(20);
    }
  });

  it('STO-54 what was decided on less than the other has changed is refused, and what was missed was given before', async () => {
    const [a, b] = await two();
    const { position } = b.store;
    await a.store.commit([rowsOf({ op: 'agent', row: agentRow('alpha') })]);
    const stale = b.store.commit([rowsOf({ op: 'agent', row: agentRow('beta') })], 1, position);
    await expect(stale).rejects.toThrow(StateMovedError);
    expect(b.batches.flatMap(({ rows }) => rows.map(({ row }) => row.op))).toEqual(['agent']);
    await b.store.commit([rowsOf({ op: 'agent', row: agentRow('beta') })], 2, b.store.position);
    // Conversations are each for themselves, and that more was said in one changes nothing that a decision goes by.
    const before = a.store.position;
    await b.store.commit([writesOf(messageOf('m1', 'room:other'))], 3, b.store.position);
    await a.store.catchUp();
    const seen = a.store.position;
    expect(seen).toBeGreaterThan(before);
    await b.store.commit([writesOf(messageOf('m2', 'room:other'))], 4, b.store.position);
    await a.store.commit([writesOf(messageOf('n1', 'room:mine'))], 1, seen);
    await a.store.commit([writesOf(messageOf('m3', 'room:other'))], 1, seen);
    const other = async () => (await b.store.conversations(['room:other'])).get('room:other');
    expect(await other()).toMatchObject({ message_count: 3, last_seq: 4 });
    // What the guard goes by does.
    await b.store.catchUp();
    await b.store.commit(
      [writesOf(messageOf('m4', 'room:other', { row: { guard_turns: 1 } }))],
      5,
      b.store.position,
    );
    const touched = () => writesOf(eventOf('e1', { rows: [conversationOf('room:other', { messages: 0 })] }));
    await expect(a.store.commit([touched()], 2, seen)).rejects.toThrow(StateMovedError);
    expect(await other()).toMatchObject({ message_count: 4, guard_turns: 1 });
    // So does a change of ours that they do not know of.
    await a.store.commit([touched()], 3, a.store.position);
    await expect(b.store.commit([writesOf(messageOf('m5', 'room:other'))], 6, seen)).rejects.toThrow(
      StateMovedError,
    );
  });

  it('STO-4 a server knows that another one commits too, until several of its own came in a row', async () => {
    const [a, b] = await two();
    const say = ({ store }: typeof a, id: string) => store.commit([writesOf(messageOf(id, 'room:general'))]);
    for (const id of ['m1', 'm2']) await say(a, id);
    expect(a.store.contended).toBe(false);
    await say(b, 'm3');
    await say(a, 'm4');
    expect(a.store.contended).toBe(true);
    await say(a, 'm5');
    expect(a.store.contended).toBe(true);
    for (const id of ['m6', 'm7', 'm8']) await say(a, id);
    expect(a.store.contended).toBe(false);
  });

  it('STO-54 what another one committed before a commit of ours is taken over with it, while both commit and after that', async () => {
    const [a, b] = await two();
    const say = ({ store }: Followed, id: string) => store.commit([writesOf(messageOf(id, 'room:general'))]);
    const given = ({ batches }: Followed): string[] =>
      batches.flatMap(({ events }) => events.map(({ id }) => id));
    // One between, now and then two; then several, after which nobody is expected; then one again.
    for (const [i, between] of [1, 1, 2, 1, 6, 1, 2].entries()) {
      for (const n of upTo(between)) await say(b, `b${i}_${n}`);
      await say(a, `a${i}`);
      expect(given(a).at(-1)).toBe(`evt_b${i}_${between - 1}`);
      if (between === 6) for (const n of upTo(6)) await say(a, `c${n}`);
    }
    await Promise.all(upTo(40).flatMap((i) => [say(a, `x${i}`), say(b, `y${i}`)]));
    await Promise.all([a.store.catchUp(), b.store.catchUp()]);
    const of = (server: Followed, letter: string): string[] =>
      given(server).filter((id) => id.startsWith(`evt_${letter}`));
    expect(of(a, 'y')).toEqual(upTo(40).map((i) => `evt_y${i}`));
    expect(of(b, 'x')).toEqual(upTo(40).map((i) => `evt_x${i}`));
  });

  it('STO-56 catchUp waits for what was committed before it; behind says since when that is not known', async () => {
    const [a, b] = await two();
    for (const i of upTo(10)) {
      await a.store.commit([writesOf(eventOf(`e${i}`))]);
      await b.store.catchUp();
      expect(b.store.head).toBe(i + 1);
      expect(b.store.behind).toBeLessThan(2_000);
    }
    await eventually(() => a.store.behind < 1_000);
  });

  it('STO-57 one living server delivers to an agent, until it lets go or dies', async () => {
    const [a, b] = await two();
    const [here, there] = await Promise.all([a, b].map((each) => join(each.store)));
    const peers = (of: Followed): Peers => of.store.peers!;
    expect(await peers(a).lease('alpha')).toBe(true);
    expect([await peers(b).lease('alpha'), await peers(a).lease('alpha')]).toEqual([false, true]);
    expect(await peers(b).lease('beta')).toBe(true);
    await peers(a).release('alpha');
    expect(await peers(b).lease('alpha')).toBe(true);
    // Letting go of what another one has by now takes nothing from it.
    await peers(a).release('alpha');
    expect(await peers(a).lease('alpha')).toBe(false);
    await eventually(() => peers(a).others === 1 && peers(b).others === 1);
    expect([peers(a).alive, peers(b).alive]).toEqual([true, true]);
    expect([here!.lapsed, there!.lapsed]).toEqual([0, 0]);
    await b.store.close();
    expect(await peers(a).lease('alpha')).toBe(true);
    await eventually(() => peers(a).others === 0);
  });

  it('STO-57 what goes with a fence is stored while its lease is its holder’s, and nothing of its commit later', async () => {
    const [a, b] = await two();
    await Promise.all([a, b].map((each) => join(each.store)));
    const [here, there] = [a.store.peers!, b.store.peers!];
    expect(await here.lease('alpha')).toBe(true);
    const save = ({ store }: Followed, holder: number, acked_seq: number) =>
      store.commit([
        rowsOf(
          { op: 'position', agent_id: 'alpha', conversation: 'room:general', acked_seq },
          { op: 'fence', name: 'alpha', holder },
        ),
        rowsOf({ op: 'fence', name: 'alpha', holder }),
      ]);
    const acked = async () => (await b.store.positions('alpha')).map((row) => row.acked_seq);
    await save(a, here.holder, 1);
    await expect(save(b, there.holder, 2)).rejects.toThrow(LeaseLostError);
    await here.release('alpha');
    await expect(save(a, here.holder, 3)).rejects.toThrow(LeaseLostError);
    expect(await there.lease('alpha')).toBe(true);
    await expect(save(a, here.holder, 4)).rejects.toThrow(LeaseLostError);
    expect(await acked()).toEqual([1]);
    await save(b, there.holder, 5);
    expect(await acked()).toEqual([5]);
  });

  it('STO-71 a ticket is taken once, at whichever server, while it is good; only the newest are kept', async () => {
    const [a, b] = await two();
    const [here, there] = [a.store.peers!, b.store.peers!];
    const ticket = (id_hash: string) => ({ id_hash, token_id: 'anna', token_hash: 'hash of hers' });
    await here.keepTicket(ticket('one'), 60_000, 100);
    const both = await Promise.all([here, there, here, there].map((peers) => peers.takeTicket('one')));
    expect(both.filter(Boolean)).toEqual([ticket('one')]);
    expect(await there.takeTicket('one')).toBeUndefined();
    expect(await there.takeTicket('none')).toBeUndefined();
    await here.keepTicket(ticket('over'), 0, 100);
    expect(await there.takeTicket('over')).toBeUndefined();
    for (const n of upTo(4)) await (n % 2 ? here : there).keepTicket(ticket(`t${n}`), 60_000 + n, 3);
    const left = await Promise.all(upTo(4).map((n) => here.takeTicket(`t${n}`)));
    expect(left.map(Boolean)).toEqual([false, true, true, true]);
  });

  it('STO-57 who is attached at other servers is known with its state, and that it is gone is told once', async () => {
    const [a, b] = await two();
    const [here] = await Promise.all([a, b].map((each) => join(each.store)));
    b.store.peers!.present('alpha', 'idle');
    b.store.peers!.present('beta', 'idle');
    await eventually(() => a.store.peers!.elsewhere().size === 2);
    b.store.peers!.present('beta', 'busy');
    await eventually(() => a.store.peers!.elsewhere().get('beta') === 'busy');
    // What is attached here is not elsewhere.
    a.store.peers!.present('gamma', 'idle');
    await eventually(() => b.store.peers!.elsewhere().has('gamma'));
    expect([...a.store.peers!.elsewhere().keys()].toSorted()).toEqual(['alpha', 'beta']);
    b.store.peers!.present('alpha', undefined);
    await eventually(() => here!.gone.length === 1);
    // What a server had ends with it.
    await b.store.close();
    await eventually(() => here!.gone.length === 2);
    expect(here!.gone).toEqual(['alpha', 'beta']);
    expect(a.store.peers!.elsewhere().size).toBe(0);
  });

  it('STO-57 volatile facts are told to the others and not to oneself; one that is too long is told to nobody', async () => {
    const [a, b] = await two();
    const [here, there] = await Promise.all([a, b].map((each) => join(each.store)));
    await eventually(() => a.store.peers!.others === 1);
    // LISTEN begins by itself: until it does, facts are lost.
    for (let i = 0; there!.told.length === 0; i++) {
      a.store.peers!.tell(`{"n":${i}}`);
      await eventually(() => there!.told.length > 0, 'LISTEN began', 250).catch(() => {});
    }
    a.store.peers!.tell('x'.repeat(7_001));
    a.store.peers!.tell('{"last":"ä€😀"}');
    await eventually(() => there!.told.includes('{"last":"ä€😀"}'));
    expect(there!.told.filter((text) => text.startsWith('x'))).toEqual([]);
    expect(here!.told).toEqual([]);
    expect(b.store.peers!.hears).toBe(true);
  });
}

interface Followed {
  store: Store;
  batches: ForeignBatch[];
}

async function join(store: Store): Promise<{ told: string[]; gone: string[]; lapsed: number }> {
  const heard = { told: [] as string[], gone: [] as string[], lapsed: 0 };
  await store.peers!.follow({
    told: (text) => void heard.told.push(text),
    gone: (agent_id) => void heard.gone.push(agent_id),
    lapsed: () => void heard.lapsed++,
  });
  return heard;
}
