import type { GuardState } from '../../../src/protocol/events.ts';
import type {
  Message,
  MessageAccepted,
  MessageRedacted,
  SendMessageRequest,
} from '../../../src/protocol/messages.ts';
import type { CallerIdentity, ReloadResult } from '../../../src/protocol/identity.ts';
import type { ErrorEnvelope, Network } from '../../../src/protocol/network.ts';
import type {
  AgentPage,
  ArtifactPage,
  DirectConversationPage,
  GuardPage,
  MessagePage,
  PageInfo,
  RoomPage,
  ThreadPage,
} from '../../../src/protocol/pages.ts';
import type { ReadList, ReadPosition } from '../../../src/protocol/reads.ts';
import type { Pause, PauseList } from '../../../src/protocol/pauses.ts';
import type {
  DeliveryItem,
  DeliveryList,
  MessageReceipts,
  Receipt,
  UsageReport,
} from '../../../src/protocol/receipts.ts';
import type {
  CreateRoomRequest,
  DirectConversation,
  Room,
  Thread,
  UpdateRoomRequest,
} from '../../../src/protocol/rooms.ts';
import type {
  MessageRelay,
  MessageRelays,
  Pairing,
  PairingAccepted,
  PairingInvite,
  PairingInviteList,
  PairingPage,
} from '../../../src/protocol/pairings.ts';
import type { SearchPage } from '../../../src/protocol/search.ts';
import type { AgentInvite, AgentRegistration, AgentSummary, WakeTest } from '../../../src/protocol/agents.ts';

/** A refusal of the server, or no answer at all (`status` 0). `code` is one of the protocol's error codes. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
  /** The same request may succeed later. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const TIMEOUT_MS = 20_000;

/** @param leaving it is to arrive also when the page is gone */
async function request<T>(method: string, path: string, body?: unknown, leaving = false): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: 'no-store',
      credentials: 'same-origin',
      keepalive: leaving,
    });
  } catch {
    throw new ApiError(0, 'no_answer', '');
  }
  const text = await response.text().catch(() => '');
  const json = parse(text);
  if (!response.ok) {
    const { code, error } = (json ?? {}) as Partial<ErrorEnvelope>;
    throw new ApiError(response.status, code ?? 'internal_error', error ?? response.statusText);
  }
  // Something else than Moltnet answers on this address (a proxy's page, say).
  if (json === undefined) throw new ApiError(502, 'bad_gateway', '');
  return json as T;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const query = (parameters: Record<string, string | number | undefined>): string => {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
};

/** Every page of an id-sorted collection, or so many. */
async function all<P extends { page: PageInfo }, T>(
  path: string,
  items: (page: P) => T[],
  pages = Infinity,
): Promise<T[]> {
  const found: T[] = [];
  let after: string | undefined;
  let read = 0;
  do {
    const page = await request<P>('GET', `${path}${query({ limit: 500, after })}`);
    found.push(...items(page));
    after = page.page.next_after;
  } while (after !== undefined && ++read < pages);
  return found;
}

export interface MessageQuery {
  limit?: number;
  before?: string;
  after?: string;
}

export interface MessageRun {
  messages: Message[];
  older: boolean;
  newer: boolean;
}

/** Where a conversation's messages are read. */
function messagesPath(key: string): string {
  const colon = key.indexOf(':');
  return `/v1/${key.slice(0, colon)}s/${encodeURIComponent(key.slice(colon + 1))}/messages`;
}

export const api = {
  identity: () => request<CallerIdentity>('GET', '/v1/identity'),
  signIn: (token: string) => request<CallerIdentity>('POST', '/console/session', { token }),
  signOut: () => request<CallerIdentity>('DELETE', '/console/session'),
  /** How far the person has read; none where the server keeps none. */
  async reads(): Promise<ReadPosition[]> {
    try {
      return (await request<ReadList>('GET', '/v1/reads')).reads;
    } catch (error) {
      if (error instanceof ApiError && [403, 404].includes(error.status)) return [];
      throw error;
    }
  },
  markRead: (conversation: string, message_id: string, leaving: boolean) =>
    request<ReadPosition>('PUT', `/v1/reads/${encodeURIComponent(conversation)}`, { message_id }, leaving),
  network: () => request<Network>('GET', '/v1/network'),
  rooms: (): Promise<Room[]> => all<RoomPage, Room>('/v1/rooms', (page) => page.rooms),
  agents: (): Promise<AgentSummary[]> => all<AgentPage, AgentSummary>('/v1/agents', (page) => page.agents),
  guard: (): Promise<GuardState[]> => all<GuardPage, GuardState>('/v1/guard', (page) => page.conversations),
  resume: (conversation: string) => request<GuardState>('POST', '/v1/guard/resume', { conversation }),
  pauses: async (): Promise<Pause[]> => (await request<PauseList>('GET', '/v1/pauses')).pauses,
  pause: (scope: string) => request<unknown>('POST', '/v1/pauses', { scope }),
  unpause: (scope: string) => request<unknown>('DELETE', `/v1/pauses/${encodeURIComponent(scope)}`),
  failedWakes: async (): Promise<DeliveryItem[]> =>
    (await request<DeliveryList>('GET', '/v1/deliveries?state=failed')).deliveries,
  /** Two agents may have a wake of one id: it is said whose. */
  settleWake: (wakeId: string, agent: string, how: 'retry' | 'drop') =>
    request<DeliveryItem>('POST', `/v1/deliveries/${encodeURIComponent(wakeId)}/${how}${query({ agent })}`),
  receipts: async (messageId: string): Promise<Receipt[]> =>
    (await request<MessageReceipts>('GET', `/v1/messages/${encodeURIComponent(messageId)}/receipts`))
      .receipts,
  threads: (roomId: string): Promise<Thread[]> =>
    all<ThreadPage, Thread>(`/v1/rooms/${encodeURIComponent(roomId)}/threads`, (page) => page.threads),
  thread: (id: string) => request<Thread>('GET', `/v1/threads/${encodeURIComponent(id)}`),
  /** None where the server has no pairings or the caller may not see them. */
  async pairings(): Promise<Pairing[]> {
    try {
      return await all<PairingPage, Pairing>('/v1/pairings', (page) => page.pairings);
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return [];
      throw error;
    }
  },
  removePairing: (id: string) => request<unknown>('DELETE', `/v1/pairings/${encodeURIComponent(id)}`),
  /** Undefined where the server makes no codes or the caller may not. */
  async pairingInvites(): Promise<PairingInviteList['invites'] | undefined> {
    try {
      return (await request<PairingInviteList>('GET', '/v1/pairing-invites')).invites;
    } catch (error) {
      if (error instanceof ApiError && [401, 403, 404].includes(error.status)) return undefined;
      throw error;
    }
  },
  invitePairing: (rooms: readonly string[]) =>
    request<PairingInvite>('POST', '/v1/pairing-invites', { rooms, url: location.origin }),
  removePairingInvite: (id: string) =>
    request<unknown>('DELETE', `/v1/pairing-invites/${encodeURIComponent(id)}`),
  acceptPairing: (code: string) => request<PairingAccepted>('POST', '/v1/pairings/accept', { code }),
  /** None where the message is shared with nobody. */
  async relays(messageId: string): Promise<MessageRelay[]> {
    try {
      const path = `/v1/messages/${encodeURIComponent(messageId)}/relays`;
      return (await request<MessageRelays>('GET', path)).relays;
    } catch (error) {
      if (error instanceof ApiError && error.status < 500 && error.status > 0) return [];
      throw error;
    }
  },
  message: (id: string) => request<Message>('GET', `/v1/messages/${encodeURIComponent(id)}`),
  usage: (days: number) => request<UsageReport>('GET', `/v1/usage${query({ days })}`),
  deliveries: async (state: string, agent: string, limit?: number): Promise<DeliveryItem[]> =>
    (await request<DeliveryList>('GET', `/v1/deliveries${query({ state, agent, limit })}`)).deliveries,
  guardOf: (conversation: string) =>
    request<GuardState>('GET', `/v1/guard/${encodeURIComponent(conversation)}`),
  artifacts: (roomId: string, before?: string) =>
    request<ArtifactPage>('GET', `/v1/artifacts${query({ room_id: roomId, limit: 60, before })}`),
  search: (asked: Record<string, string | number | undefined>) =>
    request<SearchPage>('GET', `/v1/search${query(asked)}`),
  wakeTest: (agentId: string) =>
    request<WakeTest>('POST', `/v1/agents/${encodeURIComponent(agentId)}/wake-test`),
  rotateToken: (agentId: string) =>
    request<AgentRegistration>('POST', `/v1/agents/${encodeURIComponent(agentId)}/rotate-token`),
  inviteAgent: (agentId: string) =>
    request<AgentInvite>('POST', `/v1/agents/${encodeURIComponent(agentId)}/invite`, {}),
  removeAgent: (agentId: string) => request<unknown>('DELETE', `/v1/agents/${encodeURIComponent(agentId)}`),
  createRoom: (room: CreateRoomRequest) => request<Room>('POST', '/v1/rooms', room),
  updateRoom: (id: string, changes: UpdateRoomRequest) =>
    request<Room>('PATCH', `/v1/rooms/${encodeURIComponent(id)}`, changes),
  roomMembers: (id: string, changes: { add?: string[]; remove?: string[] }) =>
    request<Room>('PATCH', `/v1/rooms/${encodeURIComponent(id)}/members`, changes),
  removeRoom: (id: string) => request<unknown>('DELETE', `/v1/rooms/${encodeURIComponent(id)}`),
  reloadConfig: () => request<ReloadResult>('POST', '/v1/reload'),
  dms: (): Promise<DirectConversation[]> =>
    all<DirectConversationPage, DirectConversation>('/v1/dms', (page) => page.dms, 4),
  dm: (id: string) => request<DirectConversation>('GET', `/v1/dms/${encodeURIComponent(id)}`),
  /** Oldest first. `older`, `newer`: there is more on the side that was asked for. */
  async messages(key: string, ask: MessageQuery): Promise<MessageRun> {
    const { messages, page } = await request<MessagePage>('GET', messagesPath(key) + query({ ...ask }));
    return {
      messages: messages ?? [],
      older: page.next_before !== undefined,
      newer: page.next_after !== undefined,
    };
  },
  /** The messages around one, which is among them; the newest ones when it is one of those. */
  async messagesAround(key: string, id: string, half: number): Promise<MessageRun> {
    const behind = await api.messages(key, { after: id, limit: half });
    const next = behind.messages[0];
    const upTo = await api.messages(key, { limit: half, ...(next ? { before: next.id } : {}) });
    return {
      messages: [...upTo.messages, ...behind.messages],
      older: upTo.older,
      newer: behind.newer,
    };
  },
  send: (message: SendMessageRequest) => request<MessageAccepted>('POST', '/v1/messages', message),
  redact: (messageId: string) =>
    request<MessageRedacted>('DELETE', `/v1/messages/${encodeURIComponent(messageId)}`),
};
export type Api = typeof api;
