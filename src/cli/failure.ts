/** Errors as people see them: one plain line, and one that says what to do. */

/** A failure of a command. `usage`: the command line itself is wrong (exit 2, else 1). */
export class Failure extends Error {
  readonly hint: string | undefined;
  readonly exitCode: number;
  constructor(message: string, options: { hint?: string; usage?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Failure';
    this.hint = options.hint;
    this.exitCode = options.usage ? 2 : 1;
  }
}

export const usageFailure = (message: string, hint?: string): Failure =>
  new Failure(message, { usage: true, ...(hint === undefined ? {} : { hint }) });

interface Described {
  text: string;
  exitCode: number;
}

/** Any thrown value as the lines for stderr, and the exit code. */
export function describeFailure(error: unknown, debug: boolean): Described {
  if (error instanceof Failure) return { text: lines(error.message, error.hint), exitCode: error.exitCode };
  if (error instanceof Error && error.name === 'ConfigError') {
    const [first, ...rest] = error.message.split('\n');
    return {
      text: [`moltnet: ${first}`, ...rest.map((line) => `         ${line}`), ''].join('\n'),
      exitCode: 1,
    };
  }
  const told = !debug && systemFailure(error);
  if (told) return { text: lines(told.message, told.hint), exitCode: 1 };
  if (debug && error instanceof Error)
    return { text: `moltnet: ${error.stack ?? error.message}\n`, exitCode: 1 };
  const message = error instanceof Error ? error.message : String(error);
  return { text: lines(message), exitCode: 1 };
}

/** What the operating system says of a file, in words, with what to do. */
const SYSTEM: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOENT: ['there is no such file or folder', 'correct the path, or make the folder first'],
  ENOTDIR: ['a part of this path is a file, not a folder', 'correct the path'],
  EISDIR: ['this is a folder', 'name a file'],
  EACCES: ['this user may not do that', 'give the user the right to it, or name another place'],
  EPERM: ['this user may not do that', 'give the user the right to it, or name another place'],
  EROFS: ['it cannot be written: the file system is read-only', 'name another place'],
  ENOSPC: ['the disk is full', 'make room, and run it again'],
  EDQUOT: ['the disk quota is used up', 'make room, and run it again'],
  EMFILE: ['too many files are open', 'raise the limit of this shell (ulimit -n)'],
  ENAMETOOLONG: ['the name is too long', 'name a shorter one'],
};

function systemFailure(error: unknown): { message: string; hint: string } | undefined {
  const { code, syscall, path, dest } = (error ?? {}) as NodeJS.ErrnoException & { dest?: string };
  const known = syscall === undefined || code === undefined ? undefined : SYSTEM[code];
  if (!known) return undefined;
  const [what, hint] = known;
  const where = dest ?? path;
  return { message: where === undefined ? what : `${where}: ${what}`, hint };
}

const lines = (message: string, hint?: string): string =>
  `moltnet: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`;
