import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import { openPostgres, testPostgres } from '../../test/support/postgres-open.ts';
import { RelayLease } from './lease.ts';

const postgres = testPostgres();

async function servers(count: number) {
  const dsn = await postgres.fresh();
  const said: string[] = [];
  const yields = new Set<number>();
  const all = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const { peers } = await openPostgres(dsn);
      const lease: RelayLease = new RelayLease({
        name: 'pairing:net_b',
        peers,
        yields: () => yields.has(i),
        onTaken: () => void said.push(`${i} has it`),
        onLost: async () => void said.push(`${i} has ended`),
        every: 20,
      });
      await peers!.follow({ told: () => {}, gone: () => {}, lapsed: () => lease.lapsed() });
      onTestFinished(() => lease.close());
      return { peers: peers!, lease };
    }),
  );
  return { all, said, yields };
}

it('RLY-70: one of three servers has the lease; the next takes it when the first lets go, and after it has ended', async () => {
  const { all, said, yields } = await servers(3);
  for (const { lease } of all) await lease.start();
  const first = all.findIndex(({ lease }) => lease.stands);
  expect(all.filter(({ lease }) => lease.held)).toHaveLength(1);
  yields.add(first);
  await eventually(() => said.length === 3);
  const second = all.findIndex(({ lease }) => lease.stands);
  expect(second).not.toBe(first);
  await all[second]!.lease.close();
  yields.clear();
  await eventually(() => said.length === 5);
  const holders = said.map((line) => Number(line[0]));
  expect(said).toEqual([
    `${first} has it`,
    `${first} has ended`,
    `${second} has it`,
    `${second} has ended`,
    `${holders[4]} has it`,
  ]);
  expect(holders[4]).not.toBe(second);
});

it('RLY-70: who has lapsed ends at once, and takes it again when it is free; another name is another lease', async () => {
  const { all, said } = await servers(1);
  const [{ lease, peers }] = all as [(typeof all)[0]];
  await lease.start();
  lease.lapsed();
  expect(lease.stands).toBe(false);
  await eventually(() => said.length === 3);
  expect(said).toEqual(['0 has it', '0 has ended', '0 has it']);
  expect(await peers.lease('pairing:net_c')).toBe(true);
});

it('RLY-70: where there is one server it has the lease at once', async () => {
  const lease = new RelayLease({
    name: 'pairing:net_b',
    peers: undefined,
    yields: () => true,
    onTaken: () => {},
    onLost: async () => {},
  });
  await lease.start();
  expect(lease.stands).toBe(true);
  await lease.close();
  expect(lease.held).toBe(false);
});
