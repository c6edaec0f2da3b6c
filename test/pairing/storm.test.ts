/**
 * Ring and star of paired networks, on SQLite and with two servers each on Postgres, under load and disturbance (RLY-40). Short here; for minutes:
 * MOLTNET_PAIRING_MINUTES=10 MOLTNET_PAIRING_OUT=bench/soak/pairing.txt npx vitest run test/pairing/storm.test.ts
 */
import { appendFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { testPostgres } from '../support/postgres-open.ts';
import { runStorm, type StormOptions } from '../support/pairing-storm.ts';

const minutes = Number(process.env['MOLTNET_PAIRING_MINUTES'] ?? 0);
const seed = Number(process.env['MOLTNET_PAIRING_SEED'] ?? 20_261_130);
const seconds = minutes > 0 ? minutes * 60 : 3;
const HOUR = 3_600_000;
const postgres = testPostgres();

const SHAPES: [string, Pick<StormOptions, 'ids' | 'edges' | 'skew' | 'processes'>][] = [
  [
    'a ring of three',
    {
      ids: ['net_a', 'net_b', 'net_c'],
      edges: [
        ['net_a', 'net_b'],
        ['net_b', 'net_c'],
        ['net_c', 'net_a'],
      ],
      skew: { net_b: -HOUR, net_c: 26 * HOUR },
    },
  ],
  [
    'a star around net_b',
    {
      ids: ['net_a', 'net_b', 'net_c'],
      edges: [
        ['net_a', 'net_b'],
        ['net_b', 'net_c'],
      ],
      skew: { net_b: 2 * HOUR },
    },
  ],
];

const RUNS = SHAPES.flatMap(([name, shape], i) => [
  [name, shape, false] as const,
  // The short run has one of them.
  ...(minutes > 0 || i === 0 ? [[`${name}, with two servers on Postgres each`, shape, true] as const] : []),
  ...(minutes > 0
    ? ([
        [`${name}, of processes killed with -9`, { ...shape, processes: true }, false],
        [`${name}, of processes killed with -9, two on Postgres each`, { ...shape, processes: true }, true],
      ] as const)
    : []),
]);

it.each(RUNS)(
  'RLY-40: %s, cut, slowed and restarted: every message once where it is shared, in its order, one hop',
  async (name, shape, several) => {
    const { counts, wrong } = await runStorm({ ...shape, seed, seconds, ...(several && { postgres }) });
    const line = `${name}, seed ${seed}, ${seconds} s: ${JSON.stringify(counts)}${wrong.length === 0 ? '' : ` WRONG ${wrong.join(' | ')}`}`;
    process.stdout.write(`${line}\n`);
    const out = process.env['MOLTNET_PAIRING_OUT'];
    if (out !== undefined) appendFileSync(out, `${new Date().toISOString()} ${line}\n`);
    expect(wrong).toEqual([]);
    expect(counts.said).toBeGreaterThan(10);
    expect(counts.cuts + counts.slowed + counts.restarts).toBeGreaterThan(0);
  },
  // What waits at the end may take as long again.
  (2 * seconds + 150) * 1_000,
);
