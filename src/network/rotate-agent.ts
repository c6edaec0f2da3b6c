/** POST /v1/agents/{id}/rotate-token: a new agent token in the place of the one that was lost. */
import { agentTokenKey } from '../protocol/credentials.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { requireAccess } from './access.ts';
import { registered, requireLocalAgentId } from './register-agent.ts';
import type { Rule } from './rule.ts';
import type { NetworkSettings } from './settings.ts';
import { registrationWire } from './views.ts';

/** The configuration binds its tokens' agents anew at every start. Throws `conflict`. */
export function requireOwnToken({ token_agents }: NetworkSettings, id: string): void {
  const key = token_agents.get(id);
  if (key !== undefined)
    throw new MoltnetError(
      'conflict',
      `agent ${id} is bound to ${key} of the configuration: change that token there, or take the agent out of its list`,
    );
}

export const rotateAgent: Rule<'agent.rotate'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const id = requireLocalAgentId(command.agent_id, 'agent id');
  const before = state.agent(id);
  if (!before) throw new MoltnetError('not_found', `no such agent: ${id}`);
  requireOwnToken(state.settings, id);
  const agent_token = random.agentToken();
  const row = {
    ...before,
    credential_key: agentTokenKey(agent_token),
    updated_at: command.at,
    claim_key_hash: null,
  };
  return {
    writes: { events: [registered(state, random, row)], rows: [] },
    answer: registrationWire(state.settings.id, row, agent_token),
  };
};
