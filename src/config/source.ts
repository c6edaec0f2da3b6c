/** A configuration file as read: its values, and where in the text each of them stands. JSON here, YAML in yaml-source.ts. */
import { readFileSync, statSync } from 'node:fs';
import { ConfigError, configError, type Path, type Place } from './issues.ts';

export interface Source {
  /** The file as a person would name it. */
  readonly file: string;
  readonly value: unknown;
  /** Where the value of a path stands, or its key; undefined when it cannot be told. */
  locate(path: Path, what: 'key' | 'value'): Place | undefined;
}

/** Larger than any sensible configuration; what is over it is no configuration file. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Text of a file; a ConfigError that says why not, and what to do. */
export function readText(file: string): string {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) throw configError(file, 'is a folder', 'name the file in it');
    if (!stat.isFile()) throw configError(file, 'is not a regular file');
    if (stat.size > MAX_BYTES)
      throw configError(file, `is ${stat.size} bytes long`, `a configuration has at most ${MAX_BYTES}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (error instanceof TypeError) throw configError(file, 'is not UTF-8 text');
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw configError(file, 'does not exist');
    if (code === 'EACCES') throw configError(file, 'may not be read by this user');
    throw configError(file, `cannot be read: ${(error as Error).message}`);
  }
}

/** Parses JSON text. Throws a ConfigError with the place of the mistake. */
export function jsonSource(file: string, text: string): Source {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const message = (error as Error).message;
    const at = /at position (\d+)/.exec(message);
    const place = placeOf(text, at ? Number(at[1]) : text.length);
    const problem = `not JSON: ${message.replace(/ (in JSON )?at position.*$/s, '').replace(/, ".*$/s, '')}`;
    throw new ConfigError([{ file, ...place, key: '', problem }]);
  }
  return {
    file,
    value,
    locate(path, what) {
      const offset = locateJson(text, path, what);
      return offset === undefined ? undefined : placeOf(text, offset);
    },
  };
}

/** 1-based line and column of an offset. */
export function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}

/** Offset of a path in JSON text that is known to parse. */
function locateJson(text: string, path: Path, what: 'key' | 'value'): number | undefined {
  let at = 0;
  const space = (): void => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const string = (): string => {
    const start = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return JSON.parse(text.slice(start, ++at)) as string;
  };
  /** Walks over the value at `at`; returns the offset when the rest of the path leads into it. */
  const walk = (rest: Path): number | undefined => {
    space();
    if (rest.length === 0) return at;
    const wanted = rest[0];
    const open = text[at];
    if (open !== '{' && open !== '[') {
      skip();
      return undefined;
    }
    at++;
    for (let index = 0; ; index++) {
      space();
      if (text[at] === ',') at++;
      space();
      if (at >= text.length || text[at] === '}' || text[at] === ']') break;
      const start = at;
      let key: string | number = index;
      if (open === '{') {
        key = string();
        space();
        at++; // the colon
      }
      if (key !== wanted) skip();
      else if (rest.length === 1 && what === 'key') return start;
      else {
        // With a key that stands twice JSON takes the last; the first is near enough for a message.
        const found = walk(rest.slice(1));
        if (found !== undefined) return found;
      }
    }
    at++;
    return undefined;
  };
  const skip = (): void => {
    space();
    if (text[at] === '"') string();
    else if (text[at] === '{' || text[at] === '[') {
      for (let depth = 0; at < text.length;) {
        const char = text[at]!;
        if (char === '"') string();
        else {
          at++;
          if (char === '{' || char === '[') depth++;
          else if ((char === '}' || char === ']') && --depth === 0) return;
        }
      }
    } else while (at < text.length && !/[\s,\]}]/.test(text[at]!)) at++;
  };
  return walk(path);
}
