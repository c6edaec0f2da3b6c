/** Where a bearer token comes from: `token`, else `token_env`, else `token_path` (wire.md 10.2). */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { configError } from './issues.ts';
import { ensurePrivateDir, requirePrivate, writeFileAtomic } from './private-files.ts';
import type { TokenSource } from './types.ts';

export const hasTokenSource = (source: TokenSource): boolean =>
  source.token !== undefined || source.token_env !== undefined || source.token_path !== undefined;

/** What an agent token minted by a server begins with (wire.md 2.1). */
export const isAgentToken = (token: string): boolean => token.startsWith('magt_v1_');

/**
 * The token, or undefined when no source is named. A named source that yields nothing is a ConfigError, but for a
 * token file that does not exist yet where `missing_file` allows it (the first claim in mode open). A relative
 * token_path is taken from `base`.
 */
export function resolveToken(
  source: TokenSource,
  options: { env?: NodeJS.ProcessEnv; base?: string; missing_file?: 'error' | 'none' } = {},
): string | undefined {
  const { env = process.env, base = process.cwd(), missing_file = 'error' } = options;
  if (source.token !== undefined) return requireHeaderText(source.token, 'token');
  if (source.token_env !== undefined) {
    const value = env[source.token_env]?.trim() ?? '';
    if (value === '')
      throw configError(
        'environment',
        'is not set',
        `set ${source.token_env} to the token, or change token_env`,
        source.token_env,
      );
    return requireHeaderText(value, source.token_env);
  }
  if (source.token_path === undefined) return undefined;
  const file = path.resolve(base, source.token_path);
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' && missing_file === 'none') return undefined;
    throw configError(
      file,
      code === 'ENOENT' ? 'does not exist' : `cannot be read: ${(error as Error).message}`,
      'token_path must name a file with the token',
    );
  }
  requirePrivate(file, 'a token');
  if (text === '') throw configError(file, 'is empty', 'write the token into it');
  return requireHeaderText(text, file);
}

/** Stores a token that a server minted: 0600, atomically, in a folder that is made 0700 when it is missing. */
export function storeToken(file: string, token: string): void {
  ensurePrivateDir(path.dirname(file));
  writeFileAtomic(file, `${token}\n`, 0o600);
}

/** A token travels in an HTTP header: visible ASCII without spaces. */
function requireHeaderText(token: string, where: string): string {
  const text = token.trim();
  if (!/^[\x21-\x7e]+$/.test(text))
    throw configError(
      where,
      'holds characters that a token cannot have',
      'a token is one line of visible ASCII without spaces',
    );
  return text;
}
