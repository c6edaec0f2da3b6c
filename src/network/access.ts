/**
 * Who may do what: the one decision table. Every way in (HTTP, attach, SSE, the rules) asks `can`; nobody decides for
 * himself. Pure: all it knows is the identity, the action, and what it is about. Rules AUTH-1 and following.
 *
 * Mode none: whoever reaches the server may read, write and administer everything; an attachment is still sent only
 * the DMs its agent takes part in. Other modes: scopes (wire.md 3.2, 3.3), the agents and the person that a credential
 * is (W25, W26) and the write policy (4.4). What no row allows is refused.
 */
import { MoltnetError, type ErrorCode } from '../protocol/errors.ts';
import type { RoomAccess } from '../protocol/rooms.ts';
import type { AgentRow } from '../store/topology-rows.ts';
import {
  isAnonymous,
  isBound,
  isMember,
  isOperator,
  isOwn,
  isPublicRead,
  isShared,
  isStatic,
  participates,
  scoped,
  some,
} from './access-facts.ts';
import type { Identity, Scope } from './identity.ts';
import type { NetworkSettings } from './settings.ts';
import type { RoomState } from './state.ts';

export type Action =
  /** The network document. */
  | 'network.read'
  /** The lists of rooms and of agents, and one agent: each item is decided on its own (room.read, mayReadAgent). */
  | 'roster.read'
  | 'agent.read'
  /** /install.md and /llms.txt, and /skill.md. */
  | 'documents.read'
  | 'skill.read'
  /** A room, its messages and threads. */
  | 'room.read'
  | 'room.write'
  /** To make the agent a member by the room's credential, which the rule checks. */
  | 'room.join'
  /** The list of DMs: each is decided by dm.read. */
  | 'dm.list'
  | 'dm.read'
  /** To ask for artifacts at all: then as the conversation is read. */
  | 'artifacts.read'
  /** To search at all: what is found is what `room.read` and `dm.read` allow. */
  | 'history.search'
  /** To be sent what happens in a room or a DM as an attachment of `agent`. */
  | 'room.receive'
  | 'dm.receive'
  /** To open the event stream. Who may also `observe` is sent everything, others what they may read. */
  | 'stream'
  /** Presence, wakes, pairings, held conversations: what is nobody's own. */
  | 'observe'
  | 'metrics.read'
  /** To post at all; what and where is decided by room.write and by DM participation. */
  | 'message.send'
  /** To bring what another network of ours has, many at a time; each item is decided as one that is sent. */
  | 'relay'
  /** `agent` is who wrote it; without one, of a message that the caller has not shown to be its own. */
  | 'message.redact'
  /** To sign as `agent`: an agent or a person of this network, or somebody of another. */
  | 'agent.act'
  | 'human.act'
  | 'remote.act'
  | 'agent.register'
  | 'attach'
  | 'guard.resume'
  /** Rooms, members, apply, removal, rotated tokens, invitations, reload. */
  | 'administer';

/** What the action is about. An action looks only at what belongs to it. */
export interface Resource {
  room?: Pick<RoomState, 'row' | 'members'> & Partial<Pick<RoomState, 'shares'>>;
  dm?: { participants: readonly string[] | null };
  /** Canonical id of the agent or person that acts or receives. */
  agent?: string;
  /** Its registration, if it has one; of a person also the tombstone. */
  registration?: Pick<AgentRow, 'credential_key'>;
  /** The message came into the world on another network. */
  relayed?: boolean;
  /** A claim code comes with it; whether it is good is the rule's to say. */
  claim_code?: boolean;
}

export type Verdict = { allowed: true } | { allowed: false; code: ErrorCode; why: string };
type Row = (settings: NetworkSettings, identity: Identity, about: Resource) => Verdict;

const YES: Verdict = { allowed: true };
const no = (code: ErrorCode, why: string): Verdict => ({ allowed: false, code, why });

/** One text for all of it, so that nobody learns which part was wrong. */
export const JOIN_REFUSED = "joining needs the room's credential, and to be the agent's own credential";

const TABLE: Record<Action, Row> = {
  'network.read': (settings, identity) =>
    settings.public_read || scoped(identity, 'observe', 'admin', 'attach', 'pair') || isBound(identity)
      ? YES
      : refused(identity),
  'roster.read': (settings, identity) =>
    settings.public_read || scoped(identity, 'observe', 'admin', 'pair') || isBound(identity)
      ? YES
      : refused(identity),
  'agent.read': readsOpenly,
  'documents.read': readsOpenly,
  'skill.read': (settings, identity) =>
    scoped(identity, 'write', 'attach') ? YES : readsOpenly(settings, identity),
  'room.read': readRoom,
  'room.write': (_, identity, about) =>
    mayWriteRoom(identity, about)
      ? YES
      : no('write_refused', `the room takes messages of ${writers(about)} only`),
  'room.join': (_, identity, about) =>
    scoped(identity, 'write', 'attach') && isOwn(identity, about) ? YES : refused(identity, JOIN_REFUSED),
  'dm.list': observesOrIsBound,
  'dm.read': (_, identity, about) =>
    scoped(identity, 'observe', 'admin') || some(identity, (self) => participates(about, self))
      ? YES
      : refused(identity, 'you do not take part in this DM'),
  'artifacts.read': observesOrIsBound,
  'history.search': readsOpenly,
  'room.receive': (settings, _, about) =>
    isMember(about, about.agent) ||
    isPublicRead(settings, about) ||
    (about.agent !== undefined && about.room?.row.visibility === 'public')
      ? YES
      : no('forbidden', 'the agent is not a member of this room'),
  'dm.receive': receiveDm,
  stream: readsOpenly,
  observe: needs('observe', 'admin'),
  'metrics.read': needs('admin'),
  'message.send': needs('write', 'pair'),
  relay: needs('pair'),
  'message.redact': (_, identity, { agent }) =>
    identity.scopes.has('admin') || (identity.scopes.has('write') && some(identity, (self) => self === agent))
      ? YES
      : refused(
          identity,
          'a message is redacted by its sender with the scope write, or with the scope admin',
        ),
  'agent.act': actAsAgent,
  'human.act': actAsPerson,
  'remote.act': actAsRemote,
  'agent.register': register,
  attach: (settings, identity, about) =>
    settings.agent_registration === 'open' && isAnonymous(identity)
      ? YES
      : needs('attach')(settings, identity, about),
  'guard.resume': (_, identity) =>
    identity.scopes.has('admin') || (isOperator(identity) && identity.scopes.has('observe'))
      ? YES
      : refused(identity, 'this credential needs the scope admin, or observe and write'),
  administer: needs('admin'),
};

export function can(
  settings: NetworkSettings,
  identity: Identity,
  action: Action,
  about: Resource = {},
): Verdict {
  if (identity.mode !== 'none') return TABLE[action](settings, identity, about);
  if (action === 'dm.receive') return receiveDm(settings, identity, about);
  return action === 'agent.act' ? namesNoPerson(settings, about) : YES;
}

/** The same, as a refusal. Throws MoltnetError. */
export function requireAccess(
  settings: NetworkSettings,
  identity: Identity,
  action: Action,
  about?: Resource,
): void {
  const verdict = can(settings, identity, action, about);
  if (!verdict.allowed) throw new MoltnetError(verdict.code, verdict.why);
}

/** `access` of a room as this caller has it (wire.md 1.2). */
export function roomAccess(
  settings: NetworkSettings,
  identity: Identity,
  room: NonNullable<Resource['room']>,
): RoomAccess {
  const about = { room };
  return {
    can_read: can(settings, identity, 'room.read', about).allowed,
    can_write:
      can(settings, identity, 'message.send').allowed && can(settings, identity, 'room.write', about).allowed,
    reason: `${isPublicRead(settings, about) ? 'public-read' : 'private'}/${room.row.write_policy}-write`,
  };
}

/** No credential: 401, so that the caller knows to bring one. The wrong one: 403. */
function refused(identity: Identity, why = 'this credential may not do that'): Verdict {
  return isAnonymous(identity)
    ? no('unauthorized', 'a credential is needed: send Authorization: Bearer TOKEN')
    : no('forbidden', why);
}
function needs(...scopes: [Scope, ...Scope[]]): Row {
  return (_, identity) =>
    scoped(identity, ...scopes) ? YES : refused(identity, `this credential needs the scope ${scopes[0]}`);
}
function observesOrIsBound(_: NetworkSettings, identity: Identity): Verdict {
  return isBound(identity) || scoped(identity, 'observe', 'admin')
    ? YES
    : refused(identity, 'this credential needs the scope observe, or an agent or person that it is');
}
function readsOpenly(settings: NetworkSettings, identity: Identity): Verdict {
  return settings.public_read ? YES : observesOrIsBound(settings, identity);
}
/** Under public_read nobody is asked for a credential: a private room is refused to the public as to others. */
function readRoom(settings: NetworkSettings, identity: Identity, about: Resource): Verdict {
  if (scoped(identity, 'observe', 'admin') || isPublicRead(settings, about)) return YES;
  if (isShared(identity, about)) return YES;
  if (some(identity, (self) => isMember(about, self) || about.room?.row.visibility === 'public')) return YES;
  const why = 'this room is private and you are not a member of it';
  return settings.public_read ? no('forbidden', why) : refused(identity, why);
}
function receiveDm(_: NetworkSettings, _identity: Identity, about: Resource): Verdict {
  return participates(about, about.agent)
    ? YES
    : no('not_a_participant', 'DMs are sent to their participants only');
}
/** wire.md 4.3: an agent is its credential's; admin and write together may sign as any. A person only as its own. */
function actAsAgent(settings: NetworkSettings, identity: Identity, about: Resource): Verdict {
  const { agent, registration } = about;
  if (!identity.scopes.has('write')) return refused(identity, 'this credential needs the scope write');
  const limited = identity.agents !== undefined || identity.human !== undefined;
  if (limited && !identity.agents?.has(agent ?? '')) {
    const why = `this credential may not act as ${agent}`;
    return isStatic(identity) ? no('forbidden', why) : no('agent_taken', why);
  }
  const free = namesNoPerson(settings, about);
  if (!free.allowed) return free;
  if (!registration)
    return identity.mode === 'open'
      ? no('unauthorized', `agent ${agent} is not registered; register it first`)
      : YES;
  if (registration.credential_key === identity.credential_key || identity.scopes.has('admin')) return YES;
  return no('agent_taken', `agent ${agent} is bound to another credential`);
}
/** Without `agent`: whether it may write as anybody. */
function actAsPerson(settings: NetworkSettings, identity: Identity, about: Resource): Verdict {
  const { agent, registration } = about;
  if (!isStatic(identity) || !identity.scopes.has('write'))
    return refused(identity, 'a person writes with a token of the configuration that has the scope write');
  if (agent === undefined) return YES;
  if (identity.human)
    return identity.human.id === agent ? YES : no('forbidden', `this credential may not write as ${agent}`);
  if (registration) return no('agent_taken', `${agent} is an agent, and no person writes under its id`);
  return namesNoPerson(settings, about);
}
function actAsRemote(_: NetworkSettings, identity: Identity, { relayed }: Resource): Verdict {
  if (relayed && identity.scopes.has('pair')) return YES;
  const why = 'only a pair token brings messages of other networks';
  const known = !isAnonymous(identity) && identity.mode === 'bearer';
  return known ? no('conflict', why) : refused(identity, why);
}
function namesNoPerson(settings: NetworkSettings, { agent }: Resource): Verdict {
  return agent !== undefined && settings.people.has(agent)
    ? no('person_reserved', `${agent} is a person of the configuration`)
    : YES;
}
function register(settings: NetworkSettings, identity: Identity, { claim_code }: Resource): Verdict {
  const { agent_registration } = settings;
  const allowed =
    identity.scopes.has('admin') ||
    (agent_registration === 'open' && isAnonymous(identity)) ||
    (agent_registration !== 'disabled' && identity.scopes.has('attach'));
  return allowed || claim_code ? YES : refused(identity, 'this credential may not register agents here');
}
/** Without `agent`: whether one of those that the credential is may write there. */
function mayWriteRoom(identity: Identity, about: Resource): boolean {
  const { agent, room } = about;
  if (identity.scopes.has('admin') && identity.scopes.has('write')) return true;
  const policy = room?.row.write_policy;
  if (policy === 'operators') return isOperator(identity);
  if (isShared(identity, about)) return true;
  if (agent === undefined ? some(identity, (self) => isMember(about, self)) : isMember(about, agent))
    return true;
  return (
    policy === 'registered_agents' &&
    identity.credential_key.startsWith('agent-token:') &&
    (agent === undefined || (identity.agents?.has(agent) ?? false))
  );
}
function writers({ room }: Resource): string {
  switch (room?.row.write_policy) {
    case 'operators':
      return 'operators';
    case 'registered_agents':
      return 'its members and registered agents';
    default:
      return 'its members';
  }
}
