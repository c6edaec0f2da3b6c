/** Targets as they stand on the command line: `room:ID`, `thread:ID`, `dm:ID`, and `dm:@agent`. */
import { canonicalMemberId, dmIdOf, isId, parseMemberId } from '../protocol/ids.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Client } from '../client/http.ts';
import { networkIdOf } from './api.ts';
import { usageFailure } from './failure.ts';
import type { Speaker } from './speaker.ts';

export type CliTarget = { kind: 'room' | 'thread' | 'dm'; id: string } | { kind: 'peer'; agent: string };

/** Throws a usage Failure that says what a target looks like. */
export function parseTarget(text: string | undefined): CliTarget {
  const target = text?.trim() ?? '';
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
  throw usageFailure(
    target === ''
      ? 'a target is missing'
      : `${JSON.stringify(target)} is not a target${near ? `; did you mean ${near}?` : ''}`,
    'write room:ID, thread:ID, dm:ID, or dm:@agent',
  );
}

/** The DM between a speaker and a peer: its id follows from the two. */
export function peerDm(
  speaker: string,
  peer: string,
  networkId: string,
): { id: string; participants: string[] } {
  const participants = [
    ...new Set([canonicalMemberId(speaker, networkId), canonicalMemberId(peer, networkId)]),
  ].sort();
  if (participants.length < 2) throw usageFailure('a DM needs another participant than yourself');
  return { id: dmIdOf(participants, networkId), participants };
}

export const targetKey = (target: { kind: 'room' | 'thread' | 'dm'; id: string }): ConversationKey =>
  `${target.kind}:${target.id}`;

/** The conversation that a target names, for reading. */
export async function conversationNamed(
  target: CliTarget,
  speaker: Speaker,
  client: Client,
): Promise<ConversationKey> {
  if (target.kind !== 'peer') return targetKey(target);
  const networkId = await networkIdOf(speaker, client);
  return `dm:${peerDm(speaker.from.id, target.agent, networkId).id}`;
}
