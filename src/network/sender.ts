/** Who a message is from, as the network knows it (wire.md 4.3, W5): the request only says who claims to write. */
import type { Actor } from '../protocol/actors.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { fqid, isLocalAgentId, isNetworkId, parseMemberId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { requireName } from '../protocol/text.ts';
import { requireAccess } from './access.ts';
import { isAnonymous } from './access-facts.ts';
import type { Identity } from './identity.ts';
import { agentRemoved } from './register-agent.ts';
import type { State } from './state.ts';

export interface Sender {
  /** As it stands in the message: type, id, name, network_id, fqid. */
  actor: Actor & { fqid: string };
  /** Bare id for one of this network, `net:id` for another's. */
  canonical: string;
  person: boolean;
}

export type Claim = { [K in keyof Actor]?: Actor[K] | undefined };

/** `origin`: the network on which the message came into the world. Throws MoltnetError. */
export function senderOf(state: State, identity: Identity, given: Claim | undefined, origin: string): Sender {
  const { settings } = state;
  const claim = withOwnId(identity, given ?? {});
  const type = claim.type ?? '';
  if (type === 'human' && !settings.human_ingress) throw new MoltnetError('human_ingress_disabled');
  if (type !== 'agent' && type !== 'human') {
    throw new MoltnetError(
      'unprocessable_entity',
      `from.type: must be agent or human, not ${JSON.stringify(type.slice(0, 40))}`,
    );
  }
  const relayed = origin !== settings.id;
  const paired = !isAnonymous(identity) && identity.scopes.has('pair');
  // A person of another network is vouched for by a pairing, and by nothing else, whatever the mode.
  if (type === 'human' && relayed && !paired)
    throw new MoltnetError('forbidden', 'a message of a person of another network needs a pair token');
  const ref = parseMemberId(claim.id ?? '');
  if (!ref)
    throw new MoltnetError(
      'invalid_id',
      `from.id: not an id: ${JSON.stringify((claim.id ?? '').slice(0, 160))}`,
    );
  if (relayed && paired) requireOneVoice(claim, ref.network, origin);
  const network = ref.network ?? networkClaimed(claim, settings.id);
  const local = network === settings.id;
  // `local:local:ann` would stand in the message as `local:ann`, which is how others write ann.
  if (local && !isLocalAgentId(ref.id))
    throw new MoltnetError('invalid_id', `from.id: not an id of this network: ${JSON.stringify(ref.id)}`);
  const canonical = local ? ref.id : `${network}:${ref.id}`;
  requireMayAct(state, identity, type === 'human', local ? canonical : undefined, relayed);
  const name = nameOf(state, identity, claim, type, local, ref.id);
  return {
    actor: {
      type,
      id: ref.id,
      ...(name !== '' && { name }),
      network_id: network,
      fqid: fqid(network, 'agents', ref.id),
    },
    canonical,
    person: type === 'human',
  };
}

/** With the type and the id of the one whom the credential is, where they are left out and it is only one. */
export function withOwnId<T extends Pick<Claim, 'type' | 'id'>>(identity: Identity, claim: T): T {
  if ((claim.id ?? '').trim() !== '') return claim;
  const { human, agents } = identity;
  const agent = agents?.size === 1 ? [...agents][0] : undefined;
  const type = claim.type || (agents ? (human ? undefined : 'agent') : 'human');
  const id = type === 'human' ? human?.id : type === 'agent' ? agent : undefined;
  return id === undefined ? claim : { ...claim, type, id };
}

/** What a pairing brings says of which network the sender is, everywhere the same: the one it comes from (wire.md 4.3). */
function requireOneVoice(claim: Claim, scope: string | undefined, origin: string): void {
  const byFqid = claim.fqid ? parseMemberId(claim.fqid)?.network : origin;
  if (claim.network_id?.trim() !== origin || byFqid !== origin || (scope ?? origin) !== origin)
    throw new MoltnetError('conflict', `from: must be of the network that the message is from, ${origin}`);
}

/** `local`: the id of the one it is from, undefined when that is somebody of another network. */
function requireMayAct(
  state: State,
  identity: Identity,
  person: boolean,
  local: string | undefined,
  relayed: boolean,
): void {
  const { settings } = state;
  // Nobody here says of its own words that they came into the world elsewhere.
  if (local === undefined || relayed) requireAccess(settings, identity, 'remote.act', { relayed });
  if (local === undefined || (person && relayed)) return;
  if (person)
    requireAccess(settings, identity, 'human.act', { agent: local, registration: state.agentRecord(local) });
  else requireAccess(settings, identity, 'agent.act', { agent: local, registration: state.agent(local) });
}

/** A bare id is this network's, unless the FQID or the network that stand beside it say another. */
function networkClaimed(claim: Claim, networkId: string): string {
  const byFqid = claim.fqid ? parseMemberId(claim.fqid)?.network : undefined;
  if (byFqid !== undefined && byFqid !== networkId) return byFqid;
  const network = (claim.network_id ?? '').trim();
  if (network === '' || network === networkId) return networkId;
  if (!isNetworkId(network))
    throw new MoltnetError(
      'invalid_id',
      `from.network_id: not an id: ${JSON.stringify(network.slice(0, 160))}`,
    );
  return network;
}

/**
 * The registered name of an agent, the configured one of a person; of others only what they say. Refuses removed
 * agents.
 */
function nameOf(
  state: State,
  identity: Identity,
  claim: Claim,
  type: string,
  local: boolean,
  id: string,
): string {
  if (type === 'agent' && local) {
    const record = state.agentRecord(id);
    if (record) {
      if (record.removed_at !== null) throw agentRemoved(identity, id);
      return record.display_name ?? '';
    }
  }
  if (type === 'human' && local) {
    const name = state.settings.people.get(id)?.name;
    if (name !== undefined || identity.human) return name ?? '';
  }
  return claim.name ? requireName(claim.name, 'from.name', limits.name.value) : '';
}
