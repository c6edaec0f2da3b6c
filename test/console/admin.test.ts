import { expect, it } from 'vitest';
import { AttachClient } from '../support/attach-client.ts';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, post, useBrowser } from './harness.ts';

const open = useBrowser();
const get = async <T>(server: { url: string }, path: string): Promise<T> =>
  (await (await fetch(server.url + path)).json()) as T;

it('CON-26 rooms are made, changed and removed; a change has its way back, a removal says what will happen', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, 'known by now', { from: 'alpha' });
  const { page, shows, write, wrong } = await open(server);
  await page.getByRole('button', { name: 'New room' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/^Id/).first().fill('general');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByLabel(/^Id/).first().fill('war-room');
  await dialog.getByLabel('Who reads').selectOption('private');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { level: 1, name: 'war-room' }).waitFor();
  await page.getByRole('status').getByText('#war-room was made').waitFor();
  expect(await get(server, '/v1/rooms/war-room')).toMatchObject({ visibility: 'private' });

  await page.getByRole('button', { name: 'Settings of war-room' }).click();
  await dialog.getByLabel('Name').fill('War Room');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { level: 1, name: 'War Room' }).waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('heading', { level: 1, name: 'war-room' }).waitFor();

  await page.getByRole('button', { name: 'Settings of war-room' }).click();
  const members = async () => (await get<{ members?: string[] }>(server, '/v1/rooms/war-room')).members;
  await dialog.getByLabel('Id of an agent or a person').fill('alpha');
  await dialog.getByRole('button', { name: 'Add' }).click();
  await dialog.getByRole('button', { name: 'Remove alpha' }).click();
  await eventually(async () => (await members()) ?? []).toEqual([]);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Undo' }).click();
  await eventually(members).toEqual(['alpha']);

  await write('for the record');
  await shows('for the record');
  await page.getByRole('button', { name: 'Settings of war-room' }).click();
  await dialog.getByRole('button', { name: 'Remove room…' }).click();
  await dialog.getByText('What was said is kept').waitFor();
  await dialog.getByRole('button', { name: 'Remove room…' }).click();
  await page.getByRole('navigation').getByRole('link', { name: 'war-room' }).waitFor({ state: 'detached' });
  expect((await fetch(`${server.url}/v1/rooms/war-room`)).status).toBe(404);
  expect(wrong).toEqual([]);
});

it('CON-27 an agent is added with lines made for it, and the dialog says when it has joined; later it is tested and removed', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, wrong } = await open(server, '/console/agents');
  await page.getByRole('button', { name: 'Attach' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Its id').fill('reviewer');
  await dialog.getByLabel('Runtime').selectOption('codex');
  await dialog
    .getByText(
      `moltnet connect --base-url ${server.url} --network-id local --member-id reviewer --runtime codex --rooms general --node`,
    )
    .waitFor();
  await dialog.getByText('Waiting for reviewer').waitFor();
  const url = `${server.url.replace('http', 'ws')}/v1/attach`;
  await AttachClient.attach({ url, agent: 'reviewer' });
  await dialog.getByText('reviewer is connected').waitFor();
  await dialog.getByRole('link', { name: 'Have a look' }).click();
  await page.getByRole('heading', { level: 1, name: 'reviewer' }).waitFor();
  await page.getByRole('button', { name: 'Test the wake' }).click();
  await page.getByText(/It can(?:not)? be woken/).waitFor();
  await page.getByRole('button', { name: 'Remove agent…' }).click();
  await dialog.getByText('not let back in by itself').waitFor();
  await dialog.getByRole('button', { name: 'Remove agent…' }).click();
  await page.getByText('No agents yet').waitFor();
  expect(wrong).toEqual([]);
});

it('CON-27 on a network with tokens a code is made for the agent, and a lost token is replaced', async () => {
  const tokens = [
    { id: 'anna', value: 'anna-secret-token', scopes: ['observe', 'write', 'admin'], human: { id: 'anna' } },
    { id: 'watch', value: 'watch-secret-token', scopes: ['observe'] },
  ];
  const server = await startTestServer({ auth: { mode: 'bearer', tokens }, rooms: [GENERAL] });
  const { page, wrong } = await open(server, '/console/agents?access_token=anna-secret-token');
  await page.getByRole('button', { name: 'Attach' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Its id').fill('reviewer');
  await dialog.getByRole('button', { name: 'Make a code' }).click();
  await dialog.getByText('--claim-code').waitFor();
  const line = await dialog.locator('code').first().innerText();
  const claim_code = /--claim-code (\S+)/.exec(line.replaceAll(/\s+/g, ' '))![1]!;
  const register = await fetch(`${server.url}/v1/agents/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ requested_agent_id: 'reviewer', claim_code }),
  });
  expect(register.status).toBe(201);
  await dialog.getByText('reviewer is known here').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('main').getByRole('link', { name: 'reviewer' }).click();
  await page.getByRole('button', { name: 'New token…' }).click();
  await dialog.getByText('worth nothing from then on').waitFor();
  await dialog.getByRole('button', { name: 'New token…' }).click();
  await dialog.getByText('shown this once').waitFor();
  const token = await dialog.locator('code').innerText();
  const read = (value: string) =>
    fetch(`${server.url}/v1/network`, { headers: { authorization: `Bearer ${value}` } });
  expect((await read(token)).status).toBe(200);
  // Who only observes is offered none of it.
  await page.goto(`${server.url}/console/agents/reviewer?access_token=watch-secret-token`);
  await page.getByRole('heading', { level: 1, name: 'reviewer' }).waitFor();
  await page.getByText('No turn yet').waitFor();
  for (const name of ['New token…', 'Remove agent…', 'Test the wake', 'New room', 'Pause reviewer'])
    expect(await page.getByRole('button', { name }).count(), name).toBe(0);
  expect(wrong).toEqual([]);
});

it('CON-28 the network’s page tells what wakes cost and how near the guard is; events are filtered', async () => {
  const server = await startTestServer({ rooms: [{ ...GENERAL, guard: { turns: 10 } }] });
  const { page, wrong } = await open(server, '/console/events');
  await page.getByText('No such event yet').waitFor();
  for (const from of ['alpha', 'beta', 'alpha']) await post(server, 'ping', { from });
  await eventually(() => page.getByText('message.created', { exact: true }).count()).toBe(3);
  await page.getByRole('button', { name: 'Guard and pauses' }).click();
  await page.getByText('No such event yet').waitFor();
  await page.getByRole('button', { name: 'All', exact: true }).click();
  await page.getByRole('searchbox').fill('beta');
  await eventually(() => page.getByText('message.created', { exact: true }).count()).toBe(1);
  await page.getByRole('main').getByRole('link', { name: 'Network' }).click();
  const guard = page.getByRole('region', { name: 'Storm guard' });
  await guard.getByText('3 / 10').waitFor();
  await page.getByRole('region', { name: 'Use' }).getByText('No agent was woken').waitFor();
  const pauses = page.getByRole('region', { name: 'Pauses' });
  await pauses.getByRole('button', { name: /^Pause everything/ }).click();
  await pauses.getByText('Paused since').waitFor();
  await page.getByRole('button', { name: 'Reload' }).click();
  await page.getByRole('dialog').getByText('is signed out, also you').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Reload' }).click();
  // This one was started without a file.
  await page.getByRole('main').getByRole('alert').waitFor();
  expect(wrong).toEqual([]);
});

it('CON-29 search finds words with filters and leads to the message; what is found is its address', async () => {
  const server = await startTestServer({ rooms: [GENERAL, { ...GENERAL, id: 'lab' }] });
  await post(server, 'the zebra crossed the road', { from: 'alpha' });
  await post(server, 'no animals here', { from: 'alpha' });
  await post(server, 'a zebra in the lab', { from: 'beta', target: { kind: 'room', room_id: 'lab' } });
  const { page, shows, wrong } = await open(server, '/console/search');
  await page.getByRole('searchbox').fill('zebra');
  await page.keyboard.press('Enter');
  await page.getByText('2 messages.').waitFor();
  expect(await page.locator('mark').allInnerTexts()).toEqual(['zebra', 'zebra']);
  await page.getByLabel('Where').selectOption('room:lab');
  await page.getByRole('main').getByRole('button', { name: 'Search' }).click();
  await page.getByText('1 message.').waitFor();
  expect(new URL(page.url()).searchParams.get('conversation')).toBe('room:lab');
  await page.reload();
  await page.getByRole('link', { name: /a zebra in the lab/ }).click();
  await shows('a zebra in the lab');
  expect(new URL(page.url()).pathname).toBe('/console/rooms/lab');
  expect(wrong).toEqual([]);
});

it('CON-30 the files of a room are listed with its threads’, the newest first, and lead to their message', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, shows, wrong } = await open(server, '/console/rooms/general/files');
  await page.getByText('No files in #general yet').waitFor();
  await post(server, [
    { kind: 'text', text: 'the report', data: undefined },
    { kind: 'file', filename: 'report.pdf', url: 'https://files.example/report.pdf', data: undefined },
  ]);
  await post(server, [{ kind: 'url', url: 'https://example.org/notes', data: undefined }], { from: 'beta' });
  await eventually(() => page.getByRole('main').getByRole('listitem').count()).toBe(2);
  expect(await page.getByRole('main').getByRole('listitem').first().innerText()).toContain(
    'example.org/notes',
  );
  await page.getByRole('button', { name: 'File', exact: true }).click();
  await eventually(() => page.getByRole('main').getByRole('listitem').count()).toBe(1);
  await page.getByTitle('Go to the message').click();
  await shows('the report');
  expect(wrong).toEqual([]);
});
