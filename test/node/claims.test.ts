/** How a node comes by the token of its agent, and what it never does with a claim key. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { isClaimKey, newClaimKey } from '../../src/protocol/credentials.ts';
import { startScriptedServer } from '../support/node-attach-server.ts';
import { startLabNode, type AgentConfig } from '../support/node-lab.ts';
import { temporaryFolder } from '../support/server.ts';

const TOKEN = 'magt_v1_minted';
const NEVER = { recheck: 1e9 };
async function tokenPath(): Promise<string> {
  return path.join(await temporaryFolder(), 'tokens', 'alpha.token');
}
const alpha = (token_path: string, auth: Partial<AgentConfig['auth']> = {}): AgentConfig => ({
  agent: { id: 'alpha' },
  auth: { mode: 'open', static_token: false, token_path, ...auth },
});
const inFile = (file: string): string => readFileSync(file, 'utf8').trim();
const put = (file: string, text: string): void => {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
};

it.each([{}, { mode: 'bearer' as const, registration: 'open' as const }])(
  'NODE-17 a claim key stands in token_path before it is sent, and the token replaces it before it is used: %j',
  async (auth) => {
    const file = await tokenPath();
    const keys: string[] = [];
    const server = await startScriptedServer({
      delivery: true,
      ready: (identify) => {
        if (!('claim_key' in identify)) return {};
        keys.push(identify['claim_key'] as string);
        expect(inFile(file)).toBe(keys.at(-1));
        return { agent_token: TOKEN };
      },
    });
    const lab = await startLabNode(server.url, [alpha(file, auth)]);
    await lab.logged('attached');
    expect(keys).toHaveLength(1);
    expect(isClaimKey(keys[0]!)).toBe(true);
    expect([server.asked, server.last.headers['authorization']]).toEqual([[undefined], undefined]);
    expect([inFile(file), statSync(file).mode & 0o777]).toEqual([TOKEN, 0o600]);
    expect(readdirSync(path.dirname(file))).toEqual(['alpha.token']);

    server.last.hangUp();
    await server.until(() => server.connections[1]?.of('IDENTIFY').length === 1);
    expect(server.last.headers['authorization']).toBe(`Bearer ${TOKEN}`);
    expect(server.last.of('IDENTIFY')[0]).not.toHaveProperty('claim_key');
    const everything = JSON.stringify(lab.log);
    for (const secret of [TOKEN, keys[0]!]) expect(everything).not.toContain(secret);
  },
);

it('NODE-17 a key that was sent and not answered is sent again, by this process and by the next', async () => {
  const file = await tokenPath();
  const keys: unknown[] = [];
  const server = await startScriptedServer({
    ready: (identify) => (keys.push(identify['claim_key']), undefined),
  });
  const first = await startLabNode(server.url, [alpha(file)]);
  for (const times of [1, 2]) {
    await server.until(() => keys.length === times);
    server.last.hangUp();
  }
  await first.node.stop();
  const count = keys.length;
  await startLabNode(server.url, [alpha(file)]);
  await server.until(() => keys.length > count);
  expect(new Set(keys)).toEqual(new Set([inFile(file)]));
});

it('NODE-17 a token that cannot be stored is not used: the claim is made again with the same key', async () => {
  const file = await tokenPath();
  let broken = true;
  const keys: unknown[] = [];
  const server = await startScriptedServer({
    ready: (identify) => {
      if (!('claim_key' in identify)) return {};
      keys.push(identify['claim_key']);
      // What is in the way cannot be replaced by a file.
      if (broken) {
        rmSync(file);
        mkdirSync(path.join(file, 'in-the-way'), { recursive: true });
      }
      return { agent_token: `${TOKEN}${keys.length}` };
    },
  });
  const lab = await startLabNode(server.url, [alpha(file), { agent: { id: 'beta' } }]);
  expect((await lab.logged('cannot attach', 'alpha')).message).toContain(
    "the agent's token could not be stored",
  );
  broken = false;
  rmSync(file, { recursive: true });
  put(file, String(keys[0]));
  await lab.logged('attached', 'alpha');
  expect(inFile(file)).toBe(`${TOKEN}${keys.length}`);
  expect(keys.at(-1)).toBe(keys[0]);
  expect(server.asked.filter((header) => header?.includes(TOKEN))).toEqual([]);
});

it('NODE-17 a server that shows itself to nobody is still asked for a claim', async () => {
  const file = await tokenPath();
  const server = await startScriptedServer({ ready: () => ({ agent_token: TOKEN }) });
  server.closed = { status: 401, code: 'unauthorized', error: 'a token is needed' };
  const lab = await startLabNode(server.url, [alpha(file)]);
  await lab.logged('attached');
  expect(inFile(file)).toBe(TOKEN);
});

it('NODE-17 a server that hands out no tokens leaves no key behind', async () => {
  const file = await tokenPath();
  const server = await startScriptedServer();
  const lab = await startLabNode(server.url, [alpha(file)]);
  await lab.logged('attached');
  expect(readdirSync(path.dirname(file))).toEqual([]);
});

it.each<[string, NonNullable<AgentConfig['auth']>, string]>([
  ['with mode bearer alone', { mode: 'bearer', static_token: false }, 'does not exist'],
  ['with an operator token', { mode: 'open', static_token: true }, 'does not exist'],
])('NODE-17 nothing is claimed %s', async (_what, auth, problem) => {
  const token_path = await tokenPath();
  const server = await startScriptedServer();
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' }, auth: { ...auth, token_path } }]);
  expect((await lab.node.done).ended[0]!.problems[0]).toContain(`${token_path}: ${problem}`);
  put(token_path, newClaimKey());
  const second = await startLabNode(server.url, [{ agent: { id: 'alpha' }, auth: { ...auth, token_path } }]);
  expect((await second.node.done).ended[0]!.problems[0]).toContain(
    'holds the key of a claim, and no token yet',
  );
  expect([server.asked, server.connections]).toEqual([[], []]);
});

it('NODE-17 a claim key from the environment is refused, and never sent', async () => {
  const server = await startScriptedServer();
  process.env['NODE_17_KEY'] = newClaimKey();
  const lab = await startLabNode(server.url, [
    { agent: { id: 'alpha' }, auth: { mode: 'open', static_token: false, token_env: 'NODE_17_KEY' } },
  ]);
  expect((await lab.node.done).ended[0]!.problems[0]).toContain(
    'NODE_17_KEY: is a claim key; only a token_path can be claimed into',
  );
  expect([server.asked, server.connections]).toEqual([[], []]);
});

it('NODE-17 two agents cannot claim into one file', async () => {
  const file = await tokenPath();
  const server = await startScriptedServer();
  const lab = await startLabNode(server.url, [alpha(file), { ...alpha(file), agent: { id: 'beta' } }]);
  const { ended } = await lab.node.done;
  expect(ended.map(({ problems }) => problems[0])).toEqual(
    Array(2).fill(expect.stringContaining('give each its own token_path')),
  );
});

it('NODE-17 without a place for the token that this server gives, the attachment says what to set', async () => {
  const server = await startScriptedServer();
  const network = server.documents['/v1/network'] as { capabilities: object };
  network.capabilities = { ...network.capabilities, agent_registration: 'open' };
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  expect((await lab.node.done).ended[0]!.problems[0]).toBe(
    `${server.url} gives each agent a token of its own, and there is no place for it: set auth_mode: open and a token_path for this attachment`,
  );
  expect(server.connections).toEqual([]);
  server.documents['/v1/identity'] = { mode: 'none' };
  const second = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  await second.logged('attached');
});

it('NODE-18 of two nodes on one token_path one claims, and both are in', async () => {
  const file = await tokenPath();
  const claims: unknown[] = [];
  const bearers: unknown[] = [];
  const server = await startScriptedServer({
    ready: (identify) => {
      if (!('claim_key' in identify)) return {};
      claims.push(identify['claim_key']);
      return undefined;
    },
  });
  const first = await startLabNode(server.url, [alpha(file)], { times: NEVER });
  await server.until(() => claims.length === 1);
  const second = await startLabNode(server.url, [alpha(file)], { times: NEVER });
  await second.logged('waits for another process that claims this agent');
  server.last.send({ op: 'READY', network_id: 'local', agent_id: 'alpha', agent_token: TOKEN });
  await Promise.all([first.logged('attached'), second.logged('attached')]);
  for (const { headers } of server.connections) bearers.push(headers['authorization']);
  expect([claims.length, bearers]).toEqual([1, [undefined, `Bearer ${TOKEN}`]]);
  expect(inFile(file)).toBe(TOKEN);
});
