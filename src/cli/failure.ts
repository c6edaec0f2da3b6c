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
  if (debug && error instanceof Error)
    return { text: `moltnet: ${error.stack ?? error.message}\n`, exitCode: 1 };
  const message = error instanceof Error ? error.message : String(error);
  return { text: lines(message), exitCode: 1 };
}

const lines = (message: string, hint?: string): string =>
  `moltnet: ${message}\n${hint === undefined ? '' : `  ${hint}\n`}`;
