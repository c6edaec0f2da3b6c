/** `moltnet console`: the browser is signed in, and no token stands in an address. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { accessLab, TOKENS } from '../support/cli-access-lab.ts';
import { cli } from '../support/cli-io.ts';
import { cliLab } from '../support/cli-lab.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryFolder } from '../support/server.ts';

/** Follows the address as a browser does; resolves with where it leads and the cookie it got. */
async function follow(url: string): Promise<{ location: string; cookie: string | null }> {
  const response = await fetch(url, { redirect: 'manual' });
  return { location: response.headers.get('location') ?? '', cookie: response.headers.get('set-cookie') };
}

it('CLI-52: prints an address that signs in once, and holds no token', async () => {
  const lab = await accessLab('bearer');
  const { code, stdout: out } = await lab.here('console', '--print', '--as', 'olga');
  expect(code).toBe(0);
  const url = out.trim();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/console\/\?ticket=[\w-]{32}$/);
  for (const secret of Object.values(TOKENS)) expect(url).not.toContain(secret);
  const first = await follow(url);
  expect(first.location).toBe('/console/');
  const identity = await fetch(`${lab.url}/v1/identity`, {
    headers: { cookie: first.cookie!.split(';')[0]! },
  });
  expect(await identity.json()).toMatchObject({ credential: 'session', human: { id: 'olga' } });
  // SESS-15: the second time it is worth nothing.
  expect(await follow(url)).toEqual({ location: '/console/', cookie: null });
  // With a token that is named, from anywhere.
  const other = await lab.there(
    'console',
    '--no-open',
    '--base-url',
    lab.url,
    '--token-env',
    'ANNA',
    '--json',
  );
  const about = JSON.parse(other.stdout) as { url: string; opened: boolean };
  expect(about).toMatchObject({ opened: false, signed_in: true });
  expect((await follow(about.url)).cookie).toMatch(/HttpOnly/);
});

it('CLI-52: hands the address to the browser, and says so without the ticket', async () => {
  const { url } = await cliLab();
  const folder = await temporaryFolder();
  const [browser, seen] = [path.join(folder, 'browser'), path.join(folder, 'seen')];
  writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > '${seen}'\n`);
  chmodSync(browser, 0o755);
  const env = { PATH: process.env['PATH'], BROWSER: browser };
  const { code, stdout: out } = await cli(['console', '--base-url', url], {
    cwd: folder,
    env,
    terminal: true,
  });
  expect([code, out]).toEqual([0, `opened ${url}/console/\n`]);
  await eventually(() => existsSync(seen) && readFileSync(seen, 'utf8') === `${url}/console/`);
  // A browser that cannot be started: the address is there all the same.
  const none = await cli(['console', '--base-url', url], {
    cwd: folder,
    env: { ...env, BROWSER: path.join(folder, 'none') },
    terminal: true,
  });
  expect([none.code, none.stdout]).toEqual([
    0,
    `no browser could be opened here; the console is at\n${url}/console/\n`,
  ]);
});

it('CLI-52: says what is wrong: no server, another network, a token that is not known', async () => {
  const lab = await accessLab('bearer');
  const away = await lab.there('console', '--print', '--base-url', 'http://127.0.0.1:9');
  expect([away.code, away.stderr]).toEqual([expect.any(Number), expect.stringContaining('moltnet start')]);
  expect(away.code).not.toBe(0);
  const wrong = await lab.here('console', '--print', '--as', 'olga', '--id', 'elsewhere');
  expect(wrong.stderr).toContain('not elsewhere');
  const agent = await lab.there('console', '--print', '--base-url', lab.url, '--token-env', 'NOBODY');
  expect(agent.code).not.toBe(0);
});
