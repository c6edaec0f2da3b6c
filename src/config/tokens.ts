/** Where a bearer token comes from: `token`, else `token_env`, else `token_path` (wire.md 10.2). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isClaimKey, newClaimKey } from '../protocol/credentials.ts';
import { configError } from './issues.ts';
import { createFileAtomic, ensurePrivateDir, requirePrivate, writeFileAtomic } from './private-files.ts';
import type { TokenSource } from './types.ts';

export interface TokenOptions {
  env?: NodeJS.ProcessEnv;
  /** A relative token_path is taken from here. */
  base?: string;
}

/** What a token source holds: a token, or the key of a claim that has no answer yet (credentials.ts). */
export type Credential = { token: string } | { claim_key: string };

export const hasTokenSource = (source: TokenSource): boolean =>
  source.token !== undefined || source.token_env !== undefined || source.token_path !== undefined;

/**
 * The token, or undefined when no source is named, or when a token file does not exist and `missing_file` allows it.
 * A named source that yields nothing is a ConfigError, and so is a claim key: it is never sent as a token.
 */
export function resolveToken(
  source: TokenSource,
  options: TokenOptions & { missing_file?: 'error' | 'none' } = {},
): string | undefined {
  const found = resolveCredential(source, options);
  if (found === undefined) {
    if (source.token_path === undefined || options.missing_file === 'none') return undefined;
    throw configError(tokenFile(source.token_path, options), 'does not exist', NAMES_A_TOKEN);
  }
  if ('token' in found) return found.token;
  throw configError(
    tokenFile(source.token_path!, options),
    'holds the key of a claim, and no token yet',
    "start the agent's node (moltnet node start): it claims the agent and puts its token there",
  );
}

/**
 * What the source holds; undefined when none is named, or when its token file does not exist: nothing was claimed.
 * Throws a ConfigError for a source that yields nothing usable.
 */
export function resolveCredential(source: TokenSource, options: TokenOptions = {}): Credential | undefined {
  const { env = process.env } = options;
  if (source.token !== undefined) return { token: requireToken(source.token, 'token') };
  if (source.token_env !== undefined) {
    const value = env[source.token_env]?.trim() ?? '';
    if (value === '')
      throw configError(
        'environment',
        'is not set',
        `set ${source.token_env} to the token, or change token_env`,
        source.token_env,
      );
    return { token: requireToken(value, source.token_env) };
  }
  return source.token_path === undefined ? undefined : readTokenFile(tokenFile(source.token_path, options));
}

const NAMES_A_TOKEN = 'token_path must name a file with the token';
const tokenFile = (token_path: string, { base = process.cwd() }: TokenOptions): string =>
  path.resolve(base, token_path);

function readTokenFile(file: string): Credential | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw configError(file, `cannot be read: ${(error as Error).message}`, NAMES_A_TOKEN);
  }
  requirePrivate(file, 'a token');
  if (text === '') throw configError(file, 'is empty', 'write the token into it');
  return isClaimKey(text)
    ? { claim_key: requireHeaderText(text, file) }
    : { token: requireToken(text, file) };
}

/**
 * What to claim with: the claim key in the file, a new one when there is no file, or the token that is there already.
 * Of two that begin at once both get the same.
 */
export function beginClaim(file: string): Credential {
  ensurePrivateDir(path.dirname(file));
  const known = readTokenFile(file);
  if (known !== undefined) return known;
  createFileAtomic(file, `${newClaimKey()}\n`);
  const begun = readTokenFile(file);
  if (begun === undefined) throw configError(file, 'was taken away while it was written', 'try again');
  return begun;
}

/** Stores a token that a server minted: 0600, atomically, in a folder that is made 0700 when it is missing. */
export function storeToken(file: string, token: string): void {
  ensurePrivateDir(path.dirname(file));
  writeFileAtomic(file, `${token}\n`, 0o600);
}

/** Whether it can travel in an HTTP header: visible ASCII without spaces. */
export const isHeaderText = (token: string): boolean => /^[\x21-\x7e]+$/.test(token);

function requireToken(token: string, where: string): string {
  const text = requireHeaderText(token, where);
  if (isClaimKey(text))
    throw configError(where, 'is a claim key', 'only a token_path can be claimed into; write a token here');
  return text;
}

function requireHeaderText(token: string, where: string): string {
  const text = token.trim();
  if (!isHeaderText(text))
    throw configError(
      where,
      'holds characters that a token cannot have',
      'a token is one line of visible ASCII without spaces',
    );
  return text;
}
