/** The lines of an export, compressed or not. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { MoltnetError } from '../protocol/errors.ts';
import { splitLines } from '../runtimes/line-splitter.ts';

/** Bytes: many times the largest that an export writes. */
const LONGEST = 64 * 1024 * 1024;

/** Throws MoltnetError `bad_request` for a line that no export has, and for a file that cannot be read to its end. */
export async function* exportLines(file: string): AsyncGenerator<{ line: string; number: number }> {
  let lines: string[] = [];
  let number = 0;
  let tooLong = false;
  const splitter = splitLines(
    LONGEST,
    (line) => lines.push(line),
    () => (tooLong = true),
  );
  const read = function* (): Generator<{ line: string; number: number }> {
    for (const line of lines) yield { line, number: ++number };
    lines = [];
    if (tooLong)
      throw new MoltnetError(
        'bad_request',
        `line ${number + 1} is longer than ${LONGEST / 1024 / 1024} MiB: no export has such a line`,
      );
  };
  const bytes: Readable = createReadStream(file);
  const zipped = file.endsWith('.gz');
  const input = zipped ? bytes.pipe(createGunzip()) : bytes;
  if (zipped) bytes.on('error', (error) => input.destroy(error));
  try {
    for await (const chunk of input) {
      splitter.push(chunk as Buffer);
      yield* read();
    }
  } catch (error) {
    if (error instanceof MoltnetError) throw error;
    throw new MoltnetError(
      'bad_request',
      `${file} cannot be read after line ${number}: ${(error as Error).message}. What was read is kept; run it again with the whole file`,
      { cause: error },
    );
  } finally {
    bytes.destroy();
    input.destroy();
  }
  splitter.end();
  yield* read();
}
