import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, history, post, textOf, useBrowser } from './harness.ts';

const open = useBrowser();

it('CON-1 a message appears in two windows at once, and each window’s own in the other', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const [one, two] = await Promise.all([open(server), open(server)]);
  await one.page.getByText('Nothing said in #general yet').waitFor();
  await two.page.getByText('Nothing said in #general yet').waitFor();
  await post(server, 'hello from alpha');
  await one.shows('hello from alpha');
  await two.shows('hello from alpha');
  await one.write('hello alpha');
  await two.shows('hello alpha');
  await two.write('and hello from here');
  await one.shows('and hello from here');
  expect((await history(server)).map(textOf)).toEqual([
    'hello from alpha',
    'hello alpha',
    'and hello from here',
  ]);
  expect([...one.wrong, ...two.wrong]).toEqual([]);
});

it('CON-5 a message whose answer was lost is sent again under the same id and stored once', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, write, shows, wrong } = await open(server);
  const ids: string[] = [];
  await page.route('**/v1/messages', async (route) => {
    ids.push((route.request().postDataJSON() as { id: string }).id);
    if (ids.length > 1) return route.continue();
    // The server has it, the page never hears of it.
    await route.fetch();
    await route.abort('connectionreset');
  });
  // The stream would tell the page that the message is there; without it only the retry can.
  await page.route('**/v1/events/stream*', (route) => route.abort());
  await page.reload();
  await write('only once, please');
  await shows('only once, please');
  await eventually(() => ids.length).toBe(2);
  expect(new Set(ids).size).toBe(1);
  await eventually(() => page.getByText('Sending…').count()).toBe(0);
  expect((await history(server)).map(textOf)).toEqual(['only once, please']);
  await page.unroute('**/v1/events/stream*');
  await page.reload();
  await shows('only once, please');
  expect(wrong).toEqual([]);
});

it('CON-5 a refused message says why, can be taken back to edit, and is not lost', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, write, writing, shows } = await open(server);
  await page.route('**/v1/messages', (route) =>
    route.fulfill({
      status: 422,
      contentType: 'application/json',
      body: JSON.stringify({ code: 'text_too_large', error: 'x', request_id: 'r' }),
    }),
  );
  await write('far too long');
  await page.getByText('The text is too long for one message').waitFor();
  await page.unroute('**/v1/messages');
  await page.getByRole('button', { name: 'Take back to edit' }).click();
  await eventually(() => writing.inputValue()).toBe('far too long');
  await write('short');
  await shows('short');
  expect((await history(server)).map(textOf)).toEqual(['short']);
});

it('CON-5 an unsent message survives a reload and goes out with its id when the server answers again', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, write, shows } = await open(server);
  await page.route('**/v1/messages', (route) => route.abort());
  await write('patience');
  await page.getByText('Sending…').waitFor();
  await page.unroute('**/v1/messages');
  await page.reload();
  await shows('patience');
  await eventually(async () => (await history(server)).map(textOf)).toEqual(['patience']);
});

it('CON-6 mentions are chosen with the keyboard, Shift+Enter makes a line, drafts are kept per room', async () => {
  const server = await startTestServer({
    rooms: [GENERAL, { id: 'other', members: [], visibility: 'public', write_policy: 'registered_agents' }],
  });
  for (const id of ['alpha', 'beta', 'betty']) {
    await fetch(`${server.url}/v1/agents/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ requested_agent_id: id }),
    });
  }
  const { page, writing } = await open(server);
  await writing.pressSequentially('hi @be');
  const menu = page.getByRole('listbox');
  await menu.waitFor();
  expect(await menu.getByRole('option').allInnerTexts()).toEqual([
    expect.stringContaining('beta'),
    expect.stringContaining('betty'),
  ]);
  await writing.press('ArrowDown');
  await writing.press('Enter');
  expect(await writing.inputValue()).toBe('hi @betty ');
  await writing.press('Shift+Enter');
  await writing.pressSequentially('second line');
  await page.getByRole('link', { name: 'other' }).click();
  expect(await writing.inputValue()).toBe('');
  await writing.fill('a draft for other');
  await page.getByRole('link', { name: 'general' }).click();
  expect(await writing.inputValue()).toBe('hi @betty \nsecond line');
  await page.reload();
  await writing.press('Enter');
  await eventually(async () =>
    (await history(server)).map((message) => [textOf(message), message.mentions]),
  ).toEqual([['hi @betty \nsecond line', ['molt://local/agents/betty']]]);
  await page.getByRole('link', { name: 'other' }).click();
  expect(await writing.inputValue()).toBe('a draft for other');
});

it('CON-6 a person writes as human under the name they chose, which is remembered', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const { page, write, shows } = await open(server);
  await page.getByRole('button', { name: /You write as operator/ }).click();
  await page.getByRole('textbox', { name: 'Your name' }).fill('Ada Keller');
  await page.getByRole('textbox', { name: 'Your name' }).press('Enter');
  await write('it is me');
  await shows('it is me');
  await eventually(async () =>
    (await history(server)).map(({ from }) => [from.type, from.id, from.name]),
  ).toEqual([['human', 'ada-keller', 'Ada Keller']]);
  await page.reload();
  await page.getByRole('button', { name: /You write as Ada Keller/ }).waitFor();
});

it('CON-9 removed content goes from every window and from the history', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const [one, two] = await Promise.all([open(server), open(server)]);
  await post(server, 'the key is hunter2');
  await two.shows('hunter2');
  await one.feed.getByText('hunter2').hover();
  await one.message('hunter2').getByRole('button', { name: 'Remove content…' }).click();
  await one.page.getByRole('dialog').getByRole('button', { name: 'Remove content' }).click();
  await one.shows('Content removed');
  await two.shows('Content removed');
  expect(await two.page.getByText('hunter2').count()).toBe(0);
  expect((await history(server)).map(textOf).join()).not.toContain('hunter2');
  expect([...one.wrong, ...two.wrong]).toEqual([]);
});

it('CON-8 a held conversation says so, and Continue lets it go on', async () => {
  const server = await startTestServer({ rooms: [{ ...GENERAL, guard: { turns: 2 } }] });
  const { page, shows, wrong } = await open(server);
  await post(server, 'ping', { from: 'alpha' });
  await post(server, 'pong', { from: 'beta' });
  await shows('pong');
  expect(await page.getByText('Paused').count()).toBe(0);
  await post(server, 'ping again', { from: 'alpha' });
  await post(server, 'pong again', { from: 'beta' });
  await shows('pong again');
  const notice = page.getByRole('status', { name: 'Paused' });
  await notice.getByText('after 2 turns between agents without a person').waitFor();
  await notice.getByText('2 messages wait').waitFor();
  await page.getByRole('separator').filter({ hasText: 'agents have not seen what follows' }).waitFor();
  await page
    .getByRole('navigation')
    .getByRole('link', { name: /Needs you 1 thing waits/ })
    .waitFor();
  await notice.getByRole('button', { name: 'Continue' }).click();
  await notice.waitFor({ state: 'detached' });
  expect(
    ((await (await fetch(`${server.url}/v1/guard`)).json()) as { conversations: unknown[] }).conversations,
  ).toEqual([]);
  await page.getByText('1 thing waits').waitFor({ state: 'detached' });
  // What is delivered cannot be called back, but its room can be paused at once.
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('Paused since').waitFor();
  expect(wrong).toEqual([]);
});

it('CON-8 a person’s message lets a held conversation go on', async () => {
  const server = await startTestServer({ rooms: [{ ...GENERAL, guard: { turns: 1 } }] });
  const { page, write, shows } = await open(server);
  await post(server, 'one', { from: 'alpha' });
  await post(server, 'two', { from: 'beta' });
  const notice = page.getByRole('status', { name: 'Paused' });
  await notice.waitFor();
  await write('carry on, please');
  await shows('carry on, please');
  await notice.waitFor({ state: 'detached' });
});

it('CON-7 a thread hangs on its message, counts its replies, and is read and written beside its room', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const parent = await post(server, 'who takes the flaky test?');
  const target = { kind: 'thread', room_id: 'general', thread_id: 'thr_1', parent_message_id: parent };
  await post(server, 'I do', { from: 'beta', target });
  const { page, wrong } = await open(server);
  const feed = page.getByRole('feed', { name: 'Messages in #general' });
  await feed.getByRole('link', { name: /1 reply/ }).waitFor();
  await post(server, 'found it', { from: 'beta', target });
  await feed.getByRole('link', { name: /2 replies/ }).click();
  const pane = page.getByRole('complementary', { name: 'Thread' });
  await pane.getByRole('article').filter({ hasText: 'found it' }).waitFor();
  await pane.getByRole('link', { name: /who takes the flaky test/ }).waitFor();
  expect(new URL(page.url()).search).toBe('?thread=thr_1');
  await pane.getByRole('combobox').fill('thank you');
  await pane.getByRole('combobox').press('Enter');
  await pane.getByRole('article').filter({ hasText: 'thank you' }).waitFor();
  await eventually(async () => (await history(server, 'threads/thr_1')).map(textOf)).toEqual([
    'I do',
    'found it',
    'thank you',
  ]);
  // It is listed by what it hangs on.
  await page.getByRole('button', { name: '1 thread' }).click();
  await page
    .getByRole('list', { name: 'Threads' })
    .getByRole('link', { name: /alpha: who takes the flaky test/ })
    .click();
  // Both are live beside each other.
  await post(server, 'meanwhile in the room', { from: 'gamma' });
  await feed.getByRole('article').filter({ hasText: 'meanwhile in the room' }).waitFor();
  await pane.getByRole('link', { name: 'Open as a page' }).click();
  await page.getByRole('heading', { level: 1, name: 'Thread' }).waitFor();
  expect(new URL(page.url()).pathname).toBe('/console/threads/thr_1');
  await page.getByRole('link', { name: 'in #general, back to the room' }).click();
  await feed.getByRole('link', { name: /3 replies/ }).waitFor();
  expect(wrong).toEqual([]);
});

it('CON-21 a thread is begun at any message, the same one from every window', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const parent = await post(server, 'shall we use sockets?');
  const { page, wrong } = await open(server);
  const feed = page.getByRole('feed', { name: 'Messages in #general' });
  const message = feed.getByRole('article').filter({ hasText: 'shall we use sockets?' });
  await feed.getByText('shall we use sockets?').hover();
  await message.getByRole('button', { name: 'Reply in thread' }).click();
  const pane = page.getByRole('complementary', { name: 'Thread' });
  await pane.getByRole('heading', { name: 'New thread', level: 2 }).first().waitFor();
  // The keyboard is there already.
  await page.keyboard.type('yes, please');
  await page.keyboard.press('Enter');
  await feed.getByRole('link', { name: /1 reply/ }).waitFor();
  const { threads } = (await (await fetch(`${server.url}/v1/rooms/general/threads`)).json()) as {
    threads: { id: string; parent_message_id: string }[];
  };
  expect(threads).toMatchObject([{ id: `thr_${parent}`, parent_message_id: parent }]);
  await eventually(() => new URL(page.url()).search).toBe(`?thread=thr_${parent}`);
  await page.keyboard.press('Escape');
  await pane.waitFor({ state: 'detached' });
  expect(wrong).toEqual([]);
});
