/** Everything at once (test/support/chaos): agents talk while servers, nodes and runtimes are killed. Its seed is CHAOS_SEED. */
import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { check } from '../support/chaos/check.ts';
import { startChaos } from '../support/chaos/run.ts';
import { sqliteWorld } from '../support/chaos/world.ts';
import { temporaryFolder } from '../support/server.ts';

it(
  'RCPT-1 STO-4 DLV-8 NODE-10 CLI-21: whatever is killed, every message for an agent comes to one true end, in order, and nothing is lost or said twice',
  { timeout: 240_000 },
  async () => {
    const seed = process.env['CHAOS_SEED'] ?? randomUUID().slice(0, 8);
    console.log(`CHAOS_SEED=${seed}`);
    const folder = await temporaryFolder();
    const chaos = await startChaos({ world: await sqliteWorld(folder), folder, seed });
    onTestFinished(() => chaos.close());
    await chaos.storm(30);
    const record = await chaos.settle(180_000);
    expect(check(record), `CHAOS_SEED=${seed}`).toEqual([]);
    const { accepted, turns, kills } = chaos.counts();
    // It was a run worth the name.
    expect(accepted).toBeGreaterThan(10);
    expect(turns).toBeGreaterThan(10);
    expect(kills.server + kills.node).toBeGreaterThan(0);
  },
);
