import { expect, it, onTestFinished } from 'vitest';
import { AttachClient } from '../support/attach-client.ts';
import { startServer } from '../../src/server/server.ts';
import { createLog } from '../../src/server/log.ts';
import { startTestServer, temporaryFolder, testConfig } from '../support/server.ts';
import { eventually, GENERAL, history, post, textOf, useBrowser } from './harness.ts';

const open = useBrowser();

it('CON-3 after the server was away and restarted, nothing is missing and nothing is twice', async () => {
  const { page, shows, write, wrong, server, restart } = await outage();
  await post(server(), 'before');
  await shows('before');
  const back = await restart();
  // Said while this window could not hear it.
  await post(server(), 'meanwhile one');
  await post(server(), 'meanwhile two');
  await back();
  await shows('meanwhile two');
  await write('and on');
  await shows('and on');
  const said = ['before', 'meanwhile one', 'meanwhile two', 'and on'];
  expect((await history(server())).map(textOf)).toEqual(said);
  expect(await page.getByRole('article').allInnerTexts()).toEqual(
    said.map((text) => expect.stringContaining(text)),
  );
  expect(wrong).toEqual([]);
});

it('CON-3 what is more than the stream replays is read from the history', async () => {
  const { page, shows, wrong, server, restart } = await outage();
  await post(server(), 'before');
  await shows('before');
  const back = await restart();
  for (let i = 0; i < 1_100; i += 100)
    await Promise.all(Array.from({ length: 100 }, (_, j) => post(server(), `missed ${i + j}.`)));
  const asked: string[] = [];
  page.on('request', (request) =>
    asked.push(new URL(request.url()).pathname + new URL(request.url()).search),
  );
  await back();
  const said = (await history(server())).map(textOf);
  await shows(said.at(-1)!);
  // Read on from where it had stopped, so that the run of messages has no hole.
  expect(asked.filter((path) => path.startsWith('/v1/rooms/general/messages?after='))).toHaveLength(3);
  await shows(said.at(-2)!);
  expect(wrong).toEqual([]);
});

it('CON-3 a server that knows nothing of what was shown is read anew', async () => {
  const { shows, feed, server, restart } = await outage();
  await post(server(), 'of another time');
  await shows('of another time');
  const back = await restart({ forget: true });
  await post(server(), 'a new beginning');
  await back();
  await shows('a new beginning');
  await eventually(() => feed.getByText('of another time').count()).toBe(0);
});

it('CON-10 agents show whether they are connected, and why they could not be woken', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, wrong } = await open(server, '/console/agents');
  await page.getByText('No agents yet').waitFor();
  await page
    .getByText(
      `moltnet connect --base-url ${server.url} --network-id local --member-id alpha --runtime claude-code --rooms general --node`,
    )
    .waitFor();
  await page.getByRole('main').getByText('moltnet node start').waitFor();
  const url = `${server.url.replace('http', 'ws')}/v1/attach`;
  const client = await AttachClient.attach({ url, agent: 'alpha' });
  const agent = page.getByRole('main').getByRole('listitem').filter({ hasText: '@alpha' });
  await agent.getByText(/Connected since \d\d:\d\d/).waitFor();
  await page.getByRole('navigation').getByText('1 of 1 connected').waitFor();
  const id = await post(server, 'wake up @alpha', { from: 'ada', type: 'human' });
  const failed = await fetch(`${server.url}/v1/agents/wake-failed`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      agent_id: 'alpha',
      event: { message: { id } },
      error: 'credit balance is too low',
      classification: 'runtime_failed',
      attempts: 4,
    }),
  });
  expect(failed.status).toBe(202);
  await agent.getByText('Could not be woken').waitFor();
  await agent.getByText('its runtime reported a failure').waitFor();
  await agent.getByText('credit balance is too low').waitFor();
  client.socket.close();
  await agent.getByText(/Offline since \d\d:\d\d/).waitFor();
  expect(wrong).toEqual([]);
});

it('CON-2 new rooms, their unread messages and their removal show by themselves', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, shows } = await open(server);
  await page.getByText('Nothing said in').waitFor();
  await fetch(`${server.url}/v1/rooms`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      id: 'lab',
      name: 'The Lab',
      visibility: 'public',
      write_policy: 'registered_agents',
    }),
  });
  const link = page.getByRole('navigation').getByRole('link', { name: /The Lab/ });
  await link.waitFor();
  await post(server, 'over here', { target: { kind: 'room', room_id: 'lab' } });
  await post(server, 'and here', { target: { kind: 'room', room_id: 'lab' } });
  await link.getByText('2 new messages').waitFor({ state: 'attached' });
  await eventually(() => page.title()).toBe('(2) #general · Local Lab');
  await link.click();
  await shows('over here');
  await page.getByRole('separator').filter({ hasText: 'New' }).waitFor();
  await eventually(() => page.title()).toBe('#The Lab · Local Lab');
  await fetch(`${server.url}/v1/rooms/lab`, { method: 'DELETE' });
  await link.waitFor({ state: 'detached' });
});

it('CON-11 links lead where they say: rooms, threads, agents; what is not there is told', async () => {
  const server = await startTestServer({
    rooms: [
      GENERAL,
      { id: 'odd:Room_1', members: [], visibility: 'public', write_policy: 'registered_agents' },
    ],
  });
  await post(server, 'in the odd room', { target: { kind: 'room', room_id: 'odd:Room_1' } });
  const { page, shows, wrong } = await open(server, '/console/');
  await eventually(() => new URL(page.url()).pathname).toBe('/console/rooms/general');
  await page.getByRole('link', { name: 'odd:Room_1' }).click();
  await shows('in the odd room');
  await page.goBack();
  await page.getByRole('heading', { name: 'general', exact: true }).waitFor();
  await page.goto(`${server.url}/console/rooms/nowhere`);
  await page.getByText('There is nothing here').waitFor();
  await page.goto(`${server.url}/console/agents`);
  await page.getByRole('heading', { name: 'Agents', exact: true, level: 1 }).waitFor();
  await page.goto(`${server.url}/console/no/such/page`);
  // Home is the room that was open last.
  await page.goto(`${server.url}/console/rooms/odd:Room_1`);
  await shows('in the odd room');
  await page.goto(`${server.url}/console/no/such/page`);
  await page.getByRole('link', { name: 'Back to the rooms' }).click();
  await shows('in the odd room');
  expect(wrong).toEqual([]);
});

it('CON-6 where people may not write there is no writing field, and it is said', async () => {
  const server = await startTestServer({ rooms: [GENERAL], server: { human_ingress: false } });
  const { page, writing } = await open(server);
  await page.getByText('messages of people are switched off').waitFor();
  expect(await writing.count()).toBe(0);
});

/** A window on a server that can be stopped and started again at the same address. */
async function outage() {
  const folder = await temporaryFolder();
  const file = `${folder}/moltnet.db`;
  const config = testConfig({ rooms: [GENERAL], storage: { kind: 'sqlite', sqlite: { path: file } } });
  const start = () => startServer(config, { log: createLog('silent'), version: '0.0.0-test' });
  let server = await start();
  onTestFinished(() => server.stop());
  config.server.listen_addr = new URL(server.url).host;
  const opened = await open(server);
  await opened.page.getByText('Nothing said in').waitFor();
  const banner = (text: string) => opened.page.getByRole('main').getByText(text).waitFor();
  return {
    ...opened,
    server: () => server,
    /** Stops and starts the server; the window stays cut off until the function that it resolves with is called. */
    async restart({ forget = false } = {}) {
      await opened.page.route('**/v1/events/stream*', (route) => route.abort());
      await server.stop();
      await banner('Connection lost. Trying again…');
      if (forget) config.storage.sqlite.path = `${folder}/other.db`;
      server = await start();
      return async () => {
        await opened.page.unroute('**/v1/events/stream*');
        await banner('Connected again');
      };
    },
  };
}
