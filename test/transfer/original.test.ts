/** MOVE: a network of the original moves over: its database, written by the original itself, is read as an export. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.ts';
import { importItems } from '../../src/transfer/import.ts';
import { originalItems } from '../../src/transfer/original.ts';
import { isOriginalSqlite, openOriginalSqlite } from '../../src/transfer/original-sqlite.ts';
import { cli } from '../support/cli-io.ts';
import { askJson } from '../support/server-http.ts';
import { startTestServer } from '../support/server.ts';
import { NOW, scratch } from '../support/transfer-lab.ts';
import { openStore } from '../../src/store/open.ts';

const here = (name: string): string => path.join(import.meta.dirname, name);
const expected = JSON.parse(readFileSync(here('original-expected.json'), 'utf8')) as {
  tokens: Record<'operator' | 'attachment' | 'newbie', string>;
} & Record<string, Record<string, unknown>[]>;

/** The fixture in a folder where it can be opened, and changed. */
function original(change?: (db: DatabaseSync) => void): string {
  const file = path.join(scratch(), 'original.db');
  copyFileSync(here('original.db'), file);
  if (change) {
    const db = new DatabaseSync(file);
    change(db);
    db.close();
  }
  return file;
}

it('MOVE-7 the fixture: rooms, histories, threads, DMs, artifacts and agents as the original answered them, tokens valid', async () => {
  const cwd = scratch();
  copyFileSync(original(), path.join(cwd, 'old.db'));
  writeFileSync(
    path.join(cwd, 'Moltnet'),
    'version: moltnet.v1\nnetwork: {id: old_lab}\nstorage: {kind: sqlite, sqlite: {path: new.db}}\n',
    { mode: 0o600 },
  );
  const run = await cli(['import', 'old.db'], { cwd, terminal: true });
  expect([run.stderr.replace(/\r[^\r\n]*\n?/g, ''), run.stdout]).toEqual([
    '',
    'imported 139 messages, 4 rooms and 2 agents into old_lab\n',
  ]);

  const server = await startTestServer({
    network: { id: 'old_lab', name: 'Old Lab' },
    auth: {
      mode: 'bearer',
      public_read: true,
      agent_registration: 'open',
      tokens: [
        { id: 'operator', value: expected.tokens.operator, scopes: ['observe', 'write', 'admin'] },
        {
          id: 'attachment',
          value: expected.tokens.attachment,
          scopes: ['attach', 'write'],
          agents: ['alpha'],
        },
      ],
    },
    storage: { kind: 'sqlite', sqlite: { path: path.join(cwd, 'new.db') } },
  });
  const get = async (at: string, token = expected.tokens.operator) =>
    askJson(server, at, { headers: { authorization: `Bearer ${token}` } });
  /** All pages, oldest first. */
  const history = async (of: string): Promise<unknown[]> => {
    const all: unknown[] = [];
    for (let before = ''; ;) {
      const { json } = await get(`${of}?limit=50${before}`);
      const { messages, page } = json as {
        messages: unknown[];
        page: { has_more: boolean; next_before?: string };
      };
      all.unshift(...messages);
      if (!page.has_more) return all;
      before = `&before=${page.next_before}`;
    }
  };
  for (const room of ['research', 'agora', 'ops'])
    expect(await history(`/v1/rooms/${room}/messages`), room).toEqual(expected[room]);
  expect(await history('/v1/threads/t1/messages')).toEqual(expected['thread']);
  expect(await history('/v1/dms/dm-alpha-beta/messages')).toEqual(expected['dm']);
  const list = async (at: string, key: string) => (await get(at)).json[key] as Record<string, unknown>[];
  expect(await list('/v1/rooms', 'rooms')).toEqual(expected['rooms']);
  // One agent under two names in one DM is one (W18).
  expect(await list('/v1/dms', 'dms')).toEqual(
    expected['dms']!.map((dm) =>
      dm['id'] === 'dm-remote' ? { ...dm, participant_ids: ['alpha', 'net_b:gamma'] } : dm,
    ),
  );
  expect(await list('/v1/artifacts?room_id=research', 'artifacts')).toEqual(expected['artifacts']);
  expect(
    (await list('/v1/agents', 'agents')).map(({ id, name, actor_uid, fqid }) => ({
      id,
      name,
      actor_uid,
      fqid,
    })),
  ).toEqual(expected['agents']!.map(({ id, name, actor_uid, fqid }) => ({ id, name, actor_uid, fqid })));
  // A removed room stays removed, and its message is kept.
  expect((await get('/v1/rooms/gone')).status).toBe(404);

  const send = async (token: string, from: string, id: string, room_id = 'agora') =>
    askJson(server, '/v1/messages', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: {
        id,
        target: { kind: 'room', room_id },
        from: { type: 'agent', id: from },
        parts: [{ kind: 'text', text: 'still here' }],
      },
    });
  expect((await send(expected.tokens.newbie, 'newbie', 'new-1')).status).toBe(202);
  expect((await send(expected.tokens.attachment, 'alpha', 'new-2', 'research')).status).toBe(202);
  expect((await send(expected.tokens.newbie, 'alpha', 'new-3')).json).toMatchObject({ code: 'agent_taken' });
  // An id of the old network stays taken.
  expect((await send(expected.tokens.attachment, 'alpha', 'note-0', 'research')).status).toBe(409);
});

it('MOVE-7 what the original let in and cannot be kept is said, and the rest comes over', async () => {
  const file = original((db) => {
    db.exec(
      `INSERT INTO agents SELECT 'net_b:gamma', network_id, 'actor_x', 'molt://x', 'Gamma', 'agent-token:00', created_at, updated_at FROM agents LIMIT 1`,
    );
    db.exec('PRAGMA foreign_keys = OFF');
    db.exec(
      `UPDATE messages SET thread_id = 'nowhere' WHERE id = (SELECT id FROM messages WHERE target_kind = 'thread' LIMIT 1)`,
    );
    db.exec(
      `UPDATE messages SET parts_json = '[{"kind":"text","text":"nul \\u0000 half \\ud800"}]' WHERE id = 'note-1'`,
    );
    // The original's own text order would put this after the one of a second with a fraction.
    db.exec(`UPDATE messages SET created_at = '2026-11-21T02:39:50.5Z' WHERE id = 'note-2'`);
  });
  const notes: string[] = [];
  const store = await openStore({ kind: 'memory', networkId: 'old_lab' });
  const source = openOriginalSqlite(file);
  const result = await importItems(
    store,
    originalItems(source, { now: NOW, note: (note) => notes.push(note) }),
  );
  source.close();
  expect(result).toMatchObject({ agents: 2, messages: 138, repaired: 1 });
  expect(notes).toEqual([
    expect.stringMatching(/^agent net_b:gamma is not taken/),
    expect.stringMatching(/^message .* is not taken: its thread is not in the database$/),
  ]);
  const messages = await store.messages(['note-1']);
  expect((JSON.parse(messages.get('note-1')!.payload) as Message).parts[0]!.text).toBe(
    'nul \u{fffd} half \u{fffd}',
  );
  const page = await store.messagePage('room:research', { limit: 500 });
  const times = page.rows.map(({ created_at }) => created_at);
  expect(times.map((time) => time.slice(0, -1).padEnd(29, '0'))).toEqual(
    times.map((time) => time.slice(0, -1).padEnd(29, '0')).toSorted(),
  );
  await store.close();
});

it('MOVE-7 another file is no database of the original', async () => {
  expect(isOriginalSqlite(here('original-expected.json'))).toBe(false);
  expect(isOriginalSqlite(original((db) => db.exec('DROP TABLE messages')))).toBe(false);
  const empty = openOriginalSqlite(
    original((db) => db.exec('DELETE FROM messages; DELETE FROM rooms; DELETE FROM agents')),
  );
  const items = originalItems(empty, { now: NOW, note: () => {} });
  await expect(items.next()).rejects.toMatchObject({ code: 'bad_request' });
  empty.close();
});
