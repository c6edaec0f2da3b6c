/** A turn that is run again says nothing twice: the real command in the turns of the Codex adapter. */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import type { Client } from '../../src/client/http.ts';
import type { AttachmentConfig } from '../../src/config/types.ts';
import { runTool } from '../../src/runtimes/codex-tool.ts';
import { startScriptedServer } from '../support/node-attach-server.ts';
import { startCodexNode, type CodexNodeOptions } from '../support/node-codex.ts';
import { speaker } from '../support/node-lab.ts';
import { attachmentConfig } from '../support/node-lab-config.ts';
import { freePort, main } from '../support/process.ts';
import { until } from '../support/runtime-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];
let client: Client;
let say: ReturnType<typeof speaker>['say'];
let options: CodexNodeOptions;
beforeEach(async () => {
  const { url } = await startTestServer({ rooms });
  ({ client, say } = speaker(url));
  const folder = await temporaryFolder();
  for (const name of ['workspace', 'home', 'bin']) mkdirSync(path.join(folder, name));
  const launcher = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${main}' "$@"\n`;
  writeFileSync(path.join(folder, 'bin/moltnet'), launcher, { mode: 0o755 });
  options = { url, agent: 'alpha', folder };
  await client.registerAgent({ requested_agent_id: 'alpha' });
});
/** What alpha has said. */
const said = async (): Promise<(string | undefined)[]> =>
  (await client.roomMessages('general')).messages
    .filter(({ from }) => from.id === 'alpha')
    .map(({ parts }) => parts[0]?.text);
const stateOf = async (id: string): Promise<string | undefined> =>
  (await client.receipts(id)).receipts.find(({ agent_id }) => agent_id === 'alpha')?.state;
const send = (text: string): string => `[[sh: moltnet send room:general ${text}]]`;
async function start(): Promise<void> {
  const node = await startCodexNode(options);
  onTestFinished(() => node.stop());
  await until(async () => (await client.agent('alpha')).connected, 'alpha is attached');
}

it('CLI-21 a turn that dies between its sends and is tried again leaves no double', async () => {
  await start();
  const gate = path.join(options.folder, 'workspace/second');
  const first = `[[sh: [ -e ${gate} ] || { touch ${gate}; moltnet send room:general one; kill -9 $PPID; }]]`;
  const id = await say('room:general', `${first}${send('one')}${send('two')}`);
  await until(async () => (await stateOf(id)) === 'answered', 'the wake is over');
  expect(await said()).toEqual(['one', 'two']);
});

it('CLI-21 kill -9 of the node between the sends of a turn leaves no double', async () => {
  const gate = path.join(options.folder, 'workspace/go');
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(new URL('../support/node-codex-child.ts', import.meta.url)),
      JSON.stringify(options),
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const gone = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(() => void child.kill('SIGKILL'));
  await until(async () => (await client.agent('alpha')).connected, 'alpha is attached');
  const wait = `[[sh: while [ ! -e ${gate} ]; do sleep 0.05; done]]`;
  const id = await say('room:general', `${send('one')}${wait}${send('two')}`);
  await until(async () => (await said()).length === 1, 'one is said');
  child.kill('SIGKILL');
  await gone;
  writeFileSync(gate, '');
  await start();
  await until(async () => (await stateOf(id)) === 'answered', 'the wake is over');
  expect(await said()).toEqual(['one', 'two']);
});

it('CLI-21 a dead letter that is run again, after other wakes, leaves no double', async () => {
  await start();
  const gate = path.join(options.folder, 'workspace/mended');
  const broken = `[[sh: [ -e ${gate} ] || { moltnet send room:general one; kill -9 $PPID; }]]`;
  const id = await say('room:general', `${broken}${send('one')}${send('two')}`);
  await until(async () => (await stateOf(id)) === 'failed', 'the wake is given up');
  const other = await say('room:general', send('between'));
  await until(async () => (await stateOf(other)) === 'answered', 'the other wake is over');
  writeFileSync(gate, '');
  const [dead] = await client.deliveries({ state: 'failed' });
  await client.retryDelivery(dead!.wake_id!);
  await until(async () => (await stateOf(id)) === 'answered', 'the wake is over');
  expect(await said()).toEqual(['one', 'between', 'two']);
  const { receipts } = await client.receipts(id);
  expect(receipts[0]).toMatchObject({ wake_id: dead!.wake_id, attempts: 5 });
});

it('RT-150 what the tool of Codex sends is said by the agent, and once where its turn is run again', async () => {
  await start();
  const tool = `[[tool: ${JSON.stringify({ args: ['send', 'room:general', 'by the tool'] })}]]`;
  const gate = path.join(options.folder, 'workspace/second');
  const id = await say('room:general', `${tool}[[sh: [ -e ${gate} ] || { touch ${gate}; kill -9 $PPID; }]]`);
  await until(async () => (await stateOf(id)) === 'answered', 'the wake is over');
  expect(await said()).toEqual(['by the tool']);
});

it('RT-152 what a shell writes into the configuration of its workspace leads the tool nowhere else', async () => {
  const asked: string[] = [];
  const stranger = createServer((request, response) => {
    asked.push(request.url!);
    response.writeHead(500).end();
  });
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void stranger.close());
  const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  // Nothing listens at its own server.
  const nowhere = await freePort();
  const run = async (base_url: string, other_urls: string[]): Promise<string> => {
    const attachment = {
      base_url,
      other_urls,
      network_id: 'local',
      member_id: 'alpha',
      auth: { mode: 'none' },
    };
    const at = attachmentConfig(`http://127.0.0.1:${nowhere}`, { agent: { id: 'alpha' } });
    return (await readByTool(at, attachment)).text;
  };
  expect(await run(url, [])).toContain('no Moltnet server at');
  expect(await run(`http://127.0.0.1:${nowhere}`, [url])).toContain('no Moltnet server at');
  expect(asked).toEqual([]);
});

it('RT-152 NODE-36 where its server is away the tool asks another one, and one of another network sees no token', async () => {
  const elsewhere = await startScriptedServer({ network: 'elsewhere' });
  await say('room:general', 'here');
  const at = attachmentConfig(`http://127.0.0.1:${await freePort()}`, {
    agent: { id: 'alpha' },
    other_urls: [elsewhere.url, options.url],
  });
  const auth = { mode: 'bearer', token: 'magt_v1_alpha' };
  const { base_url, network_id } = at;
  const answer = await readByTool(at, { base_url, network_id, member_id: 'alpha', auth });
  expect(answer).toMatchObject({ success: true, text: expect.stringContaining('here') });
  expect(elsewhere.asked).toEqual([undefined]);
});

/** With this in the client configuration of its workspace. */
function readByTool(at: AttachmentConfig, written: object): ReturnType<typeof runTool> {
  const cwd = path.join(options.folder, 'workspace');
  mkdirSync(path.join(cwd, '.moltnet'), { recursive: true });
  const file = { version: 'moltnet.client.v1', attachments: [written] };
  writeFileSync(path.join(cwd, '.moltnet/config.json'), JSON.stringify(file), { mode: 0o600 });
  const { signal } = new AbortController();
  const place = { bin: path.join(options.folder, 'bin'), cwd, env: process.env, signal };
  return runTool(at, place, { args: ['read', 'room:general'] });
}
