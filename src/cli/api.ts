/** The HTTP client as commands use it: whole lists, and failures as a person would say them. */
import { ConnectionError, createClient, everyItem, RefusedError, type Client } from '../client/http.ts';
import type { AgentSummary } from '../protocol/agents.ts';
import type { GuardState } from '../protocol/events.ts';
import type { CallerIdentity } from '../protocol/identity.ts';
import type { DirectConversation, Room } from '../protocol/rooms.ts';
import { Failure } from './failure.ts';

export interface ServerAddress {
  base_url: string;
  /** More servers of the same network. */
  other_urls?: readonly string[];
  /** What those must be of. */
  network_id?: string;
  token?: string;
}

export const openClient = (server: ServerAddress, timeoutMs?: number): Client =>
  createClient({
    baseUrl: server.base_url,
    ...(server.other_urls === undefined ? {} : { otherUrls: server.other_urls }),
    ...(server.network_id === undefined ? {} : { networkId: server.network_id }),
    ...(server.token === undefined ? {} : { token: server.token }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });

export const allRooms = (client: Client): Promise<Room[]> =>
  everyItem(
    (page) => client.rooms(page),
    (page) => page.rooms,
  );
export const allAgents = (client: Client): Promise<AgentSummary[]> =>
  everyItem(
    (page) => client.agents(page),
    (page) => page.agents,
  );
export const allDms = (client: Client): Promise<DirectConversation[]> =>
  everyItem(
    (page) => client.dms(page),
    (page) => page.dms,
  );
export const allGuardStates = (client: Client): Promise<GuardState[]> =>
  everyItem(
    (page) => client.guard(page),
    (page) => page.conversations,
  );

/** Who one is to the server; undefined for a server of the original, which cannot tell. Throws a Failure. */
export async function callerIdentity(server: ServerAddress): Promise<CallerIdentity | undefined> {
  try {
    return await openClient(server).identity();
  } catch (error) {
    if (statusOf(error) === 404 || (error instanceof ConnectionError && error.problem === 'bad_answer'))
      return undefined;
    throw explain(error);
  }
}

/** The network that a speaker is on; who has a token that may only write has to say it. */
export async function networkIdOf(speaker: { network_id?: string }, client: Client): Promise<string> {
  if (speaker.network_id !== undefined) return speaker.network_id;
  try {
    return (await client.network()).id;
  } catch (error) {
    const failure = explain(error);
    if (statusOf(error) !== 403 || !(failure instanceof Failure)) throw failure;
    throw new Failure('this token may not ask which network this is', {
      hint: 'say it: --network ID',
      cause: error,
    });
  }
}

/** The status of a refusal; undefined for anything else. */
export const statusOf = (error: unknown): number | undefined =>
  error instanceof RefusedError ? error.status : undefined;

/** A failed call as a Failure, with what to do; anything else as it is. */
export function explain(error: unknown): unknown {
  if (error instanceof ConnectionError) return new Failure(error.message, { cause: error });
  if (!(error instanceof RefusedError)) return error;
  const code = error.wire_code || error.code;
  const hint =
    code === 'rate_limited' && error.retry_after !== undefined
      ? `run it again in ${error.retry_after} s; what was tried meanwhile counts too`
      : code === 'not_found'
        ? whereToLook(error.message)
        : (HINTS[code] ?? (error.status === 401 ? HINTS['unauthorized'] : undefined));
  return new Failure(`${code}: ${error.message}`, { ...(hint === undefined ? {} : { hint }), cause: error });
}

/** Runs calls; what fails is told as a person would say it. */
export async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(error);
  }
}

/** What is missing is told by the server's sentence alone. */
function whereToLook(message: string): string | undefined {
  const missing = /\bno such (\w+)/.exec(message)?.[1];
  if (missing === 'agent') return 'see who there is: moltnet participants room:ID';
  if (missing === 'pairing') return 'see what there is: moltnet pair list';
  if (missing === 'message') return 'its id is what moltnet send and moltnet read print';
  return missing === undefined ? undefined : 'see what there is: moltnet conversations --all';
}

/** The next step after a refusal, where there is one that does not depend on the command. */
const HINTS: Readonly<Record<string, string>> = {
  unauthorized:
    'this server wants a token that it knows: --token-env NAME, or connect again with one; a token that was just written into its file counts after moltnet reload',
  invalid_id: 'ids are 1 to 128 letters, digits, . _ : - and begin with a letter or digit',
  write_refused: 'trying again will not change it; ask somebody who may change the room',
  agent_taken:
    'choose another id; or, if it is yours and its token is lost, ask for a new one: moltnet admin agent rotate-token ID',
  agent_removed:
    'ask who runs the server to let it back in (moltnet admin agent invite ID), then connect with --claim-code CODE',
  claim_reserved:
    "connect on the server's own machine, or ask who runs it for a code (moltnet admin agent invite ID) and add --claim-code CODE",
  invalid_claim_code: 'a code is for one id and works once; ask for a new one: moltnet admin agent invite ID',
  person_reserved: 'choose another id; people of the configuration sign with their own tokens',
  rate_limited: 'wait a minute, and run it again',
  message_id_conflict: 'leave --id out for a new message',
  invalid_cursor: 'the message that --before or --after names is not of this conversation',
};
