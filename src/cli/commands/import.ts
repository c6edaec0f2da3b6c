import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { MoltnetError } from '../../protocol/errors.ts';
import { openStore } from '../../store/open.ts';
import { importItems, type ImportResult } from '../../transfer/import.ts';
import { parseItem, type Item } from '../../transfer/items.ts';
import { originalItems } from '../../transfer/original.ts';
import { isOriginalSqlite, openOriginalSqlite } from '../../transfer/original-sqlite.ts';
import type { Command, Io } from '../command.ts';
import { exportLines } from '../export-lines.ts';
import { Failure, usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { progress } from '../progress.ts';
import { STORAGE_FLAGS, storageOf } from '../storage.ts';

/** The original's Postgres. */
const DSN = /^postgres(ql)?:\/\//;

export const command: Command = {
  usage: 'import <file or address>',
  summary: 'read an export, or a database of the original, into an empty storage',
  positionals: 1,
  flags: [...STORAGE_FLAGS, ...OUTPUT_FLAGS],
  details: `A file that moltnet export wrote, the original's SQLite file, or the address of its Postgres (postgres://…).
The server must not run. Rooms, members, messages, threads, DMs and artifacts come over, agents with their tokens, which
go on working. Nobody is woken for what was before. An import that is broken off goes on when it is run again with the
same file. The network's id must be that of the server file; of the original's database stop the original first.`,
  async run(args, io) {
    const [named] = args.positionals;
    if (named === undefined) throw usageFailure('say what to read', 'moltnet import network.jsonl');
    const file = DSN.test(named) ? named : path.resolve(io.cwd, named);
    if (!DSN.test(named) && !existsSync(file)) throw new Failure(`${file} does not exist`);
    if (!DSN.test(named) && statSync(file).isDirectory())
      throw new Failure(`${file} is a folder`, { hint: 'name the file that moltnet export has written' });
    const { options } = storageOf(args, io);
    const warn = (_: object, message: string): void => io.err(`moltnet: ${message}\n`);
    const store = await openStore({ ...options, log: { warn } });
    const shown = progress(io, 'events');
    try {
      const result = await importItems(store, itemsOf(file, io), ({ events, head }) =>
        shown.show(events, head),
      );
      shown.end();
      await print(
        args,
        io,
        result,
        (color) => `${color.green('imported')} ${said(result, options.networkId)}`,
      );
    } catch (error) {
      shown.end();
      if (error instanceof MoltnetError) throw new Failure(error.message, { cause: error });
      throw error;
    } finally {
      await store.close();
    }
  },
};

function said({ rooms, agents, messages, repaired, skipped }: ImportResult, network: string): string {
  const more = [
    ...(skipped > 0 ? [`${skipped} lines of them by an earlier run`] : []),
    ...(repaired > 0 ? [`in ${repaired} texts characters that cannot be stored were replaced`] : []),
  ];
  return `${messages.toLocaleString('en')} messages, ${rooms} rooms and ${agents} agents into ${network}${more.map((each) => `; ${each}`).join('')}`;
}

async function* itemsOf(from: string, io: Io): AsyncGenerator<Item> {
  const source = DSN.test(from)
    ? await (await import('../../transfer/original-postgres.ts')).openOriginalPostgres(from)
    : isOriginalSqlite(from)
      ? openOriginalSqlite(from)
      : undefined;
  if (source) {
    const note = (text: string): void => io.err(`moltnet: ${text}\n`);
    try {
      yield* originalItems(source, { now: new Date().toISOString(), note });
    } finally {
      await source.close();
    }
    return;
  }
  for await (const { line, number } of exportLines(from)) yield parseItem(line, number);
}
