import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { DirectConversation } from '../../../src/protocol/rooms.ts';
import { agentName, plainName } from './names.ts';
import { millis } from './times.ts';

/**
 * The id of the DM of exactly these (as `dmIdOf` of src/protocol/ids.ts, which cannot run in a page): every client
 * finds the same conversation of the same two. Not `crypto.subtle`, which a page has only on https or localhost.
 */
export function dmIdOf(participants: readonly string[], networkId: string): string {
  const fqids = [...new Set(participants.map((id) => memberFqid(id, networkId)))].sort();
  return `dm_${bytesToHex(sha256(utf8ToBytes(fqids.join('\n')))).slice(0, 32)}`;
}

/** FQID of a participant, who is `alpha` or, of another network, `net:alpha`. */
export function memberFqid(id: string, networkId: string): string {
  const colon = id.indexOf(':');
  return colon < 0
    ? `molt://${networkId}/agents/${id}`
    : `molt://${id.slice(0, colon)}/agents/${id.slice(colon + 1)}`;
}

/** The others of a DM, or all of them to somebody who looks on. */
export function dmName(
  dm: Pick<DirectConversation, 'id' | 'participant_ids'> | undefined,
  me: string,
  agents: readonly AgentSummary[],
): string {
  const all = dm?.participant_ids ?? [];
  const others = all.includes(me) ? all.filter((id) => id !== me) : all;
  const names = others.map((id) => {
    const agent = agents.find((known) => known.id === id);
    return (agent && agentName(agent)) || plainName(id);
  });
  return names.join(', ') || plainName(dm?.id ?? '');
}

/** The liveliest first. */
export const byActivity = (dms: Iterable<DirectConversation>): DirectConversation[] =>
  [...dms].sort((a, b) => millis(b.last_message_at) - millis(a.last_message_at) || (a.id < b.id ? -1 : 1));
