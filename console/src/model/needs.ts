import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { State } from './state.ts';

/** Agents whose runtime cannot be woken: what is said to them waits. */
export const stuckAgents = (agents: readonly AgentSummary[]): AgentSummary[] =>
  agents.filter((agent) => agent.state === 'cannot_wake' || agent.cannot_wake !== undefined);

/** Pairings that wait for somebody, or do not work. */
export const troubledPairings = (pairings: State['pairings']): State['pairings'] =>
  pairings.filter(({ status }) => status === 'pending' || status === 'error' || status === 'incompatible');

/** How many things wait for a person. */
export function needsCount({ mentions, held, failed, agents, pairings }: State): number {
  return (
    mentions.length +
    Object.keys(held).length +
    failed.length +
    stuckAgents(agents).length +
    troubledPairings(pairings).length
  );
}
