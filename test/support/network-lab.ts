/** A network over a real store, for tests of its rules: short ways to ask it things, and what it told its readers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { Network, type NetworkSettings } from '../../src/network/network.ts';
import { anyone, type Identity, type Scope } from '../../src/network/identity.ts';
import type { Random } from '../../src/network/random.ts';
import type { Answer, CommandKind, CommandTypes } from '../../src/network/commands.ts';
import { MoltnetError } from '../../src/protocol/errors.ts';
import type { Message, MessageAccepted, SendMessageRequest } from '../../src/protocol/messages.ts';
import { SendMessageRequest as SendSchema } from '../../src/protocol/messages.ts';
import { CreateRoomRequest } from '../../src/protocol/rooms.ts';
import type { z } from 'zod';
import { openStore } from '../../src/store/open.ts';
import type { LogEvent } from '../../src/store/log-rows.ts';
import type { Store } from '../../src/store/store.ts';

export const settingsOf = (some: Partial<NetworkSettings> = {}): NetworkSettings => ({
  id: 'local',
  name: 'Local Lab',
  auth_mode: 'none',
  public_read: false,
  agent_registration: 'disabled',
  human_ingress: true,
  direct_messages: true,
  debug_events: false,
  guard: {},
  people: new Map(),
  token_agents: new Map(),
  pairings: new Map(),
  first_come_claims: false,
  ...some,
});

/** A request as the route parses it: what JSON leaves out is there, as undefined. */
export const requestOf = (request: z.input<typeof SendSchema>): SendMessageRequest =>
  SendSchema.parse(request);
export const text = (value: string) => [{ kind: 'text', text: value }];

type Execute = <K extends CommandKind>(
  kind: K,
  args: CommandTypes[K][0],
  as?: Identity,
) => Promise<Answer<K>>;

export interface Lab {
  network: Network;
  store: Store;
  /** What the start noted of its declaration. */
  notes: string[];
  /** Everything that was committed, in order. */
  events: LogEvent[];
  /** As the lab's own identity unless another is given. */
  execute: Execute;
  /** Sends as it is given; `as` is `agent:ID` or `human:ID`. */
  send(
    as: string,
    target: string,
    body: string | Partial<z.input<typeof SendSchema>>,
  ): Promise<MessageAccepted>;
  createRoom(request: z.input<typeof CreateRoomRequest>): Promise<CommandTypes['room.create'][1]>;
  register(id: string, name?: string): Promise<CommandTypes['agent.register'][1]>;
  message(id: string): Promise<Message>;
  typesSince(mark: number): string[];
  close(): Promise<void>;
}

export interface LabOptions {
  settings?: Partial<NetworkSettings>;
  store?: Store;
  /** A database file instead of memory: the storage thread and its transactions. */
  path?: string;
  identity?: Identity;
  clock?: () => number;
  random?: Random;
  rooms?: Parameters<Network['start']>[0];
  agents?: Parameters<Network['start']>[1];
  /** Called before the lab's own record. */
  onCommitted?: (events: LogEvent[]) => void;
}

/** Opens and starts one; it is closed when the test ends. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const store =
    options.store ??
    (await openStore({ kind: options.path ? 'sqlite' : 'memory', path: options.path, networkId: 'local' }));
  const events: LogEvent[] = [];
  const identity = options.identity ?? anyone;
  const network = await Network.open({
    store,
    settings: settingsOf(options.settings),
    onCommitted: (committed) => {
      options.onCommitted?.(committed);
      events.push(...committed);
    },
    ...(options.clock && { clock: options.clock }),
    ...(options.random && { random: options.random }),
  });
  const close = async () => {
    await network.close();
    await store.close();
  };
  onTestFinished(close);
  const notes = await network.start(options.rooms, options.agents);
  const execute: Execute = (kind, args, as = identity) => network.execute(kind, args, as);
  return {
    network,
    store,
    notes: notes.map(({ text: note }) => note),
    events,
    execute,
    send: (as, target, body) => execute('message.send', { request: sendRequest(as, target, body) }, identity),
    createRoom: (request) => execute('room.create', { request: CreateRoomRequest.parse(request) }, identity),
    register: (id, name) =>
      execute(
        'agent.register',
        { requested_id: id, via: 'http', ...(name !== undefined && { name }) },
        identity,
      ),
    message: async (id) => JSON.parse((await store.messages([id])).get(id)!.payload) as Message,
    typesSince: (mark) => events.slice(mark).map((event) => event.type),
    close,
  };
}

/** `as` is `agent:ID` or `human:ID`; target `room:ID`, `thread:ID@ROOM`, `thread:ID`, `dm:ID` or `dm:ID@a,b`, `dm:@a,b`. */
export function sendRequest(
  as: string,
  target: string,
  body: string | Partial<z.input<typeof SendSchema>>,
): SendMessageRequest {
  const [type, ...id] = as.split(':');
  const rest = typeof body === 'string' ? { parts: text(body) } : { parts: text('hi'), ...body };
  return requestOf({ from: { type, id: id.join(':') }, target: targetOf(target), ...rest });
}

function targetOf(target: string): z.input<typeof SendSchema>['target'] {
  const kind = target.slice(0, target.indexOf(':'));
  const [id, where] = target.slice(kind.length + 1).split('@');
  if (kind === 'thread') return { kind, thread_id: id!, ...(where !== undefined && { room_id: where }) };
  if (kind === 'dm')
    return {
      kind,
      ...(id !== '' && { dm_id: id! }),
      ...(where !== undefined && { participant_ids: where.split(',') }),
    };
  return { kind, room_id: id! };
}

/** The code of the refusal; `accepted` when there is none. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'accepted';
  } catch (error) {
    if (error instanceof MoltnetError) return error.code;
    throw error;
  }
}

/** A static token of the configuration, in mode bearer. */
export function bearer(name: string, scopes: Scope[]): Identity {
  return { mode: 'bearer', credential_key: `token:${name}`, scopes: new Set(scopes) };
}

/** The same ids in the same order, each time. */
export function countingRandom(): Random {
  let n = 0;
  const next = (prefix: string) => `${prefix}${String(++n).padStart(12, '0')}`;
  return {
    messageId: () => next('msg_'),
    eventId: () => next('evt_'),
    actorUid: () => next('actor_'),
    suffix: () => next('').slice(-8),
    agentToken: () => next('magt_v1_'),
    claimCode: () => next('minv_v1_'),
    pairToken: () => `mpair_v1_${next('').padStart(43, '0')}`,
    pairingSecret: () => next('secret-'),
  };
}

/** A folder that is gone when the test ends. */
export function labFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-network-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
