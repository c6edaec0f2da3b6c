/** `moltnet node start` and `bridge run` as real processes, on files that `connect` wrote. */
import { chmodSync, existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { openEventStream } from '../../src/cli/demo/event-stream.ts';
import { createClient, type Client } from '../../src/client/http.ts';
import { cli } from '../support/cli-io.ts';
import { startCli } from '../support/cli-process.ts';
import { fakeCodex } from '../support/runtime-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

let cwd: string;
let url: string;
let client: Client;
beforeEach(async () => {
  ({ url } = await startTestServer({
    rooms: [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }],
  }));
  client = createClient({ baseUrl: url });
  cwd = await temporaryFolder();
});

/** The stand-in for codex, of which is kept what it was told and how it could call back. */
function tappedCodex(): string {
  const file = path.join(cwd, 'tapped-codex');
  const lines = [
    '#!/bin/sh',
    `case "$*" in *--version*) exec "${process.execPath}" "${fakeCodex}" "$@" ;; esac`,
    `{ echo "config=$MOLTNET_CLIENT_CONFIG"; echo "moltnet=$(command -v moltnet)"; pwd; } > "${cwd}/place"`,
    `tee "${cwd}/said" | "${process.execPath}" "${fakeCodex}" "$@"`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** Resolves with what the agent was told, as soon as it was, and with where it was. */
function told(): Promise<string> {
  const file = path.join(cwd, 'said');
  return new Promise((resolve) => {
    const look = (): void => {
      const said = existsSync(file) ? readFileSync(file, 'utf8') : '';
      if (!said.includes('"turn/start"')) return;
      watcher.close();
      resolve(`${said}\n${readFileSync(path.join(cwd, 'place'), 'utf8')}`);
    };
    const watcher = watch(cwd, look);
    onTestFinished(() => watcher.close());
    look();
  });
}

/** Resolves when the agent is attached: nobody is woken for what was said before. */
async function attached(agent: string): Promise<void> {
  const stream = await openEventStream(url, () => {});
  onTestFinished(() => stream.close());
  const connected = stream.next(
    (event) => event.type === 'agent.connected' && event.agent?.agent_id === agent,
  );
  if (!(await client.agent(agent)).connected) await connected;
}

const ask = (text: string) =>
  client.send({
    target: { kind: 'room', room_id: 'general' },
    from: { type: 'human', id: 'anna' },
    parts: [{ kind: 'text', text }],
  });

it('CLI-32 CLI-41 connect --node, node start: a mention wakes the agent; a signal ends the node with 0', async () => {
  await cli(['connect', 'alpha', url, '--runtime', 'codex', '--workspace', 'ws', '--node'], { cwd });
  const file = path.join(cwd, 'MoltnetNode');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('kind: codex', `kind: codex\n      command: ${tappedCodex()}`),
  );
  const node = startCli(['node', 'start'], { cwd });
  await node.says(/alpha {2}codex {2}general \(mentions\), DMs \(all\) {2}local at http:/);
  await attached('alpha');
  await ask('@alpha what is up?');
  const text = await told();
  expect(text).toContain('@alpha what is up?');
  expect(text).toContain(`config=${cwd}/ws/.moltnet/config.json\n`);
  expect(text).toMatch(/moltnet=\/.*\/bin\/moltnet\n/);
  expect(text.trimEnd().endsWith(`${cwd}/ws`)).toBe(true);
  node.child.kill('SIGTERM');
  expect(await node.ended).toMatchObject({ code: 0, signal: null });
});

it('CLI-41 bridge run does the same for one attachment', async () => {
  await cli(['connect', 'beta', url, '--runtime', 'codex', '--workspace', 'ws'], { cwd });
  const bridge = {
    version: 'moltnet.bridge.v1',
    agent: { id: 'beta' },
    moltnet: { base_url: url, network_id: 'local' },
    runtime: { kind: 'codex', command: tappedCodex(), workspace_path: 'ws' },
    rooms: [{ id: 'general', wake: 'all' }],
  };
  writeFileSync(path.join(cwd, 'bridge.json'), JSON.stringify(bridge));
  const running = startCli(['attachment', 'run', 'bridge.json'], { cwd });
  await attached('beta');
  await ask('hello all');
  expect(await told()).toContain('hello all');
  running.child.kill('SIGINT');
  expect(await running.ended).toMatchObject({ code: 0 });
});

it('CLI-2 a node whose only attachment cannot go on says why, and ends with 1', async () => {
  writeFileSync(
    path.join(cwd, 'MoltnetNode'),
    `moltnet: {base_url: "${url}", network_id: another}\nattachments:\n  - {agent: {id: alpha}, runtime: {kind: codex, command: ${tappedCodex()}, workspace_path: .}, rooms: [{id: general}]}\n`,
  );
  const node = startCli(['node', 'start'], { cwd });
  const result = await node.ended;
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/moltnet: no attachment can go on: alpha: .*another.*\n {2}put that right/);
});

it('CLI-2 mistakes of the file come before anything is started', async () => {
  writeFileSync(path.join(cwd, 'MoltnetNode'), 'atachments: []\n');
  expect(await startCli(['node'], { cwd }).ended).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining(
      'MoltnetNode:1:1: atachments: is not a key of this place; did you mean attachments?',
    ) as string,
  });
  writeFileSync(path.join(cwd, 'MoltnetNode'), '');
  const idle = startCli(['node', 'start'], { cwd });
  await idle.says(/no attachments; add one with: moltnet connect/);
  idle.child.kill('SIGTERM');
  expect(await idle.ended).toMatchObject({ code: 0 });
});
