/** What the decision table asks of a credential, and of what an action is about. */
import { ANONYMOUS } from '../protocol/credentials.ts';
import type { Resource } from './access.ts';
import type { Identity, Scope } from './identity.ts';
import { sharedSince } from './sharing.ts';
import type { NetworkSettings } from './settings.ts';

export function isAnonymous(identity: Identity): boolean {
  return identity.credential_key === ANONYMOUS;
}
/** Bound: it is somebody here, and not only allowed something. */
export function isBound(identity: Identity): boolean {
  return identity.human !== undefined || (identity.agents?.size ?? 0) > 0;
}
export function isStatic(identity: Identity): boolean {
  return identity.credential_key.startsWith('token:');
}
/** A token that is bound to agents is an agent's, not an operator's (W13). */
export function isOperator(identity: Identity): boolean {
  return isStatic(identity) && identity.scopes.has('write') && !identity.agents;
}
export function isOwn(identity: Identity, { agent, registration }: Resource): boolean {
  return (
    identity.agents?.has(agent ?? '') === true &&
    (!registration || registration.credential_key === identity.credential_key)
  );
}
export function isMember(about: Resource, agent: string | undefined): boolean {
  return agent !== undefined && (about.room?.members.has(agent) ?? false);
}
/** With the pairing whose credential this is. */
export function isShared({ pairing }: Identity, { room }: Resource): boolean {
  return pairing !== undefined && sharedSince(room?.shares, pairing.id) !== undefined;
}
export function participates(about: Resource, agent: string | undefined): boolean {
  return agent !== undefined && (about.dm?.participants?.includes(agent) ?? false);
}
export function isPublicRead(settings: NetworkSettings, { room }: Resource): boolean {
  return settings.public_read && room?.row.visibility === 'public';
}
export function scoped(identity: Identity, ...scopes: Scope[]): boolean {
  return scopes.some((scope) => identity.scopes.has(scope));
}
/** Those that this credential is: its agents but for removed ones, and its person. */
export function selvesOf({ agents, human, removed }: Identity): string[] {
  const selves = human ? [human.id] : [];
  for (const agent of agents ?? []) if (!removed?.has(agent)) selves.push(agent);
  return selves;
}
/** Holds for one of them. */
export function some(identity: Identity, holds: (self: string) => boolean): boolean {
  return selvesOf(identity).some(holds);
}
