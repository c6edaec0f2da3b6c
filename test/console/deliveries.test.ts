import { expect, it } from 'vitest';
import { AttachClient } from '../support/attach-client.ts';
import { startTestServer } from '../support/server.ts';
import { GENERAL, post, useBrowser } from './harness.ts';

const open = useBrowser();

it('CON-20 what becomes of a message is shown where it stands, and a wake that failed can be tried again', async () => {
  const server = await startTestServer({ rooms: [GENERAL] });
  const alpha = await AttachClient.attach({
    url: `${server.url.replace('http', 'ws')}/v1/attach`,
    bindings: {
      rooms: [{ id: 'general', wake: 'mentions' }],
      dms: { enabled: true, wake: 'all' },
      catch_up: 'all',
    },
  });
  const { page, message, shows, wrong } = await open(server);
  const id = await post(server, '@alpha can you?', { type: 'human', from: 'ada' });
  await shows('@alpha can you?');
  const cursorOf = (frame: { op: string; event?: { message?: { id: string } } }) =>
    frame.op === 'EVENT' && frame.event?.message?.id === id;
  await alpha.until(() => alpha.frames.some(cursorOf));
  const cursor = alpha.frames.find(cursorOf)!.cursor!;
  alpha.send({ op: 'WAKE', wake_id: 'w1', conversation: 'room:general', cursor, attempt: 1 });
  await message('can you?').getByText('working on it').waitFor();
  await page.getByText('alpha is working on it').waitFor();
  alpha.send({
    op: 'ACK',
    cursor,
    wake_id: 'w1',
    outcome: 'failed',
    error: 'the model is away',
    attempts: 4,
    classification: 'retry_exhausted',
  });
  await message('can you?').getByText('could not be woken').waitFor();
  await message('can you?').getByText('could not be woken').hover();
  await message('can you?').getByRole('button', { name: 'Delivery…' }).click();
  await page.getByRole('dialog').getByText('the model is away').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();

  await page.getByRole('link', { name: /^Agents/ }).click();
  const letters = page.getByRole('region', { name: 'Could not be delivered' });
  await letters.getByText('the model is away').waitFor();
  const before = alpha.frames.length;
  // It first says what will happen.
  await letters.getByRole('button', { name: 'Give up' }).click();
  await page.getByRole('dialog').getByText('not woken for them any more').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await letters.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('dialog').getByText('may be done twice').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Try again' }).click();
  // The node has it again, and the list is empty.
  await alpha.until(() => alpha.frames.slice(before).some(cursorOf));
  await letters.waitFor({ state: 'detached' });

  // It runs again, and answers: the agent's page tells of each turn.
  await page.getByRole('main').getByRole('link', { name: /alpha/i }).first().click();
  const turns = page.getByRole('region', { name: 'Turns' });
  await turns.getByText('Works').waitFor();
  await post(server, 'I can, now', { from: 'alpha' });
  alpha.send({ op: 'ACK', cursor, wake_id: 'w1', outcome: 'ok' });
  await turns.getByText('Answered').waitFor();
  await turns.getByRole('link', { name: '#general' }).click();
  await shows('I can, now');
  expect(wrong).toEqual([]);
});
