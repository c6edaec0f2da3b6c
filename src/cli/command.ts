/** What a command is: its flags as data, from which both the parser and its help are made, and what it does. */

export interface Flag {
  readonly name: string;
  /** What stands after it in the help. Absent: the flag is true or false (`--x`, `--x=false`). */
  readonly value?: string;
  /** May be given several times and as a comma list. */
  readonly many?: true;
  /** Shown in the help; the command itself applies it. */
  readonly fallback?: string;
  /** For a flag whose value may be left out: whether the next word is meant as its value. */
  readonly takes?: (next: string) => boolean;
  readonly what: string;
}

/** The words after the command's name. */
export interface Args {
  readonly positionals: readonly string[];
  /** Undefined when not given or blank. */
  text(flag: string): string | undefined;
  on(flag: string): boolean | undefined;
  /** Items of a flag that may repeat; empty when not given. */
  list(flag: string): string[];
  given(flag: string): boolean;
}

/** The process around a command, so that tests can be it. */
export interface Io {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** stdout is a terminal. */
  readonly terminal: boolean;
  /** A person sits there: stdin or stdout is a terminal. */
  readonly interactive: boolean;
  readonly color: boolean;
  /** Resolves when the text has left the process; rejects when nobody reads it any more. */
  out(text: string): Promise<void>;
  err(text: string): void;
  /** All of stdin, as text. Rejects with a Failure when it is no UTF-8, or more than any message may hold. */
  stdin(): Promise<string>;
}

export interface Command {
  /** Everything after `moltnet`, e.g. `send <target> <text>`. */
  readonly usage: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** How many words without a dash it takes. */
  readonly positionals: number;
  /** More for `--help`: plain lines. */
  readonly details?: string;
  /** Resolves with the exit code, 0 when it says nothing. */
  run(args: Args, io: Io): Promise<number | void>;
}
