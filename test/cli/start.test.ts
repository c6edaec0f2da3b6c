/** `moltnet start` and the entry itself as real processes: what they say, how they end. */
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { writeFileSync } from 'node:fs';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../src/client/http.ts';
import { VERSION } from '../../src/cli/version.ts';
import { runCli, startCli } from '../support/cli-process.ts';
import { temporaryFolder } from '../support/server.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});
/** Resolves when nothing listens on the port any more. */
async function refused(port: number): Promise<void> {
  const tried = await new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(socket.destroy() === undefined));
    socket.once('error', () => resolve(true));
  });
  return tried ? undefined : refused(port);
}

const free = { MOLTNET_LISTEN_ADDR: '127.0.0.1:0' };

describe('start', () => {
  it.each([[['start']], [['server']], [[]]])(
    'CLI-40 %j says where it is and what is next, and ends with 0',
    async (words) => {
      const server = startCli(words, { cwd, env: free });
      const [, url] = await server.says(/Address {2}(http:\/\/127\.0\.0\.1:\d+)\n/);
      const text = server.output();
      expect(text).toContain(`Console  ${url}/console/`);
      expect(text).toContain('Rooms    general');
      expect(text).toContain('History  .moltnet/moltnet.db');
      expect(text).toMatch(
        new RegExp(`moltnet connect my-agent ${url} --runtime codex --node\\n.*moltnet node start`),
      );
      expect((await createClient({ baseUrl: url! }).network()).version).toBe(VERSION);
      server.child.kill('SIGTERM');
      expect(await server.ended).toMatchObject({ code: 0, signal: null });
    },
  );

  it.each(['SIGINT', 'SIGTERM'] as const)('CLI-41 %s ends it gracefully', async (signal) => {
    const server = startCli(['start', '--json'], { cwd, env: free });
    await server.says(/"network_id":"local"/);
    server.child.kill(signal);
    expect(await server.ended).toMatchObject({ code: 0 });
  });

  it('CLI-41 a second signal exits at once', async () => {
    const server = startCli(['start', '--json'], { cwd, env: free });
    const [, port] = await server.says(/"port":(\d+)/);
    // A request that is not finished keeps the graceful end waiting.
    const half = connect(Number(port), '127.0.0.1');
    half.on('error', () => {});
    onTestFinished(() => void half.destroy());
    await new Promise((resolve) => half.once('connect', resolve));
    half.write('POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{');
    server.child.kill('SIGINT');
    await refused(Number(port));
    server.child.kill('SIGINT');
    expect(await server.ended).toMatchObject({ code: 130 });
  });

  it('CLI-42 a taken port is one line', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise((resolve) => taken.close(() => resolve())));
    const { port } = taken.address() as { port: number };
    const result = await runCli(['start', '--listen', `127.0.0.1:${port}`, '--log-level', 'silent'], { cwd });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(new RegExp(`^moltnet: .*${port}.*\\n$`));
  });

  it('CLI-42 a locked database is one line', async () => {
    const first = startCli(['start', '--json'], { cwd, env: free });
    await first.says(/"network_id"/);
    const second = await runCli(['start', '--log-level', 'silent'], { cwd, env: free });
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toMatch(/^moltnet: .*moltnet\.db.*\n$/);
  });

  it.each([
    [
      'storage: {kind: postgres, postgres: {dsn: "postgres://u:secret@h/d?sslmode=perhaps"}}',
      /^moltnet: storage\.postgres\.dsn has sslmode "perhaps"; write disable, .*\n$/,
    ],
    ['netwrok: {}', /^moltnet: Moltnet:1:1: netwrok: is not a key of this place; did you mean network\?\n$/],
  ])('CFG-14 CFG-3 refuses %s', async (text, expected) => {
    writeFileSync(path.join(cwd, 'Moltnet'), `${text}\n`, { mode: 0o600 });
    const result = await runCli(['start'], { cwd, env: free });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(expected);
  });

  it('CLI-40 the example is a room that the agent will be in', async () => {
    const rooms = [
      { id: 'backstage', visibility: 'private', members: ['ann'] },
      { id: 'plaza', visibility: 'public' },
    ];
    writeFileSync(path.join(cwd, 'Moltnet'), JSON.stringify({ rooms }));
    const server = startCli(['start'], { cwd, env: free });
    await server.says(/moltnet send room:plaza "@my-agent hello"/);
  });

  it('CLI-40 warns when others can reach it', async () => {
    const server = startCli(['start', '--json', '--listen', ':0'], { cwd });
    await server.says(/warning: it listens on every network interface without authentication/);
    await server.says(/"network_id":"local"/);
  });
});

describe('the entry', () => {
  it.each([['version'], ['--version'], ['-v']])('CLI-3 %s', async (word) => {
    expect(await runCli([word], { cwd })).toMatchObject({ code: 0, stdout: `${VERSION}\n`, stderr: '' });
  });

  it.each([[['help']], [['--help']], [['-h']]])('CLI-3 %j is the overview', async (words) => {
    const result = await runCli(words, { cwd });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    for (const name of ['start', 'node start', 'connect', 'send', 'read', 'guard resume', 'demo'])
      expect(result.stdout).toContain(`  ${name} `);
  });

  it.each([[['send', '--help']], [['help', 'send']], [['send', '-h']], [['send', 'help']]])(
    'CLI-3 %j is help on send',
    async (words) => {
      expect(await runCli(words, { cwd })).toMatchObject({
        code: 0,
        stderr: '',
        stdout: expect.stringMatching(/^moltnet send <target> <text>\n/) as string,
      });
    },
  );

  it.each([
    [['sned'], 'moltnet: unknown command "sned"; did you mean send?\n  see: moltnet help\n'],
    [['stauts'], 'moltnet: unknown command "stauts"; did you mean status?\n  see: moltnet help\n'],
    [
      ['admin'],
      'moltnet: moltnet admin needs one of: room members add, room members remove, room list, room create, room remove, agent invite, agent rotate-token, agent remove\n  see: moltnet help\n',
    ],
    [['bridge'], 'moltnet: the bridge file is missing\n  write: moltnet bridge run bridge.json\n'],
  ])('CLI-2 %j', async (words, expected) => {
    expect(await runCli(words, { cwd })).toMatchObject({ code: 2, stdout: '', stderr: expected });
  });
});

it('CLI-3 every command has help, and no two flags of one name', async () => {
  const { COMMANDS } = await import('../../src/cli/registry.ts');
  const { commandHelp } = await import('../../src/cli/help.ts');
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const command = await entry.load();
    expect(new Set(command.flags.map((flag) => flag.name)).size, name).toBe(command.flags.length);
    expect(commandHelp(command), name).toMatch(/^moltnet /);
    if (entry.group !== undefined) expect(entry.summary, name).not.toBe('');
  }
});
