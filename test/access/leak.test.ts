/**
 * Nobody receives what it may not see, and everybody what it may: random rooms, DMs, threads, members, removals and
 * tokens, read by HTTP, event streams and attachments. `MOLTNET_LEAK_RUNS` runs more of them, `MOLTNET_LEAK_SEED` the
 * same again.
 */
import * as fc from 'fast-check';
import { it } from 'vitest';
import { ACTORS, AGENTS, LeakRun, PLACES, ROOMS, type Op } from './leak-run.ts';

const runs = Number(process.env['MOLTNET_LEAK_RUNS'] ?? 40);
const seed = Number(process.env['MOLTNET_LEAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

const room = fc.nat(ROOMS - 1);
const agent = fc.nat(AGENTS.length - 1);
const actor = fc.nat(ACTORS.length - 1);
const watcher = fc.nat(40);
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('room' as const),
      room,
      public: fc.boolean(),
      policy: fc.nat(2),
      members: fc.uniqueArray(actor, { maxLength: 4 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('member' as const), room, actor, add: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('drop' as const), room }) },
  {
    weight: 14,
    arbitrary: fc.record({
      op: fc.constant('say' as const),
      place: fc.nat(PLACES - 1),
      actor,
      own: fc.boolean(),
      artifact: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('redact' as const), nth: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), agent }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('readmit' as const, 'rotate' as const), agent }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constantFrom('away' as const, 'back' as const), watcher }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('read' as const) }) },
);
/** The rooms are there from the beginning, or there is little to leak. */
const rooms = fc.tuple(
  ...Array.from({ length: ROOMS }, (_, index) =>
    fc.record({
      op: fc.constant('room' as const),
      room: fc.constant(index),
      public: fc.boolean(),
      policy: fc.nat(2),
      members: fc.uniqueArray(actor, { maxLength: 3 }),
    }),
  ),
);

it(
  'AUTH-96 nobody is sent or shown what the decision table does not let it read, and everybody what it does',
  async () => {
    process.stdout.write(`leak test: ${runs} runs, MOLTNET_LEAK_SEED=${seed}\n`);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('bearer' as const, 'public' as const, 'open' as const, 'none' as const),
        rooms,
        fc.array(op, { minLength: 10, maxLength: 60, size: 'max' }),
        async (mode, first, rest) => {
          const run = new LeakRun(mode);
          try {
            await run.start();
            for (const each of [...first, ...rest]) await run.apply(each);
            await run.end();
          } finally {
            await run.stop();
          }
        },
      ),
      // A failure is made smaller for a few minutes at most.
      { seed, numRuns: runs, interruptAfterTimeLimit: 60_000 + runs * 3_000, markInterruptAsFailure: true },
    );
  },
  120_000 + runs * 3_000,
);
