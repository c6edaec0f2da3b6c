/**
 * POST /v1/apply, and the configuration at start-up and reload: agents, then rooms, in one transaction. A declaration
 * wins for the fields it gives. The file wins only where it says something new since the last time (W42): what was
 * changed over the API since then stays, and what was removed stays removed; whose word counted is noted.
 */
import { MoltnetError } from '../protocol/errors.ts';
import { requireId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { AgentRegistration } from '../protocol/agents.ts';
import type { CreateRoomRequest, Room } from '../protocol/rooms.ts';
import { requireName } from '../protocol/text.ts';
import type { AgentRow } from '../store/topology-rows.ts';
import type { EventWrite, Writes } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import type { CommandOf } from './commands.ts';
import { createRoom } from './create-room.ts';
import {
  FIRST_ROOM,
  GENERAL,
  UNSAID,
  declarationKey,
  newsOf,
  notesOf,
  remembered,
  type DeclarationNote,
} from './declaration.ts';
import { guardLimits } from './guard.ts';
import { resumeByLimit } from './guard-events.ts';
import { Overlay } from './overlay.ts';
import type { Random } from './random.ts';
import {
  registered,
  renamed,
  requireLocalAgentId,
  requireNobody,
  requireRoomForAgent,
} from './register-agent.ts';
import { memberList } from './room-fields.ts';
import { membershipEvents } from './room-members.ts';
import { shareRows } from './sharing.ts';
import type { Decided, Rule } from './rule.ts';
import type { RoomState } from './state.ts';
import { updateEvents, updatedRow } from './update-room.ts';
import { membersOf, registrationWire, roomWire } from './views.ts';

type Apply = CommandOf<'config.apply'>;

export const applyConfig: Rule<'config.apply'> = (state, command, random) => {
  const { request, source } = command;
  const { settings } = state;
  requireAccess(settings, command.identity, 'administer');
  const network = request.network_id?.trim() ?? '';
  if (network !== '' && network !== settings.id) {
    throw new MoltnetError(
      'network_mismatch',
      `network_id: this network is ${settings.id}, not ${JSON.stringify(network.slice(0, 160))}`,
    );
  }
  if (source === 'api') {
    atMost(request.rooms?.length ?? 0, 'rooms');
    atMost(request.agents?.length ?? 0, 'agents');
  }
  const over = new Overlay(state);
  if (command.settings) over.settle(command.settings);
  const applying = new Applying(over, command, random);
  for (const agent of request.agents ?? []) applying.agent(agent);
  for (const room of request.rooms ?? []) named(room, () => applying.room(room));
  if (source !== 'api') applying.ofFile(request.rooms === undefined);
  return applying.decided();
};

/** One application: each step sees the ones before it, and all of them become one set of writes. */
class Applying {
  readonly #state: Overlay;
  readonly #command: Apply;
  readonly #random: Random;
  readonly #writes: Writes = { events: [], rows: [] };
  readonly #agents = new Map<string, { row: AgentRow; key: string }>();
  readonly #rooms: Room[] = [];
  readonly #notes: DeclarationNote[] = [];

  constructor(state: Overlay, command: Apply, random: Random) {
    this.#state = state;
    this.#command = command;
    this.#random = random;
  }

  decided(): Decided<'config.apply'> {
    const { source, settings } = this.#command;
    const network = this.#state.settings.id;
    const agents: AgentRegistration[] = [...this.#agents.values()].map(({ row }) =>
      registrationWire(network, row),
    );
    const answer = {
      applied: true,
      ...(this.#rooms.length > 0 && { rooms: this.#rooms }),
      ...(agents.length > 0 && { agents }),
      ...(source !== 'api' && { notes: this.#notes }),
    };
    return { writes: this.#writes, answer, ...(settings && { settings }) };
  }

  /** Registers the agent under its key; an existing registration is bound to that key. */
  agent({ id: given, name, credential_key }: NonNullable<Apply['request']['agents']>[number]): void {
    const { at, identity, source } = this.#command;
    const id = requireLocalAgentId(given, 'agents[].id');
    requireNobody(this.#state.settings, id);
    const key = credentialKey(credential_key) || (identity.mode === 'none' ? 'anonymous' : '');
    if (key === '')
      throw new MoltnetError('unprocessable_entity', `agents[].credential_key: agent ${id} has none`);
    const twice = this.#agents.get(id);
    if (twice && twice.key !== key)
      throw new MoltnetError(
        'unprocessable_entity',
        `agents[].credential_key: agent ${id} is declared with two`,
      );
    if (twice) return;
    const display_name = requireName(name ?? '', 'agents[].name', limits.name.value) || null;
    const record = this.#state.agentRecord(id);
    // The file is as old as the removal or older; over the API somebody means it now.
    if (record && record.removed_at !== null && source !== 'api') {
      this.#notes.push({ agent: id, text: `agent ${id} is declared, and was removed: it stays removed` });
      return;
    }
    const holder = this.#state.agentByCredential(key) ?? this.#state.removedByCredential(key);
    if (holder && holder.id !== id) {
      throw new MoltnetError(
        'conflict',
        `agents[].credential_key: the token of agent ${id} is that of ${holder.id} already`,
      );
    }
    let row: AgentRow;
    if (record && record.removed_at === null) {
      row = renamed(record, display_name, at);
      if (row.credential_key !== key) {
        row = { ...row, credential_key: key, claim_key_hash: null, updated_at: at };
        if (source !== 'api')
          this.#notes.push({
            agent: id,
            text: `agent ${id} is bound to ${key} now: what it had before is void`,
          });
      }
    } else {
      requireRoomForAgent(this.#state);
      row = {
        id,
        actor_uid: this.#random.actorUid(),
        display_name,
        credential_key: key,
        created_at: at,
        updated_at: at,
        removed_at: null,
        claim_key_hash: null,
      };
    }
    this.#agents.set(id, { row, key });
    if (row !== record) this.#add([registered(this.#state, this.#random, row)]);
    // It is taken: a code for it has nothing left to open, now or after a removal.
    const invite = this.#state.inviteOf(id);
    if (invite) this.#add([], [{ op: 'invite.remove', code_hash: invite.code_hash }]);
  }

  room(request: CreateRoomRequest): void {
    const id = requireId(request.id, 'rooms[].id');
    const { source } = this.#command;
    const before = this.#state.roomRecord(id);
    if (!before) {
      this.#create(request);
    } else if (before.row.removed_at !== null) {
      if (source === 'api')
        throw new MoltnetError(
          'not_found',
          `room ${id} was removed; bring it back with POST /v1/rooms, then apply`,
        );
      this.#notes.push({ room: id, text: `room ${id} is declared, and was removed: it stays removed` });
    } else if (source === 'api') {
      this.#reconcile(before, request);
    } else {
      const news = newsOf(request, this.#state.meta(declarationKey(id)));
      const wanted = updatedRow(before.row, request);
      const differ = {
        members: this.#otherMembers(before, request.members),
        federation:
          request.federation !== undefined && shareRows(id, before.shares, request.federation).length > 0,
      };
      this.#notes.push(...notesOf(before.row, wanted, differ, news));
      this.#reconcile(before, news);
    }
    this.#declare(id, request);
  }

  /** What only a file brings, after its rooms: people's names, the first room (once), a limit for what is held. */
  ofFile(nothingDeclared: boolean): void {
    const state = this.#state;
    const fresh = state.meta(FIRST_ROOM) === undefined;
    if (fresh && nothingDeclared && !this.#anyRoomEver()) this.#create(GENERAL);
    if (fresh) this.#add([], [{ op: 'meta', key: FIRST_ROOM, value: this.#command.at }]);
    for (const id of state.settings.people.keys()) {
      if (!state.agent(id)) continue;
      if (this.#command.source === 'startup') {
        // Nobody can remove it while the server is down, and it cannot act: the id is the person's.
        this.#notes.push({
          agent: id,
          text: `auth.tokens[].human: ${id} is a registered agent too, which cannot act any more; remove it (moltnet admin agent remove ${id})`,
        });
      } else {
        throw new MoltnetError(
          'agent_taken',
          `auth.tokens[].human: ${id} is a registered agent; remove it (moltnet admin agent remove ${id}) or give the person another id`,
        );
      }
    }
    const limitsOf = (row: { room_id: string | null }) =>
      guardLimits(state.settings, row.room_id === null ? undefined : state.room(row.room_id));
    this.#add(resumeByLimit(this.#random, this.#command.at, state.held(), limitsOf));
  }

  #anyRoomEver(): boolean {
    return this.#state.roomCount > 0 || this.#state.roomRecord(GENERAL.id!) !== undefined;
  }

  #create(request: CreateRoomRequest): void {
    const { identity, at, source } = this.#command;
    const { members = [] } = request;
    // A file names all members of a room at once, and may name more than one request does.
    const most = source === 'api' ? members.length : limits.members_per_request.value;
    const { writes, answer } = createRoom(
      this.#state,
      { kind: 'room.create', request: { ...request, members: members.slice(0, most) }, identity, at },
      this.#random,
    );
    this.#add(writes.events);
    if (members.length > most) this.#reconcile(this.#state.room(answer.id)!, { ...UNSAID, members });
    else this.#rooms.push(answer);
  }

  #reconcile(room: RoomState, request: CreateRoomRequest): void {
    const { at } = this.#command;
    const state = this.#state;
    const network = state.settings.id;
    const { federation } = request;
    const shared = federation === undefined ? [] : shareRows(room.row.id, room.shares, federation);
    this.#add(updateEvents(state, this.#random, at, room, updatedRow(room.row, request), shared));
    const { row, shares } = state.room(room.row.id)!;
    let members = membersOf(room);
    if (request.members !== undefined) {
      const wanted = this.#members(request.members);
      const gone = [...room.members.keys()].filter((member) => !wanted.includes(member));
      const change = membershipEvents(network, this.#random, at, state.room(row.id)!, wanted, gone);
      this.#add(change.events);
      members = change.members;
    }
    this.#rooms.push(roomWire(network, row, members, { shares }));
  }

  #members(list: readonly string[]): string[] {
    const network = this.#state.settings.id;
    if (this.#command.source === 'api') return memberList(list, 'members', network);
    const most = limits.members_per_request.value;
    const members = new Set<string>();
    for (let i = 0; i < list.length; i += most)
      for (const member of memberList(list.slice(i, i + most), 'members', network)) members.add(member);
    return [...members];
  }

  #otherMembers(room: RoomState, declared: readonly string[] | undefined): boolean {
    if (declared === undefined) return false;
    const wanted = this.#members(declared);
    return wanted.length !== room.members.size || !wanted.every((member) => room.members.has(member));
  }

  /** Remembers what was declared. A field that an apply leaves out stays what the file said of it the last time. */
  #declare(id: string, request: CreateRoomRequest): void {
    const last = this.#state.meta(declarationKey(id));
    const kept = this.#command.source === 'api' && last !== undefined ? (JSON.parse(last) as object) : {};
    const value = JSON.stringify({ ...kept, ...remembered(request) });
    if (last !== value) this.#add([], [{ op: 'meta', key: declarationKey(id), value }]);
  }

  #add(events: EventWrite[], rows: Writes['rows'] = []): void {
    this.#state.apply({ events, rows });
    this.#writes.events.push(...events);
    this.#writes.rows.push(...rows);
  }
}

/** As it is kept (wire.md 2.1): nothing but what a credential's key can be made of. */
function credentialKey(given: string | undefined): string {
  const key = given?.trim() ?? '';
  if (key !== '' && !/^[\w.:-]{1,256}$/.test(key)) {
    throw new MoltnetError(
      'unprocessable_entity',
      `agents[].credential_key: not a key: ${JSON.stringify(key.slice(0, 160))} (token:ID, agent-token:HASH or anonymous)`,
    );
  }
  return key;
}

/** A refusal says which of the rooms it is about. */
function named(room: CreateRoomRequest, apply: () => void): void {
  try {
    apply();
  } catch (error) {
    if (!(error instanceof MoltnetError) || !room.id) throw error;
    throw new MoltnetError(error.code, `room ${room.id.slice(0, 160)}: ${error.message}`, { cause: error });
  }
}

function atMost(count: number, what: 'rooms' | 'agents'): void {
  const max = limits.apply_items.value;
  if (count > max)
    throw new MoltnetError('unprocessable_entity', `${what}: ${count}, at most ${max} in one apply`);
}
