/** A user in a hurry: wrong places, wrong words, a full disk, Ctrl-C. Every answer says what to do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { describeFailure } from '../../src/cli/failure.ts';
import { cli } from '../support/cli-io.ts';
import { cleanEnv } from '../support/cli-process.ts';
import { eventually } from '../support/eventually.ts';
import { main } from '../support/process.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';
import { openFile } from '../support/store-open.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});
const told = async (...words: string[]): Promise<string> => {
  const { code, stderr } = await cli(words, { cwd });
  expect(code, words.join(' ')).toBeGreaterThan(0);
  return stderr;
};

it('CLI-80 what the system says of a file is told in words, with what to do', async () => {
  const error = (code: string): NodeJS.ErrnoException =>
    Object.assign(new Error(`${code}: some words, write`), { code, syscall: 'write', path: '/x/y' });
  expect(describeFailure(error('ENOSPC'), false).text).toBe(
    'moltnet: /x/y: the disk is full\n  make room, and run it again\n',
  );
  expect(describeFailure(error('EROFS'), false).text).toMatch(/read-only\n {2}name another place\n$/);
  expect(describeFailure(error('EODD'), false).text).toBe('moltnet: EODD: some words, write\n');
  mkdirSync(path.join(cwd, '.moltnet'), { recursive: true });
  writeFileSync(path.join(cwd, 'file'), '');
  await (await openFile(path.join(cwd, '.moltnet', 'moltnet.db'))).close();
  expect(await told('export', 'nowhere/x.jsonl')).toMatch(
    /the folder .*nowhere does not exist\n {2}make it first/,
  );
  expect(await told('backup', 'file/x.db')).toMatch(/a part of this path is a file/);
  expect(await told('import', '.')).toMatch(/is a folder\n {2}name the file/);
});

it('CLI-80 a file that is no configuration at all is told as one, in one line', async () => {
  for (const text of ['just words', '7', '[]', 'true']) {
    writeFileSync(path.join(cwd, 'some.txt'), text);
    expect(await told('validate', 'some.txt'), text).toMatch(/^moltnet: .*some\.txt:?.{0,200}\n$/);
  }
});

it('CLI-81 connect writes nothing that the commands after it cannot read', async () => {
  const { url } = await startTestServer({ rooms: [{ id: 'general', members: [], visibility: 'public' }] });
  expect(await told('connect', 'alpha', url, '--network-id', 'a b')).toMatch(
    /"a b" is not the id of a network/,
  );
  expect(await told('connect', 'alpha', url, '--rooms', 'general,a b')).toMatch(
    /"a b" is not the id of a room/,
  );
  expect(existsSync(path.join(cwd, '.moltnet'))).toBe(false);
  const { stdout } = await cli(['connect', 'alpha', url, '--workspace', 'typo'], { cwd });
  expect(stdout).toMatch(/^made the folder .*typo: there was none\n/);
  expect((await cli(['connect', 'alpha', url, '--workspace', 'typo'], { cwd })).stdout).not.toContain('made');
});

it('CLI-81 a network that is named has to be the server’s, also where only a token is told it', async () => {
  const { url } = await startTestServer({ auth: { mode: 'bearer', agent_registration: 'open' } });
  const again = (...more: string[]) =>
    cli(['connect', 'alpha', url, '--registration', 'open', ...more], { cwd });
  expect((await again()).code).toBe(0);
  expect(await again('--network-id', 'elsewhere')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/is network local, not elsewhere\n {2}leave --network-id out/),
  });
  expect(readFileSync(path.join(cwd, '.moltnet', 'config.json'), 'utf8')).not.toContain('elsewhere');
  expect((await again('--network-id', 'local')).code).toBe(0);
});

it('CLI-82 a person who names another network than this machine’s is told', async () => {
  const { url } = await startTestServer({ rooms: [{ id: 'general', members: [] }] });
  const env = { MOLTNET_LISTEN_ADDR: new URL(url).host };
  const say = (...more: string[]) =>
    cli(['send', 'room:general', 'hi', '--as', 'anna', ...more], { cwd, env });
  expect(await say('--network', 'elsewhere')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/is network local, not elsewhere\n {2}leave --network out/),
  });
  expect((await say('--network', 'local')).code).toBe(0);
});

it('MOVE-6 an export that is stopped leaves nothing behind', async () => {
  mkdirSync(path.join(cwd, '.moltnet'));
  const store = await openFile(path.join(cwd, '.moltnet', 'moltnet.db'));
  const created_at = '2026-11-30T12:00:00.000Z';
  for (let batch = 0; batch < 16; batch++)
    await store.commit([
      {
        events: Array.from({ length: 500 }, (_, i) => ({
          id: `evt_${batch}_${i}`,
          type: 'room.updated',
          created_at,
          payload: JSON.stringify({ text: 'x'.repeat(500) }),
          held: false,
          rows: [],
        })),
        rows: [],
      },
    ]);
  await store.close();
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'export', 'x.jsonl'],
    {
      cwd,
      env: cleanEnv(cwd),
      stdio: 'ignore',
    },
  );
  const ended = once(child, 'exit');
  const parts = (): string[] => readdirSync(cwd).filter((name) => name.endsWith('.part'));
  await eventually(() => parts().length > 0 || child.exitCode !== null, 'it writes');
  child.kill('SIGINT');
  const [code, signal] = (await ended) as [number | null, string | null];
  expect(parts()).toEqual([]);
  // Whole, where it was faster.
  expect(existsSync(path.join(cwd, 'x.jsonl'))).toBe(code === 0);
  expect([code, signal]).toEqual(code === 0 ? [0, null] : [null, 'SIGINT']);
});
