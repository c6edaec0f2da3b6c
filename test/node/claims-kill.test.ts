/** Claims against the real server: whatever breaks in between, the agent gets in, and nobody else does. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createClient } from '../../src/client/http.ts';
import type { ServerConfig } from '../../src/config/types.ts';
import { isAgentToken, isClaimKey } from '../../src/protocol/credentials.ts';
import { CLAIM_STEPS } from '../support/node-claim-steps.ts';
import { startLabNode, type AgentConfig } from '../support/node-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

type Auth = Partial<ServerConfig['auth']>;
const CHILD = fileURLToPath(new URL('../support/node-claim-child.ts', import.meta.url));
const auth: Auth = { mode: 'open', public_read: true, agent_registration: 'open' };
/** Shows itself to nobody, and still lets new agents in. */
const bearer: Auth = {
  mode: 'bearer',
  agent_registration: 'open',
  tokens: [{ id: 'operator', value: 'operator-secret', scopes: ['admin'] }],
};
const alpha = (token_path: string): AgentConfig => ({
  agent: { id: 'alpha' },
  auth: { mode: 'open', static_token: false, token_path },
});
const inFile = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');

it.each([
  ...CLAIM_STEPS.map((step) => [step, auth] as const),
  ...CLAIM_STEPS.slice(2).map((step) => [step, bearer] as const),
])('NODE-17 a node killed %s locks nobody out (%o)', async (step, mode) => {
  const { url } = await startTestServer({ auth: mode });
  const file = path.join(await temporaryFolder(), 'alpha.token');
  const child = spawn(process.execPath, [CHILD, url, 'alpha', file, step], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [, signal] = (await once(child, 'exit')) as [unknown, string];
  expect(signal).toBe('SIGKILL');
  const left = inFile(file);
  const index = CLAIM_STEPS.indexOf(step);
  expect([left === '', isClaimKey(left), isAgentToken(left)]).toEqual([
    index === 0,
    index > 0 && index < 5,
    index === 5,
  ]);

  const lab = await startLabNode(url, [alpha(file)]);
  await lab.logged('attached');
  const token = inFile(file);
  expect(await createClient({ baseUrl: url, token }).identity()).toMatchObject({
    credential: 'agent',
    agents: ['alpha'],
  });
  // Used once, the token is the only one: the key brings no other, and a stranger none at all.
  const anonymous = createClient({ baseUrl: url });
  const claim = isClaimKey(left) ? { claim_key: left } : {};
  for (const more of [claim, {}])
    await expect(anonymous.registerAgent({ requested_agent_id: 'alpha', ...more })).rejects.toMatchObject({
      code: 'agent_taken',
    });
});

it('NODE-18 two nodes that start at once on one token_path are both in, with one token', async () => {
  const { url } = await startTestServer({ auth });
  const file = path.join(await temporaryFolder(), 'alpha.token');
  const labs = await Promise.all([1, 2].map(() => startLabNode(url, [alpha(file)])));
  await Promise.all(labs.map((lab) => lab.logged('attached')));
  const token = inFile(file);
  await expect(createClient({ baseUrl: url, token }).identity()).resolves.toMatchObject({
    agents: ['alpha'],
  });
  await labs[0]!.node.stop();
  await labs[1]!.node.stop();
  const later = await startLabNode(url, [alpha(file)]);
  await later.logged('attached');
  expect(inFile(file)).toBe(token);
});

it('NODE-18 an id that somebody else has is told once, and the key stays for when it is free', async () => {
  const { url } = await startTestServer({ auth });
  await createClient({ baseUrl: url }).registerAgent({ requested_agent_id: 'alpha' });
  const file = path.join(await temporaryFolder(), 'alpha.token');
  const lab = await startLabNode(url, [alpha(file)]);
  const [ended] = (await lab.node.done).ended;
  expect(ended!.problems[0]).toContain(`put its token into ${file}`);
  expect(isClaimKey(inFile(file))).toBe(true);
});
