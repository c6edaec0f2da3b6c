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
