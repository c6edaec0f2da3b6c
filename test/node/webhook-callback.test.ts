/** A webhook that calls back, through server and node: kill -9 of the node between its 202 and its callback. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { speaker } from '../support/node-lab.ts';
import { freePort } from '../support/process.ts';
import { until } from '../support/runtime-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';
import { callBack, standInWebhook } from '../support/stand-in-webhook.ts';

const child = fileURLToPath(new URL('../support/node-runtime-child.ts', import.meta.url));

it('RT-145 kill -9 of the node before the callback: the turn ends by it, is run once, and is posted once', async () => {
  const rooms = [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }];
  const { url } = await startTestServer({ rooms });
  const { client, say } = speaker(url);
  const hook = await standInWebhook();
  hook.calls = true;
  onTestFinished(() => hook.close());
  const folder = await temporaryFolder();
  const runtime = {
    kind: 'webhook',
    url: hook.url,
    secret: hook.secret,
    callback_port: await freePort(),
    workspace_path: folder,
  };
  const options = JSON.stringify({
    url,
    folder,
    agent: { agent: { id: 'alpha' }, publish: 'final', runtime },
  });
  const start = (): (() => Promise<unknown>) => {
    const node = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', child, options], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const gone = new Promise((resolve) => node.once('exit', resolve));
    const kill = (): Promise<unknown> => (node.kill('SIGKILL'), gone);
    onTestFinished(() => void kill());
    return kill;
  };
  await client.registerAgent({ requested_agent_id: 'alpha' });
  const kill = start();
  await until(async () => (await client.agent('alpha')).connected, 'alpha is attached');
  const id = await say('room:general', '[[hang]]');
  await until(() => hook.prompts.length === 1, 'the service has the wake');
  const { wake_id, attempt, callback_url } = hook.wake;
  await kill();
  // It is done while the node is away: its callback reaches nobody.
  hook.finish();
  await expect(callBack(String(callback_url), {})).rejects.toThrow(/fetch failed/);
  start();
  const state = async (): Promise<string | undefined> =>
    (await client.receipts(id)).receipts.find(({ agent_id }) => agent_id === 'alpha')?.state;
  await until(async () => (await state()) === 'answered', 'the wake is over');
  expect(hook.prompts).toHaveLength(1);
  expect(hook.wake).toMatchObject({ wake_id, attempt });
  const texts = (await client.roomMessages('general')).messages
    .filter(({ from }) => from.id === 'alpha')
    .map(({ parts }) => parts[0]?.text);
  expect(texts).toEqual(['done']);
  // What comes late is answered as it was, and does nothing.
  const said = { type: 'moltnet.outcome.v1', wake_id, attempt, outcome: 'ok', final_text: 'done' };
  const usage = { input_tokens: 100, output_tokens: 20 };
  expect(await callBack(String(callback_url), { ...said, usage })).toMatchObject({ status: 200 });
  expect(await callBack(String(callback_url), { ...said, final_text: 'other' })).toMatchObject({
    status: 409,
    body: { code: 'wake_ended' },
  });
  expect((await client.roomMessages('general')).messages).toHaveLength(2);
});
