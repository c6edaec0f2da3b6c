/** The real process as an Io. */
import { limits } from '../protocol/limits.ts';
import type { Io } from './command.ts';
import { Failure } from './failure.ts';

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
      let size = 0;
      for await (const chunk of stdin) {
        chunks.push(chunk as Buffer);
        size += (chunk as Buffer).length;
        if (size > limits.body.value)
          throw new Failure(
            `stdin holds more than ${limits.body.value} bytes, which is over what a message may hold`,
            {
              hint: 'nothing was sent; send a part of it, or say where the file is',
            },
          );
      }
      try {
        return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
      } catch (error) {
        throw new Failure('stdin is not UTF-8 text', {
          hint: 'nothing was sent; convert it (iconv), or say where the file is',
          cause: error,
        });
      }
    },
  };
}
