import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, useBrowser } from './harness.ts';

const open = useBrowser();

const TOKENS = [
  {
    id: 'anna',
    value: 'anna-secret-token',
    scopes: ['observe', 'write', 'admin'],
    human: { id: 'anna', name: 'Anna Lee' },
  },
  { id: 'watch', value: 'watch-secret-token', scopes: ['observe'] },
];
const ROOMS = [GENERAL, { id: 'board', members: ['anna'], visibility: 'private' }];

const bearer = (changes: object = {}) =>
  startTestServer({ auth: { mode: 'bearer', tokens: TOKENS, ...changes }, rooms: ROOMS });

it('CON-16 a network with credentials shows nothing but the way in, and lets in who has a token', async () => {
  const server = await bearer();
  const { page, writing, write, shows, wrong } = await open(server);
  const token = page.getByLabel('Token');
  await token.waitFor();
  expect(await page.locator('body').innerText()).not.toContain('general');
  await token.fill('a guess');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('does not know this token').waitFor();
  await token.fill('anna-secret-token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Signed in as Anna Lee').waitFor();
  await page.getByRole('link', { name: 'board' }).waitFor();
  await write('as myself');
  await shows('as myself');
  const answer = await fetch(`${server.url}/v1/rooms/general/messages`, {
    headers: { authorization: 'Bearer anna-secret-token' },
  });
  const { messages } = (await answer.json()) as { messages: { from: { id: string; name: string } }[] };
  expect(messages.map(({ from }) => [from.id, from.name])).toEqual([['anna', 'Anna Lee']]);
  // Nothing in the page can read the credential.
  expect(await page.evaluate('document.cookie + JSON.stringify({ ...localStorage })')).not.toContain(
    'secret',
  );

  await page.reload();
  await writing.waitFor();
  await writing.fill('a draft of mine');
  await eventually(() => page.evaluate('JSON.stringify({ ...localStorage })')).toContain('a draft of mine');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await token.waitFor();
  expect(await page.locator('body').innerText()).not.toContain('as myself');
  // Nor does anything stay for whoever signs in next.
  expect(await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }])')).toBe('[{},{}]');
  expect(wrong).toEqual([]);
});

it('CON-16 a session that ends elsewhere leaves nothing on the screen', async () => {
  const server = await bearer();
  const { page, wrong } = await open(server);
  await page.getByLabel('Token').fill('watch-secret-token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Reading only').waitFor();
  const [cookie] = await page.context().cookies();
  await fetch(`${server.url}/console/session`, {
    method: 'DELETE',
    headers: { cookie: `${cookie!.name}=${cookie!.value}`, origin: server.url },
  });
  await page.getByLabel('Token').waitFor();
  expect(wrong).toEqual([]);
});

it('CON-16 another person who signs in in another window is shown nothing of the one before, in none', async () => {
  const bob = { id: 'bob', value: 'bob-secret-token', scopes: ['write'], human: { id: 'bob' } };
  const server = await bearer({ public_read: true, tokens: [...TOKENS, bob] });
  const anna = { authorization: 'Bearer anna-secret-token', 'content-type': 'application/json' };
  const body = {
    target: { kind: 'dm', dm_id: 'd1', participant_ids: ['anna', 'carl'] },
    from: { type: 'human', id: 'anna' },
    parts: [{ kind: 'text', text: 'between anna and carl' }],
  };
  const said = await fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: anna,
    body: JSON.stringify(body),
  });
  expect(said.status).toBe(202);
  const { page, shows, write } = await open(server, '/console/?access_token=anna-secret-token');
  await page.getByText('Signed in as Anna Lee').waitFor();
  await page.goto(`${server.url}/console/dms/d1`);
  await shows('between anna and carl');

  // This window sleeps while another one of the browser signs out, and somebody else in.
  await page.route('**/v1/**', (route) => route.abort());
  await write('never to be seen by bob');
  const other = await page.context().newPage();
  await other.goto(`${server.url}/console/`);
  await other.getByRole('button', { name: 'Sign out' }).click();
  await other.getByRole('button', { name: 'Sign in' }).click();
  await other.getByLabel('Token').fill('bob-secret-token');
  await other.getByRole('dialog').getByRole('button', { name: 'Sign in' }).click();
  await other.getByText('Signed in as bob').waitFor();
  await page.unroute('**/v1/**');
  await page.getByText('Signed in as bob').waitFor({ timeout: 20_000 });
  const shown = async () => (await page.locator('body').innerText()).includes('anna and carl');
  await eventually(shown).toBe(false);
  expect(await page.locator('body').innerText()).not.toContain('never to be seen');
  expect(await page.evaluate('JSON.stringify({ ...sessionStorage })')).not.toContain('never to be seen');
});

it('CON-17 who may only read is offered nothing else', async () => {
  const server = await bearer({ public_read: true });
  const { page, writing, wrong } = await open(server);
  await page.getByText('Sign in to write').waitFor();
  expect(await writing.count()).toBe(0);
  expect(await page.getByRole('link', { name: 'board' }).count()).toBe(0);
  await page.getByRole('button', { name: 'Rooms and agents' }).isHidden();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByLabel('Token').fill('watch-secret-token');
  await page.getByRole('dialog').getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'board' }).waitFor();
  await page.getByText('reads only').waitFor();
  expect(await writing.count()).toBe(0);
  expect(wrong).toEqual([]);
});

it('CON-18 an address that carries a token signs in once, and the token is gone from it', async () => {
  const server = await bearer();
  const { page, wrong } = await open(server, '/console/rooms/general?access_token=anna-secret-token');
  await page.getByText('Signed in as Anna Lee').waitFor();
  await eventually(() => page.url()).toBe(`${server.url}/console/rooms/general`);
  expect(await page.evaluate('JSON.stringify(performance.getEntries())')).not.toContain('secret');
  expect(wrong).toEqual([]);
});
