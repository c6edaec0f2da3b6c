/**
 * Reads checked values out of a Source. Nothing throws on the way: every mistake is noted with its place, and
 * `finish` throws them all at once. No schema library, because `moltnet send` reads its configuration with it.
 */
import { isId, isNetworkId, isLocalAgentId, parseMemberId } from '../protocol/ids.ts';
import { ConfigError, didYouMean, formatPath, type ConfigIssue, type Path } from './issues.ts';
import type { Source } from './source.ts';

export interface Check {
  readonly source: Source;
  readonly issues: ConfigIssue[];
}

export const newCheck = (source: Source): Check => ({ source, issues: [] });

/** Notes a mistake at a path. */
export function note(
  check: Check,
  path: Path,
  problem: string,
  fix?: string,
  what: 'key' | 'value' = 'value',
): void {
  const place = check.source.locate(path, what);
  check.issues.push({
    file: check.source.file,
    ...place,
    key: formatPath(path),
    problem,
    ...(fix === undefined ? {} : { fix }),
  });
}

/** Throws a ConfigError when anything was noted. */
export function finish(check: Check): void {
  if (check.issues.length > 0) throw new ConfigError(check.issues);
}

/** Returns what is wrong with a value, and what to write instead; undefined when it is good. */
export type Test = (value: string) => { problem: string; fix?: string } | undefined;

/** A value for a message: short, and never walked into (YAML can hold itself). */
export const show = (value: unknown): string => {
  if (typeof value === 'object' && value !== null) return typeName(value);
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
};

const typeName = (value: unknown): string =>
  value === null
    ? 'nothing'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'a block of keys'
        : typeof value === 'string'
          ? 'text'
          : typeof value;

/** One block of keys. A key that is absent, null or blank is undefined to its reader. */
export interface Section {
  readonly path: Path;
  has(key: string): boolean;
  raw(key: string): unknown;
  note(key: string | number | undefined, problem: string, fix?: string): void;
  /** Trimmed text. */
  text(key: string, test?: Test): string | undefined;
  /** Trimmed text whose absence is a mistake; '' then. */
  required(key: string, test?: Test): string;
  flag(key: string): boolean | undefined;
  number(key: string, min: number, max: number): number | undefined;
  oneOf<const T extends string>(key: string, values: readonly T[]): T | undefined;
  /** Trimmed texts of a list; blanks are mistakes, repetitions are dropped. */
  texts(key: string, test?: Test): string[] | undefined;
  section(key: string, known: readonly string[] | 'any'): Section | undefined;
  sections(key: string, known: readonly string[] | 'any'): Section[];
}

/** Opens the value at a path as a block of keys; notes every key that is not known. */
export function openSection(
  check: Check,
  path: Path,
  value: unknown,
  known: readonly string[] | 'any',
): Section {
  const isBlock = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isBlock && value !== undefined && value !== null)
    note(check, path, `is ${typeName(value)}`, 'must be a block of keys');
  const block: Record<string, unknown> = isBlock ? (value as Record<string, unknown>) : {};
  if (known !== 'any') {
    for (const key of Object.keys(block)) {
      if (known.includes(key)) continue;
      const near = didYouMean(key, known);
      note(
        check,
        [...path, key],
        'is not a key of this place',
        near ? `did you mean ${near}?` : `known here: ${known.join(', ')}`,
        'key',
      );
    }
  }
  const own = (key: string): unknown => (Object.hasOwn(block, key) ? (block[key] ?? undefined) : undefined);
  const at = (key: string | number): Path => [...path, key];

  const asText = (where: Path, raw: unknown, test?: Test): string | undefined => {
    if (typeof raw !== 'string') {
      const scalar = typeof raw === 'number' || typeof raw === 'boolean';
      note(
        check,
        where,
        `is ${typeName(raw)} ${scalar ? show(raw) : ''}`.trimEnd(),
        scalar ? `write it as text: "${String(raw)}"` : 'must be text',
      );
      return undefined;
    }
    const text = raw.trim();
    if (text === '') return undefined;
    const wrong = test?.(text);
    if (wrong) note(check, where, wrong.problem, wrong.fix);
    return text;
  };

  const section: Section = {
    path,
    has: (key) => own(key) !== undefined,
    raw: own,
    note: (key, problem, fix) => note(check, key === undefined ? path : at(key), problem, fix),
    text(key, test) {
      const raw = own(key);
      return raw === undefined ? undefined : asText(at(key), raw, test);
    },
    required(key, test) {
      const before = check.issues.length;
      const text = section.text(key, test);
      if (text === undefined && check.issues.length === before)
        note(check, at(key), 'is missing', `write ${key}: …`);
      return text ?? '';
    },
    flag(key) {
      const raw = own(key);
      if (raw === undefined || typeof raw === 'boolean') return raw;
      if (typeof raw === 'string') {
        const word = parseFlag(raw);
        if (word !== undefined) return word;
      }
      note(check, at(key), `is ${show(raw)}`, 'write true or false');
      return undefined;
    },
    number(key, min, max) {
      const raw = own(key);
      if (raw === undefined) return undefined;
      if (typeof raw === 'number' && Number.isInteger(raw) && raw >= min && raw <= max) return raw;
      note(check, at(key), `is ${show(raw)}`, `write a whole number from ${min} to ${max}`);
      return undefined;
    },
    oneOf(key, values) {
      const text = section.text(key);
      if (text === undefined) return undefined;
      const found = values.find((value) => value === text);
      if (found === undefined) {
        const near = didYouMean(text, values);
        note(
          check,
          at(key),
          `${show(text)} is not one of its values`,
          `${near ? `did you mean ${near}? ` : ''}write ${orList(values)}`,
        );
      }
      return found;
    },
    texts(key, test) {
      const raw = own(key);
      if (raw === undefined) return undefined;
      if (!Array.isArray(raw)) {
        note(check, at(key), `is ${typeName(raw)}`, 'must be a list of texts');
        return undefined;
      }
      const list: string[] = [];
      for (const [index, item] of raw.entries()) {
        const before = check.issues.length;
        const text = asText([...at(key), index], item, test);
        if (text === undefined && check.issues.length === before)
          note(check, [...at(key), index], 'is blank', 'remove it');
        if (text !== undefined && !list.includes(text)) list.push(text);
      }
      return list;
    },
    section(key, keys) {
      const raw = own(key);
      return raw === undefined ? undefined : openSection(check, at(key), raw, keys);
    },
    sections(key, keys) {
      const raw = own(key);
      if (raw === undefined) return [];
      if (!Array.isArray(raw)) {
        note(check, at(key), `is ${typeName(raw)}`, 'must be a list');
        return [];
      }
      return raw.map((item, index) => {
        if (item === null) note(check, [...at(key), index], 'is empty', 'remove it');
        return openSection(check, [...at(key), index], item, keys);
      });
    },
  };
  return section;
}

/** `a, b or c`. */
export const orList = (values: readonly string[]): string =>
  values.length < 2 ? (values[0] ?? '') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;

/** The words for true and false in the environment, and in YAML 1.1 files. */
export function parseFlag(value: string): boolean | undefined {
  const word = value.trim().toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(word)) return true;
  if (['0', 'false', 'no', 'off'].includes(word)) return false;
  return undefined;
}

export const idTest: Test = (value) =>
  isId(value)
    ? undefined
    : {
        problem: `${show(value)} is not an id`,
        fix: 'use 1 to 128 letters, digits, . _ : - and begin with a letter or digit',
      };

/** The id of a network, which has no `:`. */
export const networkIdTest: Test = (value) =>
  isNetworkId(value)
    ? undefined
    : {
        problem: `${show(value)} is not the id of a network`,
        fix: 'use 1 to 128 letters, digits, . _ - and begin with a letter or digit',
      };

/** The agent id rule of this network: an id with `:` or `/` would look like another network's. People have such ids too. */
export const agentIdTest: Test = (value) =>
  isLocalAgentId(value)
    ? undefined
    : {
        problem: `${show(value)} is not an agent id`,
        fix: 'use 1 to 128 letters, digits, . _ - and begin with a letter or digit',
      };

export const memberTest: Test = (value) =>
  parseMemberId(value)
    ? undefined
    : {
        problem: `${show(value)} is not an agent or person`,
        fix: 'write alpha, other-network:alpha or molt://network/agents/alpha',
      };

/** An URL of one of these schemes, with a host and without credentials. */
export const urlTest =
  (...schemes: string[]): Test =>
  (value) => {
    const url = URL.canParse(value) ? new URL(value) : undefined;
    const fix = `write ${orList(schemes.map((scheme) => `${scheme}://host:port`))}`;
    if (!url || !schemes.includes(url.protocol.slice(0, -1)) || url.hostname === '')
      return { problem: `${show(value)} is not such a URL`, fix };
    if (url.username !== '' || url.password !== '')
      return {
        problem: 'holds a user name or password',
        fix: 'put the secret in token, token_env or token_path',
      };
    return undefined;
  };

/** Without the keys whose value is undefined. */
export function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
