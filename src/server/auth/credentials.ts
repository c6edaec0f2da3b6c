/**
 * Credential → Identity (wire.md 3.2). A check is one hash of what was sent and look-ups by it: no secret is compared
 * or kept, and it costs the same with one token and with ten thousand.
 */
import type { IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { pairingOfToken } from '../../config/pairings.ts';
import type { ServerConfig, StaticToken } from '../../config/types.ts';
import {
  agentIdentity,
  anyone,
  pairingIdentity,
  type AuthMode,
  type Identity,
} from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import {
  agentTokenKey,
  ANONYMOUS,
  derivedTokenId,
  hashSecret,
  isAgentToken,
  isPairToken,
  SESSION_COOKIE,
  staticTokenKey,
  type Scope,
} from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { canonicalMemberId } from '../../protocol/ids.ts';
import type { CallerIdentity } from '../../protocol/identity.ts';
import type { PairingRow, SessionRow } from '../../store/topology-rows.ts';
import type { Sessions, SessionToken } from './sessions.ts';

export interface CredentialsOptions {
  config: Pick<ServerConfig, 'auth' | 'network' | 'pairings'>;
  network: Pick<Network, 'execute' | 'topology'>;
  sessions: Sessions;
  /** A request came with a credential that nobody has. May throw another refusal in the place of `unauthorized`. */
  onUnknown?: (request: IncomingMessage) => void;
  onFault: (error: unknown) => void;
  /** For tests that count. */
  hash?: (secret: string) => string;
}

/** What an identity was made of, where its credential_key does not say it all. */
type Source = { kind: 'token'; token_hash: string } | { kind: 'session'; session: SessionRow };

export interface Credentials {
  /** Whoever brings no credential; `anyone` in mode none. */
  readonly anonymous: Identity;
  /**
   * Who calls. Throws `unauthorized` for a credential that is not known, `agent_removed` for that of a removed agent.
   * In mode none it is `anyone`, whatever was sent.
   */
  identify(request: IncomingMessage): Identity;
  /** The same, and undefined where it throws. */
  tryIdentify(request: IncomingMessage): Identity | undefined;
  /** Whether the credential that a request brings, if any, is known by now. Counts nothing. */
  knows(request: IncomingMessage): boolean;
  /** The identity of a token that was just minted: no use of it yet (SESS-3). Throws as identify does. */
  identityOf(token: string): Identity;
  /** The token of the configuration with this value. */
  staticToken(token: string): SessionToken | undefined;
  /** Whether the configuration still has it. */
  holds(token: SessionToken): boolean;
  /** The session that a request is known by: its cookie's, when it brings no Authorization. */
  sessionOf(request: IncomingMessage): SessionRow | undefined;
  identityOfSession(session: SessionRow): Identity | undefined;
  kindOf(identity: Identity): CallerIdentity['credential'];
  /** Why an identity that was given out does not hold any more; undefined while it does. */
  revocation(identity: Identity): MoltnetError | undefined;
  /** Whether an agent that was known by its token is now bound to another, or removed. */
  hasLapsed(agent_id: string): boolean;
  /** Takes `config.auth` over: tokens that are gone, and sessions of theirs, are known no longer. */
  reload(): void;
}

export function createCredentials({
  config,
  network,
  sessions,
  onUnknown,
  onFault,
  hash = hashSecret,
}: CredentialsOptions): Credentials {
  const { topology } = network;
  /** Of the configuration, by the hash of their values. */
  let tokens = new Map<string, { token: SessionToken; identity: Identity }>();
  /** Agents that were seen with their token. */
  const agents = new Map<string, { key: string; identity: Identity }>();
  const sessionIdentities = new WeakMap<SessionRow, { of: Identity; identity: Identity }>();
  const pairings = new WeakMap<PairingRow, Identity>();
  const sources = new WeakMap<Identity, Source>();
  const answers = new WeakMap<IncomingMessage, Identity | MoltnetError>();
  /** Looked up when it is asked: no event of a batch is judged by what was before it. */
  const removed = { has: (id: string) => topology.isRemovedAgent(id) };
  const confirming = new Set<string>();
  let anonymous = anonymousIn(config.auth.mode);

  function made(identity: Identity, source: Source): Identity {
    sources.set(identity, source);
    return identity;
  }

  function reload(): void {
    const { mode } = config.auth;
    if (anonymous.mode !== mode) anonymous = anonymousIn(mode);
    const before = tokens;
    tokens = new Map();
    for (const token of config.auth.tokens) {
      const token_hash = hash(token.value);
      const token_id = token.id ?? derivedTokenId(token.value);
      const identity = identityOfToken(config, token_id, token, removed);
      const known = before.get(token_hash);
      tokens.set(
        token_hash,
        // The same object for the same rights: what was opened with it goes on.
        known && isDeepStrictEqual(known.identity, identity)
          ? known
          : {
              token: { token_id, token_hash },
              identity: made(identity, { kind: 'token', token_hash }),
            },
      );
    }
    for (const [id, { identity }] of agents) if (identity.mode !== mode) agents.delete(id);
    sessions.keepOnly(holds);
  }

  function holds({ token_id, token_hash }: SessionToken): boolean {
    return tokens.get(token_hash)?.token.token_id === token_id;
  }

  /** Throws `unauthorized` or `agent_removed`. */
  function identityOf(token: string): Identity {
    if (token.trim() === '') throw unknown();
    const known = tokens.get(hash(token));
    if (known) return known.identity;
    if (isPairToken(token.trim())) return identityOfPairing(hash(token));
    if (!isAgentToken(token)) throw unknown();
    const key = agentTokenKey(token);
    const row = topology.agentByCredential(key);
    if (!row) {
      const removed = topology.removedByCredential(key);
      throw removed ? removedAgent(removed.id) : unknown();
    }
    const seen = agents.get(row.id);
    if (seen?.key === key) return seen.identity;
    const identity = agentIdentity(config.auth.mode, key, row.id);
    agents.set(row.id, { key, identity });
    return identity;
  }

  /** Throws `unauthorized`. One object for as long as the pairing is the same. */
  function identityOfPairing(token_hash: string): Identity {
    const row = topology.pairingByToken(token_hash);
    if (!row) throw unknown();
    const seen = pairings.get(row);
    if (seen) return seen;
    const identity = pairingIdentity(token_hash, {
      id: row.id,
      network: row.remote_network_id,
      bound: true,
    });
    pairings.set(row, identity);
    return identity;
  }

  function resolve(request: IncomingMessage): Identity {
    const { authorization } = request.headers;
    if (authorization === undefined) {
      const session = sessionOf(request);
      return (session && identityOfSession(session)) ?? anonymous;
    }
    if (!authorization.startsWith(BEARER))
      throw unknown('the Authorization header must be "Bearer TOKEN", written exactly so');
    const identity = identityOf(authorization.slice(BEARER.length));
    if (isAgent(identity)) confirm(identity);
    return identity;
  }

  /** The first use of a minted token ends what its claim key is good for. Nothing waits for it. */
  function confirm(identity: Identity): void {
    const { id: agent_id, claim_key_hash } = topology.agentByCredential(identity.credential_key)!;
    if (claim_key_hash === null || confirming.has(agent_id)) return;
    confirming.add(agent_id);
    network
      .execute('agent.confirm', { agent_id }, identity)
      .catch(onFault)
      .finally(() => confirming.delete(agent_id));
  }

  function sessionOf({ headers }: IncomingMessage): SessionRow | undefined {
    if (config.auth.mode === 'none' || headers.authorization !== undefined) return undefined;
    const cookie = cookieOf(headers.cookie);
    return cookie === undefined ? undefined : sessions.find(cookie);
  }

  function identityOfSession(session: SessionRow): Identity | undefined {
    const known = tokens.get(session.token_hash);
    if (!known) return undefined;
    const seen = sessionIdentities.get(session);
    if (seen?.of === known.identity) return seen.identity;
    // One of its own, because it ends with the session.
    const identity = made({ ...known.identity }, { kind: 'session', session });
    sessionIdentities.set(session, { of: known.identity, identity });
    return identity;
  }

  /** Of an identity that is no agent's. */
  function isCurrent(identity: Identity): boolean {
    const source = sources.get(identity);
    switch (source?.kind) {
      case 'token':
        return tokens.get(source.token_hash)?.identity === identity;
      case 'session':
        return sessions.isAlive(source.session) && identityOfSession(source.session) === identity;
      default:
        return identity === anonymous;
    }
  }

  function answerFor(request: IncomingMessage): Identity | MoltnetError {
    if (config.auth.mode === 'none' && !bringsPairToken(request)) return anonymous;
    let answer = answers.get(request);
    if (answer) return answer;
    try {
      answer = resolve(request);
    } catch (error) {
      answer = refusalFor(request, error);
    }
    answers.set(request, answer);
    return answer;
  }

  function refusalFor(request: IncomingMessage, error: unknown): MoltnetError {
    if (!(error instanceof MoltnetError)) throw error;
    if (error.code !== 'unauthorized') return error;
    try {
      onUnknown?.(request);
      return error;
    } catch (instead) {
      if (instead instanceof MoltnetError) return instead;
      throw instead;
    }
  }

  reload();
  return {
    get anonymous() {
      return anonymous;
    },
    identify(request) {
      const answer = answerFor(request);
      if (answer instanceof MoltnetError) throw answer;
      return answer;
    },
    tryIdentify(request) {
      const answer = answerFor(request);
      return answer instanceof MoltnetError ? undefined : answer;
    },
    knows(request) {
      const { authorization, cookie } = request.headers;
      if (config.auth.mode === 'none' && !bringsPairToken(request)) return true;
      if (authorization === undefined)
        return cookieOf(cookie) === undefined || sessionOf(request) !== undefined;
      if (!authorization.startsWith(BEARER)) return true;
      try {
        identityOf(authorization.slice(BEARER.length));
        return true;
      } catch {
        return false;
      }
    },
    identityOf,
    staticToken: (token) => tokens.get(hash(token))?.token,
    holds,
    sessionOf,
    identityOfSession,
    kindOf: (identity) => (isAgent(identity) ? 'agent' : (sources.get(identity)?.kind ?? 'anonymous')),
    revocation(identity) {
      const { mode, credential_key } = identity;
      if (credential_key.startsWith('pair-token:')) {
        const row = topology.pairingByToken(credential_key.slice('pair-token:'.length));
        return row && pairings.get(row) === identity ? undefined : ended();
      }
      if (isAgent(identity) && mode === config.auth.mode) {
        if (topology.agentByCredential(credential_key)) return undefined;
        const removed = topology.removedByCredential(credential_key);
        return removed ? removedAgent(removed.id) : ended();
      }
      return isCurrent(identity) ? undefined : ended();
    },
    hasLapsed(agent_id) {
      const seen = agents.get(agent_id);
      if (!seen || topology.agent(agent_id)?.credential_key === seen.key) return false;
      agents.delete(agent_id);
      return true;
    },
    reload,
  };
}

const BEARER = 'Bearer ';
/** A paired network is held to what is shared with it also where nobody else is asked who he is. */
const bringsPairToken = ({ headers: { authorization } }: IncomingMessage): boolean =>
  authorization?.startsWith(`${BEARER}mpair_v1_`) === true;
const NO_SCOPES: ReadonlySet<Scope> = new Set();

const isAgent = ({ credential_key }: Identity): boolean => credential_key.startsWith('agent-token:');

function anonymousIn(mode: AuthMode): Identity {
  return mode === 'none' ? anyone : { mode, credential_key: ANONYMOUS, scopes: NO_SCOPES };
}

function identityOfToken(
  config: Pick<ServerConfig, 'auth' | 'network' | 'pairings'>,
  id: string,
  token: StaticToken,
  removed: NonNullable<Identity['removed']>,
): Identity {
  const { auth, network } = config;
  const { scopes, agents = [], human } = token;
  const pairing = pairingOfToken(config, token);
  return {
    mode: auth.mode,
    credential_key: staticTokenKey(id),
    scopes: new Set(scopes as Scope[]),
    ...(agents.length > 0 && {
      agents: new Set(agents.map((agent) => canonicalMemberId(agent, network.id))),
      removed,
    }),
    ...(pairing && {
      pairing: {
        id: pairing.id,
        ...(pairing.remote_network_id !== undefined && { network: pairing.remote_network_id }),
      },
    }),
    ...(human && { human }),
  };
}

/** The value of our cookie in a Cookie header. */
function cookieOf(header: string | undefined): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === SESSION_COOKIE) return pair.slice(equals + 1).trim();
  }
  return undefined;
}

const unknown = (why = 'this credential is not known here'): MoltnetError =>
  new MoltnetError('unauthorized', why);
const ended = (): MoltnetError =>
  new MoltnetError('unauthorized', 'the credential that this was opened with does not hold any more');
const removedAgent = (id: string): MoltnetError =>
  new MoltnetError('agent_removed', `the agent ${id} was removed: an operator can let it back in`);
