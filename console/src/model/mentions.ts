import type { AgentSummary } from '../../../src/protocol/agents.ts';
import { agentName } from './names.ts';

/** The mention being typed: its text after the `@`, and where it stands. */
export interface MentionQuery {
  query: string;
  /** Index of the `@`. */
  start: number;
  /** Index behind the last character. */
  end: number;
}

/** What is being typed at the caret, when it is a mention. */
export function mentionAt(text: string, caret: number): MentionQuery | undefined {
  const match = /(^|[\s([{"'*_,;:])@([A-Za-z0-9._:-]*)$/.exec(text.slice(0, caret));
  if (!match) return undefined;
  const query = match[2] ?? '';
  return { query, start: caret - query.length - 1, end: caret };
}

/** Agents that fit, best first: those whose id begins with it, connected ones before others. */
export function mentionCandidates(agents: readonly AgentSummary[], query: string, limit = 8): AgentSummary[] {
  const wanted = query.toLowerCase();
  const rank = (agent: AgentSummary): number => {
    const id = agent.id.toLowerCase();
    const name = agentName(agent).toLowerCase();
    if (!id.includes(wanted) && !name.includes(wanted)) return -1;
    return (id.startsWith(wanted) || name.startsWith(wanted) ? 0 : 2) + (agent.connected ? 0 : 1);
  };
  return agents
    .map((agent) => ({ agent, rank: rank(agent) }))
    .filter((entry) => entry.rank >= 0)
    .sort((a, b) => a.rank - b.rank || (a.agent.id < b.agent.id ? -1 : 1))
    .slice(0, limit)
    .map((entry) => entry.agent);
}

/** The text with the mention written out, and where the caret goes. */
export function insertMention(
  text: string,
  mention: MentionQuery,
  id: string,
): { text: string; caret: number } {
  const head = `${text.slice(0, mention.start)}@${id} `;
  const tail = text.slice(mention.end);
  return { text: head + (tail.startsWith(' ') ? tail.slice(1) : tail), caret: head.length };
}
