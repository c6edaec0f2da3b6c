import { describe, expect, it } from 'vitest';
import { DEFAULT_RATES } from '../../config/server-rates.ts';
import type { ServerConfig } from '../../config/types.ts';
import { anyone, type Identity, type Scope } from '../../network/identity.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { addressKey, createRates, type Rates } from './rates.ts';

const OFF: ServerConfig['rates'] = { anonymous: 'off', sends: 'off', pair: 'off', claims: 'off' };
const from = (address: string, loopback = false) => ({ address, loopback });
const identity = (credential_key: string, ...scopes: Scope[]): Identity => ({
  mode: 'bearer',
  credential_key,
  scopes: new Set(scopes),
});
const nobody = identity('anonymous');

/** Rates whose clock stands still unless it is moved. */
function rates(changes: Partial<ServerConfig['rates']>) {
  const clock = { now: 1_000 };
  const config = { rates: { ...OFF, ...changes } };
  return { clock, config, rates: createRates(config, () => clock.now) };
}

/** How many of so many calls pass. */
function passed(count: number, call: () => void): number {
  let through = 0;
  for (let i = 0; i < count; i++) if (refusal(call) === undefined) through++;
  return through;
}
function refusal(call: () => void): MoltnetError | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof MoltnetError && error.code === 'rate_limited') return error;
    throw error;
  }
}

describe('a bucket', () => {
  it('RATE-4 holds so many at once and fills by time, never above', () => {
    const at = rates({ anonymous: { per_second: 2, burst: 5 } });
    const ask = () => at.rates.request(from('192.0.2.1'), undefined);
    expect(passed(9, ask)).toBe(5);
    at.clock.now += 1_000;
    expect(passed(9, ask)).toBe(2);
    at.clock.now += 3_600_000;
    expect(passed(9, ask)).toBe(5);
  });

  it.each([
    [2, 1],
    [0.5, 2],
    [1 / 6, 6],
    [0.001, 1_000],
  ])('RATE-4 at %f a second the refusal says to wait %i s, and that is enough', (per_second, wait) => {
    const at = rates({ claims: { per_second, burst: 1 } });
    const claim = () => at.rates.claim(from('192.0.2.1'));
    expect(refusal(claim)).toBeUndefined();
    expect(refusal(claim)!.retry_after).toBe(wait);
    at.clock.now += wait * 1_000;
    expect(refusal(claim)).toBeUndefined();
  });

  it('RATE-4 a refused call takes nothing away', () => {
    const at = rates({ claims: { per_second: 1, burst: 1 } });
    const claim = () => at.rates.claim(from('192.0.2.1'));
    claim();
    passed(1_000, claim);
    at.clock.now += 1_000;
    expect(passed(9, claim)).toBe(1);
  });

  it('RATE-4 other rates count from the next call on', () => {
    const at = rates({ sends: { per_second: 1, burst: 2 } });
    const send = () => at.rates.send(identity('token:a', 'write'));
    expect(passed(5, send)).toBe(2);
    at.config.rates = { ...OFF, sends: { per_second: 1_000, burst: 3 } };
    at.clock.now += 1_000;
    expect(passed(5, send)).toBe(3);
    at.config.rates = OFF;
    expect(passed(5, send)).toBe(5);
  });

  it('RATE-5 what is remembered is bounded, and who is seen often is not forgotten', () => {
    const at = rates({ anonymous: { per_second: 0.001, burst: 2 } });
    const ask = (address: string) => refusal(() => at.rates.request(from(address), undefined));
    expect([ask('192.0.2.1'), ask('192.0.2.1')]).toEqual([undefined, undefined]);
    for (let i = 0; i < limits.rate_buckets.value + 10; i++) {
      ask(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
      if (i % 1_000 === 0) expect(ask('192.0.2.1')).toBeInstanceOf(MoltnetError);
    }
    // The first of the others is forgotten, hence full again.
    expect([ask('10.0.0.0'), ask('10.0.0.0')]).toEqual([undefined, undefined]);
  });
});

describe('who is counted by what', () => {
  const few = { per_second: 0.001, burst: 3 };

  it('RATE-1 requests without a valid credential by address; never this machine, never a credential', () => {
    const at = rates({ anonymous: few });
    const ask = (address: string, who?: Identity, here = false) =>
      passed(9, () => at.rates.request(from(address, here), who));
    expect(ask('192.0.2.1')).toBe(3);
    expect(ask('192.0.2.1', nobody)).toBe(0);
    expect(ask('192.0.2.2', nobody)).toBe(3);
    expect(ask('192.0.2.2', anyone)).toBe(0);
    expect(ask('192.0.2.2', identity('token:a'))).toBe(9);
    expect(ask('127.0.0.1', undefined, true)).toBe(9);
  });

  it('RATE-2 messages by identity, of a pair token by its own rate, not in mode none', () => {
    const at = rates({ sends: few, pair: { per_second: 0.001, burst: 5 } });
    const send = (who: Identity) => passed(9, () => at.rates.send(who));
    expect(send(identity('token:a', 'write'))).toBe(3);
    expect(send(identity('agent-token:b', 'write', 'attach'))).toBe(3);
    expect(send(identity('agent-token:b', 'write', 'attach'))).toBe(0);
    expect(send(identity('token:link', 'pair'))).toBe(5);
    expect(send(anyone)).toBe(9);
  });

  it('RATE-3 claims and unknown credentials by address, never this machine; joins by identity', () => {
    const at = rates({ claims: few });
    expect(passed(9, () => at.rates.claim(from('192.0.2.1')))).toBe(3);
    expect(passed(9, () => at.rates.claim(from('192.0.2.2')))).toBe(3);
    expect(passed(9, () => at.rates.claim(from('::1', true)))).toBe(9);
    expect(passed(9, () => at.rates.join(identity('agent-token:a')))).toBe(3);
    expect(passed(9, () => at.rates.join(identity('agent-token:b')))).toBe(3);
    expect(passed(9, () => at.rates.join(anyone))).toBe(9);
  });

  it('RATE-1 the kinds do not count for each other', () => {
    const at = rates({ anonymous: few, claims: few });
    const calls: ((r: Rates) => void)[] = [
      (r) => r.request(from('192.0.2.1'), undefined),
      (r) => r.claim(from('192.0.2.1')),
    ];
    for (const call of calls) expect(passed(9, () => call(at.rates))).toBe(3);
  });

  it('RATE-6 by the defaults a person, a node of 50 agents and a relay never meet them', () => {
    const at = rates(DEFAULT_RATES);
    const person = identity('token:ann', 'observe', 'write');
    const link = identity('token:link', 'pair');
    const address = from('192.0.2.1');
    for (let second = 0; second < 120; second++) {
      at.clock.now += 1_000;
      // A console that is opened anew every ten seconds, and somebody who types fast.
      if (second % 10 === 0) expect(passed(40, () => at.rates.request(address, nobody))).toBe(40);
      expect(passed(5, () => at.rates.send(person))).toBe(5);
      // Fifty agents behind one address, each with its own token, ten messages a second each.
      for (let agent = 0; agent < 50; agent++)
        expect(passed(10, () => at.rates.send(identity(`agent-token:${agent}`, 'write')))).toBe(10);
      expect(passed(150, () => at.rates.send(link))).toBe(150);
    }
  });
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['', ''],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
])('RATE-5 %s counts as %s', (address, key) => {
  expect(addressKey(address)).toBe(key);
});
