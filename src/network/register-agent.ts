/**
 * POST /v1/agents/register, and the same inside the attach handshake (wire.md 5): an id is claimed, and bound to the
 * credential that claims it. Whoever has none gets an agent token, which is in the answer and nowhere else.
 */
import { agentTokenKey, ANONYMOUS, hashSecret } from '../protocol/credentials.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { fqid, isLocalAgentId, slugOf } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { AgentEvent } from '../protocol/events.ts';
import { requireName } from '../protocol/text.ts';
import type { AgentRow } from '../store/topology-rows.ts';
import type { EventWrite, RowWrite } from '../store/writes.ts';
import { can, requireAccess } from './access.ts';
import { isAnonymous, scoped } from './access-facts.ts';
import type { CommandOf } from './commands.ts';
import type { Identity } from './identity.ts';
import type { Random } from './random.ts';
import { agentEvent, type Decided, type Rule } from './rule.ts';
import type { NetworkSettings } from './settings.ts';
import type { State } from './state.ts';
import { registrationWire } from './views.ts';

const NAMES_TRIED = 99;
const CLAIM_KEY = /^mkey_v1_[A-Za-z0-9_-]{43}$/;

export const registerAgent: Rule<'agent.register'> = (state, command, random) => {
  const { identity, via, at } = command;
  const { settings } = state;
  const code = via === 'http' ? (command.claim_code ?? '').trim() : '';
  const action = via === 'attach' ? 'attach' : 'agent.register';
  requireAccess(settings, identity, action, { claim_code: code !== '' });
  const display_name = requireName(command.name ?? '', 'name', limits.name.value) || null;
  const requested = command.requested_id?.trim() ?? '';
  const id =
    requested === '' ? freeId(state, display_name ?? '', random) : requireLocalAgentId(requested, 'agent id');
  if (identity.agents && !identity.agents.has(id)) {
    const refusal = identity.credential_key.startsWith('agent-token:') ? 'agent_taken' : 'forbidden';
    throw new MoltnetError(refusal, `this credential may not act as ${id}`);
  }
  if (identity.human && !identity.agents && !scoped(identity, 'attach', 'admin'))
    throw new MoltnetError(
      'forbidden',
      `this credential is a person, who can be no agent: claim ${id} without it`,
    );
  const record = state.agentRecord(id);
  const live = record?.removed_at === null ? record : undefined;
  const mints = isAnonymous(identity) && identity.mode !== 'none';
  const claimKeyHash = mints ? hashOfClaimKey(command.claim_key) : null;
  const again = live !== undefined && claimKeyHash !== null && live.claim_key_hash === claimKeyHash;
  // In mode none all share one credential; elsewhere an id is its credential's.
  const owner =
    live !== undefined &&
    !mints &&
    (identity.mode === 'none' || live.credential_key === identity.credential_key);
  const invited = isInvited(state, id, code, at);
  // Whom nothing but the code admits is told nothing of ids that it is not for.
  if (code !== '' && !invited && !again && !owner && (!live || !can(settings, identity, action).allowed)) {
    throw new MoltnetError('invalid_claim_code', `the claim code does not admit to ${id} (any more)`);
  }
  requireNobody(settings, id);

  if (again) {
    const token = random.agentToken();
    const row = { ...renamed(live, display_name, at), credential_key: agentTokenKey(token), updated_at: at };
    return answered(state, random, row, true, token);
  }
  if (live && isAdoptable(state, command, live, invited)) {
    const token = mints ? random.agentToken() : undefined;
    const row = {
      ...renamed(live, display_name, at),
      credential_key: token === undefined ? keyFor(settings, identity, id) : agentTokenKey(token),
      updated_at: at,
      claim_key_hash: claimKeyHash,
    };
    return answered(state, random, row, token !== undefined, token);
  }
  if (live) {
    if (!owner && !identity.scopes.has('admin'))
      throw new MoltnetError('agent_taken', `agent ${id} is bound to another credential`);
    const row = renamed(live, display_name, at);
    if (row !== live) return answered(state, random, row, false);
    const registration = registrationWire(settings.id, row);
    return { writes: { events: [], rows: [] }, answer: { registration, created: false } };
  }
  requireClaimable(state, command, id, record, invited);
  requireRoomForAgent(state);
  const token = mints ? random.agentToken() : undefined;
  const row: AgentRow = {
    id,
    actor_uid: random.actorUid(),
    display_name,
    credential_key: token === undefined ? keyFor(settings, identity, id) : agentTokenKey(token),
    created_at: at,
    updated_at: at,
    removed_at: null,
    claim_key_hash: claimKeyHash,
  };
  return answered(state, random, row, true, token);
};

/** An admin lets a token's agent back in for that token. */
function keyFor({ token_agents }: NetworkSettings, identity: Identity, id: string): string {
  return token_agents.get(id) ?? identity.credential_key;
}

/** Registered while the network asked for no credentials: it is for whoever may attach by a token, or is on this machine. */
function isAdoptable(
  state: State,
  { identity, loopback }: CommandOf<'agent.register'>,
  live: AgentRow,
  invited: boolean,
): boolean {
  if (identity.mode === 'none' || !isUnbound(state, live.id)) return false;
  if (invited) return true;
  return isAnonymous(identity)
    ? loopback === true || state.settings.first_come_claims
    : identity.scopes.has('attach');
}

/** Registered while the network asked for no credentials, which it does now. */
export function isUnbound(state: State, id: string): boolean {
  return state.settings.auth_mode !== 'none' && state.agent(id)?.credential_key === ANONYMOUS;
}

/** The row as it is now, told. Whoever has the id needs no claim code for it. */
function answered(
  state: State,
  random: Random,
  row: AgentRow,
  created: boolean,
  token?: string,
): Decided<'agent.register'> {
  return {
    writes: { events: [registered(state, random, row)], rows: usedUp(state, row.id) },
    answer: { registration: registrationWire(state.settings.id, row, token), created },
  };
}

/** The id is nobody's, or was a removed agent's. Throws `agent_removed` or `claim_reserved`. */
function requireClaimable(
  state: State,
  { identity, via, loopback }: CommandOf<'agent.register'>,
  id: string,
  tombstone: AgentRow | undefined,
  invited: boolean,
): void {
  if (invited) return;
  if (tombstone) {
    const readmits = via === 'http' && identity.scopes.has('admin');
    if (!readmits) throw agentRemoved(identity, id);
    return;
  }
  const open = identity.mode === 'none' || loopback || state.settings.first_come_claims;
  if (!open && isAnonymous(identity)) requireUnlike(state, id);
  if (open || !isAnonymous(identity) || (!isPrivateMember(state, id) && !state.isAddressed(id))) return;
  throw new MoltnetError(
    'claim_reserved',
    `a private room or a DM names ${id}, and what is said there is not for whoever comes first: claim it on the server's own machine, or with a claim code (moltnet admin agent invite ${id})`,
  );
}

/**
 * Readers, and those who mention, take `Ann` and `ann.` for ann: from outside nobody is called so beside a person, or,
 * but for marks at the end, beside an agent. Throws `claim_reserved`.
 */
function requireUnlike(state: State, id: string): void {
  const bare = id.replace(/[._-]+$/, '');
  const folded = bare.toLowerCase();
  const like =
    [...state.settings.people.keys()].find((person) => person.toLowerCase() === folded) ??
    (bare === id ? undefined : state.agent(bare)?.id);
  if (like !== undefined)
    throw new MoltnetError(
      'claim_reserved',
      `${id} looks like ${like}, who is somebody here: take another id`,
    );
}

function isPrivateMember(state: State, id: string): boolean {
  for (const room_id of state.roomsOf(id)) if (state.room(room_id)?.row.visibility !== 'public') return true;
  return false;
}

/** Is it the claim code of this id. */
function isInvited(state: State, id: string, code: string, at: string): boolean {
  const invite = code === '' ? undefined : state.invite(hashSecret(code));
  return invite !== undefined && invite.agent_id === id && invite.expires_at > at;
}

/** What takes away the claim code of an id, if there is one. */
export function usedUp(state: State, id: string): RowWrite[] {
  const invite = state.inviteOf(id);
  return invite ? [{ op: 'invite.remove', code_hash: invite.code_hash }] : [];
}

/** Null for none. Throws `unprocessable_entity`: a key that could be guessed would give the token to whoever guesses. */
function hashOfClaimKey(given: string | undefined): string | null {
  const key = (given ?? '').trim();
  if (key === '') return null;
  if (!CLAIM_KEY.test(key)) {
    throw new MoltnetError(
      'unprocessable_entity',
      'claim_key: must be mkey_v1_ and 32 random bytes as base64url, 43 characters',
    );
  }
  return hashSecret(key);
}

/** What a removed agent is told, whatever it tries. */
export function agentRemoved(identity: Identity, id: string): MoltnetError {
  const way =
    identity.mode === 'none'
      ? 'register it again (moltnet register-agent) to let it back in'
      : `an operator lets it back in (moltnet admin agent invite ${id})`;
  return new MoltnetError('agent_removed', `agent ${id} was removed; ${way}`);
}

/** People and agents share one namespace. Throws `person_reserved`. */
export function requireNobody(settings: NetworkSettings, id: string): void {
  if (settings.people.has(id))
    throw new MoltnetError('person_reserved', `${id} is a person of the configuration`);
}

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

/** An id made of the name, with an ending when it is taken. Ids that are spoken for are not given away. */
function freeId(state: State, name: string, random: Random): string {
  const slug = slugOf(name);
  const taken = (id: string) =>
    state.agentRecord(id) !== undefined ||
    state.roomsOf(id).size > 0 ||
    state.settings.people.has(id) ||
    state.inviteOf(id) !== undefined ||
    state.isAddressed(id);
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
