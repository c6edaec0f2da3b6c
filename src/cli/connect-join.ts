/** How `moltnet connect` gets an agent onto a network: registered, or claimed, or with the credential it was given. */
import path from 'node:path';
import { resolveCredential } from '../config/tokens.ts';
import { ConnectionError, RefusedError, type Client } from '../client/http.ts';
import { explain, explained, openClient, statusOf } from './api.ts';
import { claimAgent, registerWithToken, type Claimed } from './claim.ts';
import type { Io } from './command.ts';
import type { ConnectPlan } from './connect-plan.ts';
import { Failure } from './failure.ts';
import { localServerAt } from './local-server.ts';

/** What a server tells before one has a credential. */
export interface ServerView {
  mode: 'none' | 'bearer' | 'open';
}

/**
 * Undefined when the server cannot be asked and need not be. Fills in the network's id where it is told, and the auth
 * mode when none is known. Throws a Failure when it is another network.
 */
export async function lookAtServer(plan: ConnectPlan, io: Io): Promise<ServerView | undefined> {
  const { attachment } = plan;
  const { auth } = attachment;
  const token = heldToken(plan, io);
  const client = openClient({
    base_url: attachment.base_url,
    ...(token === undefined ? {} : { token }),
  });
  try {
    const mode = await serverMode(client);
    if (plan.auth_unknown && mode !== 'none') auth.mode = mode;
    await checkNetwork(client, plan);
    return { mode };
  } catch (error) {
    const failure = explain(error);
    if (!(failure instanceof Failure) || error instanceof Failure) throw error;
    if (!plan.network_given || auth.registration === 'open' || plan.claim_code !== undefined) throw failure;
    io.err(`moltnet: ${failure.message}; the agent will be registered when it first attaches\n`);
    return undefined;
  }
}

/** A token that is there already, if only to look with. */
function heldToken({ attachment, workspace }: ConnectPlan, io: Io): string | undefined {
  const found = resolveCredential(attachment.auth, { env: io.env, base: path.join(workspace, '.moltnet') });
  return found && 'token' in found ? found.token : undefined;
}

/** What the server says of itself, or what its refusal means. */
export async function serverMode(client: Client): Promise<ServerView['mode']> {
  try {
    return (await client.identity()).mode;
  } catch (error) {
    const status = statusOf(error);
    if (status === 401 || status === 403) return 'bearer';
    // A server of the original cannot tell; where anybody may register, agents have tokens.
    if (status !== 404 && !(error instanceof ConnectionError && error.problem === 'bad_answer')) throw error;
    return (await client.network()).capabilities.agent_registration === 'open' ? 'open' : 'none';
  }
}

/** A closed server tells its id only after the claim. */
async function checkNetwork(client: Client, { attachment, network_given }: ConnectPlan): Promise<void> {
  try {
    const { id } = await client.network();
    if (network_given) requireNetwork(client.baseUrl, id, attachment.network_id);
    attachment.network_id = id;
  } catch (error) {
    if (!(error instanceof RefusedError) || (error.status !== 401 && error.status !== 403)) throw error;
  }
}

function requireNetwork(url: string, actual: string, given: string): void {
  if (actual === given) return;
  throw new Failure(`the server at ${url} is network ${actual}, not ${given}`, {
    hint: `leave --network-id out, or write ${actual}`,
  });
}

/**
 * Mode none: registered, so that mentions find the agent at once. With a token: registered where the server lets it
 * do so by itself. Else claimed, its token kept in a file. Afterwards the attachment says how it logs in.
 */
export async function joinNetwork(
  plan: ConnectPlan,
  server: ServerView | undefined,
  io: Io,
): Promise<Claimed> {
  const joined = await join(plan, server, io);
  const { attachment } = plan;
  if (joined.registration) {
    const { network_id } = joined.registration;
    if (attachment.network_id !== '') requireNetwork(attachment.base_url, network_id, attachment.network_id);
    attachment.network_id = network_id;
  } else if (server && joined.token !== undefined) {
    // What it does not tell a caller without a token it tells this one; one that may only write is not told.
    const client = openClient({ base_url: attachment.base_url, token: joined.token });
    const told = await client.network().catch((error: unknown) => {
      if (attachment.network_id !== '' && statusOf(error) === 403) return undefined;
      throw explain(error);
    });
    if (told && attachment.network_id !== '')
      requireNetwork(attachment.base_url, told.id, attachment.network_id);
    if (told) attachment.network_id = told.id;
  }
  if (attachment.network_id === '')
    throw new Failure(`the server at ${attachment.base_url} does not tell its network without a token`, {
      hint: 'name it: --network-id ID',
    });
  return joined;
}

async function join(plan: ConnectPlan, server: ServerView | undefined, io: Io): Promise<Claimed> {
  const { attachment, workspace } = plan;
  const { auth, base_url, member_id: agent_id } = attachment;
  const dir = path.join(workspace, '.moltnet');
  const name = attachment.agent_name;
  const request = { requested_agent_id: agent_id, ...(name === undefined ? {} : { name }) };
  const claims =
    auth.registration === 'open' ||
    plan.claim_code !== undefined ||
    (plan.auth_unknown && auth.mode !== 'none');
  const found = resolveCredential(auth, { env: io.env, base: dir });
  const inFile = auth.token === undefined && auth.token_env === undefined;
  const begun = found !== undefined && 'claim_key' in found;

  if (server && inFile && (claims || begun)) {
    auth.token_path ??= `${agent_id}.token`;
    const local = await localServerAt(base_url, io);
    const file = path.resolve(dir, auth.token_path);
    const claimed = await claimAgent({ base_url, agent_id, name, file, code: plan.claim_code, local });
    if (claimed.token === undefined) {
      auth.mode = 'none';
      delete auth.token_path;
      delete auth.registration;
    }
    return claimed;
  }
  if (found && 'token' in found) {
    const from =
      auth.token !== undefined
        ? 'this token'
        : `the token ${auth.token_env === undefined ? `in ${path.resolve(dir, auth.token_path!)}` : `of ${auth.token_env}`}`;
    return server ? registerWithToken({ base_url, agent_id, name }, found.token, from) : found;
  }
  if (auth.mode !== 'none') {
    if (auth.token_path !== undefined && !begun)
      io.err(`moltnet: ${path.resolve(dir, auth.token_path)} does not exist yet: put the token there\n`);
    return {};
  }
  if (!server) return {};
  return { registration: await explained(() => openClient({ base_url }).registerAgent(request)) };
}
