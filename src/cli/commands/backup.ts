import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs';
import path from 'node:path';
import { backupSqlite } from '../../store/sqlite-backup.ts';
import type { Command } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { STORAGE_FLAGS, storageOf } from '../storage.ts';
import { wholeFile } from '../whole-file.ts';

export const command: Command = {
  usage: 'backup <file>',
  summary: 'a copy of the SQLite database, while the server runs',
  positionals: 1,
  flags: [...STORAGE_FLAGS, { name: 'force', what: 'write over a file that exists' }],
  details: `The copy is whole and as of one moment. To restore it: stop the server, remove moltnet.db-wal and moltnet.db-shm, and put the
copy in the place of moltnet.db. Agents get what is written from then on; what they had got after the copy was made is
gone with the old database. Of Postgres use pg_dump.`,
  async run(args, io) {
    const [named] = args.positionals;
    if (named === undefined) throw usageFailure('say where to', 'moltnet backup moltnet-backup.db');
    const { options } = storageOf(args, io);
    if (options.kind !== 'sqlite' || options.path === undefined)
      throw new Failure('only a SQLite storage is backed up so', { hint: 'use pg_dump, or moltnet export' });
    if (!existsSync(options.path))
      throw new Failure(`${options.path} does not exist: there is nothing to back up`);
    const file = path.resolve(io.cwd, named);
    const whole = wholeFile(file, { force: args.on('force') === true, storage: options.path });
    try {
      backupSqlite(options.path, whole.aside);
      const handle = openSync(whole.aside, 'r');
      fsyncSync(handle);
      closeSync(handle);
      whole.place();
    } catch (error) {
      whole.drop();
      throw error;
    }
    io.err(`backed up ${options.path} to ${file}\n`);
  },
};
