/** The real process as an Io. */
import type { Io } from './command.ts';

export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process;
  // Errors of a closed pipe arrive by the write's callback; without a listener they would also be thrown.
  stdout.on('error', () => {});
  stderr.on('error', () => {});
  const terminal = stdout.isTTY === true;
  return {
    cwd: process.cwd(),
    env,
    terminal,
    interactive: terminal || stdin.isTTY === true,
    color:
      (terminal && env['NO_COLOR'] === undefined && env['TERM'] !== 'dumb') ||
      (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0'),
    out: (text) =>
      new Promise((resolve, reject) => stdout.write(text, (error) => (error ? reject(error) : resolve()))),
    err: (text) => void stderr.write(text),
    async stdin() {
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}
