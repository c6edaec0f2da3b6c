import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, history, post, textOf, useBrowser } from './harness.ts';
import { place } from './in-page.ts';

const open = useBrowser();
const json = async <T>(url: string): Promise<T> => (await (await fetch(url)).json()) as T;
const register = (server: { url: string }, id: string) =>
  fetch(`${server.url}/v1/agents/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ requested_agent_id: id }),
  });

it('CON-22 a direct conversation is begun from a name, is the one that every client finds, and is read live', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  await register(server, 'alpha');
  await post(server, 'write to me');
  const { page, writing, shows, write, wrong, message } = await open(server);
  await shows('write to me');
  await page.getByText('write to me').hover();
  await message('write to me').getByRole('button', { name: 'Write to alpha' }).click();
  await page.getByText('Nothing said to alpha yet').waitFor();
  await writing.fill('a draft');
  await page.getByRole('navigation').getByRole('link', { name: 'general', exact: true }).click();
  await page.goBack();
  expect(await writing.inputValue()).toBe('a draft');
  await write('between us');
  await shows('between us');
  const { dms } = await json<{ dms: { id: string; participant_ids: string[] }[] }>(`${server.url}/v1/dms`);
  expect(dms).toMatchObject([{ participant_ids: ['alpha', 'operator'] }]);
  const { id } = dms[0]!;
  // The server's own derivation: sent without an id, it lands in the same conversation.
  await post(server, 'here I am', {
    target: { kind: 'dm', participant_ids: ['operator', 'alpha'] },
  });
  await shows('here I am');
  await eventually(() => new URL(page.url()).pathname).toBe(`/console/dms/${id}`);
  expect((await history(server, `dms/${id}`)).map(textOf)).toEqual(['between us', 'here I am']);
  // It is counted while it is not on screen.
  await page.getByRole('navigation').getByRole('link', { name: 'general', exact: true }).click();
  await post(server, 'still there?', { target: { kind: 'dm', dm_id: id } });
  await page
    .getByRole('navigation')
    .getByRole('link', { name: /^alpha 1 new message/ })
    .click();
  await shows('still there?');
  expect(wrong).toEqual([]);
});

it('CON-22 who looks on at a conversation of others reads it and cannot write', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, 'psst', { target: { kind: 'dm', participant_ids: ['alpha', 'beta'] } });
  const { page, writing, shows, wrong } = await open(server, '/console/dms');
  await page
    .getByRole('main')
    .getByRole('link', { name: /alpha, beta/ })
    .click();
  await shows('psst');
  await page.getByText('Only those who take part write here').waitFor();
  expect(await writing.count()).toBe(0);
  expect(wrong).toEqual([]);
});

it('CON-23 a link leads to its message, wherever in the history it stands, and the way on is open on both sides', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  for (let i = 0; i < 500; i += 50)
    await Promise.all(
      Array.from({ length: 50 }, (_, j) => post(server, `number ${i + j}.`, { id: `d${i + j}` })),
    );
  const all = (await history(server)).map(({ id }) => id);
  const wanted = all[120]!;
  const { page, feed, wrong } = await open(server, `/console/rooms/general?message=${wanted}`);
  const message = feed.locator(`[id="m-${wanted}"]`);
  await message.waitFor();
  await eventually(() => message.evaluate((element) => element.getBoundingClientRect().top)).toBeGreaterThan(
    100,
  );
  expect(await feed.locator(`[id="m-${all.at(-1)}"]`).count()).toBe(0);
  await eventually(() => feed.evaluate(place)).toBeGreaterThan(0);
  // What arrives now is counted, and the button leads to it.
  await post(server, 'far below');
  await page.getByRole('button', { name: '1 new' }).click();
  await feed.getByRole('article').filter({ hasText: 'far below' }).waitFor();
  // One's own message is shown where it stands.
  await page.goto(`${server.url}/console/rooms/general?message=${wanted}`);
  await message.waitFor();
  await page.getByRole('combobox').fill('mine');
  await page.getByRole('combobox').press('Enter');
  await feed.getByRole('article').filter({ hasText: 'mine' }).waitFor();
  expect(wrong).toEqual([]);
});

it('CON-24 Ctrl-K leads to every place by its name', async () => {
  const server = await startTestServer({
    rooms: [GENERAL, { ...GENERAL, id: 'release-notes' }, { ...GENERAL, id: 'incidents' }],
  });
  await register(server, 'reviewer');
  const { page, writing, wrong } = await open(server);
  await writing.waitFor();
  let streams = 0;
  page.on('request', (request) => {
    if (request.url().includes('/v1/events/stream')) streams++;
  });
  await page.keyboard.press('Control+k');
  const field = page.getByRole('combobox', { name: /A room, an agent/ });
  await field.fill('rel');
  await page.getByRole('option', { name: 'release-notes' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'release-notes' }).waitFor();
  await page.getByRole('button', { name: /Jump to/ }).click();
  await field.fill('network');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Network' }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.press('Escape');
  await field.waitFor({ state: 'detached' });
  // One stream for all of it.
  expect(streams).toBe(0);
  expect(wrong).toEqual([]);
});

it('CON-25 what names the person waits for them until they have looked at it', async () => {
  const server = await startTestServer({ rooms: [GENERAL, { ...GENERAL, id: 'lab' }] });
  const { page, write, shows, wrong } = await open(server);
  // Who has spoken in this network can be named.
  await write('I am here');
  await shows('I am here');
  await post(server, 'please look, @operator', { target: { kind: 'room', room_id: 'lab' } });
  const needs = page.getByRole('navigation').getByRole('link', { name: /Needs you/ });
  await needs.getByText('1 thing waits').waitFor({ state: 'attached' });
  await needs.click();
  await page
    .getByRole('region', { name: 'You were named' })
    .getByRole('link', { name: /please look/ })
    .click();
  await shows('please look, @operator');
  await needs.getByText('1 thing waits').waitFor({ state: 'detached' });
  await needs.click();
  await page.getByText('Nothing waits for you').waitFor();
  expect(wrong).toEqual([]);
});

it('CON-25 while the window is hidden the browser tells of what newly waits, for those who want it', async () => {
  const server = await startTestServer({ rooms: [{ ...GENERAL, guard: { turns: 1 } }] });
  const { page, wrong } = await open(server, '/console/needs', { permissions: ['notifications'] });
  // What the browser would show; headless it shows nothing.
  await page.addInitScript(`
    window.told = [];
    window.Notification = class extends EventTarget {
      static permission = 'granted';
      static requestPermission = async () => 'granted';
      constructor(title, options) { super(); window.told.push(title + ': ' + options.body); }
    };
    Object.defineProperty(document, 'hidden', { get: () => window.away === true });
  `);
  await page.reload();
  const told = () => page.evaluate<string[]>('window.told');
  await page.getByRole('button', { name: 'Notify me' }).click();
  await page.getByRole('button', { name: 'Notifying' }).waitFor();
  await post(server, 'seen at once, @operator', { from: 'alpha' });
  await page.getByText('You were named').waitFor();
  expect(await told()).toEqual([]);
  await page.evaluate('window.away = true');
  await post(server, 'and now, @operator?', { from: 'beta' });
  await eventually(told).toContain('beta: and now, @operator?');
  await eventually(told).toContain('Conversations that are held: The storm guard holds a conversation.');
  await page.evaluate('window.away = false; window.told = []');
  await page.getByRole('button', { name: 'Notifying' }).click();
  await page.evaluate('window.away = true');
  await post(server, 'not told, @operator', { from: 'alpha' });
  await page.getByRole('link', { name: /not told/ }).waitFor();
  expect(await told()).toEqual([]);
  expect(wrong).toEqual([]);
});

it('CON-8 how near a room is to being held is said before it is', async () => {
  const server = await startTestServer({ rooms: [{ ...GENERAL, guard: { turns: 5 } }] });
  for (const from of ['alpha', 'beta', 'alpha', 'beta']) await post(server, 'ping', { from });
  const { page } = await open(server);
  await page.getByRole('main').getByText('4 of 5 turns', { exact: true }).waitFor();
});

it('CON-2 what came while no window was open is unread in the next one, and so are mentions', async () => {
  const server = await startTestServer({ rooms: [GENERAL, { ...GENERAL, id: 'lab' }] });
  const lab = { kind: 'room', room_id: 'lab' };
  await post(server, 'first', { target: lab });
  const { page, shows, wrong } = await open(server, '/console/rooms/lab');
  await shows('first');
  await page.getByRole('navigation').getByRole('link', { name: 'general' }).click();
  await page.getByText('Nothing said in').waitFor();
  await page.goto('about:blank');
  await post(server, 'while you were away', { target: lab });
  await post(server, '@operator, are you there?', { target: lab });
  await page.goto(`${server.url}/console/rooms/general`);
  const link = page.getByRole('navigation').getByRole('link', { name: /^lab/ });
  await link.getByText('2 new messages').waitFor({ state: 'attached' });
  await page.getByRole('navigation').getByText('1 thing waits').waitFor({ state: 'attached' });
  await link.click();
  await shows('while you were away');
  await page.getByRole('separator').filter({ hasText: 'New' }).waitFor();
  expect(wrong.filter((text) => !text.includes('about:blank'))).toEqual([]);
});
