import type { Actor } from '../../../src/protocol/actors.ts';
import type { AgentSummary } from '../../../src/protocol/agents.ts';

// Controls that turn the direction of text, invisible characters, and line breaks: in a name they only deceive.
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const DECEIVING = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A name of others as it may stand in a line of ours. */
export const plainName = (text: string): string => text.replace(DECEIVING, '').trim();

/** The name to show for a sender. */
export const actorName = (actor: Actor): string => plainName(actor.name ?? '') || plainName(actor.id) || '?';

/** One string per sender, equal for the same one: the FQID where there is one. */
export const actorKey = (actor: Actor): string =>
  `${actor.type}|${actor.fqid ?? `${actor.network_id ?? ''}/${actor.id}`}`;

export const agentName = (agent: Pick<AgentSummary, 'id' | 'name'>): string =>
  plainName(agent.name ?? '') || agent.id;

/** A person of this console as a sender, as the server will know them. */
export function personActor({ id, name }: { id: string; name: string }, networkId: string): Actor {
  return { type: 'human', id, name, network_id: networkId, fqid: `molt://${networkId}/agents/${id}` };
}

/** One string per agent, over networks. */
export const agentKey = (agent: { id: string; fqid?: string }): string => agent.fqid ?? agent.id;

/** The `actorKey` of what this agent sends. */
export const agentActorKey = (agent: { id: string; fqid?: string }): string => `agent|${agentKey(agent)}`;

/** What stands in the round or square mark of a sender: one or two letters. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0]!, words[1]!].map(first) : [...(words[0] ?? '?')].slice(0, 2);
  return letters.join('').toLocaleUpperCase();
}
const first = (word: string): string => [...word][0] ?? '';

/** The id under which a person writes, from the name they typed: letters, digits, `.`, `_` and `-`. */
export function personId(name: string): string {
  const id = name
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|-+$/g, '')
    .slice(0, 64);
  return id || 'operator';
}
