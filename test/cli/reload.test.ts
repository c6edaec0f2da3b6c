/** `moltnet start` with tokens, reloads by command and signal, the end of a terminal: real processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createClient, type Client } from '../../src/client/http.ts';
import { edit } from '../support/cli-access-lab.ts';
import { cli } from '../support/cli-io.ts';
import { cleanEnv, runCli, startCli, type RunningCli } from '../support/cli-process.ts';
import { freePort, main } from '../support/process.ts';
import { temporaryFolder } from '../support/server.ts';

let cwd: string;
let file: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
  file = path.join(cwd, 'Moltnet');
});

/** Asks until it is so. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) if (performance.now() > deadline) throw new Error('it did not come to be');
}

interface Started {
  server: RunningCli;
  url: string;
  tokens: string[];
  client: Client;
}
async function started(...words: string[]): Promise<Started> {
  expect(
    await runCli(['init', ...words, '--listen', `127.0.0.1:${await freePort()}`], { cwd }),
  ).toMatchObject({
    code: 0,
  });
  const tokens = [...readFileSync(file, 'utf8').matchAll(/value: "(\S+)"/g)].map(([, value]) => value!);
  const server = startCli(['start'], { cwd });
  const [, url] = await server.says(/Address {2}(http:\S+)\n/);
  await server.says(/Ctrl-C stops the server/);
  return { server, url: url!, tokens, client: createClient({ baseUrl: url!, token: tokens[0]! }) };
}

describe('start with tokens', () => {
  it.each([
    [
      'bearer',
      [
        /Access {3}bearer: moltnet console opens the console; elsewhere log in with a token of Moltnet \(auth\.tokens: operator, console\)\n/,
      ],
      /connect my-agent http:\S+ --runtime codex --workspace ~\/project --node\n[^]*admin agent invite my-agent/,
    ],
    [
      'open',
      [
        /Access {3}open: moltnet console opens .*; public rooms are read without a token; agents register themselves\n/,
      ],
      /connect my-agent http:\S+ --runtime codex --node\n/,
    ],
  ])('CLI-40 --%s: how one logs in, how an agent gets in, and no token', async (mode, said, next) => {
    const { server, tokens, client } = await started(`--${mode}`);
    const text = server.output();
    for (const pattern of said) expect(text).toMatch(pattern);
    expect(text).toMatch(next);
    expect(text).toContain('Rooms    general');
    expect(tokens).toHaveLength(2);
    for (const token of tokens) expect(text).not.toContain(token);
    expect((await client.identity()).human).toMatchObject({ id: 'operator' });
    // The very words that it printed work.
    const printed = /moltnet (connect my-agent .*)\n/.exec(text)![1]!;
    const words = [...printed.replace(' --workspace ~/project', '').split(' '), '--workspace', 'ws'];
    expect(await runCli(words, { cwd })).toMatchObject({ code: 0, stderr: '' });
    const hello = await runCli(['send', 'room:general', '@my-agent hello', '--as', 'operator'], { cwd });
    expect(hello).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('reload', () => {
  it('CLI-43 takes over tokens and rooms, and says what needs a restart', async () => {
    const { tokens, client, url } = await started('--bearer', '--room', 'general');
    expect((await cli(['reload', '--plain'], { cwd })).stdout).toBe('nothing has changed\n');
    edit(file, 'scopes: [observe]', 'scopes: [observe, write]');
    edit(file, 'pairings: []', 'guard: {turns: 5}');
    edit(file, 'kind: sqlite', 'kind: memory');
    const result = (await runCli(['reload'], { cwd })).stdout;
    expect(JSON.parse(result)).toMatchObject({
      reloaded: true,
      changed: expect.arrayContaining(['auth.tokens', 'guard']) as string[],
      restart_needed: ['storage'],
    });
    expect((await createClient({ baseUrl: url, token: tokens[1]! }).identity()).scopes).toEqual([
      'observe',
      'write',
    ]);
    expect((await client.identity()).scopes).toContain('admin');
  });

  it('CLI-43 a file with mistakes changes nothing and names them all', async () => {
    const { client } = await started('--bearer');
    const good = readFileSync(file, 'utf8');
    edit(file, 'scopes: [observe]', 'scopes: [obsrve]');
    edit(file, 'human_ingress: true', 'human_ingres: true');
    const result = await cli(['reload'], { cwd });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/human_ingres.*did you mean human_ingress\?/);
    expect(result.stderr).toMatch(/"obsrve"/);
    expect((await client.identity()).scopes).toContain('admin');
    writeFileSync(file, good, { mode: 0o600 });
    expect((await cli(['reload'], { cwd })).code).toBe(0);
  });

  it('CLI-43 with a new operator token the old one is named, and then it counts no more', async () => {
    const { tokens } = await started('--bearer');
    edit(file, tokens[0]!, 'brand-new');
    const lost = await cli(['reload'], { cwd });
    expect(lost.stderr).toMatch(
      /takes no token with admin of .*\n {2}it still has those of before the change: .*--token-env NAME.*SIGHUP/,
    );
    const env = { OLD: tokens[0]! };
    expect((await cli(['reload', '--token-env', 'OLD'], { cwd, env })).code).toBe(0);
    expect((await cli(['reload', '--token-env', 'OLD'], { cwd, env })).stderr).toMatch(
      /^moltnet: unauthorized: /,
    );
    expect((await cli(['reload'], { cwd })).code).toBe(0);
  });

  it('CLI-43 SIGHUP does the same, and a file with mistakes is told in the log', async () => {
    const { server, tokens, url, client } = await started('--bearer');
    edit(file, 'scopes: [observe]', 'scopes: [observe, write]');
    server.child.kill('SIGHUP');
    const second = createClient({ baseUrl: url, token: tokens[1]! });
    await until(async () => (await second.identity()).scopes.includes('write'));
    edit(file, 'scopes: [observe, write]', 'scopes: [obsrve]');
    server.child.kill('SIGHUP');
    await server.says(/not reloaded/);
    await server.says(/obsrve/);
    expect((await second.identity()).scopes).toContain('write');
    expect((await client.identity()).scopes).toContain('admin');
    for (const token of tokens) expect(server.output()).not.toContain(token);
    server.child.kill('SIGTERM');
    expect(await server.ended).toMatchObject({ code: 0 });
  });

  it('CLI-41 CLI-43 on a terminal SIGHUP reloads while that is there, and stops when it has gone', async () => {
    writeFileSync(file, 'network: {name: Before}\n');
    const port = await freePort();
    const words = [process.execPath, '--disable-warning=ExperimentalWarning', main, 'start', '--listen'];
    const line = [...words, `127.0.0.1:${port}`].map((word) => `'${word}'`).join(' ');
    const terminal = spawn('script', ['-qec', `echo pid=$$.; exec ${line}`, '/dev/null'], {
      cwd,
      env: { ...cleanEnv(cwd), TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let text = '';
    const says = (pattern: RegExp): Promise<string> =>
      new Promise((resolve) => {
        const look = (): void => {
          const match = pattern.exec(text);
          if (match) resolve(match[1] ?? match[0]);
        };
        terminal.stdout.on('data', look);
        look();
      });
    terminal.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const pid = Number(await says(/pid=(\d+)\./));
    onTestFinished(() => {
      terminal.kill('SIGKILL');
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended, as it should.
      }
    });
    await says(/Ctrl-C stops the server/);
    const client = createClient({ baseUrl: `http://127.0.0.1:${port}` });
    writeFileSync(file, 'network: {name: After}\n');
    process.kill(pid, 'SIGHUP');
    await until(async () => (await client.network()).name === 'After');
    terminal.kill('SIGKILL');
    await once(terminal, 'close');
    await until(() =>
      client.network().then(
        () => false,
        () => true,
      ),
    );
  });
});

describe('reload --node', () => {
  it('CLI-43 starts, stops and restarts agents by the file, and refuses a file with mistakes', async () => {
    const { url } = await started('--open');
    for (const id of ['alpha', 'beta'])
      expect(
        await runCli(
          ['connect', id, url, '--runtime', 'codex', '--workspace', id, '--node=agents/MoltnetNode'],
          { cwd },
        ),
      ).toMatchObject({ code: 0 });
    const nodeFile = path.join(cwd, 'agents/MoltnetNode');
    const codex = path.join(cwd, 'codex');
    writeFileSync(codex, '#!/bin/sh\necho codex-cli 0.0.0\n');
    chmodSync(codex, 0o755);
    const both = readFileSync(nodeFile, 'utf8').replaceAll(
      'kind: codex',
      `kind: codex\n      command: ${codex}`,
    );
    writeFileSync(nodeFile, both.slice(0, both.lastIndexOf('  - agent:')), { mode: 0o600 });
    expect((await cli(['reload', '--node', nodeFile], { cwd })).stderr).toMatch(
      /^moltnet: no node runs with /,
    );
    const node = startCli(['node', 'start', nodeFile], { cwd });
    await node.says(/alpha {2}codex/);
    await until(async () => (await cli(['reload', '--node', nodeFile], { cwd })).code === 0);
    writeFileSync(nodeFile, both, { mode: 0o600 });
    const more = await cli(['reload', '--node', nodeFile], { cwd });
    expect(more.stderr).toBe('');
    expect(more.json()).toEqual({
      started: ['beta'],
      stopped: [],
      restarted: [],
    });
    writeFileSync(nodeFile, 'atachments: []\n', { mode: 0o600 });
    const wrong = await cli(['reload', '--node', nodeFile], { cwd });
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('did you mean attachments?');
    node.child.kill('SIGHUP');
    await node.says(/not reloaded/);
    node.child.kill('SIGTERM');
    expect(await node.ended).toMatchObject({ code: 0 });
  });
});
