/** A server with tokens, started from the `Moltnet` file of a folder, and commands run in that folder or elsewhere. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createClient, type Client } from '../../src/client/http.ts';
import { loadServerConfig } from '../../src/config/server.ts';
import { createLog } from '../../src/server/log.ts';
import { startServer } from '../../src/server/server.ts';
import { cli } from './cli-io.ts';
import { freePort } from './process.ts';
import { temporaryFolder } from './server.ts';

export const TOKENS = {
  operator: 'secret-of-operator',
  anna: 'secret-of-anna',
  ci: 'secret-of-ci',
  looker: 'secret-of-looker',
};
const TOKEN_LINES = `
    - {id: operator, value: ${TOKENS.operator}, scopes: [observe, write, admin], human: {id: olga, name: Olga}}
    - {id: anna, value: ${TOKENS.anna}, scopes: [observe, write], human: {id: anna, name: Anna Lee}}
    - {id: ci, value: ${TOKENS.ci}, scopes: [write]}
    - {id: looker, value: ${TOKENS.looker}, scopes: [observe]}`;

export interface AccessLab {
  url: string;
  /** With the operator's token. */
  client: Client;
  /** The server's folder. */
  home: string;
  /** The server's file. */
  file: string;
  /** Another folder of the same machine: nothing of the server is in it. */
  away: string;
  /** A command in the server's folder. */
  here(...words: string[]): ReturnType<typeof cli>;
  /** One in the other folder. */
  there(...words: string[]): ReturnType<typeof cli>;
}

/** `auth`: lines of the auth block beside its mode and tokens. */
export async function accessLab(
  mode: 'bearer' | 'open',
  options: { auth?: string; tokens?: string; rooms?: string } = {},
): Promise<AccessLab> {
  const [home, away] = [await temporaryFolder(), await temporaryFolder()];
  const port = await freePort();
  const file = path.join(home, 'Moltnet');
  const rooms =
    options.rooms ??
    '\n  - {id: general, visibility: public, write_policy: registered_agents}\n  - {id: vault, members: [vip], visibility: private}';
  writeFileSync(
    file,
    `version: moltnet.v1\nserver: {listen_addr: "127.0.0.1:${port}"}\nstorage: {kind: memory}\nauth:\n  mode: ${mode}\n${options.auth ?? ''}  tokens:${options.tokens ?? TOKEN_LINES}\nrooms:${rooms}\n`,
    { mode: 0o600 },
  );
  const read = () => loadServerConfig({ cwd: home, env: {} });
  const server = await startServer(read(), {
    log: createLog(process.env['MOLTNET_TEST_LOG'] ?? 'silent'),
    version: '0.0.0-test',
    reload: read,
  });
  onTestFinished(() => server.stop());
  const env = {
    ...Object.fromEntries(Object.entries(TOKENS).map(([id, value]) => [id.toUpperCase(), value])),
  };
  return {
    url: server.url,
    client: createClient({ baseUrl: server.url, token: TOKENS.operator }),
    home,
    file,
    away,
    here: (...words) => cli(words, { cwd: home, env }),
    there: (...words) => cli(words, { cwd: away, env }),
  };
}

/** The file with words replaced. */
export function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} does not hold ${from}`);
  writeFileSync(file, text.replace(from, to), { mode: 0o600 });
}

/** A folder in another, made. */
export function folder(...parts: string[]): string {
  const dir = path.join(...parts);
  mkdirSync(dir, { recursive: true });
  return dir;
}
