/** Targets as they stand on the command line. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Client } from '../client/http.ts';
import { peerDm, readTarget, TARGET_FORMS, type NamedTarget } from '../client/targets.ts';
import { networkIdOf } from './api.ts';
import { usageFailure } from './failure.ts';
import type { Speaker } from './speaker.ts';

/** Throws a usage Failure that says what a target looks like. */
export function parseTarget(text: string | undefined): NamedTarget {
  const target = readTarget(text ?? '');
  if ('problem' in target) throw usageFailure(target.problem, TARGET_FORMS);
  return target;
}

/** Throws a usage Failure where the two are one. */
export function dmWith(
  speaker: string,
  peer: string,
  networkId: string,
): { id: string; participants: string[] } {
  const dm = peerDm(speaker, peer, networkId);
  if (!dm) throw usageFailure('a DM needs another participant than yourself');
  return dm;
}

export const targetKey = (target: { kind: 'room' | 'thread' | 'dm'; id: string }): ConversationKey =>
  `${target.kind}:${target.id}`;

/** The conversation that a target names, for reading. */
export async function conversationNamed(
  target: NamedTarget,
  speaker: Speaker,
  client: Client,
): Promise<ConversationKey> {
  if (target.kind !== 'peer') return targetKey(target);
  const networkId = await networkIdOf(speaker, client);
  return `dm:${dmWith(speaker.from.id, target.agent, networkId).id}`;
}
