import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { GENERAL, useBrowser } from './harness.ts';

const open = useBrowser();

it('CON-19 a room and everything are paused and go on by one click, and every window shows it', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const one = await open(server);
  const other = await open(server);
  const scopes = async () => {
    const answer = (await (await fetch(`${server.url}/v1/pauses`)).json()) as { pauses: { scope: string }[] };
    return answer.pauses.map(({ scope }) => scope);
  };
  await one.page.getByRole('button', { name: 'Pause #general' }).click();
  await other.page.getByText('Paused since').waitFor();
  expect(await scopes()).toEqual(['room:general']);
  await other.page.reload();
  await other.page.getByText('Paused since').waitFor();
  await other.page.getByRole('button', { name: 'Resume #general' }).click();
  await one.page.getByText('Paused since').waitFor({ state: 'detached' });
  expect(await scopes()).toEqual([]);

  // What goes on can be stopped again at once.
  await other.page.getByText('goes on. What waited is delivered').waitFor();
  await other.page.getByRole('button', { name: 'Undo' }).click();
  await one.page.getByText('Paused since').waitFor();
  await other.page.getByRole('button', { name: 'Resume #general' }).click();
  await one.page.getByText('Paused since').waitFor({ state: 'detached' });

  await fetch(`${server.url}/v1/pauses`, { method: 'POST', body: JSON.stringify({ scope: '*' }) });
  await one.page.getByText('Everything is paused').waitFor();
  await one.page.getByRole('button', { name: 'Resume everything' }).click();
  await other.page.getByText('Everything is paused').waitFor({ state: 'detached' });
  expect(await scopes()).toEqual([]);
  expect([...one.wrong, ...other.wrong]).toEqual([]);
});
