/**
 * The `runtime` block of an attachment (wire.md 10.3). What each kind takes stands with its adapter, as a table of
 * fields; here is how such a table is read.
 */
import path from 'node:path';
import { didYouMean } from './issues.ts';
import { defined, urlTest, type Section } from './check.ts';
import type { RuntimeConfig, RuntimeValue } from './types.ts';

/** One key that a kind takes. */
export type RuntimeField = {
  /** One line for help and docs. */
  about: string;
  /** Its absence is a mistake, and this is what to write. */
  required?: string;
} & (
  | { type: 'text'; default?: string }
  /** A text that makes the file private (CFG-8). */
  | { type: 'secret' }
  /** A file or folder; made absolute from the working folder. */
  | { type: 'path' }
  /** A program: a bare name is looked up on PATH, anything with a separator is a path from the working folder. */
  | { type: 'command'; default?: string }
  | { type: 'url'; schemes: readonly string[]; default?: string }
  /** A whole number. */
  | { type: 'number'; min: number; max: number; default?: number }
  | { type: 'flag'; default?: boolean }
  | { type: 'choice'; values: readonly string[]; default?: string }
  /** Texts as they stand, also blank or repeated. */
  | { type: 'list' }
  /** Names and their texts. */
  | { type: 'map' }
);
export type RuntimeFields = Readonly<Record<string, RuntimeField>>;

/** The value of a field as its adapter gets it. */
type FieldValue<F extends RuntimeField> = F extends { type: 'number' }
  ? number
  : F extends { type: 'flag' }
    ? boolean
    : F extends { type: 'list' }
      ? readonly string[]
      : F extends { type: 'map' }
        ? Readonly<Record<string, string>>
        : F extends { type: 'choice'; values: readonly (infer V)[] }
          ? V
          : string;
/** The `runtime` block of a kind with these fields. */
export type RuntimeConfigOf<F extends RuntimeFields> = RuntimeConfig & {
  -readonly [K in keyof F]?: FieldValue<F[K]>;
};

/** Notes a mistake at a key of the block. */
export type NoteField = (key: string, problem: string, fix: string) => void;

/** A kind of runtime, as far as its configuration goes. */
export interface RuntimeKind {
  readonly kind: string;
  readonly fields: RuntimeFields;
  /** Keys that others take or that were tried, and what to write instead. */
  readonly refused?: Readonly<Record<string, string>>;
  /** Defaults and rules that concern more than one key; after the fields were read. */
  complete?(config: RuntimeConfig, note: NoteField): void;
}

/** What every kind takes. */
export const COMMON_FIELDS = {
  token: { type: 'secret', about: 'the credential that the runtime asks for' },
  driver: { type: 'text', about: 'of the original; there is one way to drive each runtime' },
  workspace_path: { type: 'path', about: "the agent's folder, which holds its .moltnet" },
  home_path: { type: 'path', about: "the agent's home folder" },
  session_prefix: { type: 'text', about: 'begins the session keys, in the place of agent:ID' },
  inactivity_timeout: {
    type: 'number',
    min: 1,
    max: 86_400,
    about: 'seconds without a sign of life after which a turn is ended (300)',
  },
  turn_timeout: { type: 'number', min: 1, max: 86_400, about: 'seconds for a turn in all (3600)' },
  max_turns: { type: 'number', min: 1, max: 64, about: 'turns at once in this workspace (1)' },
} as const satisfies RuntimeFields;

/** Every key of any of these kinds: what a `runtime` block may hold at all. */
export const runtimeKeys = (kinds: readonly RuntimeKind[]): string[] => [
  ...new Set([
    'kind',
    ...Object.keys(COMMON_FIELDS),
    ...kinds.flatMap(({ fields, refused }) => [...Object.keys(fields), ...Object.keys(refused ?? {})]),
  ]),
];

/** The keys of a block that hold a secret. */
export function secretKeys(kinds: readonly RuntimeKind[], kind: string): string[] {
  const fields: RuntimeFields = { ...COMMON_FIELDS, ...kinds.find((one) => one.kind === kind)?.fields };
  return Object.keys(fields).filter((key) => fields[key]!.type === 'secret');
}

/** Relative paths are taken from `cwd` and made absolute, because the runtime itself runs elsewhere. */
export function readRuntime(
  block: Section | undefined,
  parent: Section,
  cwd: string,
  kinds: readonly RuntimeKind[],
): RuntimeConfig {
  const names = kinds.map(({ kind }) => kind);
  if (!block) {
    parent.note('runtime', 'is missing', `write runtime: {kind: …}, of ${names.join(', ')}`);
    return { kind: '' };
  }
  const kind = block.required('kind', (value) => {
    if (names.includes(value)) return undefined;
    const near = didYouMean(value, names);
    return {
      problem: `${JSON.stringify(value)} is not a runtime`,
      fix: `${near ? `did you mean ${near}? ` : ''}known: ${names.join(', ')}`,
    };
  });
  const known = kinds.find((one) => one.kind === kind);
  const fields: RuntimeFields = { ...COMMON_FIELDS, ...known?.fields };
  if (known) {
    for (const key of runtimeKeys(kinds)) {
      if (key === 'kind' || key in fields || !block.has(key)) continue;
      block.note(
        key,
        `does not belong to kind ${kind}`,
        known.refused?.[key] ?? `remove it; ${kind} takes ${Object.keys(known.fields).join(', ')}`,
      );
    }
  }
  const runtime: RuntimeConfig = {
    kind,
    ...defined(
      Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, read(block, key, field, cwd)])),
    ),
  };
  known?.complete?.(runtime, (key, problem, fix) => block.note(key, problem, fix));
  return runtime;
}

function read(block: Section, key: string, field: RuntimeField, cwd: string): RuntimeValue | undefined {
  if (!block.has(key) && field.required !== undefined) {
    block.note(key, 'is missing', field.required);
    return undefined;
  }
  switch (field.type) {
    case 'text':
      return block.text(key) ?? field.default;
    case 'secret':
      return block.text(key);
    case 'path': {
      const value = block.text(key);
      return value === undefined ? undefined : path.resolve(cwd, value);
    }
    case 'command': {
      const value = block.text(key) ?? field.default;
      return value !== undefined && /[\\/]/.test(value) ? path.resolve(cwd, value) : value;
    }
    case 'url':
      return block.text(key, urlTest(...field.schemes)) ?? field.default;
    case 'number':
      return block.number(key, field.min, field.max) ?? field.default;
    case 'flag':
      return block.flag(key) ?? field.default;
    case 'choice':
      return block.oneOf(key, field.values) ?? field.default;
    case 'list':
      return readList(block, key);
    case 'map':
      return readMap(block, key);
    default:
      return field satisfies never;
  }
}

/** As they stand: not trimmed, a repetition means something. */
function readList(block: Section, key: string): string[] | undefined {
  const raw = block.raw(key);
  if (raw === undefined) return undefined;
  if (Array.isArray(raw) && raw.every(isPlain)) return raw as string[];
  block.note(key, 'is not a list of texts', 'write a list such as ["--model", "gpt-5"]');
  return undefined;
}

function readMap(block: Section, key: string): Record<string, string> | undefined {
  const raw = block.raw(key);
  if (raw === undefined) return undefined;
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw) && Object.values(raw).every(isPlain))
    return { ...(raw as Record<string, string>) };
  block.note(key, 'is not a block of texts', 'write a block such as {NAME: text}');
  return undefined;
}

const isPlain = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0');
