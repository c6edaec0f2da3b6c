import { expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { attach, bind, end, got, say, wake, wakeLab } from '../../../test/support/wake-lab.ts';

const MENTIONS = bind({ r: 'mentions' });

it('RCPT-18 a reply in a thread in which it has posted wakes an agent that else only mentions wake', async () => {
  const at = await wakeLab();
  const client = await attach(at, MENTIONS);
  await say(at, 'before', 'hi', 'thread:t@r');
  await say(at, 'mine', 'I am here', 'thread:t@r', 'agent:alpha');
  await say(at, 'elsewhere', 'hi', 'thread:u@r');
  await say(at, 'room', 'hi');
  await say(at, 'reply', 'and?', 'thread:t@r');
  const cursor = await wake(client, 'w0', 'reply');
  expect(client.messages).toEqual(['reply']);
  await end(at, client, cursor, { wake_id: 'w0' });
  expect((await at.receipts('reply'))['alpha']!.state).toBe('silent');
  expect(await at.receipts('before')).toEqual({});
});

it('RCPT-18 it is caught up with after an absence, and a wake that was begun comes again whole', async () => {
  const at = await wakeLab();
  const first = await attach(at, MENTIONS);
  await say(at, 'mine', 'I am here', 'thread:t@r', 'agent:alpha');
  await first.drop();
  await eventually(() => at.gateway.connections === 0);
  for (const id of ['r0', 'r1']) await say(at, id, 'and?', 'thread:t@r');
  expect((await at.receipts('r0'))['alpha']!.state).toBe('stored');
  const again = await attach(at, MENTIONS);
  await got(again, 'r1');
  expect(again.messages).toEqual(['r0', 'r1']);
  await wake(again, 'w0', 'r1');
  await again.drop();
  await eventually(() => at.gateway.connections === 0);
  const third = await attach(at, MENTIONS);
  await got(third, 'r1');
  expect(third.of('WAKE')).toMatchObject([{ wake_id: 'w0' }]);
  expect(third.messages).toEqual(['r0', 'r1']);
});
