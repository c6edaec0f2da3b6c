/** Who a message is from, as the network knows it (wire.md 4.3, W5): the request only says who claims to write. */
import type { Actor } from '../protocol/actors.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { fqid, isId, parseMemberId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { requireName } from '../protocol/text.ts';
import { requireAccess } from './access.ts';
import type { Identity } from './identity.ts';
import type { State } from './state.ts';

export interface Sender {
  /** As it stands in the message: type, id, name, network_id, fqid. */
  actor: Actor & { fqid: string };
  /** Bare id for one of this network, `net:id` for another's. */
  canonical: string;
  person: boolean;
}

type Claim = { [K in keyof Actor]?: Actor[K] | undefined };

/** `relayed`: the message came into the world on another network. Throws MoltnetError. */
export function senderOf(
  state: State,
  identity: Identity,
  claim: Claim | undefined,
  relayed: boolean,
): Sender {
  const { settings } = state;
  const type = claim?.type ?? '';
  if (type === 'human' && !settings.human_ingress) throw new MoltnetError('human_ingress_disabled');
  if (type !== 'agent' && type !== 'human') {
    throw new MoltnetError(
      'unprocessable_entity',
      `from.type: must be agent or human, not ${JSON.stringify(type.slice(0, 40))}`,
    );
  }
  // A person of another network is vouched for by a pairing, and by nothing else, whatever the mode.
  if (
    type === 'human' &&
    relayed &&
    (identity.credential_key === 'anonymous' || !identity.scopes.has('pair'))
  ) {
    throw new MoltnetError('forbidden', 'a message of a person of another network needs a pair token');
  }
  const ref = parseMemberId(claim?.id ?? '');
  if (!ref)
    throw new MoltnetError(
      'invalid_id',
      `from.id: not an id: ${JSON.stringify((claim?.id ?? '').slice(0, 160))}`,
    );
  const network = ref.network ?? networkClaimed(claim!, settings.id);
  const local = network === settings.id;
  const canonical = local ? ref.id : `${network}:${ref.id}`;
  requireMayAct(state, identity, type === 'human', local ? canonical : undefined, relayed);
  const name = nameOf(state, claim!, type, local, ref.id);
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

/** `local`: the id of the one it is from, undefined when that is somebody of another network. */
function requireMayAct(
  state: State,
  identity: Identity,
  person: boolean,
  local: string | undefined,
  relayed: boolean,
): void {
  const { settings } = state;
  if (local === undefined || (person && relayed))
    requireAccess(settings, identity, 'remote.act', { relayed });
  else if (person) requireAccess(settings, identity, 'human.act');
  else requireAccess(settings, identity, 'agent.act', { agent: local, registration: state.agent(local) });
}

/** A bare id is this network's, unless the FQID or the network that stand beside it say another. */
function networkClaimed(claim: Claim, networkId: string): string {
  const byFqid = claim.fqid ? parseMemberId(claim.fqid)?.network : undefined;
  if (byFqid !== undefined && byFqid !== networkId) return byFqid;
  const network = (claim.network_id ?? '').trim();
  if (network === '' || network === networkId) return networkId;
  if (!isId(network))
    throw new MoltnetError(
      'invalid_id',
      `from.network_id: not an id: ${JSON.stringify(network.slice(0, 160))}`,
    );
  return network;
}

/** The registered name of an agent of this network; of others only what they say. Refuses removed agents. */
function nameOf(state: State, claim: Claim, type: string, local: boolean, id: string): string {
  if (type === 'agent' && local) {
    const record = state.agentRecord(id);
    if (record) {
      if (record.removed_at !== null) {
        throw new MoltnetError(
          'agent_removed',
          `agent ${id} was removed; register it again (moltnet register-agent) to let it back in`,
        );
      }
      return record.display_name ?? '';
    }
  }
  return claim.name ? requireName(claim.name, 'from.name', limits.name.value) : '';
}
