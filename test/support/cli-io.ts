/** A command run inside the test: the same code as a process runs, with what it prints kept. */
import type { Io } from '../../src/cli/command.ts';
import { run } from '../../src/cli/run.ts';

export interface InlineOptions {
  cwd: string;
  env?: NodeJS.ProcessEnv;
  stdin?: string;
  /** As if stdout were a terminal. */
  terminal?: boolean;
  /** As if a person were there; follows `terminal` when left out. */
  interactive?: boolean;
  /** In place of keeping what is printed. */
  out?: (text: string) => Promise<void>;
  /** Told of everything on stderr as it comes. */
  err?: (text: string) => void;
}

export async function cli(
  words: readonly string[],
  options: InlineOptions,
): Promise<{ code: number; stdout: string; stderr: string; json(): unknown }> {
  let stdout = '';
  let stderr = '';
  const io: Io = {
    cwd: options.cwd,
    env: options.env ?? {},
    terminal: options.terminal ?? false,
    interactive: options.interactive ?? options.terminal ?? false,
    color: false,
    out: async (text) => {
      if (options.out) return options.out(text);
      stdout += text;
    },
    err: (text) => {
      stderr += text;
      options.err?.(text);
    },
    stdin: async () => options.stdin ?? '',
  };
  const code = await run(words, io);
  return { code, stdout, stderr, json: () => JSON.parse(stdout) as unknown };
}
