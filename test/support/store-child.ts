/**
 * A process of its own with a store, for tests that kill, trace or starve one. Arguments: database file, number of
 * commits (`0`: until it is killed), messages per commit, and a file to remove when a line comes on stdin. Prints
 * `open`, then `committed <seq>` after each commit that was answered, or `refused <error name>: <message>` after one
 * that was not, and goes on. Stops in good order at the end of stdin.
 */
import { rmSync, writeSync } from 'node:fs';
import { openStore } from '../../src/store/open.ts';
import { messageOf, upTo, writesOf } from './store-writes.ts';

const [file = '', commits = '0', messages = '1', ballast] = process.argv.slice(2);
// Not console.log: the line must be out when the next commit begins, and be one write for strace to see.
const say = (line: string): void => void writeSync(1, `${line}\n`);

const store = await openStore({
  kind: 'sqlite',
  path: file,
  networkId: 'local',
  log: { warn: (_, message) => process.stderr.write(`${message}\n`) },
});
say('open');
const stop = new AbortController();
process.stdin.on('end', () => stop.abort());
process.stdin.on('data', () => ballast && rmSync(ballast, { force: true }));
const last = commits === '0' ? Number.POSITIVE_INFINITY : Number(commits);

for (let i = 0; i < last && !stop.signal.aborted; i++) {
  const run = `${process.pid}-${i}`;
  try {
    const seqs = await store.commit(
      upTo(Number(messages)).map((k) =>
        writesOf(messageOf(`m-${run}-${k}`, 'room:general', { artifacts: 1 })),
      ),
    );
    say(`committed ${seqs.at(-1)!.at(-1)}`);
  } catch (error) {
    say(`refused ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
  }
  await new Promise((resolve) => setImmediate(resolve));
}
await store.close();
process.stdin.destroy();
say('closed');
