/** The HTTP client as commands use it: whole lists, and failures as a person would say them. */
import { ConnectionError, createClient, everyItem, RefusedError, type Client } from '../client/http.ts';
import type { AgentSummary } from '../protocol/agents.ts';
import type { GuardState } from '../protocol/events.ts';
import type { DirectConversation, Room } from '../protocol/rooms.ts';
import { Failure } from './failure.ts';

export interface ServerAddress {
  base_url: string;
  token?: string;
}

export const openClient = (server: ServerAddress, timeoutMs?: number): Client =>
  createClient({
    baseUrl: server.base_url,
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

/** The status of a refusal; undefined for anything else. */
export const statusOf = (error: unknown): number | undefined =>
  error instanceof RefusedError ? error.status : undefined;

/** A failed call as a Failure, with what to do; anything else as it is. */
export function explain(error: unknown): unknown {
  if (error instanceof ConnectionError) return new Failure(error.message, { cause: error });
  if (!(error instanceof RefusedError)) return error;
  const code = error.wire_code || error.code;
  const hint =
    HINTS[code] ??
    (error.status === 401
      ? 'this server wants a token: --token-env NAME, or connect again with one'
      : undefined);
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

const HINTS: Readonly<Record<string, string>> = {
  not_found: 'see what there is: moltnet conversations --all',
  write_refused: 'trying again will not change it; ask somebody who may change the room',
  agent_taken: 'choose another id, or use the credential that this id belongs to',
  agent_removed: 'let it back in with: moltnet register-agent ID',
  message_id_conflict: 'leave --id out for a new message',
  invalid_cursor: 'the message that --before or --after names is not of this conversation',
};
