import path from 'node:path';
import { expect, it } from 'vitest';
import { openFile, openMemory, scratchFolder } from '../../test/support/store-open.ts';
import { seedMessages } from '../../test/support/store-seed.ts';
import type { Store } from './store.ts';
import type { Writes } from './writes.ts';

/** All that a store tells of its rooms, conversations and log. */
async function contents(store: Store, rooms: string[]) {
  const conversations = await store.conversations(rooms.map((id) => `room:${id}` as const));
  return {
    topology: await store.loadTopology(),
    conversations,
    events: await store.events({ all: true }, 0, 500),
  };
}

it('STO-31 a seeded database holds exactly what commits of the same events would have made of it', async () => {
  const rooms = ['one', 'two', 'three'];
  const file = path.join(scratchFolder(), 'moltnet.db');
  await seedMessages(file, { networkId: 'local', rooms: ['one'], messages: 3 });
  await seedMessages(file, { networkId: 'local', rooms, messages: 20 });
  const seeded = await openFile(file);
  const found = await contents(seeded, rooms);
  expect(found.events).toHaveLength(26);
  expect(found.events.map(({ seq }) => seq)).toEqual(found.events.map((_, i) => i + 1));
  expect(found.conversations.get('room:one')).toMatchObject({
    message_count: 10,
    first_seq: 2,
    last_seq: 25,
  });
  expect(found.topology.rooms.map(({ id, created_seq }) => [id, created_seq])).toEqual([
    ['one', 1],
    ['three', 6],
    ['two', 5],
  ]);

  // The same, one commit each, into another store.
  const store = await openMemory();
  for (const { seq: _, ...event } of found.events) {
    const writes: Writes = { events: [{ ...event, rows: [] }], rows: [] };
    const rows = writes.events[0]!.rows;
    const room = event.room_id!;
    if (event.type === 'room.created') {
      const { created_seq: _seq, ...row } = found.topology.rooms.find(({ id }) => id === room)!;
      rows.push({ op: 'room', row });
    } else {
      const message = [
        ...(await seeded.messages([(JSON.parse(event.payload) as { id: string }).id])).values(),
      ][0]!;
      const {
        first_seq: _f,
        last_seq: _l,
        participants: _p,
        message_count: _c,
        ...row
      } = found.conversations.get(`room:${room}`)!;
      rows.push(
        {
          op: 'message',
          id: message.id,
          origin_network: 'local',
          origin_id: message.id,
          content_hash: message.content_hash,
          conversation: message.conversation,
          room_id: room,
          sender: message.sender,
        },
        {
          op: 'conversation',
          row: { ...row, last_message_at: event.created_at },
          messages: 1,
        },
      );
    }
    await store.commit([writes]);
  }
  expect(await contents(store, rooms)).toEqual(found);
});
