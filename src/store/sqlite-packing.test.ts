import { expect, it } from 'vitest';
import { eventOf, messageOf, roomOf, rowsOf, wakeOf, writesOf } from '../../test/support/store-writes.ts';
import { pack, unpack } from './sqlite-packing.ts';
import type { Writes } from './writes.ts';

it('STO-38 writes arrive at the storage thread as they were given', () => {
  const writes: Writes[] = [
    writesOf(
      eventOf('e', { agent_id: 'alpha' }),
      messageOf('m1', 'room:general', { mentions: ['beta', 'gamma'], artifacts: 2 }),
    ),
    rowsOf({ op: 'meta', key: 'k', value: 'v' }, { op: 'wake.open', row: wakeOf('w', { state: 'open' }) }),
    { events: [roomOf('r')], rows: [{ op: 'meta', key: 'conversation', value: 'message' }] },
    writesOf(
      messageOf('d1', 'dm:d', { participants: ['alpha', 'net:beta'], held: true, content_hash: null }),
      messageOf('t1', 'thread:t', {
        row: {
          parent_message_id: 'm1',
          held_at: 'x',
          held_seq: -1,
          held_messages: 3,
          guard_speaker: 'a',
          held_by: 'turns 2',
          guard_window: '1:2',
        },
      }),
    ),
    rowsOf(
      { op: 'pair', row: { pair: 'a b', speaker: 'b', at: 5, turns: '' } },
      { op: 'pause', row: { scope: '*', paused_by: 'ana', at: 'x', until: null } },
    ),
    { events: [], rows: [] },
  ];
  expect(unpack(structuredClone(pack(writes)))).toEqual(writes);
  expect(unpack(pack([]))).toEqual([]);
});
