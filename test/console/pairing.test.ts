import { expect, it } from 'vitest';
import { startTestServer } from '../support/server.ts';
import { GENERAL, post, useBrowser } from './harness.ts';

const open = useBrowser();

it('CON-31 two networks are paired from their consoles, say what is shared, and are parted again', async () => {
  const [home, away] = [
    await startTestServer({ network: { id: 'net_a', name: 'Home' }, rooms: [GENERAL] }),
    await startTestServer({ network: { id: 'net_b', name: 'Away' }, rooms: [GENERAL] }),
  ];
  const one = await open(home, '/console/network');
  const links = one.page.getByRole('region', { name: 'Other networks' });
  await links.getByText('Not paired').waitFor();
  await links.getByRole('button', { name: 'Invite a network' }).click();
  const dialog = one.page.getByRole('dialog');
  await dialog.getByRole('checkbox', { name: 'general' }).check();
  await dialog.getByRole('button', { name: 'Make the code' }).click();
  await dialog.getByText('moltnet pair').waitFor();
  const line = (await dialog.locator('code').innerText()).replaceAll(/\s+/g, ' ');
  const code = line.replace('moltnet pair ', '');
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await links.getByText('good until').waitFor();

  const two = await open(away, '/console/network');
  const others = two.page.getByRole('region', { name: 'Other networks' });
  await others.getByRole('button', { name: 'I have a code' }).click();
  await two.page.getByRole('dialog').getByLabel('Code').fill('not a code');
  await two.page.getByRole('dialog').getByRole('button', { name: 'Pair', exact: true }).click();
  await two.page.getByRole('dialog').getByRole('alert').waitFor();
  await two.page.getByRole('dialog').getByLabel('Code').fill(code);
  await two.page.getByRole('dialog').getByRole('button', { name: 'Pair', exact: true }).click();
  await two.page.getByRole('status').getByText('Paired with Home').waitFor();
  await others.getByText('shares #general').waitFor();
  await links.getByText('shares #general').waitFor();

  // What is said on one side is read on the other, and its delivery says so.
  await two.page.getByRole('navigation').getByRole('link', { name: 'general' }).click();
  await two.page.getByRole('combobox').waitFor();
  await post(home, 'hello over there', { from: 'alpha' });
  await two.shows('hello over there');
  await two.message('hello over there').getByText('net_a', { exact: true }).waitFor();

  await links.getByRole('button', { name: 'End…' }).click();
  await dialog.getByText('what waits for it is dropped').waitFor();
  await dialog.getByRole('button', { name: 'End the pairing' }).click();
  await links.getByText('Not paired').waitFor();
  expect([...one.wrong, ...two.wrong]).toEqual([]);
});
