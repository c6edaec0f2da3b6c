import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it, onTestFinished } from 'vitest';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { startStoreProcess } from '../../test/support/store-process.ts';
import {
  AT,
  agentRow,
  eventOf,
  messageOf,
  roomRow,
  rowsOf,
  writesOf,
} from '../../test/support/store-writes.ts';
import { migrate, migrations } from './migrations.ts';
import { openStore } from './open.ts';
import { StorageError } from './errors.ts';

const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);
const refusal = async (file: string, networkId = 'local'): Promise<string> => {
  const error: unknown = await openStore({ kind: 'sqlite', path: file, networkId }).then(
    async (store) => void (await store.close()),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StorageError);
  return (error as Error).message;
};

it.each([0o000, 0o022, 0o277, 0o777])(
  'STO-9 new folders are 0700 and all files 0600 under the umask %o',
  async (umask) => {
    const scratch = scratchFolder();
    const before = process.umask(umask);
    onTestFinished(() => void process.umask(before));
    const file = path.join(scratch, 'a', 'b', 'moltnet.db');
    const store = await openFile(file);
    await store.commit([writesOf(eventOf('a'))]);
    expect(mode(path.join(scratch, 'a'))).toBe('700');
    expect(mode(path.join(scratch, 'a', 'b'))).toBe('700');
    for (const suffix of ['', '-wal', '-shm', '.lock'])
      expect(`${suffix} ${mode(file + suffix)}`).toBe(`${suffix} 600`);
    expect(existsSync(`${file}.lock-journal`)).toBe(false);
  },
);

it('STO-9 files that lie open are closed to others, a folder that was there keeps its mode', async () => {
  const folder = path.join(scratchFolder(), 'mine');
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(folder, 0o755);
  const file = path.join(folder, 'moltnet.db');
  await (await openFile(file)).close();
  chmodSync(file, 0o644);
  chmodSync(`${file}.lock`, 0o666);
  await openFile(file);
  expect(mode(file)).toBe('600');
  expect(mode(`${file}.lock`)).toBe('600');
  expect(mode(folder)).toBe('755');
});

it('STO-10 a second store on the file is refused: in this process, by another name, by a link', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  expect(await refusal(file)).toMatch(
    /moltnet\.db is in use by another moltnet server .*storage\.sqlite\.path/,
  );
  expect(await refusal(path.relative(process.cwd(), file))).toMatch(/in use/);
  const link = path.join(scratchFolder(), 'link.db');
  symlinkSync(file, link);
  expect(await refusal(link)).toMatch(/in use/);
  // The refused ones took nothing away from the one that has it.
  expect(await refusal(file)).toMatch(/in use/);
  await store.commit([writesOf(eventOf('a'))]);
  await store.close();
  expect((await openFile(link)).head).toBe(1);
});

it('STO-10 a second process is refused, and kill -9 of the first one frees the file', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const first = startStoreProcess({ file });
  await first.line((line) => line.startsWith('committed'));
  expect(await refusal(file)).toMatch(/in use/);
  const second = startStoreProcess({ file, commits: 1 });
  expect(await second.exited).not.toBe(0);
  expect(second.lines).toEqual([]);
  await first.kill();
  expect((await openFile(file)).head).toBeGreaterThan(0);
});

it('STO-10 a store that is refused or closed lets the file go', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  await (await openFile(file)).close();
  expect(await refusal(file, 'another')).toMatch(/belongs to the network "local"/);
  await openFile(file);
});

it('STO-11 the database of another network is refused, and is left as it was', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  await (await openFile(file)).close();
  const bytes = readFileSync(file);
  const message = await refusal(file, 'net_b');
  expect(message).toContain(file);
  expect(message).toMatch(/belongs to the network "local", and this server's is "net_b".*network\.id/);
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

it('STO-11 a newer schema is refused when it says so, and opened when it may be read', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  await (await openFile(file)).close();
  const newer = (minReader: number): void => {
    const db = new DatabaseSync(file);
    db.prepare(
      `INSERT INTO schema_versions VALUES (99, 'future', ?, '') ON CONFLICT (version) DO UPDATE SET min_reader = excluded.min_reader`,
    ).run(minReader);
    db.close();
  };
  newer(migrations.at(-1)!.version);
  const store = await openFile(file);
  await store.commit([writesOf(eventOf('a'))]);
  await store.close();
  newer(98);
  expect(await refusal(file)).toMatch(
    /has schema 99, which needs .* schema 98 or newer; this one knows \d+\. Update moltnet/,
  );
});

it('STO-11 a database of another program is refused, and is left as it was', async () => {
  const file = path.join(scratchFolder(), 'other.db');
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE messages (id TEXT); CREATE TABLE schema_migrations (version INTEGER)');
  db.close();
  const bytes = readFileSync(file);
  expect(await refusal(file)).toMatch(
    /database of another program \(its tables: messages, schema_migrations\)/,
  );
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

it.each([
  ['text', 'version: moltnet.v1\n'.repeat(200)],
  ['short', 'x'],
  ['noise', Buffer.alloc(10_000, 0xa7)],
])('STO-11 a file that is not a database is refused, and is left as it was: %s', async (name, content) => {
  const file = path.join(scratchFolder(), name);
  writeFileSync(file, content);
  expect(await refusal(file)).toMatch(/not a SQLite database\. Set storage\.sqlite\.path/);
  expect(readFileSync(file).equals(Buffer.from(content))).toBe(true);
});

it('STO-11 a damaged database is told as damage, not as a crash', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  await (await openFile(file)).close();
  const bytes = readFileSync(file);
  bytes.fill(0x5a, 100, 4_096);
  writeFileSync(file, bytes);
  expect(await refusal(file)).toMatch(/damaged; restore a copy/);
});

it('STO-12 a path that cannot be a database file is refused with what to do', async () => {
  const folder = scratchFolder();
  expect(await refusal(folder)).toMatch(/is not a file\. Set storage\.sqlite\.path/);
  writeFileSync(path.join(folder, 'plain'), '');
  expect(await refusal(path.join(folder, 'plain', 'moltnet.db'))).toMatch(/a part of this path is a file/);
  symlinkSync(path.join(folder, 'nowhere'), path.join(folder, 'dangling'));
  expect(await refusal(path.join(folder, 'dangling'))).toMatch(/link to a file that does not exist/);
  expect(await refusal(path.join(folder, `${'n'.repeat(300)}.db`))).toMatch(/cannot be used as storage/);
  if (process.platform === 'linux')
    expect(await refusal('/proc/nope/x.db')).toMatch(/cannot be used as storage/);
  expect(await refusal('')).toMatch(/set storage\.sqlite\.path/);
});

it.skipIf(process.getuid?.() !== 0)(
  'STO-12 a folder that this user may not write is refused with what to do (needs root, to be another user)',
  async () => {
    const folder = scratchFolder();
    chmodSync(folder, 0o755);
    const child = startStoreProcess({ file: path.join(folder, 'moltnet.db'), commits: 1, uid: 65_534 });
    await expect(child.line(() => true, 0)).rejects.toThrow(
      /permission denied\. Give this user write permission there, or set storage\.sqlite\.path/,
    );
    expect(existsSync(path.join(folder, 'moltnet.db'))).toBe(false);
  },
);

it('STO-1 a foreign reader sees a WAL database; ours sets its pragmas on each connection', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  await store.commit([writesOf(messageOf('m1', 'room:general'))]);
  const script = `const db = new (require('node:sqlite').DatabaseSync)(process.argv[1], { readOnly: true });
    console.log(JSON.stringify([db.prepare('PRAGMA journal_mode').get().journal_mode, db.prepare('SELECT count(*) AS n FROM messages').get().n]))`;
  expect(JSON.parse(execFileSync(process.execPath, ['-e', script, file], { encoding: 'utf8' }))).toEqual([
    'wal',
    1,
  ]);
});

it('STO-35 a file of the first schema opens with all that is in it, and takes what came later', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const db = new DatabaseSync(file);
  migrate(db, 0, 'local', migrations.slice(0, 1));
  db.exec(`
    INSERT INTO events (seq, id, type, created_at, held, payload) VALUES (1, 'evt_1', 'room.created', '${AT}', 0, '{}');
    INSERT INTO rooms (id, name, visibility, write_policy, guard, created_at, created_seq)
      VALUES ('general', 'General', 'public', 'members', '{"turns":3}', '${AT}', 1);
    INSERT INTO room_members (room_id, member_id, since_seq) VALUES ('general', 'alpha', 1);
    INSERT INTO agents (id, actor_uid, display_name, credential_key, created_at, updated_at)
      VALUES ('alpha', 'actor_alpha', 'Alpha', 'anonymous', '${AT}', '${AT}');`);
  db.close();

  const store = await openFile(file);
  const alpha = agentRow('alpha', { display_name: 'Alpha' });
  expect(await store.loadTopology()).toEqual({
    head: 1,
    rooms: [{ ...roomRow('general').row, name: 'General', guard: '{"turns":3}', created_seq: 1 }],
    members: [{ room_id: 'general', member_id: 'alpha', since_seq: 1 }],
    agents: [alpha],
    held: [],
    invites: [],
    pairs: [],
    pauses: [],
    pairings: [],
    pairing_invites: [],
    shares: [],
  });
  const claimed = { ...alpha, credential_key: 'agent-token:ab', claim_key_hash: 'key' };
  const invite = { agent_id: 'beta', code_hash: 'code', created_at: AT, expires_at: AT };
  await store.commit([
    writesOf(eventOf('evt_2', { rows: [{ op: 'agent', row: claimed }] })),
    rowsOf({ op: 'invite', row: invite }),
  ]);
  await store.close();
  expect(await (await openFile(file)).loadTopology()).toMatchObject({
    head: 2,
    agents: [claimed],
    invites: [invite],
  });
});

it('STO-35 what an older program held is a hold of consecutive turns', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const db = new DatabaseSync(file);
  migrate(db, 0, 'local', migrations.slice(0, 3));
  db.exec(`
    INSERT INTO conversations (key, kind, id, room_id, message_count, first_seq, last_seq, last_message_at, guard_turns, held_at, held_seq, held_messages)
      VALUES ('room:a', 'room', 'a', 'a', 3, 1, 3, '${AT}', 30, '${AT}', 2, 1), ('room:b', 'room', 'b', 'b', 1, 4, 4, '${AT}', 1, NULL, NULL, 0);`);
  db.close();
  const store = await openFile(file);
  const rows = await store.conversations(['room:a', 'room:b']);
  expect(rows.get('room:a')).toMatchObject({ held_by: 'turns 30', guard_window: '' });
  expect(rows.get('room:b')).toMatchObject({ held_by: null, guard_window: '' });
});
