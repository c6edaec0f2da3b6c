/** A log on a disk that is full: the server goes on. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { freePort, main } from '../support/process.ts';
import { ask, hello } from '../support/server-http.ts';
import { temporaryFolder } from '../support/server.ts';

const FULL = '/dev/full';

it.skipIf(!existsSync(FULL))(
  'HTTP-11 a log that cannot be written costs its lines and nothing else',
  async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const full = openSync(FULL, 'w');
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'start'], {
      cwd: await temporaryFolder(),
      env: { ...process.env, MOLTNET_LISTEN_ADDR: new URL(url).host, MOLTNET_STORAGE_KIND: 'memory' },
      stdio: ['ignore', 'pipe', full],
    });
    closeSync(full);
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    // It has said its address; or it has ended, and then no request is answered.
    await new Promise((resolve) => {
      child.stdout!.once('data', resolve);
      child.once('exit', resolve);
    });
    expect((await ask({ url }, '/v1/rooms/nowhere')).status).toBe(404);
    expect((await ask({ url }, '/v1/messages', { method: 'POST', body: hello() })).status).toBe(202);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  },
);
