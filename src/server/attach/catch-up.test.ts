import { expect, it } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { attach, bind, got, say, wakeLab } from '../../../test/support/wake-lab.ts';
import type { Bindings } from '../../protocol/wake.ts';

/** What came while it was away: a plain message and a mention; then, attached again, `live`. */
async function absence(catch_up: Bindings['catch_up'], hoursLater = 0) {
  const at = await wakeLab();
  const bindings = bind({ r: 'all' }, { catch_up });
  await (await attach(at, bindings)).drop();
  await eventually(() => at.gateway.connections === 0);
  await say(at, 'plain');
  await say(at, 'named', '@alpha look');
  at.tail.now = () => Date.now() + hoursLater * 3_600_000;
  const client = await attach(at, bindings);
  await say(at, 'live');
  await got(client, 'live');
  await at.execute('delivery.save', { writes: [] });
  const told = async (id: string) => {
    const { state, reason } = (await at.receipts(id))['alpha']!;
    return reason === undefined ? state : `${state}: ${reason}`;
  };
  return { messages: client.messages, receipts: await Promise.all(['plain', 'named', 'live'].map(told)) };
}

it('RCPT-19 with catch_up none, or all but mentions, what is passed over is expired', async () => {
  expect(await absence('none')).toEqual({
    messages: ['live'],
    receipts: ['expired: catch_up', 'expired: catch_up', 'handed'],
  });
  for (const catch_up of ['mentions', { policy: 'mentions' }] as const)
    expect(await absence(catch_up)).toEqual({
      messages: ['named', 'live'],
      receipts: ['expired: catch_up', 'handed', 'handed'],
    });
});

it('RCPT-19 what is older than max_age is expired, what is younger is caught up with', async () => {
  const limited = { policy: 'all', max_age: 3_600 } as const;
  expect((await absence(limited)).messages).toEqual(['plain', 'named', 'live']);
  expect(await absence(limited, 2)).toEqual({
    messages: ['live'],
    receipts: ['expired: age', 'expired: age', 'handed'],
  });
});
