/** MOVE: a network moves from one storage to another, whole, and nobody is woken for it. */
import {
  appendFileSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RoomConfig } from '../../src/config/types.ts';
import { importItems } from '../../src/transfer/import.ts';
import { parseItem, type Item } from '../../src/transfer/items.ts';
import { repaired } from '../../src/transfer/repaired-text.ts';
import { AttachClient } from '../support/attach-client.ts';
import { cli } from '../support/cli-io.ts';
import { openLab } from '../support/network-lab.ts';
import { startTestServer } from '../support/server.ts';
import { askJson } from '../support/server-http.ts';
import { openFile, openMemory } from '../support/store-open.ts';
import { contents, exported, lived, scratch, stream } from '../support/transfer-lab.ts';

const GENERAL: RoomConfig = { id: 'general', members: [], visibility: 'public' };

describe('export and import', () => {
  it('MOVE-1 what is imported is what was exported: it exports the same', async () => {
    const { store } = await lived();
    const items = await exported(store);
    const copy = await openFile();
    const result = await importItems(copy, stream(items));
    expect(result).toMatchObject({ rooms: 3, agents: 3, repaired: 0, skipped: 0 });
    expect(contents(await exported(copy))).toEqual(contents(items));
    for (const item of items) {
      if (item.kind !== 'event' || !item.message) continue;
      const id = String(item.payload['id']);
      const [before, after] = [(await store.messages([id])).get(id)!, (await copy.messages([id])).get(id)!];
      expect({ ...after, seq: 0 }).toEqual({ ...before, seq: 0 });
    }
    const keys = ['room:den', 'thread:t1', 'room:general', 'room:gone'] as const;
    const [mine, theirs] = [await store.conversations(keys), await copy.conversations(keys)];
    for (const key of keys)
      expect(theirs.get(key)).toMatchObject({
        message_count: mine.get(key)!.message_count,
        last_message_at: mine.get(key)!.last_message_at,
        held_by: mine.get(key)!.held_by,
      });
    const page = { limit: 100 };
    expect(
      (await copy.artifactPage({ room_id: 'den' }, page)).rows.map(({ id, payload }) => [id, payload]),
    ).toEqual(
      (await store.artifactPage({ room_id: 'den' }, page)).rows.map(({ id, payload }) => [id, payload]),
    );
    expect((await copy.dmPage('beta', page)).rows.map(({ id }) => id)).toEqual(
      (await store.dmPage('beta', page)).rows.map(({ id }) => id),
    );
  });

  it('MOVE-9 pairings come along without what is secret: what is shared since when, and how far relay has come, over what was pruned', async () => {
    const lab = await lived();
    const { store } = lab;
    const row = {
      id: 'net_b',
      remote_network_id: 'net_b',
      remote_network_name: 'B',
      remote_base_url: null,
      token: 'mpair_v1_secret',
      token_hash: 'hash-of-theirs',
      link: false,
      created_at: '2026-11-30T00:00:00.000Z',
    };
    await store.commit([
      {
        events: [],
        rows: [
          { op: 'pairing', row },
          { op: 'relay.begin', pairing_id: 'net_b' },
          { op: 'relay.begin', pairing_id: 'of_file' },
          { op: 'share', room_id: 'den', pairing_id: 'net_b', since_seq: 3 },
          { op: 'share', room_id: 'general', pairing_id: '*', since_seq: store.head },
        ],
      },
    ]);
    const first = store.head;
    for (const text of ['relayed', 'waits']) await lab.send('agent:alpha', 'room:den', text);
    await store.commit([
      {
        events: [],
        rows: [{ op: 'relay.position', pairing_id: 'net_b', conversation: 'room:den', acked_seq: first + 1 }],
      },
    ]);
    const page = await store.messagePage('room:den', { limit: 100 });
    await store.commit([
      { events: [], rows: [{ op: 'prune', seqs: [page.rows[0]!.seq, page.rows[1]!.seq] }] },
    ]);
    const items = await exported(store);
    expect(JSON.stringify(items)).not.toContain('mpair_v1_');
    const copy = await openFile();
    await importItems(copy, stream(items));
    // The numbers of what was pruned are not kept.
    expect(contents(await exported(copy)).slice(1)).toEqual(contents(items).slice(1));
    const { pairings, shares } = await copy.loadTopology();
    expect(pairings).toEqual([{ ...row, token: null }]);
    const of = async (id: string, from: typeof store) => (await from.messages([id])).get(id)!.seq;
    const [relayed, waits] = (await copy.messagePage('room:den', { limit: 2 })).rows;
    const state = (await copy.relayState('net_b'))!;
    expect(state.positions).toEqual([{ conversation: 'room:den', acked_seq: relayed!.seq }]);
    expect(waits!.seq).toBe(relayed!.seq + 1);
    expect(state.settled_seq).toBeLessThan(relayed!.seq);
    expect((await copy.relayState('of_file'))!.settled_seq).toBe(state.settled_seq);
    // What was said since it is shared is that here too.
    const since = shares.find(({ room_id }) => room_id === 'den')!.since_seq;
    for (const { id, seq } of (await store.messagePage('room:den', { limit: 100 })).rows)
      expect((await of(id, copy)) > since).toBe(seq > 3);
  });

  it('MOVE-2 an import that is broken off anywhere goes on where it was, and ends the same', async () => {
    const { store } = await lived();
    const items = await exported(store);
    for (const cut of [1, 2, 5, items.length - 3, items.length - 1]) {
      const copy = await openMemory();
      await expect(importItems(copy, stream(items.slice(0, cut)))).rejects.toThrow('the export is not whole');
      await importItems(copy, stream(items));
      expect(contents(await exported(copy))).toEqual(contents(items));
    }
  });

  it('MOVE-2 what was committed before a crash is not taken twice: batches of any size', async () => {
    const lab = await openLab({});
    for (let i = 0; i < 1_200; i += 100)
      await Promise.all(
        Array.from({ length: 100 }, (_, j) => lab.send('human:ann', 'room:general', `message ${i + j}`)),
      );
    const items = await exported(lab.store);
    const copy = await openMemory();
    async function* broken(): AsyncGenerator<Item> {
      yield* items.slice(0, 900);
      throw new Error('the disk of the export fails');
    }
    await expect(importItems(copy, broken())).rejects.toThrow('the disk of the export fails');
    expect(copy.head).toBeGreaterThan(0);
    const result = await importItems(copy, stream(items));
    expect(result.skipped).toBeGreaterThan(400);
    expect(contents(await exported(copy))).toEqual(contents(items));
  });

  it('MOVE-3 it is refused into a storage that holds something else, for another network, and in pieces', async () => {
    const { store } = await lived();
    const items = await exported(store);
    const taken = await openLab({});
    await expect(importItems(taken.store, stream(items))).rejects.toMatchObject({ code: 'conflict' });
    const copy = await openMemory();
    const [head, ...rest] = items;
    const foreign = { ...head!, network_id: 'other' } as Item;
    await expect(importItems(copy, stream([foreign]))).rejects.toMatchObject({ code: 'network_mismatch' });
    await expect(importItems(copy, stream(rest))).rejects.toThrow('no export of moltnet');
    await expect(importItems(copy, stream([]))).rejects.toThrow('nothing in this file');
    await expect(importItems(copy, stream([head!, { kind: 'end', events: 3 }]))).rejects.toThrow(
      'it says 3 events and holds 0',
    );
    await expect(
      importItems(copy, stream([{ ...head!, id: 'another' } as Item, ...rest])),
    ).rejects.toMatchObject({ code: 'conflict' });
    expect(() => parseItem('{"kind":"event"}', 7)).toThrow('line 7 is not as an export has it: id');
    expect(() => parseItem('{"kind":', 8)).toThrow('line 8 is not JSON');
    expect(() => parseItem('[]', 1)).toThrow('this is no export of moltnet');
  });

  it('MOVE-3 rows with which no server could start, or that are of nothing, are refused with their line', async () => {
    const { store } = await lived();
    const items = await exported(store);
    const room = items.find((item) => item.kind === 'room')!;
    const broken = (change: object): (() => Item) => {
      const item = { ...room, row: { ...room.row, ...change } };
      return () => parseItem(JSON.stringify(item), 2);
    };
    for (const guard of ['', '{{{', '[]', '7', 'null', '{"turns":"many"}'])
      expect(broken({ guard }), guard).toThrow('line 2 is not as an export has it: row.guard: is no setting');
    expect(broken({ guard: '{"turns":5,"hour_turns":"off"}' })()).toMatchObject({ kind: 'room' });
    expect(broken({ visibility: 'nobody' })).toThrow('row.visibility: is none of private, public');
    expect(broken({ write_policy: '' })).toThrow('row.write_policy: is none of members');
    expect(broken({ id: '../../x\n' })).toThrow('row.id: is no id');

    const held = items.find((item) => item.kind === 'held')!;
    for (const held_by of ['', 'turns', 'somebody 3', 'turns x'])
      expect(() => parseItem(JSON.stringify({ ...held, held_by }), 3), held_by).toThrow(
        'line 3 is not as an export has it: held_by: is no hold',
      );
    for (const held_by of ['turns 3', 'hour 200', 'pair 3 a b', 'pair 12~ a b'])
      expect(parseItem(JSON.stringify({ ...held, held_by }), 3)).toMatchObject({ held_by });

    const [head] = items;
    const foreign = (item: object) => importItems(copy, stream([head!, item as Item]));
    let copy = await openMemory();
    await expect(foreign({ kind: 'members', room_id: 'nowhere', members: ['a'] })).rejects.toThrow(
      'line 2 is of the room "nowhere", which is not in this export',
    );
    copy = await openMemory();
    await expect(foreign({ kind: 'share', room_id: 'nowhere', pairing_id: 'b', since: 0 })).rejects.toThrow(
      'which is not in this export',
    );
    // Nor does a file say of itself that all of it was taken in.
    copy = await openMemory();
    const done = JSON.stringify({ id: head!.kind, done: true, items: 9 });
    await expect(foreign({ kind: 'meta', key: 'import.state', value: done })).rejects.toThrow(
      'line 2 is of "import.state", which no export has',
    );
  });

  it('MOVE-4 text that an engine cannot hold is replaced and counted', async () => {
    const { store } = await lived();
    const items = (await exported(store)).map((item) =>
      item.kind === 'event' && item.payload['id'] === 'with-parts'
        ? {
            ...item,
            payload: {
              ...item.payload,
              parts: [
                { kind: 'text', text: 'a\0b\ud800c' },
                { kind: 'data', data: { 'k\0': '\udc00' } },
              ],
            },
          }
        : item,
    );
    const copy = await openMemory();
    expect((await importItems(copy, stream(items))).repaired).toBe(3);
    const stored = (await copy.messages(['with-parts'])).get('with-parts')!;
    expect((JSON.parse(stored.payload) as { parts: unknown }).parts).toEqual([
      { kind: 'text', text: 'a\u{fffd}b\u{fffd}c' },
      { kind: 'data', data: { 'k\u{fffd}': '\u{fffd}' } },
    ]);
    expect(repaired({ text: '\\u0000 written out' })).toEqual({
      value: { text: '\\u0000 written out' },
      count: 0,
    });
  });

  it('MOVE-5 nobody is woken for what was before; what comes after wakes', async () => {
    const folder = scratch();
    const { store } = await lived();
    const database = path.join(folder, 'moltnet.db');
    const copy = await openFile(database);
    await importItems(copy, stream(await exported(store)));
    await copy.close();
    const server = await startTestServer({ storage: { kind: 'sqlite', sqlite: { path: database } } });
    const agent = await AttachClient.attach({
      url: `${server.url.replace('http', 'ws')}/v1/attach`,
      bindings: { rooms: [{ id: 'den', wake: 'all' }], dms: { enabled: true, wake: 'all' }, catch_up: 'all' },
    });
    await askJson(server, '/v1/messages', {
      method: 'POST',
      body: {
        id: 'after',
        target: { kind: 'room', room_id: 'den' },
        from: { type: 'human', id: 'ann' },
        parts: [{ kind: 'text', text: 'news for @alpha' }],
      },
    });
    await agent.until(() => agent.frames.some((frame) => frame.event?.message?.id === 'after'));
    const told = agent.frames.flatMap((frame) => frame.event?.message?.id ?? []);
    expect(told).toEqual(['after']);
  });
});

describe('the commands', () => {
  async function folderWith(id = 'local'): Promise<string> {
    const cwd = scratch();
    writeFileSync(
      path.join(cwd, 'Moltnet'),
      `version: moltnet.v1\nnetwork: {id: ${id}}\nstorage: {kind: sqlite, sqlite: {path: data.db}}\n`,
      { mode: 0o600 },
    );
    return cwd;
  }

  it('MOVE-6 export and import a file, compressed or not, with what went over; a running server is in nobody’s way', async () => {
    const from = await folderWith();
    const server = await startTestServer({
      storage: { kind: 'sqlite', sqlite: { path: path.join(from, 'data.db') } },
      rooms: [GENERAL],
    });
    for (let i = 0; i < 5; i++)
      await askJson(server, '/v1/messages', {
        method: 'POST',
        body: {
          id: `m${i}`,
          target: { kind: 'room', room_id: 'general' },
          from: { type: 'human', id: 'ann' },
          parts: [{ kind: 'text', text: `message ${i}` }],
        },
      });
    for (const name of ['net.jsonl', 'net.jsonl.gz']) {
      const out = await cli(['export', name], { cwd: from });
      expect([out.code, out.stderr]).toEqual([
        0,
        expect.stringMatching(/^exported \d+ events of the network local\n$/),
      ]);
      expect(statSync(path.join(from, name)).mode & 0o777).toBe(0o600);
      const to = await folderWith();
      copyFileSync(path.join(from, name), path.join(to, name));
      const read = await cli(['import', name], { cwd: to, terminal: true });
      expect(read.stdout).toMatch(/^imported 5 messages, 1 rooms and 0 agents into local\n$/);
      // Again: there is nothing left to do, and it says so.
      expect((await cli(['import', name], { cwd: to })).json()).toMatchObject({ messages: 5 });
    }
    const again = await cli(['export', 'net.jsonl'], { cwd: from });
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('exists')]);
    expect((await cli(['export', 'net.jsonl', '--force'], { cwd: from })).code).toBe(0);
    const printed = await cli(['export', '-'], { cwd: from });
    expect(printed.stdout.trimEnd().split('\n').at(-1)).toContain('"kind":"end"');
  });

  it('MOVE-6 what goes wrong is told in one line: no file, no network, another network, half a file, a server on it', async () => {
    const cwd = await folderWith();
    const failed = async (...words: string[]): Promise<string> => {
      const { code, stderr } = await cli(words, { cwd });
      expect(code).not.toBe(0);
      return stderr;
    };
    expect(await failed('export')).toContain('say where to');
    expect(await failed('export', 'x')).toContain('there is no network to read yet');
    expect(await failed('import')).toContain('say what to read');
    expect(await failed('import', 'nothing')).toContain('does not exist');
    writeFileSync(path.join(cwd, 'junk'), 'hello\nworld\n');
    expect(await failed('import', 'junk')).toContain('line 1 is not JSON');
    const { store } = await lived();
    const lines = (await exported(store)).map((item) => JSON.stringify(item));
    writeFileSync(path.join(cwd, 'half'), `${lines.slice(0, 10).join('\n')}\n${lines[10]!.slice(0, 20)}`);
    expect(await failed('import', 'half')).toContain('line 11 is not JSON');
    // A server does not start on half a network, and the import goes on.
    await expect(
      startTestServer({ storage: { kind: 'sqlite', sqlite: { path: path.join(cwd, 'data.db') } } }),
    ).rejects.toThrow('an import into this storage is not finished');
    writeFileSync(path.join(cwd, 'whole'), `${lines.join('\n')}\n`);
    expect((await cli(['import', 'whole'], { cwd })).code).toBe(0);
    appendFileSync(path.join(cwd, 'whole'), `${lines.at(-1)}\n`);
    const other = await folderWith('other');
    copyFileSync(path.join(cwd, 'whole'), path.join(other, 'whole'));
    expect((await cli(['import', 'whole'], { cwd: other })).stderr).toContain('set network.id to it');
    const server = await startTestServer({
      storage: { kind: 'sqlite', sqlite: { path: path.join(cwd, 'data.db') } },
    });
    expect(server.url).toContain('http');
    expect(await failed('import', 'whole')).toContain('in use by another moltnet server');
  });

  it('MOVE-1 a text with any line separator of Unicode goes through a file', async () => {
    const lab = await openLab({});
    const text = 'one\u2028two\u2029three\u0085four\r\nfive\u000b';
    const { message_id } = await lab.send('human:ann', 'room:general', text);
    const lines = (await exported(lab.store)).map((item) => JSON.stringify(item));
    const cwd = await folderWith();
    writeFileSync(path.join(cwd, 'net.jsonl'), `${lines.join('\n')}\n`);
    expect(await cli(['import', 'net.jsonl'], { cwd })).toMatchObject({ code: 0, stderr: '' });
    const copy = await openFile(path.join(cwd, 'data.db'));
    expect((await copy.messages([message_id])).get(message_id)!.payload).toContain(
      JSON.stringify(text).slice(1, -1),
    );
  });

  it('MOVE-3 a file with what no server could show is refused with the line, and so is one that ends in the middle', async () => {
    const { store } = await lived();
    const items = await exported(store);
    const at = items.findIndex((item) => item.kind === 'event' && item.message);
    const cwd = await folderWith();
    const refusal = async (name: string, content: string | Buffer): Promise<string> => {
      writeFileSync(path.join(cwd, name), content);
      const { code, stderr } = await cli(['import', name], { cwd });
      expect(code).toBe(1);
      return stderr;
    };
    const lines = items.map((item) => JSON.stringify(item));
    const { payload, ...event } = items[at] as Item & { kind: 'event' };
    const changes: [object, string][] = [
      [{ ...event, payload: {} }, 'payload.id'],
      [{ ...event, payload: { ...payload, id: { a: 1 } } }, 'payload.id'],
      [{ ...event, payload: { ...payload, parts: 'text' } }, 'payload.parts'],
      [{ ...event, payload: { ...payload, parts: [null] } }, 'payload.parts.0'],
      [{ ...event, payload: { ...payload, from: null } }, 'payload.from'],
      [{ ...event, payload, created_at: 'yesterday' }, 'created_at: is no time'],
      [{ ...event, payload, conversation: undefined }, 'a message is in one'],
      [{ ...event, payload, message: undefined }, 'stands beside each message.created'],
      [{ ...event, payload, room_id: 'general' }, 'room_id: does not agree with room:den'],
      [{ ...event, payload, room_id: undefined }, 'room_id: does not agree with room:den'],
      [{ ...event, payload, conversation: 'room:general' }, 'room_id: does not agree with room:general'],
      [{ ...event, payload, conversation: 'dm:d1' }, 'dm_id: does not agree with dm:d1'],
      [{ ...event, payload, dm_id: 'd1', participants: ['ann'] }, 'dm_id: an event is of a room or of a DM'],
      [
        { ...event, payload, conversation: 'dm:d1', dm_id: 'd1', room_id: undefined },
        'participants: a DM has some',
      ],
      [{ ...event, payload, conversation: 'thread:t1' }, 'payload.target: is not thread:t1'],
      [
        { ...event, payload: { ...payload, target: { kind: 'room', room_id: 'general' } } },
        'payload.target: is not room:den',
      ],
    ];
    for (const [changed, what] of changes) {
      const said = await refusal('bad', [...lines.slice(0, at), JSON.stringify(changed)].join('\n'));
      expect(said).toContain(`line ${at + 1} is not as an export has it: `);
      expect(said).toContain(what);
    }
    const end = items.at(-1) as Item & { kind: 'end' };
    const more = JSON.stringify({ ...end, events: end.events + 1 });
    const twice = [...lines.slice(0, at), lines[at], ...lines.slice(at, -1), more].join('\n');
    expect(await refusal('twice', twice)).toContain('an id stands twice in this export');
    // A thread goes on in its room, and a DM among its participants.
    for (const [kind, changed, what] of [
      ['thread:', { room_id: 'general' }, 'is in general, and an earlier one that it is in den'],
      [
        'dm:',
        { participants: ['eve', 'ann'] },
        'is of ann, eve, and an earlier one that it is of alpha, beta',
      ],
    ] as const) {
      const i = items.findLastIndex(
        (item) => item.kind === 'event' && item.message && item.conversation?.startsWith(kind),
      );
      const moved = { ...(items[i] as Item & { kind: 'event' }), ...changed };
      const again = { ...moved, id: 'evt_again', payload: { ...moved.payload, id: 'msg_again' } };
      const file = [...lines.slice(0, i + 1), JSON.stringify(again)].join('\n');
      expect(await refusal(`moved-${kind.slice(0, -1)}`, file)).toContain(what);
    }
    const zipped = gzipSync(`${lines.join('\n')}\n`);
    expect(await refusal('cut.gz', zipped.subarray(0, zipped.length - 20))).toContain(
      'cannot be read after line',
    );
    mkdirSync(path.join(cwd, 'folder.gz'));
    expect((await cli(['import', 'folder.gz'], { cwd })).stderr).toContain('is a folder');
    expect(await refusal('long', Buffer.alloc(65 * 1024 * 1024, 'x'))).toContain(
      'line 1 is longer than 64 MiB',
    );
    writeFileSync(path.join(cwd, 'whole'), `${lines.join('\n')}\n`);
    expect((await cli(['import', 'whole'], { cwd })).code).toBe(0);
  });

  it('MOVE-6 an export or a backup takes the place of nothing but what was named, and never of the storage', async () => {
    const cwd = await folderWith();
    const store = await openFile(path.join(cwd, 'data.db'));
    await store.close();
    const database = readFileSync(path.join(cwd, 'data.db'));
    writeFileSync(path.join(cwd, 'mine'), 'of somebody else', { mode: 0o644 });
    symlinkSync('data.db', path.join(cwd, 'link'));
    for (const command of ['export', 'backup']) {
      for (const target of ['data.db', './data.db', 'link']) {
        const { code, stderr } = await cli([command, target, '--force'], { cwd });
        expect([code, stderr]).toEqual([1, expect.stringContaining('is the storage itself')]);
      }
      expect((await cli([command, '.', '--force'], { cwd })).stderr).toContain('is a folder');
      symlinkSync('mine', path.join(cwd, `out-${command}.part`));
      symlinkSync('mine', path.join(cwd, `out-${command}`));
      expect((await cli([command, `out-${command}`], { cwd })).stderr).toContain('exists');
      expect((await cli([command, `out-${command}`, '--force'], { cwd })).code).toBe(0);
      const made = lstatSync(path.join(cwd, `out-${command}`));
      expect([made.isFile(), made.mode & 0o777]).toEqual([true, 0o600]);
    }
    expect(readFileSync(path.join(cwd, 'mine'), 'utf8')).toBe('of somebody else');
    expect(readFileSync(path.join(cwd, 'data.db')).equals(database)).toBe(true);
    expect(readdirSync(cwd).filter((name) => name.startsWith('.out'))).toEqual([]);
  });
});

it('MOVE-8 a restored backup is the network of its moment, and no reader skips what is written after it', async () => {
  const cwd = scratch();
  const database = path.join(cwd, 'data.db');
  writeFileSync(
    path.join(cwd, 'Moltnet'),
    'version: moltnet.v1\nnetwork: {id: local}\nstorage: {kind: sqlite, sqlite: {path: data.db}}\n',
    { mode: 0o600 },
  );
  const say = (server: { url: string }, id: string) =>
    askJson(server, '/v1/messages', {
      method: 'POST',
      body: {
        id,
        target: { kind: 'room', room_id: 'general' },
        from: { type: 'human', id: 'ann' },
        parts: [{ kind: 'text', text: `${id} for @alpha` }],
      },
    });
  const bindings = {
    rooms: [{ id: 'general', wake: 'all' }],
    dms: { enabled: false, wake: 'never' },
    catch_up: 'all',
  } as const;
  const attach = (server: { url: string }, more: object = { bindings }) =>
    AttachClient.attach({ url: `${server.url.replace('http', 'ws')}/v1/attach`, ...more });
  const storage = { kind: 'sqlite', sqlite: { path: database } } as const;
  const first = await startTestServer({ storage, rooms: [GENERAL] });
  const agent = await attach(first);
  await say(first, 'm1');
  await agent.until(() => agent.frames.some((frame) => frame.event?.message?.id === 'm1'));
  agent.send({ op: 'ACK', cursor: agent.frames.find((frame) => frame.event?.message?.id === 'm1')!.cursor! });
  const made = await cli(['backup', 'copy.db'], { cwd });
  expect([made.code, made.stderr]).toEqual([0, expect.stringContaining('backed up')]);
  expect(statSync(path.join(cwd, 'copy.db')).mode & 0o777).toBe(0o600);
  expect((await cli(['backup', 'copy.db'], { cwd })).stderr).toContain('exists');
  for (const id of ['lost1', 'lost2', 'lost3']) await say(first, id);
  await agent.until(() => agent.frames.some((frame) => frame.event?.message?.id === 'lost3'));
  const cursor = agent.frames.findLast((frame) => frame.event?.message?.id === 'lost3')!.cursor!;
  agent.send({ op: 'ACK', cursor });
  await first.stop();

  copyFileSync(path.join(cwd, 'copy.db'), database);
  const second = await startTestServer({ storage, rooms: [GENERAL] });
  // As many as were lost, at the very places where those stood.
  for (const id of ['new1', 'new2', 'new3']) await say(second, id);
  const history = await askJson(second, '/v1/rooms/general/messages', {});
  expect((history.json as { messages: { id: string }[] }).messages.map(({ id }) => id)).toEqual([
    'm1',
    'new1',
    'new2',
    'new3',
  ]);
  const told = (client: AttachClient) =>
    client.frames.flatMap((frame) => frame.event?.message?.id ?? []).filter((id) => id !== 'm1');
  // Our own node, and a client of the original's wire with a cursor that the restored log never had.
  const back = await attach(second);
  await back.until(() => told(back).includes('new3'));
  expect(told(back)).toEqual(['new1', 'new2', 'new3']);
  back.socket.terminate();
  const old = await attach(second, { cursor, agent: 'beta' });
  await say(second, 'new4');
  await old.until(() => told(old).includes('new4'));
  expect(old.frames.some((frame) => frame.event?.type === 'stream.replay_gap')).toBe(true);
  expect(told(old)).toEqual(['new4']);
});
