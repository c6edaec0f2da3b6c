/** POST /v1/agents/{id}/invite: a code that lets its holder claim this id, once. A new one voids the one before. */
import { hashSecret } from '../protocol/credentials.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { requireAccess } from './access.ts';
import { isUnbound, requireLocalAgentId, requireNobody } from './register-agent.ts';
import { requireOwnToken } from './rotate-agent.ts';
import type { Rule } from './rule.ts';

/** Seconds. */
const SEVEN_DAYS = 7 * 24 * 3600;

export const inviteAgent: Rule<'agent.invite'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'administer');
  const agent_id = requireLocalAgentId(command.agent_id, 'agent id');
  requireNobody(state.settings, agent_id);
  if (state.agent(agent_id) && !isUnbound(state, agent_id)) {
    throw new MoltnetError(
      'agent_taken',
      `agent ${agent_id} is registered; give it a new token with moltnet admin agent rotate-token ${agent_id}`,
    );
  }
  requireOwnToken(state.settings, agent_id);
  const code = random.claimCode();
  const ends = Date.parse(command.at) + (command.expires_in ?? SEVEN_DAYS) * 1_000;
  const expires_at = new Date(ends).toISOString();
  const row = { code_hash: hashSecret(code), agent_id, created_at: command.at, expires_at };
  return {
    writes: { events: [], rows: [{ op: 'invite', row }] },
    answer: { agent_id, code, expires_at },
  };
};
