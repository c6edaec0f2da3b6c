/**
 * Claiming an agent id so that its token is kept whatever breaks in between: a key of our own stands in the token's
 * file before the server is asked, and the same key mints again until the token was used (protocol/credentials.ts).
 * The same command, run again, goes on where it ended.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { RefusedError } from '../client/http.ts';
import { ensurePrivateDir, holdFileLock } from '../config/private-files.ts';
import { beginClaim, resolveCredential, storeToken } from '../config/tokens.ts';
import type { AgentRegistration } from '../protocol/agents.ts';
import { newClaimCode } from '../protocol/credentials.ts';
import { callerIdentity, explain, openClient, statusOf } from './api.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure, usageFailure } from './failure.ts';
import { adminTokens, type LocalServer } from './local-server.ts';

export const CLAIM_FLAGS: readonly Flag[] = [
  { name: 'claim-code', value: 'CODE', what: 'the code of moltnet admin agent invite' },
  { name: 'claim-code-env', value: 'NAME', what: 'environment variable that holds the code' },
];

export function claimCode(args: Args, io: Io): string | undefined {
  const name = args.text('claim-code-env');
  const code = args.text('claim-code') ?? (name === undefined ? undefined : io.env[name]?.trim());
  if (name !== undefined && !code) throw usageFailure(`${name} is not set`, 'set it to the claim code');
  return code;
}

export interface Claim {
  base_url: string;
  agent_id: string;
  name?: string | undefined;
  /** Absolute: where the token will stand. */
  file: string;
  code?: string | undefined;
  /** The server's own configuration, where it is at hand: with its admin token the agent is invited first. */
  local?: LocalServer | undefined;
}

export interface Claimed {
  /** None when the agent has its token already, and may not register by itself. */
  registration?: AgentRegistration;
  /** None where the server wants none. */
  token?: string;
}

/** How long another process may be at the same claim, in milliseconds. */
const PATIENCE = 30_000;

/** Registers the agent and leaves its token in the file. Throws a Failure that says what to do. */
export async function claimAgent(claim: Claim): Promise<Claimed> {
  const { file } = claim;
  ensurePrivateDir(path.dirname(file));
  // Of two claims with one key the later would void the earlier one's token.
  const release = await holdFileLock(file, { signal: AbortSignal.timeout(PATIENCE) }).catch(
    (error: unknown) => {
      throw new Failure(`another moltnet is claiming ${claim.agent_id} (${file})`, { cause: error });
    },
  );
  try {
    const before = resolveCredential({ token_path: file });
    if (!before || 'claim_key' in before) return await begin(claim, before !== undefined);
    try {
      return await registerWithToken(claim, before.token, `the token in ${file}`);
    } catch (error) {
      // Who brings a code wants to be let in again: the token of before is dead.
      if (claim.code === undefined || !isDead((error as Error).cause)) throw error;
      rmSync(file);
      return await begin(claim, false);
    }
  } finally {
    release();
  }
}

/** `begun`: a key was there already, so that an earlier try may have succeeded without our knowing. */
async function begin(claim: Claim, begun: boolean): Promise<Claimed> {
  const { file } = claim;
  const credential = beginClaim(file);
  if ('token' in credential) return registerWithToken(claim, credential.token, `the token in ${file}`);
  let registration: AgentRegistration;
  try {
    registration = await ask(claim, credential.claim_key, begun);
  } catch (error) {
    if (!begun && error instanceof RefusedError && error.status < 500) rmSync(file, { force: true });
    const failure = explain(error);
    if (!isClosed(error) || claim.code !== undefined || !(failure instanceof Failure)) throw failure;
    throw new Failure(failure.message, {
      hint:
        failure.hint?.includes('--claim-code') === true
          ? failure.hint
          : `agents are invited here: ask who runs it for a code (moltnet admin agent invite ${claim.agent_id}) and add --claim-code CODE, or for a token: --token-path FILE`,
      cause: error,
    });
  }
  const token = registration.agent_token;
  if (token === undefined) {
    rmSync(file, { force: true });
    return { registration };
  }
  try {
    storeToken(file, token);
  } catch (error) {
    throw new Failure(`the token of the agent could not be stored: ${(error as Error).message}`, {
      hint: 'put that right and run the same command again: it gets a new one',
      cause: error,
    });
  }
  return { registration, token };
}

const isDead = (error: unknown): boolean =>
  error instanceof RefusedError && ['unauthorized', 'agent_removed'].includes(error.wire_code);

/** Who comes without a code, or to this id, is not let in. */
const isClosed = (error: unknown): boolean =>
  error instanceof RefusedError && ['unauthorized', 'forbidden', 'claim_reserved'].includes(error.wire_code);

/** Anonymously; where that is not enough and this is the server's own machine, invited by its operator. */
async function ask(claim: Claim, claim_key: string, begun: boolean): Promise<AgentRegistration> {
  const register = (claim_code: string | undefined): Promise<AgentRegistration> =>
    openClient({ base_url: claim.base_url }).registerAgent({
      requested_agent_id: claim.agent_id,
      ...(claim.name === undefined ? {} : { name: claim.name }),
      claim_key,
      ...(claim_code === undefined ? {} : { claim_code }),
    });
  try {
    return await register(claim.code);
  } catch (error) {
    const [operator] = claim.local && claim.code === undefined ? adminTokens(claim.local) : [];
    if (operator === undefined || !isClosed(error)) throw error;
    try {
      const client = openClient({ base_url: claim.base_url, token: operator });
      return await register((await client.inviteAgent(claim.agent_id)).code);
    } catch (refusal) {
      if (!begun || !(refusal instanceof RefusedError) || refusal.wire_code !== 'agent_taken') throw refusal;
      // An earlier try may be what took it. Its code is used up; whoever has its key is let in with any.
      return register(newClaimCode()).catch(() => {
        throw refusal;
      });
    }
  }
}

/**
 * With a token that is there: the same again, or, where agents may not register by themselves, a look at whose it is.
 * `from` says which token that is: `the token in FILE`.
 */
export async function registerWithToken(
  { base_url, agent_id, name }: Pick<Claim, 'base_url' | 'agent_id' | 'name'>,
  token: string,
  from: string,
): Promise<Claimed> {
  const client = openClient({ base_url, token });
  try {
    const registration = await client.registerAgent({
      requested_agent_id: agent_id,
      ...(name === undefined ? {} : { name }),
    });
    return { registration, token };
  } catch (error) {
    const code = error instanceof RefusedError ? error.wire_code : '';
    if (code === 'forbidden') {
      const caller = await callerIdentity({ base_url, token });
      if (!caller?.agents || caller.agents.includes(agent_id)) return { token };
    }
    const problem =
      statusOf(error) === 401
        ? `this server does not know ${from}`
        : code === 'forbidden' || code === 'agent_taken'
          ? `${from} is not that of ${agent_id}`
          : undefined;
    if (problem === undefined) throw explain(error);
    throw new Failure(problem, {
      hint: 'put the right token there; to claim the agent anew, take that one away and run this again',
      cause: error,
    });
  }
}
