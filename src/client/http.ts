/**
 * The HTTP API of a server (wire.md 3) as functions. Types only are taken from the protocol, no schema library is
 * loaded: this file is on the path of `moltnet send`. A refusal rejects with RefusedError, anything else that keeps
 * an answer from coming with ConnectionError.
 */
import type {
  AgentInvite,
  AgentRegistration,
  AgentSummary,
  RegisterAgentRequest,
  WakeFailedRequest,
  WakeTest,
} from '../protocol/agents.ts';
import { parseConversation } from '../protocol/conversation.ts';
import type { GuardState } from '../protocol/events.ts';
import type { SearchPage, SearchQuery } from '../protocol/search.ts';
import type { CallerIdentity, ConsoleTicket, LoginRequest, ReloadResult } from '../protocol/identity.ts';
import type { MessageAccepted, MessageRedacted } from '../protocol/messages.ts';
import type {
  BackfillResult,
  MessageRelays,
  Pairing,
  PairingAccepted,
  PairingDetail,
  PairingExchanged,
  PairingExchangeRequest,
  PairingInvite,
  PairingInviteList,
  PairingPage,
  RelayAnswer,
} from '../protocol/pairings.ts';
import type { Pause, PauseChange, PauseList } from '../protocol/pauses.ts';
import type { ReadList, ReadPosition } from '../protocol/reads.ts';
import type {
  DeliveryItem,
  DeliveryList,
  DeliveryState,
  MessageReceipts,
  UsageReport,
} from '../protocol/receipts.ts';
import type { ApplyConfigRequest, ApplyConfigResult, Network } from '../protocol/network.ts';
import type {
  AgentPage,
  ArtifactPage,
  DirectConversationPage,
  GuardPage,
  MessagePage,
  PageInfo,
  RoomPage,
  ThreadPage,
} from '../protocol/pages.ts';
import type {
  CreateRoomRequest,
  DirectConversation,
  RemoveResult,
  Room,
  Thread,
  UpdateRoomMembersRequest,
  UpdateRoomRequest,
} from '../protocol/rooms.ts';
import { notMoltnet, parseAnswer } from './answers.ts';
import { createTransport, type Transport, type TransportOptions } from './http-request.ts';
import { severalServers } from './several-servers.ts';

export { ConnectionError, RefusedError } from './errors.ts';

export interface ClientOptions {
  /** `http://host:port`, or https, with or without a path and a trailing slash. */
  baseUrl: string;
  /** More servers of the same network, tried in turn when it cannot be reached (several-servers.ts). */
  otherUrls?: readonly string[];
  /** The network of other servers must be this one. */
  networkId?: string;
  /** Bearer token. */
  token?: string;
  /** For a whole request with its answer; 10 s when left out. */
  timeoutMs?: number;
  /** Largest answer in bytes; 16 MiB when left out. Ours answer with at most 1 MiB. */
  maxBytes?: number;
  /** Keeps connections for the next request; false when left out. */
  keepAlive?: boolean;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
  /** In the place of HTTP connections of its own. */
  transport?: Transport;
}

/** `before` and `after` exclude each other; `limit` is clamped to 500 by the server. */
export interface PageRequest {
  limit?: number;
  before?: string;
  after?: string;
}

/** What one network tells a paired one: a message, or that one was removed. */
export type RelayItem = { message: SendRequest } | { redaction: { network_id: string; message_id: string } };

/** A message to send: everything but `target`, `from` and `parts` may be left out (wire.md 4). */
export interface SendRequest {
  id?: string;
  origin?: { network_id: string; message_id: string };
  target: {
    kind: string;
    room_id?: string;
    thread_id?: string;
    parent_message_id?: string;
    dm_id?: string;
    participant_ids?: string[];
  };
  from: { type: string; id: string; name?: string; network_id?: string; fqid?: string };
  parts: {
    kind: string;
    text?: string;
    media_type?: string;
    url?: string;
    filename?: string;
    data?: Record<string, unknown>;
  }[];
  mentions?: string[];
  intent?: string;
}

export interface Client {
  readonly baseUrl: string;
  network(): Promise<Network>;

  rooms(page?: PageRequest): Promise<RoomPage>;
  room(id: string): Promise<Room>;
  createRoom(request: Partial<CreateRoomRequest> & { id: string }): Promise<Room>;
  updateRoom(id: string, request: UpdateRoomRequest): Promise<Room>;
  updateRoomMembers(id: string, request: Partial<UpdateRoomMembersRequest>): Promise<Room>;
  removeRoom(id: string): Promise<RemoveResult>;
  /** The agent becomes a member with the room's credential. */
  joinRoom(id: string, request: { agent: string; credential: string }): Promise<Room>;
  roomMessages(id: string, page?: PageRequest): Promise<MessagePage>;
  roomThreads(id: string, page?: PageRequest): Promise<ThreadPage>;

  thread(id: string): Promise<Thread>;
  threadMessages(id: string, page?: PageRequest): Promise<MessagePage>;

  dms(page?: PageRequest): Promise<DirectConversationPage>;
  dm(id: string): Promise<DirectConversation>;
  dmMessages(id: string, page?: PageRequest): Promise<MessagePage>;

  /** Of `room:ID`, `thread:ID` or `dm:ID`. */
  messages(conversation: string, page?: PageRequest): Promise<MessagePage>;
  artifacts(
    of: { room_id?: string; thread_id?: string; dm_id?: string },
    page?: PageRequest,
  ): Promise<ArtifactPage>;
  /** Newest first; at least one of `q` and the filters. */
  search(query: SearchQuery): Promise<SearchPage>;
  send(request: SendRequest): Promise<MessageAccepted>;
  redact(messageId: string): Promise<MessageRedacted>;
  /** What became of a message for each agent that it is for. */
  receipts(messageId: string): Promise<MessageReceipts>;

  agents(page?: PageRequest): Promise<AgentPage>;
  agent(id: string): Promise<AgentSummary>;
  /** With a claim key the same claim can be made again until its token was used (protocol/credentials.ts). */
  registerAgent(request: Partial<RegisterAgentRequest>): Promise<AgentRegistration>;
  removeAgent(id: string): Promise<RemoveResult>;
  /** A new token in the place of the agent's earlier one; the answer carries it. */
  rotateToken(id: string): Promise<AgentRegistration>;
  /** A claim code for one id; `expires_in` in seconds. */
  inviteAgent(id: string, request?: { expires_in?: number }): Promise<AgentInvite>;
  /** Reports a wake that was given up (wire-newer.md 4). */
  wakeFailed(request: WakeFailedRequest): Promise<void>;
  /** Has the agent's node look whether the agent can be woken. */
  testWake(agentId: string): Promise<WakeTest>;

  deliveries(of?: { state?: DeliveryState; agent?: string }): Promise<DeliveryItem[]>;
  /** Of a wake that failed; `agent` where two agents have one of this id. */
  retryDelivery(wakeId: string, agent?: string): Promise<DeliveryItem>;
  dropDelivery(wakeId: string, agent?: string): Promise<DeliveryItem>;
  /** Scopes are `*`, `agent:ID` and `room:ID`. */
  pauses(): Promise<Pause[]>;
  pause(request: { scope: string; until?: string }): Promise<PauseChange>;
  endPause(scope: string): Promise<PauseChange>;
  /** Of so many days, today included. */
  usage(days?: number): Promise<UsageReport>;

  apply(request: Partial<ApplyConfigRequest>): Promise<ApplyConfigResult>;
  guard(page?: PageRequest): Promise<GuardPage>;
  /** With its meters, also of a conversation that is not held. */
  guardOf(conversation: string): Promise<GuardState>;
  /** Lets a held conversation go on. */
  resumeGuard(conversation: string): Promise<GuardState>;

  /** Every one, by id. */
  pairings(): Promise<Pairing[]>;
  pairing(id: string): Promise<PairingDetail>;
  invitePairing(request: { rooms: string[]; expires_in?: number; url?: string }): Promise<PairingInvite>;
  pairingInvites(): Promise<PairingInviteList>;
  /** Of a pairing. */
  revokePairing(id: string): Promise<RemoveResult>;
  revokePairingInvite(id: string): Promise<RemoveResult>;
  acceptPairing(request: { code: string; url?: string; rooms?: string[] }): Promise<PairingAccepted>;
  backfillPairing(id: string, request: { room_id: string; count?: number }): Promise<BackfillResult>;
  /** Between the two servers. */
  exchangePairing(request: PairingExchangeRequest): Promise<PairingExchanged>;
  relay(items: readonly RelayItem[]): Promise<RelayAnswer>;
  relays(messageId: string): Promise<MessageRelays>;

  /** Who this client is to the server. */
  identity(): Promise<CallerIdentity>;
  /** How far the person who asks has read; refused with `forbidden` to who is none. */
  reads(): Promise<ReadPosition[]>;
  /** The server reads its configuration again. */
  reload(): Promise<ReloadResult>;
  /** A word that logs one browser in with this token, once. */
  consoleTicket(request: LoginRequest): Promise<ConsoleTicket>;

  /** A text document such as `/skill.md`. */
  text(path: string): Promise<string>;
  /** Breaks off what is under way. Idempotent. */
  close(): void;
}

type Page = { page: PageInfo };
const TIMEOUT_MS = 10_000;
const MAX_BYTES = 16 * 1_048_576;

export function createClient(options: ClientOptions): Client {
  const baseUrl = options.baseUrl.replace(/\/+$/, '');
  const openBare = (url: string, more: Partial<TransportOptions> = {}): Transport =>
    createTransport({
      baseUrl: url,
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      maxBytes: options.maxBytes ?? MAX_BYTES,
      keepAlive: options.keepAlive ?? false,
      ...more,
    });
  const open = (url: string): Transport =>
    openBare(url, {
      ...(options.token === undefined ? {} : { token: options.token }),
      ...(options.headers === undefined ? {} : { headers: options.headers }),
    });
  const { otherUrls = [], networkId } = options;
  const transport =
    options.transport ??
    (otherUrls.length === 0
      ? open(baseUrl)
      : severalServers({
          urls: [baseUrl, ...otherUrls],
          open,
          openBare: (url) => openBare(url),
          ...(networkId === undefined ? {} : { networkId }),
        }));

  async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await transport.exchange(
      method,
      path,
      body === undefined ? undefined : JSON.stringify(body),
    );
    const value = parseAnswer(answer, baseUrl, path);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw notMoltnet(baseUrl, path, answer);
    return value as T;
  }
  const get = <T>(path: string): Promise<T> => call('GET', path);

  /** A list that is `null` (wire.md 0.2.8) or missing is an empty one. */
  async function list<K extends string, T extends Page & Record<K, unknown[]>>(
    path: string,
    key: K,
    page: PageRequest = {},
  ): Promise<T> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(page)) if (value !== undefined) query.set(name, String(value));
    const text = query.toString();
    const found = await get<T>(text === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${text}`);
    return { ...found, [key]: found[key] ?? [], page: found.page ?? { has_more: false } };
  }
  const messages = (
    kind: 'rooms' | 'threads' | 'dms',
    id: string,
    page?: PageRequest,
  ): Promise<MessagePage> => list(`/v1/${kind}/${segment(id)}/messages`, 'messages', page);

  return {
    baseUrl,
    network: () => get('/v1/network'),

    rooms: (page) => list('/v1/rooms', 'rooms', page),
    room: (id) => get(`/v1/rooms/${segment(id)}`),
    createRoom: (request) => call('POST', '/v1/rooms', request),
    updateRoom: (id, request) => call('PATCH', `/v1/rooms/${segment(id)}`, request),
    updateRoomMembers: (id, request) => call('PATCH', `/v1/rooms/${segment(id)}/members`, request),
    removeRoom: (id) => call('DELETE', `/v1/rooms/${segment(id)}`),
    joinRoom: (id, { agent, credential }) =>
      call('POST', `/v1/rooms/${segment(id)}/join`, { from: { type: 'agent', id: agent }, credential }),
    roomMessages: (id, page) => messages('rooms', id, page),
    roomThreads: (id, page) => list(`/v1/rooms/${segment(id)}/threads`, 'threads', page),

    thread: (id) => get(`/v1/threads/${segment(id)}`),
    threadMessages: (id, page) => messages('threads', id, page),

    dms: (page) => list('/v1/dms', 'dms', page),
    dm: (id) => get(`/v1/dms/${segment(id)}`),
    dmMessages: (id, page) => messages('dms', id, page),

    messages(conversation, page) {
      const { kind, id } = parseConversation(conversation);
      return messages(`${kind}s`, id, page);
    },
    artifacts(of, page) {
      const query = new URLSearchParams(
        Object.entries(of).filter((entry): entry is [string, string] => entry[1] !== undefined),
      );
      return list(`/v1/artifacts?${query.toString()}`, 'artifacts', page);
    },
    search(query) {
      const given = Object.entries(query).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      return get(`/v1/search?${new URLSearchParams(given).toString()}`);
    },
    relay: (items) => call('POST', '/v1/relay', { items }),
    send: (request) =>
      call('POST', '/v1/messages', {
        ...request,
        origin: request.origin ?? { network_id: '', message_id: '' },
      }),
    redact: (id) => call('DELETE', `/v1/messages/${segment(id)}`),
    receipts: (id) => get(`/v1/messages/${segment(id)}/receipts`),

    agents: (page) => list('/v1/agents', 'agents', page),
    agent: (id) => get(`/v1/agents/${segment(id)}`),
    registerAgent: (request) => call('POST', '/v1/agents/register', request),
    removeAgent: (id) => call('DELETE', `/v1/agents/${segment(id)}`),
    rotateToken: (id) => call('POST', `/v1/agents/${segment(id)}/rotate-token`, {}),
    inviteAgent: (id, request = {}) => call('POST', `/v1/agents/${segment(id)}/invite`, request),
    async wakeFailed(request) {
      await call('POST', '/v1/agents/wake-failed', request);
    },
    testWake: (id) => call('POST', `/v1/agents/${segment(id)}/wake-test`, {}),

    async deliveries(filter = {}) {
      const query = new URLSearchParams(filter).toString();
      return (await get<DeliveryList>(`/v1/deliveries${query && `?${query}`}`)).deliveries;
    },
    retryDelivery: (id, agent) => call('POST', `/v1/deliveries/${segment(id)}/retry${of(agent)}`, {}),
    dropDelivery: (id, agent) => call('POST', `/v1/deliveries/${segment(id)}/drop${of(agent)}`, {}),
    pauses: async () => (await get<PauseList>('/v1/pauses')).pauses,
    pause: (request) => call('POST', '/v1/pauses', request),
    endPause: (scope) => call('DELETE', `/v1/pauses/${segment(scope)}`),
    usage: (days) => get(`/v1/usage${days === undefined ? '' : `?days=${days}`}`),

    apply: (request) => call('POST', '/v1/apply', request),
    guard: (page) => list('/v1/guard', 'conversations', page),
    guardOf: (conversation) => get(`/v1/guard/${segment(conversation)}`),
    resumeGuard: (conversation) => call('POST', '/v1/guard/resume', { conversation }),

    pairings: () =>
      everyItem(
        (page) => list<'pairings', PairingPage>('/v1/pairings', 'pairings', page),
        (page) => page.pairings,
      ),
    pairing: (id) => get(`/v1/pairings/${segment(id)}`),
    invitePairing: (request) => call('POST', '/v1/pairing-invites', request),
    pairingInvites: () => get('/v1/pairing-invites'),
    revokePairing: (id) => call('DELETE', `/v1/pairings/${segment(id)}`),
    revokePairingInvite: (id) => call('DELETE', `/v1/pairing-invites/${segment(id)}`),
    acceptPairing: (request) => call('POST', '/v1/pairings/accept', request),
    backfillPairing: (id, request) => call('POST', `/v1/pairings/${segment(id)}/backfill`, request),
    exchangePairing: (request) => call('POST', '/v1/pairings/exchange', request),
    relays: (id) => get(`/v1/messages/${segment(id)}/relays`),

    identity: () => get('/v1/identity'),
    reads: async () => (await get<ReadList>('/v1/reads')).reads,
    reload: () => call('POST', '/v1/reload', {}),
    consoleTicket: (request) => call('POST', '/console/tickets', request),

    async text(path) {
      const answer = await transport.exchange('GET', path);
      if (answer.status !== 200) parseAnswer(answer, baseUrl, path);
      return answer.text;
    },
    close: () => transport.close(),
  };
}

/**
 * Every item of a list, page by page: `everyItem((page) => client.rooms(page), (page) => page.rooms)`. At most
 * `max` (10,000) items, so that a server that repeats itself cannot hold the caller.
 */
export async function everyItem<P extends Page, T>(
  fetch: (page: PageRequest) => Promise<P>,
  items: (page: P) => readonly T[],
  max = 10_000,
): Promise<T[]> {
  const all: T[] = [];
  let after: string | undefined;
  do {
    const page = await fetch({ limit: 500, ...(after === undefined ? {} : { after }) });
    all.push(...items(page));
    const next = items(page).length > 0 ? page.page.next_after : undefined;
    after = next === after ? undefined : next;
  } while (after !== undefined && all.length < max);
  return all;
}

const segment = (id: string): string => encodeURIComponent(id);
const of = (agent: string | undefined): string => (agent === undefined ? '' : `?agent=${segment(agent)}`);
