/**
 * Who may do what: the one decision table. Every way in (HTTP, attach, SSE, the rules) asks `can`; nobody decides for
 * himself. Pure: all it knows is the identity, the action, and what it is about.
 *
 * Mode none: whoever reaches the server may read, write and administer everything; an attachment is still sent only
 * the DMs its agent takes part in. Other modes: scopes (wire.md 3.2), membership (W25, W26) and the write policy (4.4).
 */
import { MoltnetError, type ErrorCode } from '../protocol/errors.ts';
import type { RoomAccess } from '../protocol/rooms.ts';
import type { AgentRow } from '../store/store.ts';
import type { Identity, Scope } from './identity.ts';
import type { NetworkSettings } from './settings.ts';
import type { RoomState } from './state.ts';

export type Action =
  /** The network document, the lists of rooms and agents (each item is decided on its own). */
  | 'network.read'
  | 'room.read'
  | 'room.write'
  | 'dm.read'
  /** To post at all; what and where is decided by room.write and by DM participation. */
  | 'message.send'
  /** To sign as an agent or as a person of this network, or as somebody of another. */
  | 'agent.act'
  | 'human.act'
  | 'remote.act'
  /** To be sent what happens in a room or a DM as an attachment of `agent`. */
  | 'room.receive'
  | 'dm.receive'
  /** Everything on the event stream: presence, wakes, held messages. */
  | 'observe'
  | 'agent.register'
  | 'attach'
  | 'administer';

/** What the action is about. An action looks only at what belongs to it. */
export interface Resource {
  room?: Pick<RoomState, 'row' | 'members'>;
  dm?: { participants: readonly string[] | null };
  /** Canonical id of the agent or person that acts or receives. */
  agent?: string;
  /** Its registration, if it has one. */
  registration?: Pick<AgentRow, 'credential_key'>;
  /** The message came into the world on another network. */
  relayed?: boolean;
}

export type Verdict = { allowed: true } | { allowed: false; code: ErrorCode; why: string };

const YES: Verdict = { allowed: true };
const no = (code: ErrorCode, why: string): Verdict => ({ allowed: false, code, why });

export function can(
  settings: NetworkSettings,
  identity: Identity,
  action: Action,
  about: Resource = {},
): Verdict {
  if (action === 'dm.receive') {
    return participates(about, about.agent)
      ? YES
      : no('not_a_participant', 'DMs are sent to their participants only');
  }
  if (identity.mode === 'none') return YES;
  switch (action) {
    case 'network.read':
      return settings.public_read || !isAnonymous(identity) ? YES : refused(identity);
    case 'room.read':
      return mayReadRoom(settings, identity, about)
        ? YES
        : refused(identity, 'this room is private and you are not a member of it');
    case 'room.receive':
      return isPublicRead(settings, about) || isMember(about, about.agent)
        ? YES
        : no('forbidden', 'the agent is not a member of this room');
    case 'dm.read':
      return scoped(identity, 'observe', 'admin') || some(identity, (agent) => participates(about, agent))
        ? YES
        : refused(identity, 'you do not take part in this DM');
    case 'message.send':
      return scoped(identity, 'write', 'pair')
        ? YES
        : refused(identity, 'this credential needs the scope write');
    case 'agent.act':
      return actAsAgent(identity, about);
    case 'human.act':
      return isStatic(identity) && identity.scopes.has('write')
        ? YES
        : refused(identity, 'a person writes with a token of the configuration that has the scope write');
    case 'remote.act':
      return about.relayed && identity.scopes.has('pair')
        ? YES
        : refused(identity, 'only a pair token brings messages of other networks');
    case 'room.write':
      return mayWriteRoom(identity, about)
        ? YES
        : no('write_refused', `the room takes messages of ${writers(about)} only`);
    case 'observe':
      return scoped(identity, 'observe', 'admin')
        ? YES
        : refused(identity, 'this credential needs the scope observe');
    case 'agent.register':
      return mayRegister(settings, identity)
        ? YES
        : refused(identity, 'this credential may not register agents here');
    case 'attach':
      if (settings.agent_registration === 'open' && isAnonymous(identity)) return YES;
      return scoped(identity, 'attach') ? YES : refused(identity, 'this credential needs the scope attach');
    case 'administer':
      return scoped(identity, 'admin') ? YES : refused(identity, 'this credential needs the scope admin');
  }
}

/** The same, as a refusal. Throws MoltnetError. */
export function requireAccess(
  settings: NetworkSettings,
  identity: Identity,
  action: Action,
  about?: Resource,
): void {
  if (identity.mode === 'none' && action !== 'dm.receive') return;
  const verdict = can(settings, identity, action, about);
  if (!verdict.allowed) throw new MoltnetError(verdict.code, verdict.why);
}

/** `access` of a room as this caller has it (wire.md 1.2). */
export function roomAccess(
  settings: NetworkSettings,
  identity: Identity,
  room: Pick<RoomState, 'row' | 'members'>,
): RoomAccess {
  const about = { room };
  const writes =
    identity.mode === 'none' ||
    can(settings, identity, 'room.write', about).allowed ||
    some(identity, (agent) => can(settings, identity, 'room.write', { room, agent }).allowed);
  return {
    can_read: can(settings, identity, 'room.read', about).allowed,
    can_write: can(settings, identity, 'message.send').allowed && writes,
    reason: `${isPublicRead(settings, about) ? 'public-read' : 'private'}/${room.row.write_policy}-write`,
  };
}

function isAnonymous(identity: Identity): boolean {
  return identity.credential_key === 'anonymous';
}
function isStatic(identity: Identity): boolean {
  return identity.credential_key.startsWith('token:');
}
/** wire.md 4.3: an agent is its credential's; admin and write together may sign as any. */
function actAsAgent(identity: Identity, { agent, registration }: Resource): Verdict {
  if (!identity.scopes.has('write')) return refused(identity, 'this credential needs the scope write');
  if (identity.agents && !identity.agents.has(agent ?? '')) {
    const why = `this credential may not act as ${agent}`;
    return isStatic(identity) ? no('forbidden', why) : no('agent_taken', why);
  }
  if (!registration)
    return identity.mode === 'open'
      ? no('unauthorized', `agent ${agent} is not registered; register it first`)
      : YES;
  if (registration.credential_key === identity.credential_key || identity.scopes.has('admin')) return YES;
  return no('agent_taken', `agent ${agent} is bound to another credential`);
}
/** No credential: 401, so that the caller knows to bring one. The wrong one: 403. */
function refused(identity: Identity, why = 'this credential may not do that'): Verdict {
  return isAnonymous(identity)
    ? no('unauthorized', 'a credential is needed: send Authorization: Bearer TOKEN')
    : no('forbidden', why);
}
function scoped(identity: Identity, ...scopes: Scope[]): boolean {
  return scopes.some((scope) => identity.scopes.has(scope));
}
/** Holds for one of the agents that this credential is bound to. */
function some(identity: Identity, holds: (agent: string) => boolean): boolean {
  for (const agent of identity.agents ?? []) if (holds(agent)) return true;
  return false;
}
function isMember(about: Resource, agent: string | undefined): boolean {
  return agent !== undefined && (about.room?.members.has(agent) ?? false);
}
function participates(about: Resource, agent: string | undefined): boolean {
  return agent !== undefined && (about.dm?.participants?.includes(agent) ?? false);
}
function isPublicRead(settings: NetworkSettings, { room }: Resource): boolean {
  return settings.public_read && room?.row.visibility === 'public';
}
function mayReadRoom(settings: NetworkSettings, identity: Identity, about: Resource): boolean {
  if (scoped(identity, 'observe', 'admin') || isPublicRead(settings, about)) return true;
  return some(identity, (agent) => isMember(about, agent) || about.room?.row.visibility === 'public');
}
function mayWriteRoom(identity: Identity, about: Resource): boolean {
  if (identity.scopes.has('admin') && identity.scopes.has('write')) return true;
  const policy = about.room?.row.write_policy;
  // A token that is bound to agents is an agent's, not an operator's (W13).
  if (policy === 'operators') return isStatic(identity) && identity.scopes.has('write') && !identity.agents;
  if (isMember(about, about.agent)) return true;
  return (
    policy === 'registered_agents' &&
    identity.credential_key.startsWith('agent-token:') &&
    about.agent !== undefined &&
    (identity.agents?.has(about.agent) ?? false)
  );
}
function mayRegister(settings: NetworkSettings, identity: Identity): boolean {
  if (identity.scopes.has('admin')) return true;
  if (settings.agent_registration === 'open' && isAnonymous(identity)) return true;
  return settings.agent_registration !== 'disabled' && identity.scopes.has('attach');
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
