/** How many attachments one credential, or one address without one, has open. */
import { ANONYMOUS } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Identity } from '../../network/identity.ts';
import type { Peer } from '../auth/peer.ts';
import { addressKey } from '../auth/rates.ts';

/** Without a credential. */
export const isUnknown = ({ mode, credential_key }: Identity): boolean =>
  mode !== 'none' && credential_key === ANONYMOUS;

/** By what attachments are counted; undefined in mode none, where nobody can be told from another. */
export const keyOf = (identity: Identity, { address }: Pick<Peer, 'address'>): string | undefined =>
  identity.mode === 'none'
    ? undefined
    : isUnknown(identity)
      ? `addr:${addressKey(address)}`
      : identity.credential_key;

/** Open sockets by identity. */
export class Counts {
  readonly #open = new Map<string, number>();

  /** Throws `too_many_attachments` when there is no room for one more. */
  require(key: string, unknown: boolean): void {
    const { value } = unknown
      ? limits.attachments_per_address
      : key.startsWith('agent-token:')
        ? limits.attachments_per_agent
        : limits.attachments_per_identity;
    if ((this.#open.get(key) ?? 0) >= value)
      throw new MoltnetError(
        'too_many_attachments',
        `${value} attachments are open with this credential, or from this address without one: close one of them`,
      );
  }
  enter(key: string | undefined): void {
    if (key !== undefined) this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
  }
  leave(key: string | undefined): void {
    if (key === undefined) return;
    const open = this.#open.get(key)! - 1;
    if (open > 0) this.#open.set(key, open);
    else this.#open.delete(key);
  }
}
