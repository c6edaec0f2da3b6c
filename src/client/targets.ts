/** Targets as people and agents write them: `room:ID`, `thread:ID`, `dm:ID`, and `dm:@agent`. */
import { canonicalMemberId, dmIdOf, isId, parseMemberId } from '../protocol/ids.ts';

export type NamedTarget = { kind: 'room' | 'thread' | 'dm'; id: string } | { kind: 'peer'; agent: string };

export const TARGET_FORMS = 'write room:ID, thread:ID, dm:ID, or dm:@agent';

/** The target that a text names, or what is wrong with it. Space around it does not count. */
export function readTarget(text: string): NamedTarget | { problem: string } {
  const target = text.trim();
  const colon = target.indexOf(':');
  const kind = target.slice(0, colon);
  const id = target.slice(colon + 1);
  if (kind === 'dm' && id.startsWith('@')) {
    if (parseMemberId(id.slice(1))) return { kind: 'peer', agent: id.slice(1) };
  } else if ((kind === 'room' || kind === 'thread' || kind === 'dm') && isId(id)) return { kind, id };
  const near = target.startsWith('@')
    ? `dm:${target}`
    : target.startsWith('#')
      ? `room:${target.slice(1)}`
      : isId(target)
        ? `room:${target}`
        : undefined;
  return {
    problem:
      target === ''
        ? 'a target is missing'
        : `${JSON.stringify(target)} is not a target${near ? `; did you mean ${near}?` : ''}`,
  };
}

/** The DM of a speaker and a peer: its id follows from the two. Undefined: they are one. */
export function peerDm(
  speaker: string,
  peer: string,
  networkId: string,
): { id: string; participants: string[] } | undefined {
  const participants = [
    ...new Set([canonicalMemberId(speaker, networkId), canonicalMemberId(peer, networkId)]),
  ].sort();
  return participants.length < 2 ? undefined : { id: dmIdOf(participants, networkId), participants };
}
