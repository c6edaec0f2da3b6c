/**
 * What one caller may do in a time (RATE rules): token buckets by identity, and by address for callers without a valid
 * credential. The rates are those of the configuration at that moment, so a reload counts at once. A bucket is two
 * numbers without a timer; the least recently used ones are forgotten, so nobody can make them many.
 */
import type { Rate, ServerConfig } from '../../config/types.ts';
import type { Identity } from '../../network/identity.ts';
import { Lru } from '../../network/lru.ts';
import { ANONYMOUS } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { Peer } from './peer.ts';

/** Each throws `rate_limited`, with the seconds to wait, when there is nothing left for this caller. */
export interface Rates {
  /** Any request; `identity` is undefined for a credential that is not known. */
  request(peer: RatePeer, identity: Identity | undefined): void;
  /** A message, or a report that a wake failed; or so many at once, which may be more than are left: then the next waits for them. */
  send(identity: Identity, count?: number): void;
  /** A try of a room's credential. */
  join(identity: Identity): void;
  /** The claim of an agent id without a credential, a credential that is not known, a login that failed. */
  claim(peer: RatePeer): void;
}
export type RatePeer = Pick<Peer, 'address' | 'loopback'>;

/** @param clock milliseconds that only grow; for tests */
export function createRates(
  config: Pick<ServerConfig, 'rates'>,
  clock: () => number = () => performance.now(),
): Rates {
  const kinds = { anonymous: new Buckets(clock), sends: new Buckets(clock), claims: new Buckets(clock) };
  return {
    request(peer, identity) {
      if (peer.loopback || (identity && identity.credential_key !== ANONYMOUS)) return;
      kinds.anonymous.take(addressKey(peer.address), config.rates.anonymous, 'requests from this address');
    },
    send({ mode, credential_key, scopes }, count) {
      if (mode === 'none') return;
      const rate = scopes.has('pair') ? config.rates.pair : config.rates.sends;
      kinds.sends.take(credential_key, rate, 'messages', count);
    },
    join({ mode, credential_key }) {
      if (mode !== 'none') kinds.claims.take(credential_key, config.rates.claims, 'tries to join');
    },
    claim(peer) {
      if (peer.loopback) return;
      kinds.claims.take(addressKey(peer.address), config.rates.claims, 'claims or wrong credentials');
    },
  };
}

class Buckets {
  readonly #clock: () => number;
  readonly #buckets = new Lru<string, { left: number; at: number }>(limits.rate_buckets.value);

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Takes one or more, if there is one. Throws `rate_limited`. */
  take(key: string, rate: Rate | 'off', what: string, count = 1): void {
    if (rate === 'off') return;
    const { per_second, burst } = rate;
    const now = this.#clock();
    let bucket = this.#buckets.get(key);
    if (!bucket) this.#buckets.set(key, (bucket = { left: burst, at: now }));
    bucket.left = Math.min(burst, bucket.left + ((now - bucket.at) / 1_000) * per_second);
    bucket.at = now;
    if (bucket.left < 1) {
      const retry_after = Math.max(1, Math.ceil((1 - bucket.left) / per_second));
      throw new MoltnetError('rate_limited', `too many ${what}: wait ${retry_after} s`, { retry_after });
    }
    bucket.left -= count;
  }
}

/** What an address is counted by: of IPv6 the /64, which one host may have all of. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  // `::` stands for as many groups of zeros as make it eight; an IPv4 ending takes the place of two.
  const rest = after.length + (after.at(-1)?.includes('.') ? 1 : 0);
  if (tail !== undefined) while (groups.length + rest < 8) groups.push('0');
  const prefix = [...groups, ...after].slice(0, 4).map((group) => group.replace(/^0+(?=.)/, ''));
  return `${prefix.join(':')}::/64`;
}
