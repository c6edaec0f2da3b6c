/** DEP: what stands under deploy/ says what is so. No container engine is needed: the image's steps are run in a folder. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { findCommand } from '../../src/cli/registry.ts';
import type { Network } from '../../src/protocol/network.ts';
import type { RoomPage } from '../../src/protocol/pages.ts';
import { cli } from '../support/cli-io.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
function scratch(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-deploy-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the image', () => {
  const dockerfile = read('deploy/container/Dockerfile');
  const server = dockerfile.slice(dockerfile.indexOf('AS server'));

  it('DEP-1 what the image holds runs alone, as another user, without a file: healthy, with a room, and it warns', async () => {
    const image = scratch();
    const app = path.join(image, 'app');
    const data = path.join(image, 'data');
    mkdirSync(app);
    mkdirSync(data);
    const copied = [...server.matchAll(/^COPY --from=build (.+) (\S+)$/gm)];
    expect(copied.length).toBeGreaterThan(3);
    for (const [, from, to] of copied)
      for (const one of from!.split(' ')) {
        const source = path.join(root, one.replace('/build/', ''));
        cpSync(source, path.resolve(app, to!.endsWith('/') ? path.join(to!, path.basename(one)) : to!), {
          recursive: true,
        });
      }
    symlinkSync(data, path.join(app, '.moltnet'));
    // Node as the image has it: alone on PATH.
    const bin = path.join(image, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, path.join(bin, 'node'));
    const asUser = process.getuid?.() === 0 ? { uid: 10_001, gid: 10_001 } : {};
    for (const folder of [image, data]) chmodSync(folder, 0o777);
    const [, listen] = /^ENV MOLTNET_LISTEN_ADDR=(\S+)$/m.exec(server)!;
    expect(listen).toBe('0.0.0.0:8787');
    const child = spawn(path.join(app, 'bin', 'moltnet'), ['start', '--json'], {
      cwd: app,
      env: {
        PATH: `${bin}:/usr/bin:/bin`,
        MOLTNET_LISTEN_ADDR: listen!.replace(':8787', ':0'),
        MOLTNET_SQLITE_PATH: path.join(data, 'moltnet.db'),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...asUser,
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
    const exited = once(child, 'exit');
    onTestFinished(() => void child.kill('SIGKILL'));
    const first = await Promise.race([once(child.stdout, 'data'), exited.then(() => [stderr])]);
    const { port } = JSON.parse(String(first[0])) as { port: number };
    const [, health] = /http:\/\/127\.0\.0\.1:8787(\S+)/.exec(server)!;
    const url = `http://127.0.0.1:${port}`;
    expect((await fetch(url + health!)).status).toBe(200);
    const network = (await (await fetch(`${url}/v1/network`)).json()) as Network;
    expect(network.warnings?.map(({ message }) => message).join()).toContain('without authentication');
    expect(stderr).toContain('without authentication');
    const { rooms } = (await (await fetch(`${url}/v1/rooms`)).json()) as RoomPage;
    expect(rooms.map(({ id }) => id)).toEqual(['general']);
    expect((await fetch(`${url}/console/`)).status).toBe(200);
    expect(existsSync(path.join(data, 'moltnet.db'))).toBe(true);
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  it('DEP-1 the build is sent all that it needs, and no database, no secrets, no modules', () => {
    const ignore = read('.dockerignore').split('\n');
    for (const needed of [
      'bin',
      'console',
      'package.json',
      'package-lock.json',
      'skill',
      'src',
      'tools',
      'tsconfig.json',
    ])
      expect(ignore).toContain(`!${needed}`);
    expect(ignore[0]).toBe('**');
    expect(server).toMatch(/^USER moltnet$/m);
    expect(server).toMatch(/^VOLUME \/data$/m);
    expect(server).toMatch(/^HEALTHCHECK /m);
  });
});

describe('compose', () => {
  interface Compose {
    services: Record<
      string,
      { volumes?: string[]; environment?: Record<string, string>; image?: string; ports?: string[] }
    >;
    networks?: Record<string, { ipam: { config: { subnet: string }[] } }>;
  }
  const compose = (name: string) => parse(read(`deploy/${name}/compose.yaml`), { merge: true }) as Compose;

  it('DEP-2 one server and two nodes: the files are there, are mounted read-only where they are looked for, and are valid', async () => {
    const { services } = compose('compose');
    expect(Object.keys(services)).toEqual(['server', 'node-alpha', 'node-beta']);
    for (const [name, { volumes = [] }] of Object.entries(services)) {
      const mounted = volumes.filter((volume) => volume.startsWith('./'));
      expect(mounted.map((volume) => volume.split(':').slice(1).join(':'))).toEqual([
        name === 'server' ? '/app/Moltnet:ro' : '/app/MoltnetNode:ro',
      ]);
      const folder = scratch();
      const source = read(path.join('deploy/compose', mounted[0]!.split(':')[0]!));
      writeFileSync(path.join(folder, name === 'server' ? 'Moltnet' : 'MoltnetNode'), source, {
        mode: 0o600,
      });
      const { code, stderr } = await cli(['validate', folder], { cwd: folder });
      expect(code, `${name}: ${stderr}`).toBe(0);
    }
    // Nobody but this machine reaches a server without authentication.
    expect(services['server']!.ports).toEqual(['127.0.0.1:8787:8787']);
  });

  it('DEP-2 two servers on one Postgres behind a proxy: the proxy is trusted, and it alone is reached', () => {
    const { services, networks } = compose('compose-postgres');
    expect(Object.keys(services)).toEqual(['server-1', 'server-2', 'postgres', 'proxy']);
    expect(
      Object.entries(services)
        .filter(([, { ports }]) => ports)
        .map(([name]) => name),
    ).toEqual(['proxy']);
    const example = parse(read('deploy/compose-postgres/Moltnet.example')) as {
      server: { trusted_proxies: string[] };
    };
    expect(example.server.trusted_proxies).toEqual(
      networks!['inside']!.ipam.config.map(({ subnet }) => subnet),
    );
    const caddy = read('deploy/compose-postgres/Caddyfile');
    expect(caddy).toMatch(/reverse_proxy server-1:8787 server-2:8787/);
    const given = read('deploy/compose-postgres/.env.example');
    for (const [, name] of read('deploy/compose-postgres/compose.yaml').matchAll(/\$\{(\w+)/g))
      expect(given).toContain(`${name}=`);
  });
});

describe('systemd', () => {
  it.each(['moltnet.service', 'moltnet-node.service'])('DEP-3 %s starts a command that there is', (name) => {
    const unit = read(`deploy/systemd/${name}`);
    const [, words] = /^ExecStart=\/opt\/moltnet\/bin\/moltnet (.+)$/m.exec(unit)!;
    expect(findCommand(words!.split(' '))).toBeDefined();
    expect(unit).toMatch(/^Restart=always$/m);
    if (spawnSync('systemd-analyze', ['--version']).error) return;
    const folder = scratch();
    writeFileSync(path.join(folder, name), unit.replaceAll('/opt/moltnet/bin/moltnet', '/bin/true'));
    const scope = name === 'moltnet.service' ? [] : ['--user'];
    const verified = spawnSync('systemd-analyze', [...scope, 'verify', path.join(folder, name)], {
      encoding: 'utf8',
      env: { ...process.env, XDG_RUNTIME_DIR: folder },
    });
    expect([verified.status, verified.stderr]).toEqual([0, '']);
  });
});

it('DEP-4 the files of a single machine are valid, and are for it alone', async () => {
  const folder = scratch();
  for (const name of ['Moltnet', 'MoltnetNode'])
    writeFileSync(path.join(folder, name), read(`deploy/single/${name}`), { mode: 0o600 });
  expect((await cli(['validate', folder], { cwd: folder })).code).toBe(0);
  expect(read('deploy/single/Moltnet')).toContain('127.0.0.1:8787');
});
