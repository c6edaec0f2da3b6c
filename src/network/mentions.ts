/**
 * Mentions: who a message is addressed to, from its `mentions` and from its text (wire.md 4.5). Text forms: `@alpha`,
 * `@net:alpha`, `@molt://net/agents/alpha`, and each of them in angle brackets, `<@alpha>`. An `@` directly after a
 * letter, a digit or `_` is none (e-mail addresses). `.`, `-`, `:` and `_` at the end belong to the sentence; an agent that
 * is called so is mentioned too. Code is text like any other: `@alpha` in backticks mentions. Who cannot be found, or is
 * ambiguous, is dropped in silence: a mention never makes a message fail.
 */
import { fqid, parseMemberId } from '../protocol/ids.ts';

const TEXT_FORMS =
  /<@([^\s<>]{1,300})>|(?<![\p{L}\p{N}_])@(molt:\/\/[^\s<>]{1,300}|[A-Za-z0-9._-]+(?::[A-Za-z0-9._-]+)*)/gu;
const TRAILING = /[.:_,;!?)\]}'"*`-]+$/;

/** No member id in any form is longer; what is longer cannot be found, and is not looked at. */
const LONGEST = 300;

/** Who may be mentioned in one conversation. */
export interface Mentionable {
  /** May this agent or person of this network (undefined: the local one) be mentioned. */
  has(canonical: string): boolean;
  /** Those of other networks with this bare id, canonical. */
  remote(id: string): readonly string[];
}

/** A network's id by the alias a writer may use for it (its id or name); undefined when unknown. */
export type Alias = (name: string) => string | undefined;

/** Candidates of a text in order; each may carry punctuation that `resolveMentions` takes off. */
export function candidatesOf(text: string): string[] {
  if (!text.includes('@')) return [];
  const found: string[] = [];
  for (const [, bracketed, bare] of text.matchAll(TEXT_FORMS)) found.push((bracketed ?? bare)!);
  return found;
}

/** FQIDs of those among the candidates that can be found, in order, each once; at most `max` + 2 of them. */
export function resolveMentions(
  candidates: Iterable<string>,
  among: Mentionable,
  networkId: string,
  alias: Alias,
  max: number,
): string[] {
  const seen = new Set<string>();
  const mentions = new Set<string>();
  for (const candidate of candidates) {
    if (candidate.length > LONGEST || seen.has(candidate)) continue;
    seen.add(candidate);
    for (const canonical of resolveSpoken(candidate, among, networkId, alias))
      mentions.add(fqidOf(canonical, networkId));
    if (mentions.size > max) break;
  }
  return [...mentions];
}

/**
 * As it stands, then with one mark after the other taken off its end, for a name that ends in a mark itself; and always
 * without any, so that nobody who calls itself `alpha.` takes the ends of sentences away from alpha.
 */
function resolveSpoken(candidate: string, among: Mentionable, networkId: string, alias: Alias): Set<string> {
  const found = new Set<string>();
  const bare = candidate.replace(TRAILING, '');
  for (let end = candidate.length, tries = 0; end > bare.length && tries <= MARKS_TRIED; end--, tries++) {
    const marked = resolveOne(candidate.slice(0, end), among, networkId, alias);
    if (marked === undefined) continue;
    found.add(marked);
    break;
  }
  const plain = resolveOne(bare, among, networkId, alias);
  if (plain !== undefined) found.add(plain);
  return found;
}
const MARKS_TRIED = 4;

function resolveOne(
  candidate: string,
  among: Mentionable,
  networkId: string,
  alias: Alias,
): string | undefined {
  const ref = parseMemberId(candidate);
  if (!ref) return undefined;
  if (ref.network === undefined) {
    const remote = among.remote(ref.id);
    const local = among.has(ref.id);
    if (local) return remote.length === 0 ? ref.id : undefined;
    return remote.length === 1 ? remote[0] : undefined;
  }
  const network = alias(ref.network) ?? ref.network;
  const canonical = network === networkId ? ref.id : `${network}:${ref.id}`;
  return among.has(canonical) ? canonical : undefined;
}

function fqidOf(canonical: string, networkId: string): string {
  const colon = canonical.indexOf(':');
  return colon < 0
    ? fqid(networkId, 'agents', canonical)
    : fqid(canonical.slice(0, colon), 'agents', canonical.slice(colon + 1));
}
