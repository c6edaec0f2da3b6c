import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, post, useBrowser, wholeHistory } from './harness.ts';
import {
  distanceFromEnd,
  drawn,
  elements,
  focusedLabel,
  focusedMessage,
  focusedRole,
  overflow,
  place,
  scrollBy,
  scrollTo,
  topOf,
  uppermost,
} from './in-page.ts';

const open = useBrowser();

it('CON-12 a phone’s width is enough for every page, and the sidebar becomes a drawer', async () => {
  const server = await startTestServer({ rooms: [{ ...GENERAL, guard: { turns: 1 } }] });
  await post(
    server,
    `a very long line ${'and more of it '.repeat(20)} https://example.org/${'path/'.repeat(40)}`,
  );
  const table = `| a | b | c |\n|---|---|---|\n| ${'wide '.repeat(30)} | ${'w'.repeat(120)} | x |`;
  await post(server, `${table}\n\n\`\`\`\n${'code '.repeat(80)}\n\`\`\``, { from: 'beta' });
  await post(server, 'one too many', { from: 'gamma-with-a-rather-long-name-that-does-not-fit' });
  const { page, shows, wrong } = await open(server, '/console/rooms/general', {
    viewport: { width: 360, height: 740 },
    hasTouch: true,
  });
  await shows('one too many');
  await page.getByRole('status', { name: 'Paused' }).waitFor();
  expect(await page.evaluate(overflow)).toBe(0);
  const menu = page.getByRole('button', { name: 'Rooms and agents' });
  const agents = page.getByRole('navigation').getByRole('link', { name: /^Agents/ });
  // What the closed drawer holds cannot be reached.
  expect(await agents.count()).toBe(0);
  await menu.click();
  await agents.waitFor();
  await page.keyboard.press('Escape');
  await agents.waitFor({ state: 'hidden' });
  await menu.click();
  await agents.click();
  await page.getByRole('heading', { level: 1, name: 'Agents' }).waitFor();
  expect(await page.evaluate(overflow)).toBe(0);
  // A thread lies over its room, which cannot be reached meanwhile.
  await page.goto(`${server.url}/console/rooms/general?reply=anything`);
  const pane = page.getByRole('complementary', { name: 'Thread' });
  await pane.getByRole('combobox').waitFor();
  expect(await page.evaluate(overflow)).toBe(0);
  expect(await page.evaluate('document.querySelectorAll("[inert] textarea").length')).toBe(1);
  await pane.getByRole('button', { name: 'Close the thread' }).click();
  await pane.waitFor({ state: 'detached' });
  await page.goto(`${server.url}/console/rooms/nowhere`);
  await page.getByText('There is nothing here').waitFor();
  expect(await page.evaluate(overflow)).toBe(0);
  expect(wrong).toEqual([]);
});

it('CON-13 a long history is scrolled from end to start and back with few messages in the page', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const count = 3_000;
  for (let i = 0; i < count; i += 250) {
    await Promise.all(
      Array.from({ length: 250 }, (_, j) => i + j).map((n) =>
        post(server, `(${n}) ${'word '.repeat(n % 40)}`, {
          from: `agent-${Math.floor(n / 3) % 5}`,
          id: `n${n}`,
        }),
      ),
    );
  }
  // Sent side by side: their order is the server's.
  const order = (await wholeHistory(server)).map(({ id }, index): [string, number] => [`m-${id}`, index]);
  const placeOf = new Map(order);
  const { page, feed, shows, wrong } = await open(server);
  await feed.locator(`[id="${order.at(-1)![0]}"]`).waitFor();
  let most = 0;
  let arrived = 0;
  let now = count;
  /** Scrolls until `done`; the reader is never thrown over what was not shown. */
  const scroll = async (pixels: number, done: () => boolean) => {
    const step = async () => {
      await feed.evaluate(scrollBy(pixels));
      await page.evaluate(drawn);
      most = Math.max(most, await page.evaluate<number>(elements));
      if (++arrived % 5 === 0) await post(server, `live ${arrived}`, { id: `live${arrived}` });
      const seen = placeOf.get(await feed.evaluate(uppermost));
      if (seen === undefined) return done();
      if (Math.abs(seen - now) > 300) throw new Error(`thrown from ${now} to ${seen}`);
      now = seen;
      return done();
    };
    await eventually(step, { timeout: 60_000, interval: 1 }).toBe(true);
  };
  await scroll(-4_000, () => now < 5);
  await page.getByText('This is the beginning of #general').waitFor();
  await scroll(4_000, () => now > count - 60);
  expect(most).toBeLessThan(3_000);
  await page.getByTitle('Go to the newest message').click();
  await eventually(() => feed.evaluate(distanceFromEnd)).toBeLessThan(5);
  // A message that arrives while older ones are read does not move the page; it is counted.
  await feed.evaluate(scrollBy(-600));
  await page.getByTitle('Go to the newest message').waitFor();
  await post(server, 'news', { from: 'late' });
  await page.getByRole('button', { name: '1 new' }).click();
  await shows('news');
  await eventually(() => feed.evaluate(distanceFromEnd)).toBeLessThan(5);
  await page.getByTitle('Go to the newest message').waitFor({ state: 'detached' });
  expect(wrong).toEqual([]);
}, 120_000);

it('CON-13 the reader’s place is kept while older messages load, and new ones are followed only at the end', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  for (let i = 0; i < 400; i++) await post(server, `(${i}) ${'word '.repeat((i * 7) % 60)}`, { id: `n${i}` });
  const { page, feed, shows } = await open(server);
  await feed.locator('[id="m-n399"]').waitFor();
  // The older page is held back until the reader has come to rest.
  const held = Promise.withResolvers<void>();
  await page.route('**/messages?*before=*', async (route) => {
    await held.promise;
    await route.continue();
  });
  await feed.evaluate(scrollTo(300));
  await page.getByText('Loading older messages').waitFor();
  await page.evaluate(drawn);
  await page.evaluate(drawn);
  const id = await feed.evaluate(uppermost);
  const before = await feed.evaluate(topOf(id));
  const moved = async () => Math.abs((await feed.evaluate(topOf(id))) - before);
  held.resolve();
  await page.getByText('Loading older messages').waitFor({ state: 'detached' });
  await eventually(() => feed.evaluate(place)).toBeGreaterThan(2_000);
  expect(await moved()).toBeLessThanOrEqual(3);
  await post(server, 'not followed', { from: 'late' });
  await page.getByRole('button', { name: '1 new' }).waitFor();
  expect(await moved()).toBeLessThanOrEqual(3);
  await page.getByRole('button', { name: '1 new' }).click();
  await shows('not followed');
  for (let i = 0; i < 5; i++) await post(server, `followed ${i}`, { from: 'late' });
  await shows('followed 4');
  await eventually(() => feed.evaluate(distanceFromEnd)).toBeLessThan(5);
  expect(await page.getByRole('button', { name: /new/ }).count()).toBe(0);
});

it('CON-14 everything is reached with the keyboard alone', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, 'first message');
  await post(server, 'secret message');
  const { page, feed, shows } = await open(server);
  await shows('secret message');
  await page.keyboard.press('Tab');
  await eventually(() => page.evaluate(focusedLabel)).toBe('Skip to the messages');
  await page.keyboard.press('Enter');
  await eventually(() => page.evaluate(focusedRole)).toBe('feed');
  await page.keyboard.press('ArrowUp');
  await eventually(() => page.evaluate(focusedMessage)).toContain('secret message');
  await page.keyboard.press('ArrowUp');
  await eventually(() => page.evaluate(focusedMessage)).toContain('first message');
  await page.keyboard.press('ArrowDown');
  await eventually(() => page.evaluate(focusedMessage)).toContain('secret message');
  const names = [
    'Copy text',
    'Reply in thread',
    'Write to alpha',
    'Copy link',
    'Delivery…',
    'Remove content…',
  ];
  // What may be done with a message is known a moment after it is shown.
  await eventually(() =>
    page.getByRole('button', { name: 'Write to alpha', includeHidden: true }).count(),
  ).toBeGreaterThan(0);
  for (const name of names) {
    await page.keyboard.press('Tab');
    await eventually(() => page.evaluate(focusedLabel)).toBe(name);
  }
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Remove the content of this message?' }).waitFor();
  // Cancel has the focus: a second Enter removes nothing.
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await feed.getByText('secret message').waitFor();
  await page.getByRole('combobox').focus();
  await page.keyboard.type('from the keyboard');
  await page.keyboard.press('Enter');
  await shows('from the keyboard');
});

it('CON-14 new messages are told to screen readers, many in one sentence', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  await post(server, 'old');
  const { page, shows } = await open(server);
  await shows('old');
  await post(server, 'a new thing', { from: 'beta' });
  const told = page.locator('[aria-live=polite]');
  await eventually(() => told.innerText()).toContain('beta: a new thing');
  await Promise.all([1, 2, 3].map((n) => post(server, `more ${n}`, { from: 'beta' })));
  await eventually(() => told.innerText()).toContain('3 new messages');
});
