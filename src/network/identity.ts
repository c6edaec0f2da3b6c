/** Who asks, as the server resolved it from the credential and the connection. The only input to access decisions. */
import { ANONYMOUS, SCOPES, type Scope } from '../protocol/credentials.ts';

export type { Scope };
export type AuthMode = 'none' | 'bearer' | 'open';

export interface Identity {
  mode: AuthMode;
  /** `anonymous`, `token:<id>` or `agent-token:<hex>` (wire.md 2.1). */
  credential_key: string;
  /** In mode none every scope. */
  scopes: ReadonlySet<Scope>;
  /** Allow-list of a static token, or the one agent of an agent token; undefined for no restriction. */
  agents?: ReadonlySet<string>;
  /** Agents that are removed now: nothing is read for one, though it is still listed. */
  removed?: Pick<ReadonlySet<string>, 'has'>;
  /** The pairing whose token this is: it sees and does what is shared with it. */
  pairing?: PairingIdentity;
  /** The person that this credential is (auth.tokens[].human): the only one it writes as. */
  human?: Person;
}

export interface PairingIdentity {
  id: string;
  /** The network that it speaks for; undefined while nothing has said which. */
  network?: string;
  /** It has a token of its own, and nobody else speaks for its network. */
  bound?: boolean;
}

/** A person of the configuration. The id is one of the network's namespace, which agents share. */
export interface Person {
  id: string;
  name?: string;
}

const EVERY_SCOPE: ReadonlySet<Scope> = new Set(SCOPES);

/** The caller in auth mode none: whoever reaches the server may do everything that is not reserved to itself. */
export const anyone: Identity = { mode: 'none', credential_key: ANONYMOUS, scopes: EVERY_SCOPE };
/** The server itself: applying its configuration, keeping delivery state. */
export const server: Identity = { mode: 'none', credential_key: ANONYMOUS, scopes: EVERY_SCOPE };

const AGENT_SCOPES: ReadonlySet<Scope> = new Set(['write', 'attach']);

const PAIR_SCOPES: ReadonlySet<Scope> = new Set(['pair']);

/** The caller with the token of a pairing that is kept here. It is held to its scope in every mode, also in none. */
export const pairingIdentity = (token_hash: string, pairing: PairingIdentity): Identity => ({
  mode: 'bearer',
  credential_key: `pair-token:${token_hash}`,
  scopes: PAIR_SCOPES,
  pairing,
});

/** The caller with an agent's own token, whose hash the key holds. */
export const agentIdentity = (mode: AuthMode, credential_key: string, agent_id: string): Identity => ({
  mode,
  credential_key,
  scopes: AGENT_SCOPES,
  agents: new Set([agent_id]),
});
