import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { eventually, GENERAL, useBrowser } from './harness.ts';

const open = useBrowser();

const person = (id: string) => ({
  id,
  value: `${id}-secret-token`,
  scopes: ['observe', 'write'],
  human: { id, name: id },
});
const TOKENS = [person('anna'), person('bob'), { id: 'ci', value: 'ci-secret', scopes: ['write'] }];

it('CON-2 what a person has read in one browser is read in all of theirs, and new in everybody else’s', async () => {
  const server = await startTestServer({
    auth: { mode: 'bearer', tokens: TOKENS },
    rooms: [
      { ...GENERAL, members: ['alpha'] },
      { id: 'board', members: ['anna', 'bob'], visibility: 'public' },
    ],
  });
  let said = 0;
  const say = async (text: string) => {
    const response = await fetch(`${server.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer ci-secret' },
      body: JSON.stringify({
        id: `said-${++said}`,
        target: { kind: 'room', room_id: 'general' },
        from: { type: 'agent', id: 'alpha' },
        parts: [{ kind: 'text', text }],
      }),
    });
    expect(response.status, await response.text()).toBe(202);
  };
  const enter = async (who: string, room = 'board') => {
    const window = await open(server, `/console/rooms/${room}?access_token=${who}-secret-token`);
    await window.page.getByText(`Signed in as ${who}`).waitFor();
    return window;
  };
  const title = ({ page }: Awaited<ReturnType<typeof enter>>) => page.title();

  await say('before');
  const desk = await enter('anna', 'general');
  await desk.shows('before');
  const phone = await enter('anna');
  const other = await enter('bob', 'general');
  await other.shows('before');
  await other.page.getByRole('link', { name: 'board' }).click();
  await desk.page.getByRole('link', { name: 'board' }).click();
  await say('fresh');
  for (const window of [desk, phone, other]) await eventually(() => title(window)).toMatch(/^\(1\) .*board/);
  await desk.page.getByRole('link', { name: /general/ }).click();
  await desk.shows('fresh');
  await eventually(() => title(phone)).toMatch(/^#?board/);
  // What is read as it comes is read elsewhere too.
  await say('and more');
  await desk.shows('and more');
  await eventually(() => title(phone)).toMatch(/^#?board/);
  await eventually(() => title(other)).toMatch(/^\(2\)/);

  // Nobody looks; a new browser of hers knows where she was.
  await desk.page.getByRole('link', { name: 'board' }).click();
  await phone.page.context().close();
  await desk.page.context().close();
  await say('while away');
  await say('for long');
  const fresh = await enter('anna');
  await eventually(() => title(fresh)).toMatch(/^\(2\)/);
  await fresh.page.getByRole('link', { name: /general/ }).click();
  await fresh.page
    .getByRole('separator')
    .or(fresh.page.getByText('New', { exact: true }))
    .first()
    .waitFor();
  const first = fresh.message('while away');
  expect(await first.innerText()).toMatch(/New/);
  for (const window of [desk, phone, other, fresh]) expect(window.wrong).toEqual([]);
});
