import type { Actor } from '../../../src/protocol/actors.ts';
import type { AgentSummary } from '../../../src/protocol/agents.ts';

// Controls that turn the direction of text, invisible characters, blanks that have a width, and line breaks: in a name
// they only deceive.
const DECEIVING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
/** Marks over one letter that a language has; more are drawn over the lines beside it. */
const STACKED = /(\p{M}{3})\p{M}+/gu;

/** A name of others as it may stand in a line of ours. */
export const plainName = (text: string): string => text.replace(DECEIVING, '').replace(STACKED, '$1').trim();

/** The name to show for a sender: with the id where it is not the name's own, because anybody may take any name. */
export const actorName = (actor: Actor): string =>
  shownName(plainName(actor.name ?? ''), plainName(actor.id)) || '?';

function shownName(name: string, id: string): string {
  if (!name) return id;
  return isNameOf(name, id) ? name : `${name} (@${id})`;
}

/** `Code Review` is of `code-review`, and `Anna Lee` of `anna`. */
function isNameOf(name: string, id: string): boolean {
  const slug = (text: string) =>
    text
      .normalize('NFKD')
      .toLowerCase()
      .replace(/\p{M}/gu, '')
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, '');
  const [words, own] = [slug(name), slug(id)];
  return words === own || words.startsWith(`${own}-`);
}

/** One string per sender, equal for the same one: the FQID where there is one. */
export const actorKey = (actor: Actor): string =>
  `${actor.type}|${actor.fqid ?? `${actor.network_id ?? ''}/${actor.id}`}`;

/** As that of a sender. */
export const agentName = (agent: Pick<AgentSummary, 'id' | 'name'>): string =>
  shownName(plainName(agent.name ?? ''), agent.id);

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
  const words = name
    .replace(/ \(@[^()]*\)$/, '')
    .split(/[\s._-]+/)
    .filter(Boolean);
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
