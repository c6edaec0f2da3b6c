/** `moltnet sessions`, of a node that runs and of one that does not. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { loadNodeConfig } from '../../src/config/node.ts';
import { startNode } from '../../src/node/node.ts';
import { RUNTIMES } from '../../src/runtimes/registry.ts';
import { cli } from '../support/cli-io.ts';
import { quick, speaker } from '../support/node-lab.ts';
import { fakeCodex, until } from '../support/runtime-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

let cwd: string;
let say: ReturnType<typeof speaker>['say'];
let client: ReturnType<typeof speaker>['client'];
beforeEach(async () => {
  const rooms = ['general', 'b'].map((id) => ({
    id,
    members: [],
    visibility: 'public',
    write_policy: 'members',
  }));
  const { url } = await startTestServer({ rooms });
  ({ say, client } = speaker(url));
  await client.registerAgent({ requested_agent_id: 'alpha' });
  cwd = await temporaryFolder();
  mkdirSync(path.join(cwd, 'ws'));
  const runtime = `{kind: codex, command: ${fakeCodex}, workspace_path: ws, home_path: home}`;
  writeFileSync(
    path.join(cwd, 'MoltnetNode'),
    `moltnet: {base_url: "${url}", network_id: local}\nattachments:\n  - agent: {id: alpha}\n    runtime: ${runtime}\n    rooms: [{id: general}, {id: b}]\n`,
  );
});
const read = () => loadNodeConfig({ cwd, env: {} }, RUNTIMES);
type Listed = Record<string, { conversation: string; session_id: string; running: boolean }[]>;
const list = async (): Promise<Listed> => {
  const result = await cli(['sessions', '--json'], { cwd });
  expect(result.stderr).toBe('');
  return result.json() as Listed;
};
const conversations = async (): Promise<string[]> =>
  (await list())['alpha']!.map((one) => one.conversation).sort();

async function start() {
  const node = await startNode(read(), { read, moltnetBin: cwd, times: quick, log: () => {} });
  onTestFinished(() => node.stop());
  await until(async () => (await client.agent('alpha')).connected, 'alpha is attached');
  return node;
}
async function woken(room: string, text = 'hi'): Promise<void> {
  const id = await say(`room:${room}`, text);
  await until(
    async () => (await client.receipts(id)).receipts.some(({ state }) => state === 'silent'),
    'the wake is over',
  );
}

it('CLI-70 sessions are listed and reset, while the node runs and while it does not', async () => {
  const node = await start();
  await woken('general');
  await woken('b');
  const before = (await list())['alpha']!;
  expect(before.map(({ conversation, running }) => [conversation, running]).sort()).toEqual([
    ['room:b', false],
    ['room:general', false],
  ]);
  expect(await cli(['sessions', 'reset', '@alpha', 'room:general'], { cwd })).toMatchObject({ code: 0 });
  expect(await conversations()).toEqual(['room:b']);
  await woken('general');
  const after = (await list())['alpha']!;
  const idOf = (those: typeof after, of: string) =>
    those.find(({ conversation }) => conversation === of)?.session_id;
  expect(idOf(after, 'room:b')).toBe(idOf(before, 'room:b'));
  expect(idOf(after, 'room:general')).not.toBe(idOf(before, 'room:general'));

  await node.stop();
  expect(await conversations()).toEqual(['room:b', 'room:general']);
  const all = await cli(['sessions', 'reset', 'alpha', '--all', '--json'], { cwd });
  expect(all.json()).toMatchObject({
    agent: 'alpha',
    reset: expect.arrayContaining(['room:b', 'room:general']),
  });
  expect(await list()).toEqual({ alpha: [] });
});

it('CLI-70 a session in which a turn runs is not reset; what is not there is said', async () => {
  await start();
  void say('room:general', '[[hang]]');
  await until(async () => (await list())['alpha']!.some(({ running }) => running), 'the turn runs');
  expect(await cli(['sessions', 'reset', 'alpha', 'room:general'], { cwd })).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('a turn runs in room:general'),
  });
  const cases: [string[], RegExp][] = [
    [['reset', 'alpha', 'room:b'], /has no session for room:b/],
    [['reset', 'beta', 'room:b'], /no attachment of "beta"/],
    [['reset', 'alpha'], /one conversation or --all/],
    [['--file', 'nowhere'], /nowhere/],
  ];
  for (const [words, text] of cases) {
    const result = await cli(['sessions', ...words], { cwd });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(text);
  }
});
