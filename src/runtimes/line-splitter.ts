/** Lines out of a byte stream, split at LF only: a JSON line may hold any other line separator of Unicode. */

const LF = 0x0a;

export interface LineSplitter {
  push(chunk: Buffer): void;
  /** The last line may lack its LF. */
  end(): void;
}

/**
 * Calls `onLine` for each line, without its LF. A line over `maxBytes` is not kept: `onTooLong` is called once for
 * it, and what follows its LF is read on. Empty lines are skipped.
 */
export function splitLines(
  maxBytes: number,
  onLine: (line: string) => void,
  onTooLong: () => void,
): LineSplitter {
  let parts: Buffer[] = [];
  let length = 0;
  let skipping = false;

  const add = (part: Buffer): void => {
    if (skipping || part.length === 0) return;
    length += part.length;
    if (length <= maxBytes) {
      parts.push(part);
      return;
    }
    parts = [];
    skipping = true;
    onTooLong();
  };
  const finish = (): void => {
    const line = skipping || length === 0 ? '' : Buffer.concat(parts, length).toString('utf8');
    parts = [];
    length = 0;
    skipping = false;
    if (line !== '') onLine(line);
  };
  return {
    push: (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
        add(chunk.subarray(from, at));
        finish();
        from = at + 1;
      }
      add(chunk.subarray(from));
    },
    end: finish,
  };
}

/** The lines of a stream, split at LF only (node:readline splits at U+2028 too). Lines over `maxBytes` are left out. */
export async function* linesOf(input: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  let lines: string[] = [];
  const splitter = splitLines(
    maxBytes,
    (line) => lines.push(line),
    () => {},
  );
  for await (const chunk of input) {
    splitter.push(chunk);
    yield* lines;
    lines = [];
  }
  splitter.end();
  yield* lines;
}
