import { describe, expect, it } from 'vitest';
import { testConfig, type ConfigChanges } from '../../../test/support/server.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { originRules, splitHost, type OriginHeaders } from './origin.ts';

function outcome(
  changes: ConfigChanges,
  bound: { host: string; port: number },
  headers: OriginHeaders,
  rule: 'requireHost' | 'requireOrigin',
): string {
  try {
    originRules(testConfig(changes), bound)[rule](headers);
    return 'allowed';
  } catch (error) {
    return error instanceof MoltnetError ? error.code : 'fault';
  }
}

const loopback = { host: '127.0.0.1', port: 8787 };
const everywhere = { host: '', port: 8787 };

describe('Origin', () => {
  const cases: [
    what: string,
    headers: OriginHeaders,
    expected: string,
    bound?: typeof loopback,
    changes?: ConfigChanges,
  ][] = [
    ['no browser', { host: '127.0.0.1:8787' }, 'allowed'],
    ['own, by address', { host: '127.0.0.1:8787', origin: 'http://127.0.0.1:8787' }, 'allowed'],
    ['own, by localhost', { host: 'localhost:8787', origin: 'http://localhost:8787' }, 'allowed'],
    ['own, by IPv6', { host: '[::1]:8787', origin: 'http://[::1]:8787' }, 'allowed'],
    ['own, in capitals', { host: 'LOCALHOST:8787', origin: 'HTTP://LOCALHOST:8787' }, 'allowed'],
    ['another site', { host: '127.0.0.1:8787', origin: 'https://evil.example' }, 'foreign_origin'],
    [
      'another port of this machine',
      { host: 'localhost:8787', origin: 'http://localhost:3000' },
      'foreign_origin',
    ],
    ['no port means 80', { host: 'localhost:8787', origin: 'http://localhost' }, 'foreign_origin'],
    ['a sandboxed page', { host: 'localhost:8787', origin: 'null' }, 'foreign_origin'],
    ['empty', { host: 'localhost:8787', origin: '' }, 'foreign_origin'],
    ['an extension', { host: 'localhost:8787', origin: 'chrome-extension://abc' }, 'foreign_origin'],
    [
      'user info that looks like us',
      { host: 'localhost:8787', origin: 'http://localhost:8787@evil.example' },
      'foreign_origin',
    ],
    [
      'a name that begins like us',
      { host: 'localhost:8787', origin: 'http://localhost:8787.evil.example' },
      'foreign_origin',
    ],
    [
      'two of them',
      { host: 'localhost:8787', origin: 'http://localhost:8787, https://evil.example' },
      'foreign_origin',
    ],
    [
      'rebound: Host equals Origin',
      { host: 'evil.example:8787', origin: 'http://evil.example:8787' },
      'foreign_origin',
    ],
    ['rebound, single label', { host: 'printer:8787', origin: 'http://printer:8787' }, 'foreign_origin'],
    [
      'an address of this network',
      { host: '192.168.1.5:8787', origin: 'http://192.168.1.5:8787' },
      'allowed',
      everywhere,
    ],
    [
      'the address, another port',
      { host: '192.168.1.5:8787', origin: 'http://192.168.1.5:9999' },
      'foreign_origin',
      everywhere,
    ],
    [
      'another address than the Host',
      { host: '192.168.1.5:8787', origin: 'http://192.168.1.6:8787' },
      'foreign_origin',
      everywhere,
    ],
    [
      'configured',
      { host: 'localhost:8787', origin: 'https://app.example' },
      'allowed',
      loopback,
      { server: { allowed_origins: ['https://app.example'] } },
    ],
    [
      'configured, other scheme',
      { host: 'localhost:8787', origin: 'http://app.example' },
      'foreign_origin',
      loopback,
      { server: { allowed_origins: ['https://app.example'] } },
    ],
    [
      'configured with its default port',
      { host: 'localhost:8787', origin: 'https://app.example' },
      'allowed',
      loopback,
      { server: { allowed_origins: ['https://app.example:443/'] } },
    ],
    [
      'public_url',
      { host: 'chat.example', origin: 'https://chat.example' },
      'allowed',
      loopback,
      { server: { public_url: 'https://chat.example/moltnet' } },
    ],
    [
      "allowed host, as the page's own",
      { host: 'box.lan:8787', origin: 'http://box.lan:8787' },
      'allowed',
      everywhere,
      { server: { allowed_hosts: ['box.lan'] } },
    ],
    [
      'allowed host, other page',
      { host: 'box.lan:8787', origin: 'http://evil.example:8787' },
      'foreign_origin',
      everywhere,
      { server: { allowed_hosts: ['box.lan'] } },
    ],
    ['no Origin, cross-site', { host: 'localhost:8787', 'sec-fetch-site': 'cross-site' }, 'foreign_origin'],
    [
      'no Origin, another port of this site',
      { host: 'localhost:8787', 'sec-fetch-site': 'same-site' },
      'foreign_origin',
    ],
    ['no Origin, own page', { host: 'localhost:8787', 'sec-fetch-site': 'same-origin' }, 'allowed'],
    ['no Origin, typed in', { host: 'localhost:8787', 'sec-fetch-site': 'none' }, 'allowed'],
    [
      'any mode',
      { host: 'localhost:8787', origin: 'https://evil.example' },
      'foreign_origin',
      loopback,
      { auth: { mode: 'bearer' } },
    ],
  ];
  it.each(cases)('SAFE-1 SAFE-2 SAFE-3 %s', (_what, headers, expected, bound = loopback, changes = {}) => {
    expect(outcome(changes, bound, headers, 'requireOrigin')).toBe(expected);
  });
});

describe('Host', () => {
  const cases: [host: string | undefined, expected: string, changes?: ConfigChanges][] = [
    [undefined, 'allowed'],
    ['127.0.0.1:8787', 'allowed'],
    ['[::1]:8787', 'allowed'],
    ['10.0.0.7', 'allowed'],
    ['localhost', 'allowed'],
    ['localhost.:8787', 'allowed'],
    ['moltnet.localhost:8787', 'allowed'],
    ['moltnet:8787', 'allowed'],
    ['evil.example:8787', 'foreign_host'],
    ['127.0.0.1.evil.example', 'foreign_host'],
    ['127.0.0.1.nip.io:8787', 'foreign_host'],
    ['localhost.evil.example', 'foreign_host'],
    ['evil.example.', 'foreign_host'],
    ['user@localhost', 'foreign_host'],
    ['localhost/evil', 'foreign_host'],
    ['local host', 'foreign_host'],
    ['box.lan:8787', 'allowed', { server: { allowed_hosts: ['box.lan'] } }],
    ['BOX.LAN', 'allowed', { server: { allowed_hosts: ['box.lan'] } }],
    ['chat.example', 'allowed', { server: { public_url: 'https://chat.example' } }],
    ['evil.example:8787', 'allowed', { auth: { mode: 'bearer' } }],
  ];
  it.each(cases)('SAFE-4 %s: %s', (host, expected, changes = {}) => {
    expect(outcome(changes, loopback, { host }, 'requireHost')).toBe(expected);
  });

  it('SAFE-4 the name it listens on is its own', () => {
    expect(
      outcome({}, { host: 'moltnet.internal', port: 8787 }, { host: 'moltnet.internal:8787' }, 'requireHost'),
    ).toBe('allowed');
  });
});

it('splits a Host into name and port', () => {
  expect(splitHost('Example.COM:80')).toEqual({ host: 'example.com', port: '80' });
  expect(splitHost('[::1]')).toEqual({ host: '::1', port: '' });
  expect(splitHost('a:b')).toBeUndefined();
  expect(splitHost('')).toBeUndefined();
});
