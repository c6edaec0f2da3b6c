/** What is open goes on no longer than the credential that opened it. */
import type { Identity } from '../../network/identity.ts';
import type { MoltnetError } from '../../protocol/errors.ts';
import type { LogEvent } from '../../store/log-rows.ts';
import type { Credentials } from './credentials.ts';

/** Why an identity does not hold any more; undefined while it does. */
export type Revocation = (identity: Identity) => MoltnetError | undefined;

/** Holds connections open on behalf of identities. */
export interface Revocable {
  /** Ends those whose identity is revoked, and takes new settings into account for the others. Must not throw. */
  revalidate(revocation: Revocation): void;
}

export interface Revocables {
  credentials: Pick<Credentials, 'revocation' | 'hasLapsed'>;
  gateway: Revocable;
  streams: Revocable;
}

/** After a reload, a logout: whatever may have changed. */
export function endRevoked({ credentials, gateway, streams }: Revocables): void {
  gateway.revalidate(credentials.revocation);
  streams.revalidate(credentials.revocation);
}

/** After a batch: tokens of agents that were replaced or removed in it. */
export function endLapsed(events: readonly LogEvent[], revocables: Revocables): void {
  let lapsed = false;
  for (const { type, agent_id } of events) {
    if (agent_id === undefined || (type !== 'agent.registered' && type !== 'agent.removed')) continue;
    if (revocables.credentials.hasLapsed(agent_id)) lapsed = true;
  }
  if (lapsed) endRevoked(revocables);
}
