/** `moltnet send` inside a turn: a wake that is run again says nothing twice. */
import { chmodSync, rmSync } from 'node:fs';
import { beforeEach, expect, it } from 'vitest';
import { beginWake, wakeFolder } from '../../src/config/wake-folder.ts';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import { wakeMessageId } from '../../src/protocol/ids.ts';
import { cli } from '../support/cli-io.ts';
import { runCli } from '../support/cli-process.ts';
import { cliLab, type CliLab } from '../support/cli-lab.ts';

const wake = { wake_id: 'wake_7', conversation: 'room:general' };
let { cwd, client, history } = {} as CliLab;
let folder = '';
beforeEach(async () => {
  ({ cwd, client, history } = await cliLab());
  folder = wakeFolder(cwd, 'agent:alpha:local:room:general');
  beginWake(folder, wake);
});
const inside = (): { cwd: string; env: Record<string, string> } => ({ cwd, env: { MOLTNET_WAKE: folder } });
const send = (text: string, ...more: string[]): ReturnType<typeof cli> =>
  cli(['send', 'room:general', text, ...more], inside());
const idOf = async (sent: ReturnType<typeof cli>): Promise<string> =>
  ((await sent).json() as MessageAccepted).message_id;

it('CLI-21 a send in a turn has the id of wake, target and number; the same words again are the same message', async () => {
  expect(await idOf(send('one'))).toBe(wakeMessageId('wake_7', 'room:general', 0));
  expect(await idOf(send('two'))).toBe(wakeMessageId('wake_7', 'room:general', 1));
  const dm = await cli(['send', 'dm:@beta', 'one'], inside());
  const { messages } = await client.messages(`dm:${(await client.dms()).dms[0]!.id}`);
  expect(messages.map(({ id }) => id)).toEqual([(dm.json() as MessageAccepted).message_id]);

  beginWake(folder, wake);
  expect(await idOf(send('two'))).toBe(wakeMessageId('wake_7', 'room:general', 1));
  expect(await idOf(send('one'))).toBe(wakeMessageId('wake_7', 'room:general', 0));
  expect(await history()).toEqual(['one', 'two']);
  expect(await idOf(send('three'))).toBe(wakeMessageId('wake_7', 'room:general', 2));
});

it('CLI-21 within one run the same words twice are two messages', async () => {
  await send('ping');
  await send('ping');
  expect(await history()).toEqual(['ping', 'ping']);
});

it('CLI-23 a turn does not wait for an answer, which wakes it', async () => {
  expect(await send('2+2?', '--wait')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('an answer wakes you'),
  });
  expect(await history()).toEqual([]);
});

it('CLI-22 other words in the place of what an earlier run said are not sent, but for --again', async () => {
  await send('It is 4.');
  beginWake(folder, wake);
  expect(await send('The answer is 4.')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^moltnet: an earlier attempt of this wake has said something else here already; this was not sent\n {2}.*--again\n$/,
    ),
  });
  expect(await history()).toEqual(['It is 4.']);
  expect((await send('And 4 is even.', '--again')).code).toBe(0);
  expect(await history()).toEqual(['It is 4.', 'And 4 is even.']);
  beginWake(folder, wake);
  expect((await send('And 4 is even.')).code).toBe(0);
  expect(await history()).toEqual(['It is 4.', 'And 4 is even.']);
});

it('CLI-22 --again finds a free number where another machine ran the wake before', async () => {
  await send('one');
  await send('two');
  rmSync(folder, { recursive: true });
  beginWake(folder, wake);
  expect((await send('three')).code).toBe(1);
  expect((await send('three', '--again')).code).toBe(0);
  expect(await history()).toEqual(['one', 'two', 'three']);
});

it('CLI-21 sends at once in one turn are all stored, each once, also when the turn is run again', async () => {
  const words = Array.from({ length: 6 }, (_, n) => `part ${n}`);
  const all = async (order: readonly string[]): Promise<void> => {
    const results = await Promise.all(order.map((text) => runCli(['send', 'room:general', text], inside())));
    expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      order.map(() => ({ code: 0, stderr: '' })),
    );
  };
  await all(words);
  expect((await history()).toSorted()).toEqual(words);
  beginWake(folder, wake);
  await all(words.toReversed());
  expect((await history()).toSorted()).toEqual(words);
});

it('CLI-21 --id goes before it, a turn that is over is none, and a folder that takes nothing keeps nobody silent', async () => {
  expect(await idOf(send('mine', '--id', 'msg_mine'))).toBe('msg_mine');
  expect(await idOf(send('first'))).toBe(wakeMessageId('wake_7', 'room:general', 0));
  chmodSync(folder, 0o500);
  expect((await send('unwritable')).code).toBe(0);
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true });
  const id = await idOf(send('after'));
  expect(id).toMatch(/^msg_[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect(await history()).toEqual(['mine', 'first', 'unwritable', 'after']);
});
