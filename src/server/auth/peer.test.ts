import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { peerReader } from './peer.ts';

type Settings = Parameters<typeof peerReader>[0];

function peer(
  remoteAddress: string,
  headers: Record<string, string> = {},
  settings: Partial<Settings> = {},
  encrypted = false,
) {
  const read = peerReader({ trusted_proxies: [], trust_forwarded_proto: false, ...settings });
  return read({ headers: { host: 'a:1', ...headers }, socket: { remoteAddress, encrypted } } as never);
}

it('SESS-10 without a trusted proxy only the socket counts', () => {
  expect(peer('192.0.2.7')).toEqual({
    address: '192.0.2.7',
    loopback: false,
    secure: false,
    host: 'a:1',
    proxied: false,
  });
  expect(
    peer('192.0.2.7', {
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
    }),
  ).toEqual({ address: '192.0.2.7', loopback: false, secure: false, host: 'a:1', proxied: false });
  expect(peer('::ffff:192.0.2.7').address).toBe('192.0.2.7');
  expect(peer('fe80::1%eth0').address).toBe('fe80::1');
  expect(peer('192.0.2.7', {}, {}, true).secure).toBe(true);
  expect(peer('').address).toBe('');
});

it.each<[string, string, string, string[]]>([
  ['one hop', '10.0.0.1', '198.51.100.9', ['10.0.0.1']],
  ['a range', '10.0.0.1', '198.51.100.9', ['10.0.0.0/8']],
  ['IPv6', '2001:db8::1', '198.51.100.9', ['2001:db8::/32']],
  ['IPv4 in IPv6', '::ffff:10.0.0.1', '198.51.100.9', ['10.0.0.0/8']],
])('SESS-10 the client of a trusted proxy: %s', (_what, socket, client, trusted_proxies) => {
  expect(peer(socket, { 'x-forwarded-for': client }, { trusted_proxies }).address).toBe(client);
});

it.each<[forwarded: string, address: string]>([
  // What stands left of the first that is not trusted is its own claim.
  ['127.0.0.1, 198.51.100.9', '198.51.100.9'],
  ['6.6.6.6, 198.51.100.9, 10.0.0.2', '198.51.100.9'],
  ['6.6.6.6, 198.51.100.9,10.9.9.9 , 10.0.0.2', '198.51.100.9'],
  ['10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['198.51.100.9:4711', '198.51.100.9'],
  ['[2001:db8:1::9]:4711', '2001:db8:1::9'],
  ['2001:db8:1::9', '2001:db8:1::9'],
  ['unknown', '10.0.0.1'],
  ['198.51.100.9, unknown, 10.0.0.2', '10.0.0.2'],
  ['', '10.0.0.1'],
])('SESS-10 X-Forwarded-For: %s is %s', (forwarded, address) => {
  const settings = { trusted_proxies: ['10.0.0.0/8'] };
  expect(peer('10.0.0.1', { 'x-forwarded-for': forwarded }, settings)).toMatchObject({
    address,
    loopback: false,
    proxied: true,
  });
});

it('SESS-10 scheme and host of a trusted proxy, and of nobody else', () => {
  const settings = { trusted_proxies: ['10.0.0.1'] };
  const headers = { 'x-forwarded-proto': 'HTTPS, http', 'x-forwarded-host': 'chat.example, inner' };
  expect(peer('10.0.0.1', headers, settings)).toMatchObject({ secure: true, host: 'chat.example' });
  expect(peer('10.0.0.2', headers, settings)).toMatchObject({ secure: false, host: 'a:1', proxied: false });
  // The switch of the original: the scheme, of a proxy on this machine.
  const proto = { trust_forwarded_proto: true };
  expect(peer('127.0.0.1', headers, proto)).toMatchObject({ secure: true, host: 'a:1', loopback: false });
  expect(peer('10.0.0.2', headers, proto).secure).toBe(false);
});

it('SESS-11 loopback is a socket of this machine without a trace of a proxy', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'])
    expect([address, peer(address).loopback]).toEqual([address, true]);
  for (const [name, value] of [
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-host', 'a'],
    ['x-forwarded-server', 'a'],
    ['forwarded', 'for=127.0.0.1'],
    ['via', '1.1 a'],
    ['x-real-ip', '127.0.0.1'],
    ['cf-connecting-ip', '127.0.0.1'],
  ])
    expect([name, peer('127.0.0.1', { [name!]: value! }).loopback]).toEqual([name, false]);
});

it('SESS-11 behind a trusted proxy it is the client that it names', () => {
  const settings = { trusted_proxies: ['127.0.0.1', '10.0.0.1'] };
  const loopback = (socket: string, headers: Record<string, string>) =>
    peer(socket, headers, settings).loopback;
  expect(loopback('127.0.0.1', { 'x-forwarded-for': '127.0.0.1' })).toBe(true);
  expect(loopback('127.0.0.1', { 'x-forwarded-for': '198.51.100.9' })).toBe(false);
  expect(loopback('127.0.0.1', { 'x-forwarded-for': '127.0.0.1, 198.51.100.9' })).toBe(false);
  // It does not say for whom it asks.
  expect(loopback('127.0.0.1', { via: '1.1 a' })).toBe(false);
  expect(loopback('127.0.0.1', { 'x-forwarded-for': 'unknown' })).toBe(false);
  expect(loopback('127.0.0.1', { 'x-forwarded-for': 'unknown, 127.0.0.1' })).toBe(false);
  // Loopback of another machine.
  expect(loopback('10.0.0.1', { 'x-forwarded-for': '127.0.0.1' })).toBe(false);
  expect(loopback('127.0.0.1', {})).toBe(true);
});

it('SESS-11 where the world comes by another address, something stands before the server', () => {
  const at = (public_url: string, more: Partial<Settings> = {}) =>
    peer('127.0.0.1', {}, { public_url, ...more }).loopback;
  expect(at('https://chat.example')).toBe(false);
  expect(at('http://127.0.0.1:8787')).toBe(true);
  expect(at('http://[::1]:8787')).toBe(true);
  expect(at('https://chat.example', { trusted_proxies: ['127.0.0.1'] })).toBe(true);
});

it('SESS-10 a request without headers is read', () => {
  const read = peerReader({ trusted_proxies: ['10.0.0.1'], trust_forwarded_proto: false });
  const request = { headers: {}, socket: { remoteAddress: undefined } } as unknown as IncomingMessage;
  expect(read(request)).toMatchObject({ address: '', loopback: false, host: undefined });
});
