import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { configLab, mistakesOf, type ConfigLab } from '../../test/support/config-lab.ts';
import { isClaimKey, newClaimKey } from '../protocol/credentials.ts';
import { createFileAtomic, holdFileLock } from './private-files.ts';
import { beginClaim, resolveCredential, resolveToken, storeToken } from './tokens.ts';

let lab: ConfigLab;
let file: string;
beforeEach(() => {
  lab = configLab();
  file = path.join(lab.cwd, 'tokens', 'alpha.token');
});

it('CFG-19 a claim begins with a key in a private file, and goes on with the same; a token ends it', () => {
  expect(resolveCredential({ token_path: file })).toBeUndefined();
  const begun = beginClaim(file) as { claim_key: string };
  expect(isClaimKey(begun.claim_key)).toBe(true);
  expect(beginClaim(file)).toEqual(begun);
  expect(resolveCredential({ token_path: 'tokens/alpha.token' }, { base: lab.cwd })).toEqual(begun);
  expect([statSync(file).mode & 0o777, statSync(path.dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
  expect(readdirSync(path.dirname(file))).toEqual(['alpha.token']);
  storeToken(file, 'magt_v1_x');
  expect(beginClaim(file)).toEqual({ token: 'magt_v1_x' });
});

it('CFG-19 a claim key is no token, wherever it stands', () => {
  const key = newClaimKey();
  lab.write('tokens/alpha.token', `${key}\n`);
  expect(mistakesOf(() => resolveToken({ token_path: file }))[0]).toBe(
    `${file}: holds the key of a claim, and no token yet; start the agent's node (moltnet node start): it claims the agent and puts its token there`,
  );
  expect(mistakesOf(() => resolveToken({ token_path: file }, { missing_file: 'none' }))).toHaveLength(1);
  for (const read of [resolveToken, resolveCredential]) {
    expect(mistakesOf(() => read({ token: key }))[0]).toContain('token: is a claim key');
    const said = mistakesOf(() => read({ token_env: 'T' }, { env: { T: key } }))[0];
    expect(said).toContain('T: is a claim key; only a token_path can be claimed into');
    expect(said).not.toContain(key);
  }
});

it('CFG-19 a file with a key that others may read is refused', () => {
  lab.write('tokens/alpha.token', newClaimKey(), 0o644);
  expect(mistakesOf(() => beginClaim(file))[0]).toContain('others may use it (mode 0644)');
});

it('CFG-19 a file that is there is not replaced by one that is made', () => {
  lab.write('x', 'first');
  createFileAtomic(path.join(lab.cwd, 'x'), 'second');
  expect(readFileSync(path.join(lab.cwd, 'x'), 'utf8')).toBe('first');
  expect(readdirSync(lab.cwd)).toEqual(['x']);
});

it('CFG-19 one holds a lock; the next waits until it is given back, or it gives up', async () => {
  const target = path.join(lab.cwd, 'x');
  const release = await holdFileLock(target);
  const waited: string[] = [];
  const giveUp = new AbortController();
  const second = holdFileLock(target, {
    signal: giveUp.signal,
    waits: (lock) => {
      waited.push(lock);
      giveUp.abort();
    },
  });
  await expect(second).rejects.toThrow('aborted');
  expect(waited).toEqual([path.join(lab.cwd, '.x.lock')]);
  const third = holdFileLock(target, { waits: release });
  (await third)();
  // Given back twice, it does not take the next one's.
  const fourth = await holdFileLock(target);
  release();
  expect(existsSync(waited[0]!)).toBe(true);
  fourth();
  expect(readdirSync(lab.cwd)).toEqual([]);
});

it('CFG-19 the lock of a process that is gone is taken over', async () => {
  const gone = spawn(process.execPath, ['-e', '']);
  await once(gone, 'exit');
  writeFileSync(path.join(lab.cwd, '.x.lock'), String(gone.pid));
  const release = await holdFileLock(path.join(lab.cwd, 'x'));
  release();
});
