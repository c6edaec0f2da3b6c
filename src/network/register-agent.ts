/** POST /v1/agents/register, and the same inside the attach handshake (wire.md 5). */
import { MoltnetError } from '../protocol/errors.ts';
import { fqid, isLocalAgentId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { AgentEvent } from '../protocol/events.ts';
import { requireName } from '../protocol/text.ts';
import type { AgentRow, EventWrite } from '../store/store.ts';
import { requireAccess } from './access.ts';
import type { Random } from './random.ts';
import { agentEvent, type Rule } from './rule.ts';
import type { State } from './state.ts';
import { registrationWire } from './views.ts';

const NAMES_TRIED = 99;

export const registerAgent: Rule<'agent.register'> = (state, command, random) => {
  const { identity, via, at } = command;
  requireAccess(state.settings, identity, via === 'attach' ? 'attach' : 'agent.register');
  const display_name = requireName(command.name ?? '', 'name', limits.name.value) || null;
  const requested = command.requested_id?.trim() ?? '';
  const id =
    requested === '' ? freeId(state, display_name ?? '', random) : requireLocalAgentId(requested, 'agent id');
  if (identity.agents && !identity.agents.has(id)) {
    const code = identity.credential_key.startsWith('agent-token:') ? 'agent_taken' : 'forbidden';
    throw new MoltnetError(code, `this credential may not act as ${id}`);
  }
  const record = state.agentRecord(id);
  if (record && record.removed_at !== null && via === 'attach') {
    throw new MoltnetError(
      'agent_removed',
      `agent ${id} was removed; register it again (moltnet register-agent) to let it back in`,
    );
  }
  if (!record || record.removed_at !== null) {
    requireRoomForAgent(state);
    const row: AgentRow = {
      id,
      actor_uid: random.actorUid(),
      display_name,
      credential_key: identity.credential_key,
      created_at: at,
      updated_at: at,
      removed_at: null,
    };
    return {
      writes: { events: [registered(state, random, row)], rows: [] },
      answer: { registration: registrationWire(state.settings.id, row), created: true },
    };
  }
  // In mode none all share one credential; elsewhere an id is its credential's, and an admin may only rename it.
  const owner = identity.mode === 'none' || record.credential_key === identity.credential_key;
  if (!owner && !identity.scopes.has('admin'))
    throw new MoltnetError('agent_taken', `agent ${id} is bound to another credential`);
  const row = renamed(record, display_name, at);
  const events = row === record ? [] : [registered(state, random, row)];
  return {
    writes: { events, rows: [] },
    answer: { registration: registrationWire(state.settings.id, row), created: false },
  };
};

/** The row with another name; the same row when that changes nothing. A name is never taken away. */
export function renamed(row: AgentRow, display_name: string | null, updated_at: string): AgentRow {
  return display_name === null || display_name === row.display_name
    ? row
    : { ...row, display_name, updated_at };
}

/** agent.registered: this agent exists, with this name. */
export function registered(state: State, random: Random, row: AgentRow): EventWrite {
  const network_id = state.settings.id;
  const agent: AgentEvent = {
    agent_id: row.id,
    network_id,
    fqid: fqid(network_id, 'agents', row.id),
    ...(row.display_name !== null && { name: row.display_name }),
  };
  return agentEvent(random, 'agent.registered', row.updated_at, row.id, agent, [{ op: 'agent', row }]);
}

export function requireRoomForAgent(state: State): void {
  if (state.agentCount >= limits.agents.value) {
    throw new MoltnetError(
      'too_many_agents',
      `the network has ${limits.agents.value} agents, as many as it may; remove one first`,
    );
  }
}

/** An id that may be registered here. Throws `invalid_agent_id`. */
export function requireLocalAgentId(given: string, field: string): string {
  const id = given.trim();
  if (!isLocalAgentId(id)) {
    throw new MoltnetError(
      'invalid_agent_id',
      `${field}: not an agent id of this network: ${JSON.stringify(id.slice(0, 160))} (letters, digits, ".", "_" and "-", at most 128)`,
    );
  }
  return id;
}

/** An id made of the name, with an ending when it is taken. Ids that rooms name as members are not given away. */
function freeId(state: State, name: string, random: Random): string {
  const slug =
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 100) || 'agent';
  const taken = (id: string) => state.agentRecord(id) !== undefined || state.roomsOf(id).size > 0;
  if (!taken(slug)) return slug;
  for (let i = 0; i < NAMES_TRIED; i++) {
    const id = `${slug}-${random.suffix()}`;
    if (!taken(id)) return id;
  }
  throw new MoltnetError(
    'unprocessable_entity',
    `no free id like ${slug} was found; ask for one with requested_agent_id`,
  );
}
