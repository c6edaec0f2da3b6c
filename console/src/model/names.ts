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
export function personActor(name: string, networkId: string): Actor {
  const id = personId(name);
  return { type: 'human', id, name, network_id: networkId, fqid: `molt://${networkId}/agents/${id}` };
}

/** One string per agent, over networks. */
export const agentKey = (agent: { id: string; fqid?: string }): string => agent.fqid ?? agent.id;

/** What stands in the round or square mark of a sender: one or two letters. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0]!, words[1]!].map(first) : [...(words[0] ?? '?')].slice(0, 2);
  return letters.join('').toLocaleUpperCase();
}
const first = (word: string): string => [...word][0] ?? '';

/** Hues that are told apart easily, in both colour schemes. */
const HUES = [25, 55, 90, 130, 155, 180, 210, 240, 265, 295, 325, 355];
const given = new Map<string, number>();

/**
 * A hue in degrees for a sender: the one its id asks for, or, while there are free ones, another when that is taken;
 * so the senders of a small network all look different, and the same from visit to visit.
 */
export function hueOf(id: string): number {
  const known = given.get(id);
  if (known !== undefined) return HUES[known]!;
  let slot = hash(id) % HUES.length;
  const taken = new Set(given.values());
  for (let tries = 0; taken.has(slot) && tries < HUES.length; tries++) slot = (slot + 5) % HUES.length;
  if (given.size < 10_000) given.set(id, slot);
  return HUES[slot]!;
}

function hash(text: string): number {
  let value = 2166136261;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
  // Ids of one network often differ in a few letters only; this spreads the difference over all bits.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}

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
