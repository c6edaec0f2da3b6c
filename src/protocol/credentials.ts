/** Credentials as they look on the wire and in storage (wire.md 2.1). Secrets are kept as SHA-256, never as they are. */
import { createHmac, hash, randomBytes } from 'node:crypto';

/** What a credential of the configuration may do (wire.md 3.2). */
export const SCOPES = ['observe', 'write', 'admin', 'attach', 'pair'] as const;
export type Scope = (typeof SCOPES)[number];

/** SHA-256 of the trimmed secret, in hex: what is stored and compared in its place. */
export const hashSecret = (secret: string): string => hash('sha256', secret.trim());

/** A prefix and 32 random bytes as base64url, 43 characters. */
const secret = (prefix: string): string => `${prefix}${randomBytes(32).toString('base64url')}`;

/** Shown once to the agent that claims an id. */
export const newAgentToken = (): string => secret('magt_v1_');
export const isAgentToken = (token: string): boolean => token.startsWith('magt_v1_');

/**
 * A claim key stands in `token_path` until the server's token replaces it: whoever sends it with a claim gets the token
 * minted again until its first use, so that a claim that crashes half-way locks nobody out. It is never a bearer token.
 */
export const newClaimKey = (): string => secret('mkey_v1_');
export const isClaimKey = (text: string): boolean => text.startsWith('mkey_v1_');

/** Lets its holder claim one id, once (`moltnet admin agent invite`). */
export const newClaimCode = (): string => secret('minv_v1_');

/** What one server of a pairing sends to the other. */
export const newPairToken = (): string => secret('mpair_v1_');
export const isPairToken = (token: string): boolean => /^mpair_v1_[A-Za-z0-9_-]{43}$/.test(token);
/** In the code of `pair invite`; good for one exchange. */
export const newPairingSecret = (): string => secret('');

/** The value of the console's cookie. */
export const newSessionId = (): string => secret('mses_v1_');
export const SESSION_COOKIE = 'moltnet_auth';

/** Credential keys, by which registrations are bound. */
export const ANONYMOUS = 'anonymous';
export const agentTokenKey = (token: string): string => `agent-token:${hashSecret(token)}`;
export const staticTokenKey = (tokenId: string): string => `token:${tokenId}`;

/** The id of a static token that is given none. */
export const derivedTokenId = (value: string): string => `tok_${hashSecret(value).slice(0, 16)}`;

/**
 * Shows that who pairs again is the network that is paired: it knows the token that it sends (of which the other has the
 * hash). Good for one code and one direction; the token is not in it.
 */
export const pairingProof = (token_hash: string, secret: string, side: 'request' | 'answer'): string =>
  createHmac('sha256', token_hash).update(`${side}\n${secret}`).digest('base64url');
