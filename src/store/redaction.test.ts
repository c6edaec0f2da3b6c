import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openFile, scratchFolder } from '../../test/support/store-open.ts';
import { eventOf, messageOf, rowsOf, upTo, writesOf } from '../../test/support/store-writes.ts';

/** Files of the store that hold the text. By another process: reading them here would drop SQLite's locks on them. */
function holding(file: string, text: string): string[] {
  const found = spawnSync('grep', ['-l', '-a', '-F', text, file, `${file}-wal`, `${file}-shm`], {
    encoding: 'utf8',
  });
  return found.stdout
    .split('\n')
    .filter(Boolean)
    .map((name) => path.basename(name));
}
const redact = (id: string) =>
  writesOf(
    eventOf(`evt_redact_${id}`, {
      type: 'message.redacted',
      rows: [
        {
          op: 'redact',
          message_id: id,
          payload: `{"id":"${id}","parts":[{"kind":"text","text":"[redacted]"}]}`,
        },
      ],
    }),
  );

it.each([
  ['short', 'sk-proj-SECRETSECRETSECRET'],
  ['longer than a page', `${'x'.repeat(9_000)}sk-proj-SECRETSECRETSECRET${'y'.repeat(30_000)}`],
])('STO-16 when a redaction is answered, the old text is in no file of the store: %s', async (_, text) => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const store = await openFile(file);
  const secret = 'SECRETSECRETSECRET';
  const neighbours = (tag: string) =>
    upTo(100).map((i) =>
      writesOf(
        messageOf(`${tag}${i}`, 'room:general', { text: 'n'.repeat((i * 97) % 3_000), artifacts: i % 3 }),
      ),
    );
  await store.commit(neighbours('a'));
  await store.commit([
    writesOf(
      messageOf('m1', 'room:general', { text, artifacts: 3, content_hash: 'HASH-SECRETSECRETSECRET' }),
    ),
  ]);
  await store.commit(neighbours('b'));
  expect(holding(file, secret)).not.toEqual([]);
  await store.commit([redact('m1')]);
  expect(holding(file, secret)).toEqual([]);
  await store.commit(neighbours('c'));
  expect(holding(file, secret)).toEqual([]);
  await store.close();
  expect(holding(file, secret)).toEqual([]);
  const again = await openFile(file);
  expect((await again.messages(['m1'])).get('m1')?.payload).toContain('[redacted]');
  expect((await again.messages(['b99'])).get('b99')?.payload).toContain('n'.repeat(500));
});

it('STO-16 the text is gone also when it had reached the database file, and when the redaction is a row without an event', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const first = await openFile(file);
  await first.commit([writesOf(messageOf('m1', 'room:general', { text: 'OLD-SECRET' }))]);
  await first.close();
  expect(holding(file, 'OLD-SECRET')).toEqual(['moltnet.db']);
  const store = await openFile(file);
  await store.commit([rowsOf({ op: 'redact', message_id: 'm1', payload: '{}' })]);
  expect(holding(file, 'OLD-SECRET')).toEqual([]);
});

it('STO-16 while another process reads the old text it stays in the WAL, is warned of, and goes when that ends', async () => {
  const file = path.join(scratchFolder(), 'moltnet.db');
  const warnings: string[] = [];
  const store = await openFile(file, {
    log: { warn: (_, message) => warnings.push(message) },
  });
  await store.commit([writesOf(messageOf('m1', 'room:general', { text: 'READ-SECRET' }))]);
  const script = `const db = new (require('node:sqlite').DatabaseSync)(process.argv[1], { readOnly: true });
    db.exec('BEGIN'); db.prepare('SELECT count(*) FROM events').get(); console.log('reading'); process.stdin.resume()`;
  const reader = spawn(process.execPath, ['-e', script, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void reader.kill('SIGKILL'));
  await once(reader.stdout, 'data');
  await store.commit([redact('m1')]);
  expect(holding(file, 'READ-SECRET')).toEqual(['moltnet.db-wal']);
  await vi.waitFor(() => expect(warnings.join()).toMatch(/still in .*-wal, because another process reads/));
  // The store goes on meanwhile.
  await store.commit([writesOf(messageOf('m2', 'room:general'))]);
  const ended = once(reader, 'exit');
  reader.stdin.end();
  await ended;
  await vi.waitFor(() => expect(holding(file, 'READ-SECRET')).toEqual([]), { timeout: 10_000 });
  expect(warnings).toHaveLength(1);
});
