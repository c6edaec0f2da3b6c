import { accessSync, constants } from 'node:fs';
import { SetupError } from '../setup-error.ts';

/** Throws a SetupError, which names the key of the configuration, unless this process can read the file. */
export function readableFile(file: string, key: string): void {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new SetupError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}); correct ${key}`);
  }
}
