/** The first use of a minted token: from now on the claim key that it was minted for mints no other. */
import { unchanged, type Rule } from './rule.ts';

export const confirmAgent: Rule<'agent.confirm'> = (state, { agent_id, identity }) => {
  const row = state.agent(agent_id);
  // A token that another claim has replaced meanwhile says nothing about the one in its place.
  if (!row || row.claim_key_hash === null || row.credential_key !== identity.credential_key)
    return unchanged({ confirmed: false });
  return {
    writes: { events: [], rows: [{ op: 'agent', row: { ...row, claim_key_hash: null } }] },
    answer: { confirmed: true },
  };
};
