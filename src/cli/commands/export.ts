import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { openStoreToRead } from '../../store/open.ts';
import { exportItems } from '../../transfer/export.ts';
import type { Command, Io } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { progress } from '../progress.ts';
import { STORAGE_FLAGS, storageOf } from '../storage.ts';
import { wholeFile, type WholeFile } from '../whole-file.ts';

export const command: Command = {
  usage: 'export <file>',
  summary: 'write the whole network into one file of JSON lines',
  positionals: 1,
  flags: [...STORAGE_FLAGS, { name: 'force', what: 'write over a file that exists' }],
  details: `The server may run meanwhile; what is said after the command has begun is not in the file. A name that ends in .gz is
compressed, - is stdout. The file holds every DM and the hashes of tokens: it is made for its owner alone (0600).
moltnet import reads it into an empty storage of either kind.`,
  async run(args, io) {
    const [file] = args.positionals;
    if (file === undefined) throw usageFailure('say where to', 'moltnet export network.jsonl');
    const { options } = storageOf(args, io);
    const whole =
      file === '-'
        ? undefined
        : wholeFile(path.resolve(io.cwd, file), {
            force: args.on('force') === true,
            storage: options.path,
          });
    const store = await openStoreToRead(options);
    try {
      const shown = progress(io, 'events');
      let events = 0;
      const lines = async function* (): AsyncGenerator<string> {
        for await (const item of exportItems(store, new Date().toISOString())) {
          if (item.kind === 'event') shown.show(++events, store.head);
          yield `${JSON.stringify(item)}\n`;
        }
      };
      await write(whole, file.endsWith('.gz'), Readable.from(lines()), io);
      shown.end();
      io.err(`exported ${events.toLocaleString('en')} events of the network ${options.networkId}\n`);
    } finally {
      await store.close();
    }
  },
};

async function write(whole: WholeFile | undefined, zipped: boolean, lines: Readable, io: Io): Promise<void> {
  if (!whole) {
    for await (const line of lines) await io.out(String(line));
    return;
  }
  const out: Writable = createWriteStream(whole.aside, { mode: 0o600, flags: 'wx', flush: true });
  try {
    if (zipped) await pipeline(lines, createGzip(), out);
    else await pipeline(lines, out);
    whole.place();
  } catch (error) {
    whole.drop();
    throw error;
  }
}
