/** Who asks, as the server resolved it from the credential and the connection. The only input to access decisions. */
export const SCOPES = ['observe', 'write', 'admin', 'attach', 'pair'] as const;
export type Scope = (typeof SCOPES)[number];
export type AuthMode = 'none' | 'bearer' | 'open';

export interface Identity {
  mode: AuthMode;
  /** `anonymous`, `token:<id>` or `agent-token:<hex>` (wire.md 2.1). */
  credential_key: string;
  /** In mode none every scope. */
  scopes: ReadonlySet<Scope>;
  /** Allow-list of a static token, or the one agent of an agent token; undefined for no restriction. */
  agents?: ReadonlySet<string>;
}

const EVERY_SCOPE: ReadonlySet<Scope> = new Set(SCOPES);

/** The caller in auth mode none: whoever reaches the server may do everything that is not reserved to itself. */
export const anyone: Identity = { mode: 'none', credential_key: 'anonymous', scopes: EVERY_SCOPE };
/** The server itself: applying its configuration, keeping delivery state. */
export const server: Identity = { mode: 'none', credential_key: 'anonymous', scopes: EVERY_SCOPE };
