/** A secret that is shown once: printed, or put into a file that only its owner can read. */
import path from 'node:path';
import { ensurePrivateDir } from '../config/private-files.ts';
import { storeToken } from '../config/tokens.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure } from './failure.ts';

export const secretFlag = (what: string): Flag => ({ name: 'token-path', value: 'FILE', what });

/** The file that the secret goes to, its folder made before anything is asked for; undefined to print it. */
export function secretFile(args: Args, io: Io): string | undefined {
  const named = args.text('token-path');
  if (named === undefined) return undefined;
  const file = path.resolve(io.cwd, named);
  ensurePrivateDir(path.dirname(file));
  return file;
}

/** Nothing is lost when the file cannot be written: then the failure says the secret. */
export function storeSecret(file: string, secret: string): void {
  try {
    storeToken(file, secret);
  } catch (error) {
    throw new Failure(`${file} could not be written: ${(error as Error).message}`, {
      hint: `this is what was to stand there, shown once: ${secret}`,
      cause: error,
    });
  }
}
