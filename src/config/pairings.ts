/** Which pairing of the file a token with the scope `pair` belongs to: the original has no word for it. */
import type { ServerConfig, StaticToken } from './types.ts';

type Parts = Pick<ServerConfig, 'auth' | 'pairings'>;

/**
 * The one that it names (`auth.tokens[].pairing`), else the one of its own id, else the only one when it is the only
 * such token. Undefined: it may speak for every pairing of the file that has no token of its own.
 */
export function pairingOfToken(
  { auth, pairings }: Parts,
  token: StaticToken,
): ServerConfig['pairings'][number] | undefined {
  if (!token.scopes.includes('pair')) return undefined;
  const named = token.pairing ?? token.id;
  const found = pairings.find(({ id }) => id === named);
  if (found || token.pairing !== undefined) return found;
  const tokens = auth.tokens.filter(({ scopes }) => scopes.includes('pair'));
  return pairings.length === 1 && tokens.length === 1 ? pairings[0] : undefined;
}

/** Whether the pairing has a token of its own. */
export const isBoundPairing = (parts: Parts, id: string): boolean =>
  parts.auth.mode !== 'none' && parts.auth.tokens.some((token) => pairingOfToken(parts, token)?.id === id);
