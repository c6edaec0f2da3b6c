/** Who speaks: an agent by its configuration, a person only where there is no sign of an agent. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MessagePage } from '../../src/protocol/pages.ts';
import { cli } from '../support/cli-io.ts';
import { runCli, runCliOnTerminal } from '../support/cli-process.ts';
import { temporaryFolder } from '../support/server.ts';
import { cliLab, texts, type CliLab } from '../support/cli-lab.ts';

let { url, client, cwd, history } = {} as CliLab;
beforeEach(async () => {
  ({ url, client, cwd, history } = await cliLab());
});

describe('who speaks', () => {
  let empty: string;
  beforeEach(async () => {
    empty = await temporaryFolder();
  });
  const env = (more: Record<string, string> = {}): Record<string, string> => ({
    MOLTNET_LISTEN_ADDR: new URL(url).host,
    ...more,
  });

  it('CLI-10 a person at a terminal speaks as operator, or as who they say', async () => {
    expect((await cli(['send', 'room:general', 'hi'], { cwd: empty, env: env(), terminal: true })).code).toBe(
      0,
    );
    expect(
      (
        await cli(['send', 'room:general', 'ho', '--as', 'Anna Lee'], {
          cwd: empty,
          env: env(),
          terminal: true,
        })
      ).code,
    ).toBe(0);
    expect(
      (await client.messages('room:general')).messages.map(({ from }) => [from.type, from.id, from.name]),
    ).toEqual([
      ['human', 'operator', undefined],
      ['human', 'anna-lee', 'Anna Lee'],
    ]);
  });

  it('CLI-10 on a real terminal too, and in a DM', async () => {
    const result = await runCliOnTerminal(['send', 'dm:@beta', 'hello'], { cwd: empty, env: env() });
    expect(result.stdout).toMatch(/sent.*opened the DM/);
    expect(result.code).toBe(0);
    expect((await client.dms()).dms[0]?.participant_ids).toEqual(['beta', 'operator']);
  });

  it.each([
    ['no terminal', {}, []],
    ['Claude Code', { CLAUDECODE: '1' }, []],
    ['Codex', { CODEX_THREAD_ID: 'x' }, []],
    ['Codex, with --as', { CODEX_THREAD_ID: 'x' }, ['--as', 'boss']],
    ['a configuration that is gone', { MOLTNET_CLIENT_CONFIG: '/nowhere/config.json' }, []],
    [
      'a configuration that is gone, with --as',
      { MOLTNET_CLIENT_CONFIG: '/nowhere/config.json' },
      ['--as', 'boss'],
    ],
  ])('CLI-10 never a person with: %s', async (_name, more, words) => {
    const result = await runCli(['send', 'room:general', 'hi', ...words], { cwd: empty, env: env(more) });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/moltnet connect|correct it/);
    expect(await history()).toEqual([]);
  });

  it.each([
    ['Claude Code', { CLAUDECODE: '1' }, []],
    ['Codex and --as', { CODEX_SANDBOX: 'seatbelt' }, ['--as', 'boss']],
  ])('CLI-10 never a person on a terminal either with: %s', async (_name, more, words) => {
    const result = await runCliOnTerminal(['send', 'room:general', 'hi', ...words], {
      cwd: empty,
      env: env(more),
    });
    expect(result.code).toBe(1);
    expect(result.stdout).toContain('an agent does not speak as a person');
    expect(await history()).toEqual([]);
  });

  it("CLI-10 never a person in or below an agent's workspace", async () => {
    const below = path.join(cwd, 'src');
    mkdirSync(below);
    const result = await cli(['send', 'room:general', 'hi'], { cwd: below, env: env(), terminal: true });
    expect(result.stderr).toContain('belongs to an agent: an agent does not speak as a person');
    const as = await cli(['send', 'room:general', 'hi', '--as', 'boss'], { cwd, env: env(), terminal: true });
    expect(as.stderr).toContain('--as speaks for a person');
    expect(await history()).toEqual([]);
  });

  it('CLI-10 a script may speak for a person whom it names', async () => {
    expect(
      (await runCli(['send', 'room:general', 'nightly is green', '--as', 'ci'], { cwd: empty, env: env() }))
        .code,
    ).toBe(0);
    expect((await client.messages('room:general')).messages[0]?.from).toMatchObject({
      type: 'human',
      id: 'ci',
    });
  });

  it('CLI-10 a person speaks to this machine only', async () => {
    const other = await cli(['send', 'room:general', 'hi', '--base-url', 'http://192.0.2.1:8787'], {
      cwd: empty,
      env: env(),
      terminal: true,
    });
    expect(other.stderr).toContain("a person speaks from the server's own machine");
    const listens = await cli(['send', 'room:general', 'hi'], {
      cwd: empty,
      env: { MOLTNET_LISTEN_ADDR: '192.0.2.1:1' },
      terminal: true,
    });
    expect(listens.stderr).toContain("not on this machine's loopback interface");
  });

  it('CLI-10 the address comes from the server file of the folder', async () => {
    writeFileSync(path.join(empty, 'Moltnet'), `server: {listen_addr: "${new URL(url).host}"}\n`);
    expect((await cli(['send', 'room:general', 'hi'], { cwd: empty, terminal: true })).code).toBe(0);
    expect(texts((await cli(['read', 'room:general'], { cwd: empty })).json() as MessagePage)).toEqual([
      'hi',
    ]);
  });
});
