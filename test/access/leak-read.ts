/** Everything a caller can read by HTTP: all that it may see is there, and nothing else is in any answer. */
import { expect } from 'vitest';
import type { Reply } from '../support/auth-lab.ts';
import {
  beyond,
  isDead,
  mayAsk,
  seesDm,
  seesMessage,
  seesRoom,
  type Reader,
  type World,
} from './leak-oracle.ts';

type Ask = (route: string) => Promise<Reply>;

export async function readAs(world: World, reader: Reader, send: Ask): Promise<void> {
  const dead = isDead(world, reader);
  const ask: Ask = async (route) => {
    const reply = await send(route);
    const where = `${reader.name}: ${route} answered ${reply.status} ${reply.text}`;
    expect(reply.status, where).toBeLessThan(500);
    if (dead) expect([reply.status, reply.code], where).toEqual([403, 'agent_removed']);
    // A refusal may repeat the question.
    const asked = new Set(route.match(/(?:rm|th|dm|ms|tx)-\d+/g) ?? []);
    const leaked = beyond(world, reader, reply.text).filter(
      (marker) => reply.status < 300 || !asked.has(marker),
    );
    expect(leaked, where).toEqual([]);
    return reply;
  };
  /** Follows the pages of a list, two by two, by `next_after`, or backwards by `next_before`. */
  const list = async (
    at: string,
    key: string,
    by: 'after' | 'before' = 'after',
  ): Promise<string[] | number> => {
    const ids: string[] = [];
    for (let cursor = '', pages = 0; pages < 500; pages++) {
      const { status, text } = await ask(`GET ${at}${at.includes('?') ? '&' : '?'}limit=2${cursor}`);
      if (status !== 200) return status;
      const page = JSON.parse(text) as { page: Record<string, string | boolean> } & Record<
        string,
        { id: string; message_id?: string }[]
      >;
      const found = page[key]!.map(({ id, message_id }) => message_id ?? id);
      if (by === 'after') ids.push(...found);
      else ids.unshift(...found);
      const next = page.page[`next_${by}`];
      if (!page.page['has_more'] || next === undefined) return ids;
      cursor = `&${by}=${String(next)}`;
    }
    throw new Error(`${at} never ends`);
  };
  const where = (what: string): string => `${reader.name}: ${what}`;
  const refused = (got: string[] | number): boolean =>
    typeof got === 'number' && [401, 403, 404].includes(got);
  const plaza = (ids: readonly string[]): string[] => ids.filter((id) => id !== 'plaza').sort();
  const messagesOf = (holds: (message: { room?: string; dm?: string }) => boolean): string[] =>
    [...world.messages].filter(([, message]) => holds(message)).map(([id]) => id);

  const rooms = await list('/v1/rooms', 'rooms');
  if (mayAsk(world, reader))
    expect(plaza(rooms as string[]), where('GET /v1/rooms')).toEqual(
      plaza([...world.rooms.keys()].filter((id) => seesRoom(world, reader, id))),
    );
  // A pair token may ask for the list, which then is empty (W39).
  else
    expect(reader.name === 'pair' ? rooms : refused(rooms), where('GET /v1/rooms')).toEqual(
      reader.name === 'pair' ? [] : true,
    );

  const agents = await list('/v1/agents', 'agents');
  if (mayAsk(world, reader)) {
    const everybody = reader.observer || world.mode === 'none';
    for (const actor of ['ag-0', 'ag-1', 'ag-2', 'listed', 'ann']) {
      const shared = [...world.rooms].some(
        ([id, { members }]) => members.has(actor) && seesRoom(world, reader, id),
      );
      const registered = actor !== 'ann' && !world.removed.has(actor);
      const shown = shared || (everybody && registered) || (registered && reader.selves.includes(actor));
      expect((agents as string[]).includes(actor), where(`${actor} in ${String(agents)}`)).toBe(shown);
      expect((await ask(`GET /v1/agents/${actor}`)).status === 200, where(`GET /v1/agents/${actor}`)).toBe(
        shown,
      );
    }
  }

  const dms = await list('/v1/dms', 'dms');
  const mine = [...world.dms.keys()].filter((id) => seesDm(world, reader, id));
  if (world.mode === 'none' || reader.observer || (reader.selves.length > 0 && !dead))
    expect([...(dms as string[])].sort(), where('GET /v1/dms')).toEqual(mine.sort());
  else expect(refused(dms), where(`GET /v1/dms ${String(dms)}`)).toBe(true);

  for (const id of world.rooms.keys()) {
    if (id === 'plaza') continue;
    const sees = seesRoom(world, reader, id);
    expect((await ask(`GET /v1/rooms/${id}`)).status === 200, where(`GET /v1/rooms/${id}`)).toBe(sees);
    const thread = id.replace('rm', 'th');
    const written = await list(`/v1/rooms/${id}/messages`, 'messages', 'before');
    const threads = await list(`/v1/rooms/${id}/threads`, 'threads');
    const inThread = await list(`/v1/threads/${thread}/messages`, 'messages', 'before');
    const artifacts = await list(`/v1/artifacts?room_id=${id}`, 'artifacts', 'before');
    if (!sees) {
      for (const got of [written, threads, inThread, artifacts])
        expect(refused(got), where(`${id} ${String(got)}`)).toBe(true);
      continue;
    }
    const had = world.threads.has(thread);
    expect(threads, where(`threads of ${id}`)).toEqual(had ? [thread] : []);
    if (!had) expect(inThread).toBe(404);
    expect(
      [...(written as string[]), ...(had ? (inThread as string[]) : [])].sort(),
      where(`messages of ${id}`),
    ).toEqual(messagesOf((message) => message.room === id).sort());
    if (typeof artifacts !== 'number')
      for (const message of artifacts)
        expect(world.messages.get(message)!.room, where(`artifacts of ${id}`)).toBe(id);
    // wire.md never lets those who are nobody in particular have artifacts.
    else
      expect(reader.observer || reader.selves.length > 0, where(`artifacts of ${id} ${artifacts}`)).toBe(
        false,
      );
  }

  for (const id of world.dms.keys()) {
    const sees = seesDm(world, reader, id);
    expect((await ask(`GET /v1/dms/${id}`)).status === 200, where(`GET /v1/dms/${id}`)).toBe(sees);
    const messages = await list(`/v1/dms/${id}/messages`, 'messages', 'before');
    const artifacts = await list(`/v1/artifacts?dm_id=${id}`, 'artifacts', 'before');
    if (sees)
      expect(messages, where(`messages of ${id}`)).toEqual(messagesOf((message) => message.dm === id));
    else
      for (const got of [messages, artifacts]) expect(refused(got), where(`${id} ${String(got)}`)).toBe(true);
  }

  // Every text of the world holds its own marker, and these words.
  const found: string[] = [];
  let searched = 200;
  for (let cursor = '', more = true; more && searched === 200;) {
    const { status, text } = await ask(`GET /v1/search?q=ag-0&limit=3${cursor}`);
    searched = status;
    if (status !== 200) break;
    const { results, page } = JSON.parse(text) as {
      results: { message: { id: string } }[];
      page: { has_more: boolean; next_before?: string };
    };
    found.push(...results.map(({ message }) => message.id));
    more = page.has_more;
    cursor = `&before=${page.next_before}`;
  }
  if (mayAsk(world, reader))
    expect(found.sort(), where('GET /v1/search')).toEqual(
      [...world.messages]
        .filter(([id, { redacted }]) => !redacted && seesMessage(world, reader, id))
        .map(([id]) => id)
        .sort(),
    );
  else expect(refused(searched), where(`GET /v1/search ${searched}`)).toBe(true);

  for (const id of world.messages.keys())
    expect((await ask(`GET /v1/messages/${id}`)).status === 200, where(`GET /v1/messages/${id}`)).toBe(
      seesMessage(world, reader, id),
    );
  for (const at of ['/skill.md', '/install.md', '/llms.txt', '/v1/network']) await ask(`GET ${at}`);
}
