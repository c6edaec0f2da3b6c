import { expect, it } from 'vitest';
import type { PauseScope } from '../../src/protocol/pauses.ts';
import { ConstraintError, StorageError } from '../../src/store/errors.ts';
import type { PairRow } from '../../src/store/log-rows.ts';
import type { PauseRow } from '../../src/store/topology-rows.ts';
import type { RowWrite } from '../../src/store/writes.ts';
import {
  agentRow,
  AT,
  conversationOf,
  eventOf,
  messageOf,
  roomOf,
  rowsOf,
  upTo,
  writesOf,
} from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

export function commitContract({ open, reopen }: StoreFactory): void {
  it('STO-2 seqs count up from 1 without holes, in the order of the writes and of their events', async () => {
    const store = await open();
    expect(store.head).toBe(0);
    expect(
      await store.commit([
        writesOf(roomOf('general')),
        rowsOf({ op: 'meta', key: 'k', value: 'v' }),
        writesOf(eventOf('a'), eventOf('b')),
      ]),
    ).toEqual([[1], [], [2, 3]]);
    expect(store.head).toBe(3);
    expect(await store.commit([writesOf(eventOf('c'))])).toEqual([[4]]);
    expect((await store.events({ all: true }, 0, 10)).map(({ seq, id }) => [seq, id])).toEqual([
      [1, 'evt_room_general'],
      [2, 'a'],
      [3, 'b'],
      [4, 'c'],
    ]);
  });

  it('STO-2 a batch without events takes no seq', async () => {
    const store = await open();
    expect(await store.commit([])).toEqual([]);
    expect(
      await store.commit([
        rowsOf({ op: 'meta', key: 'k', value: '1' }),
        rowsOf({ op: 'meta', key: 'k', value: '2' }),
      ]),
    ).toEqual([[], []]);
    expect(store.head).toBe(0);
    expect(await store.meta('k')).toBe('2');
    expect(await store.meta('other')).toBeUndefined();
  });

  it('STO-2 commits that are asked for together are done in that order', async () => {
    const store = await open();
    const seqs = await Promise.all(upTo(50).map((i) => store.commit([writesOf(eventOf(`e${i}`))])));
    expect(seqs).toEqual(upTo(50).map((i) => [[i + 1]]));
    expect((await store.events({ all: true }, 0, 100)).map(({ id }) => id)).toEqual(
      upTo(50).map((i) => `e${i}`),
    );
  });

  it('STO-42 after a commit of a run that failed, none of the same run that was asked for later is stored', async () => {
    const store = await open();
    await store.commit([writesOf(messageOf('taken', 'room:general'))]);
    const ended = (commit: Promise<unknown>) =>
      commit.then(
        () => 'stored',
        (error: Error) => error.name,
      );
    const one = (id: string, run?: number) =>
      ended(store.commit([writesOf(messageOf(id, 'room:general'))], run));
    // Asked for at once, before anyone can know what became of the first.
    const first = [
      one('a', 1),
      one('taken', 1),
      one('b', 1),
      ended(store.commit([rowsOf({ op: 'meta', key: 'k', value: '1' })], 1)),
    ];
    expect(await Promise.all(first)).toEqual([
      'stored',
      'ConstraintError',
      'StateMovedError',
      'StateMovedError',
    ]);
    expect(await one('b', 1)).toBe('StateMovedError');
    expect(await Promise.all([one('c', 2), one('d'), one('e', 2)])).toEqual(['stored', 'stored', 'stored']);
    expect((await store.events({ all: true }, 0, 10)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect((await store.messages(['b'])).size).toBe(0);
    expect(await store.meta('k')).toBeUndefined();
  });

  it('STO-3 a taken message id stores nothing of its batch and takes no seq', async () => {
    const store = await open();
    await store.commit([writesOf(messageOf('a', 'dm:d', { participants: ['alpha', 'beta'] }))]);
    const batch = [
      rowsOf({ op: 'meta', key: 'k', value: 'v' }),
      writesOf(messageOf('m1', 'room:general', { mentions: ['beta'], artifacts: 1 })),
      writesOf(messageOf('a', 'room:general')),
    ];
    await expect(store.commit(batch)).rejects.toThrow(ConstraintError);
    expect(store.head).toBe(1);
    expect(await store.meta('k')).toBeUndefined();
    expect((await store.messages(['m1'])).size).toBe(0);
    expect((await store.conversations(['room:general'])).size).toBe(0);
    expect(await store.mentionsAfter('beta', undefined, 0, 10)).toEqual([]);
    expect(await store.commit([writesOf(eventOf('b'))])).toEqual([[2]]);
  });

  it('STO-3 a taken message or artifact id is a ConstraintError, in a later batch and within one', async () => {
    const store = await open();
    await store.commit([writesOf(messageOf('m1', 'room:general', { artifacts: 1 }))]);
    const sameMessage = { ...messageOf('m1', 'room:general'), id: 'evt_other' };
    await expect(store.commit([writesOf(sameMessage)])).rejects.toThrow(ConstraintError);
    const sameArtifact = messageOf('m2', 'room:general');
    sameArtifact.rows.push({
      op: 'artifact',
      id: 'art_m1_0',
      message_id: 'm2',
      part_index: 0,
      conversation: 'room:general',
      room_id: 'general',
      payload: '{}',
    });
    await expect(store.commit([writesOf(sameArtifact)])).rejects.toThrow(ConstraintError);
    const twin = messageOf('twin', 'room:general');
    await expect(store.commit([writesOf(twin), writesOf({ ...twin, id: 'evt_twin' })])).rejects.toThrow(
      ConstraintError,
    );
    expect(store.head).toBe(1);
  });

  it('STO-3 a fault in the data is neither a conflict nor failing storage, and stores nothing', async () => {
    const store = await open();
    const withoutEvent = rowsOf({ op: 'mention', agent_id: 'a', conversation: 'room:general' });
    const unknown = rowsOf({ op: 'redact', message_id: 'nope', payload: '{}' });
    const wrongType = writesOf(eventOf('a', { payload: undefined as never }));
    for (const fault of [withoutEvent, unknown, wrongType]) {
      const error: unknown = await store.commit([writesOf(eventOf('first')), fault]).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(ConstraintError);
      expect(error).not.toBeInstanceOf(StorageError);
    }
    expect(store.head).toBe(0);
    expect(await store.commit([writesOf(eventOf('first'))])).toEqual([[1]]);
  });

  it('STO-27 topology rows take the seq of their event, and a removed room begins anew', async () => {
    const store = await open();
    await store.commit([
      writesOf(roomOf('general', { op: 'member.add', room_id: 'general', member_id: 'alpha' })),
    ]);
    const again = eventOf('again', {
      rows: [
        { op: 'member.add', room_id: 'general', member_id: 'alpha' },
        { op: 'member.add', room_id: 'general', member_id: 'beta' },
      ],
    });
    await store.commit([writesOf(again)]);
    const room = {
      id: 'general',
      name: 'general',
      visibility: 'public',
      write_policy: 'members',
      guard: '{}',
      created_at: AT,
      removed_at: null,
      credential_hash: null,
    };
    expect(await store.loadTopology()).toEqual({
      head: 2,
      rooms: [{ ...room, created_seq: 1 }],
      members: [
        { room_id: 'general', member_id: 'alpha', since_seq: 1 },
        { room_id: 'general', member_id: 'beta', since_seq: 2 },
      ],
      agents: [],
      held: [],
      invites: [],
      pairs: [],
      pauses: [],
      pairings: [],
      pairing_invites: [],
      shares: [],
    });

    await store.commit([
      writesOf(
        eventOf('renamed', {
          rows: [
            { op: 'room', row: { ...room, name: 'All', guard: '{"turns":3}' } },
            { op: 'member.remove', room_id: 'general', member_id: 'alpha' },
          ],
        }),
      ),
    ]);
    let topology = await store.loadTopology();
    expect(topology.rooms).toEqual([{ ...room, name: 'All', guard: '{"turns":3}', created_seq: 1 }]);
    expect(topology.members).toEqual([{ room_id: 'general', member_id: 'beta', since_seq: 2 }]);

    await store.commit([
      writesOf(eventOf('gone', { rows: [{ op: 'room.remove', id: 'general', removed_at: AT }] })),
    ]);
    topology = await store.loadTopology();
    expect(topology.rooms).toEqual([
      { ...room, name: 'All', guard: '{"turns":3}', created_seq: 1, removed_at: AT },
    ]);
    expect(topology.members).toEqual([]);

    await store.commit([writesOf(eventOf('back', { rows: [{ op: 'room', row: room }] }))]);
    topology = await store.loadTopology();
    expect(topology).toMatchObject({ head: 5, rooms: [{ created_seq: 5, removed_at: null }], members: [] });
  });

  it('STO-27 agents are kept with their tombstone', async () => {
    const store = await open();
    await store.commit([
      writesOf(
        eventOf('a', {
          agent_id: 'alpha',
          rows: [{ op: 'agent', row: agentRow('alpha', { display_name: 'A' }) }],
        }),
      ),
      rowsOf({ op: 'agent', row: agentRow('beta') }),
    ]);
    await store.commit([rowsOf({ op: 'agent.remove', id: 'alpha', removed_at: AT })]);
    expect((await store.loadTopology()).agents).toEqual([
      agentRow('alpha', { display_name: 'A', removed_at: AT }),
      agentRow('beta'),
    ]);
    await store.commit([rowsOf({ op: 'agent', row: agentRow('alpha', { credential_key: 'token:x' }) })]);
    expect((await store.loadTopology()).agents[0]).toEqual(agentRow('alpha', { credential_key: 'token:x' }));
  });

  it('STO-28 a conversation keeps its first seq, takes the last one when it is touched, and of a batch the last row counts', async () => {
    const store = await open();
    await store.commit([
      writesOf(messageOf('m1', 'room:general')),
      writesOf(
        messageOf('m2', 'room:general'),
        messageOf('t1', 'thread:t', { room: 'general', row: { parent_message_id: 'm1' } }),
      ),
    ]);
    const all = async () => [
      ...(await store.conversations(['room:general', 'thread:t', 'room:none'])).values(),
    ];
    const row = {
      parent_message_id: null,
      participants: null,
      last_message_at: AT,
      guard_turns: 0,
      guard_speaker: null,
      held_at: null,
      held_seq: null,
      held_messages: 0,
      guard_window: '',
      held_by: null,
    };
    expect(await all()).toEqual([
      {
        key: 'room:general',
        kind: 'room',
        id: 'general',
        room_id: 'general',
        ...row,
        message_count: 2,
        first_seq: 1,
        last_seq: 2,
      },
      {
        key: 'thread:t',
        kind: 'thread',
        id: 't',
        room_id: 'general',
        ...row,
        parent_message_id: 'm1',
        message_count: 1,
        first_seq: 3,
        last_seq: 3,
      },
    ]);
    await store.commit([
      writesOf(
        eventOf('resumed', {
          rows: [conversationOf('room:general', { guard_turns: 7, messages: 0 })],
        }),
      ),
    ]);
    expect((await all())[0]).toMatchObject({ first_seq: 1, last_seq: 2, guard_turns: 7 });
    await store.commit([writesOf(messageOf('m3', 'room:general'))]);
    expect((await all())[0]).toMatchObject({ first_seq: 1, last_seq: 5, message_count: 3, guard_turns: 0 });
  });

  it('STO-28 a hold keeps the seq at which it began: held_seq -1, over rows of one batch and of several', async () => {
    const store = await open();
    const key = 'room:general';
    const held = (n: number) => ({ held_at: AT, held_seq: -1, held_messages: n });
    const hold = (id: string) =>
      eventOf(id, {
        type: 'conversation.held',
        conversation: key,
        rows: [conversationOf(key, { ...held(0), messages: 0 })],
      });
    const free = (id: string) =>
      eventOf(id, {
        type: 'conversation.resumed',
        conversation: key,
        rows: [conversationOf(key, { messages: 0 })],
      });
    const message = (id: string, n: number) => messageOf(id, key, { held: true, row: held(n) });
    const state = async () => (await store.conversations([key])).get(key);

    await store.commit([writesOf(messageOf('m1', key))]);
    await store.commit([writesOf(hold('h1'), message('m2', 1)), writesOf(message('m3', 2))]);
    expect(await state()).toMatchObject({ held_seq: 2, held_messages: 2, last_seq: 4, held_at: AT });
    await store.commit([writesOf(message('m4', 3))]);
    expect(await state()).toMatchObject({ held_seq: 2, held_messages: 3, last_seq: 5 });
    expect((await store.loadTopology()).held).toEqual([await state()]);

    await store.commit([writesOf(free('r1'), hold('h2'), message('m5', 1))]);
    expect(await state()).toMatchObject({ held_seq: 7, held_messages: 1, last_seq: 8 });
    await store.commit([writesOf(message('m6', 2), free('r2'))]);
    expect(await state()).toMatchObject({ held_seq: null, held_at: null, held_messages: 0, last_seq: 9 });
    expect((await store.loadTopology()).held).toEqual([]);
    await store.commit([writesOf(hold('h3'))]);
    expect(await state()).toMatchObject({ held_seq: 11, last_seq: 9 });
    await store.commit([writesOf(messageOf('n1', 'room:new', { held: true, row: held(1) }))]);
    expect((await store.conversations(['room:new'])).get('room:new')).toMatchObject({ held_seq: 12 });
  });

  it('STO-39 of a pair of agents the last write counts; it is read until it has been still for an hour', async () => {
    const store = await open();
    const pair = (key: string, at: number, turns = '1:1'): PairRow => ({
      pair: key,
      speaker: 'a',
      at,
      turns,
    });
    const put = (...rows: PairRow[]) => rowsOf(...rows.map((row): RowWrite => ({ op: 'pair', row })));
    const pairs = async () => (await store.loadTopology()).pairs;
    const hour = 3_600_000;
    const begin = Date.parse(AT);
    await store.commit([put(pair('a b', begin), pair('a c', begin + 1)), put(pair('a b', begin + 2, '1:2'))]);
    expect(await pairs()).toEqual([pair('a c', begin + 1), pair('a b', begin + 2, '1:2')]);
    await store.commit([put({ ...pair('a b', begin + hour), speaker: 'b', turns: '' })]);
    await store.commit([put(pair('a d', begin + 2 * hour))]);
    expect(await pairs()).toEqual([
      { ...pair('a b', begin + hour), speaker: 'b', turns: '' },
      pair('a d', begin + 2 * hour),
    ]);
    // A batch that fails leaves none behind for the next one.
    await store.commit([writesOf(messageOf('m1', 'room:general'))]);
    const failed = store.commit([
      put(pair('a e', begin + 2 * hour)),
      writesOf(messageOf('m1', 'room:general')),
    ]);
    await expect(failed).rejects.toThrow(ConstraintError);
    await store.commit([put(pair('a f', begin + 2 * hour))]);
    expect((await pairs()).map((row) => row.pair)).toEqual(['a b', 'a d', 'a f']);
  });

  it('STO-40 a pause is as it was written last, until it is removed', async () => {
    const store = await open();
    const pause = (scope: PauseScope, until: string | null = null): PauseRow => ({
      scope,
      paused_by: 'operator',
      at: AT,
      until,
    });
    const pauses = async () => (await store.loadTopology()).pauses;
    await store.commit([
      rowsOf({ op: 'pause', row: pause('room:general', AT) }, { op: 'pause', row: pause('*') }),
      rowsOf({ op: 'pause', row: { ...pause('room:general'), paused_by: 'ana' } }),
    ]);
    expect(await pauses()).toEqual([pause('*'), { ...pause('room:general'), paused_by: 'ana' }]);
    await store.commit([
      rowsOf({ op: 'pause.remove', scope: '*' }, { op: 'pause.remove', scope: 'agent:x' }),
    ]);
    expect(await pauses()).toEqual([{ ...pause('room:general'), paused_by: 'ana' }]);
  });

  it('STO-16 redaction replaces the payload, forgets hash, artifacts and mentions, and leaves the neighbours', async () => {
    const store = await open();
    const options = { mentions: ['beta'], artifacts: 2, text: 'a secret' };
    await store.commit([
      writesOf(messageOf('m1', 'room:general', options), messageOf('m2', 'room:general', options)),
    ]);
    await store.commit([
      writesOf(
        eventOf('r', {
          type: 'message.redacted',
          conversation: 'room:general',
          rows: [{ op: 'redact', message_id: 'm1', payload: '{"redacted":true}' }],
        }),
      ),
    ]);
    const found = await store.messages(['m1', 'm2']);
    expect(found.get('m1')).toMatchObject({ payload: '{"redacted":true}', content_hash: null, seq: 1 });
    expect(found.get('m2')).toMatchObject({ content_hash: 'hash of m2' });
    expect((await store.events({ all: true }, 0, 1))[0]).toMatchObject({
      id: 'evt_m1',
      payload: '{"redacted":true}',
    });
    expect(
      (await store.artifactPage({ room_id: 'general' }, { limit: 10 })).rows.map(({ id }) => id),
    ).toEqual(['art_m2_0', 'art_m2_1']);
    expect(await store.mentionsAfter('beta', 'general', 0, 10)).toEqual([
      { seq: 2, conversation: 'room:general' },
    ]);
    await expect(store.commit([writesOf(messageOf('m1', 'room:general'))])).rejects.toThrow(ConstraintError);
  });

  it('STO-16 a message can be redacted in the batch that brought it', async () => {
    const store = await open();
    await store.commit([
      writesOf(messageOf('m1', 'room:general', { artifacts: 1 })),
      rowsOf({ op: 'redact', message_id: 'm1', payload: '{}' }),
    ]);
    expect((await store.messages(['m1'])).get('m1')).toMatchObject({ payload: '{}', content_hash: null });
    expect((await store.artifactPage({ room_id: 'general' }, { limit: 10 })).rows).toEqual([]);
  });

  it('STO-17 after close everything is refused, and closing again is fine', async () => {
    const store = await open();
    const last = store.commit([writesOf(eventOf('a'))]);
    const closing = store.close();
    await expect(store.commit([writesOf(eventOf('b'))])).rejects.toThrow(StorageError);
    await expect(store.meta('k')).rejects.toThrow(StorageError);
    await expect(store.ping()).rejects.toThrow(StorageError);
    await closing;
    await store.close();
    expect(await last).toEqual([[1]]);
  });

  it('STO-17 ping answers while it is open', async () => {
    const store = await open();
    await store.ping();
    expect(store.networkId).toBe('local');
  });

  if (!reopen) return;

  it('STO-17 what was committed is there when it is opened again, and seq goes on', async () => {
    const store = await open();
    await store.commit([
      writesOf(roomOf('general'), messageOf('m1', 'room:general', { mentions: ['beta'], artifacts: 1 })),
    ]);
    await store.commit([rowsOf({ op: 'meta', key: 'k', value: 'v' })]);
    const before = await store.loadTopology();
    const again = await reopen(store);
    expect(again.head).toBe(2);
    expect(await again.loadTopology()).toEqual(before);
    expect(await again.meta('k')).toBe('v');
    expect((await again.messages(['m1'])).get('m1')).toMatchObject({ seq: 2, event_id: 'evt_m1' });
    expect(await again.commit([writesOf(messageOf('m2', 'room:general'))])).toEqual([[3]]);
  });
}
