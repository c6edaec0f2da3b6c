/** How far people have read: theirs alone, in all their browsers. */
import { expect, it } from 'vitest';
import { limits } from '../../src/protocol/limits.ts';
import type { ReadList, ReadPosition } from '../../src/protocol/reads.ts';
import type { RunningServer } from '../../src/server/server.ts';
import { ask, askJson } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';
import { SseClient } from '../support/sse-client.ts';
import { upTo } from '../support/store-writes.ts';

const person = (id: string) => ({ id, name: id.toUpperCase() });
const TOKENS = [
  { id: 'anna', value: 'anna-secret', scopes: ['observe', 'write', 'admin'], human: person('anna') },
  { id: 'anna-phone', value: 'anna-phone', scopes: ['write'], human: person('anna') },
  { id: 'bob', value: 'bob-secret', scopes: ['write'], human: person('bob') },
  { id: 'watch', value: 'watch-secret', scopes: ['observe', 'write', 'admin'] },
];
const ROOMS = [
  { id: 'general', members: ['anna', 'bob', 'alpha'] },
  { id: 'den', members: ['bob', 'alpha'] },
];
const start = () => startTestServer({ rooms: ROOMS, auth: { mode: 'bearer', tokens: TOKENS } });
const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

async function say(server: RunningServer, id: string, target: object = GENERAL, from?: object) {
  const { status, text } = await ask(server, '/v1/messages', {
    method: 'POST',
    body: {
      id,
      target,
      from: from ?? { type: 'agent', id: 'alpha' },
      parts: [{ kind: 'text', text: id }],
    },
    ...as(from ? 'anna-secret' : 'watch-secret'),
  });
  expect([status, text]).toEqual([202, text]);
}
const GENERAL = { kind: 'room', room_id: 'general' };
const read = (server: RunningServer, token: string, conversation: string, message_id: string) =>
  askJson<ReadPosition & { code?: string }>(server, `/v1/reads/${conversation}`, {
    method: 'PUT',
    body: { message_id },
    ...as(token),
  });
const reads = async (server: RunningServer, token: string) =>
  (await askJson<ReadList>(server, '/v1/reads', as(token))).json.reads.map(
    ({ conversation, message_id, unread }) => [conversation, message_id, unread],
  );

it("READ-1 READ-2 what a person has read in one browser is read in all of theirs, and in no other person's", async () => {
  const server = await start();
  for (const n of upTo(5)) await say(server, `m${n}`);
  await say(server, 'own', GENERAL, { type: 'human', id: 'anna' });
  expect((await read(server, 'anna-phone', 'room:general', 'm1')).json).toMatchObject({
    conversation: 'room:general',
    message_id: 'm1',
    unread: 3,
  });
  expect(await reads(server, 'anna-secret')).toEqual([['room:general', 'm1', 3]]);
  expect(await reads(server, 'bob-secret')).toEqual([]);
  // It never moves back.
  expect((await read(server, 'anna-secret', 'room:general', 'm0')).json.message_id).toBe('m1');
  await read(server, 'bob-secret', 'room:general', 'm4');
  expect(await reads(server, 'anna-secret')).toEqual([['room:general', 'm1', 3]]);
  expect(await reads(server, 'bob-secret')).toEqual([['room:general', 'm4', 1]]);
});

it('READ-3 what may not be read cannot be marked, nor can a message of elsewhere; what is closed is not listed', async () => {
  const server = await start();
  await say(server, 'm1');
  await say(server, 'd1', { kind: 'room', room_id: 'den' });
  await say(server, 'dm1', { kind: 'dm', participant_ids: ['bob', 'alpha'] });
  const refused = async (token: string, conversation: string, id: string) => {
    const { status, json } = await read(server, token, conversation, id);
    return [status, json.code];
  };
  expect(await refused('anna-phone', 'room:den', 'd1')).toEqual([403, 'forbidden']);
  expect(await refused('anna-phone', 'room:general', 'd1')).toEqual([404, 'not_found']);
  expect(await refused('anna-phone', 'room:general', 'none')).toEqual([404, 'not_found']);
  expect(await refused('anna-phone', 'room:general', '%%')).toEqual([404, 'not_found']);
  expect(await refused('anna-phone', 'nothing', 'm1')).toEqual([404, 'not_found']);
  expect(await refused('watch-secret', 'room:general', 'm1')).toEqual([403, 'forbidden']);
  expect(await refused('nobody', 'room:general', 'm1')).toEqual([401, 'unauthorized']);
  expect((await askJson(server, '/v1/reads')).json['code']).toBe('unauthorized');

  expect((await read(server, 'bob-secret', 'room:den', 'd1')).status).toBe(200);
  const members = { method: 'PATCH', body: { remove: ['bob'] }, ...as('watch-secret') };
  expect((await ask(server, '/v1/rooms/den/members', members)).status).toBe(200);
  expect(await reads(server, 'bob-secret')).toEqual([]);
});

it('READ-4 a move is told at once to the streams of that person, and to nobody else, observers neither', async () => {
  const server = await start();
  await say(server, 'm1');
  const port = Number(new URL(server.url).port);
  const streams: Record<string, SseClient> = {};
  for (const { value } of TOKENS) streams[value] = await SseClient.open(port, as(value));
  await read(server, 'anna-secret', 'room:general', 'm1');
  // Nothing moves: nothing is told.
  await read(server, 'anna-phone', 'room:general', 'm1');
  await say(server, 'm2');
  for (const stream of Object.values(streams))
    await stream.until(() => stream.events.some(({ data }) => data?.message?.id === 'm2'));
  const told = (token: string) =>
    streams[token]!.events.filter(({ event }) => event === 'read.moved').map(({ id, data }) => [
      id,
      data?.['read'],
    ]);
  const moved = [
    [undefined, expect.objectContaining({ conversation: 'room:general', message_id: 'm1', unread: 0 })],
  ];
  expect(told('anna-secret')).toEqual(moved);
  expect(told('anna-phone')).toEqual(moved);
  expect(told('bob-secret')).toEqual([]);
  expect(told('watch-secret')).toEqual([]);
});

it('READ-5 of a person only so many positions are kept, the latest; in mode none none are', async () => {
  const server = await start();
  const most = limits.read_positions.value;
  await say(server, 'root');
  for (const n of upTo(most + 2)) {
    const target = { kind: 'thread', thread_id: `t${n}`, room_id: 'general', parent_message_id: 'root' };
    await say(server, `in${n}`, target);
    expect((await read(server, 'bob-secret', `thread:t${n}`, `in${n}`)).status).toBe(200);
  }
  const kept = await reads(server, 'bob-secret');
  expect([kept.length, kept[0]![0], kept.at(-1)![0]]).toEqual([most, `thread:t${most + 1}`, 'thread:t2']);
  const none = await startTestServer({ rooms: ROOMS });
  expect((await askJson(none, '/v1/reads')).json['code']).toBe('forbidden');
});
