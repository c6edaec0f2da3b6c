/**
 * Where a request comes from. What proxies say in X-Forwarded-* is believed of configured ones only; everybody else
 * could write those headers himself.
 */
import { BlockList, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { IncomingMessage } from 'node:http';
import { isLoopbackHost } from '../../config/listen.ts';
import type { ServerConfig } from '../../config/types.ts';

export interface Peer {
  /** The client's IP address; that of a proxy which is not trusted, or does not say for whom it asks. Empty when the socket is gone. */
  address: string;
  /** On the server's own machine, with no proxy between that might speak for others. */
  loopback: boolean;
  /** The client's side of the connection is TLS. */
  secure: boolean;
  /** The Host that the client asked for. */
  host: string | undefined;
  /** A trusted proxy stands between and says where the client is: `host` is its word. */
  proxied: boolean;
}

/** Whatever a proxy leaves on a request: with one of these a loopback socket proves nothing. */
const TRACE = /^(?:x-forwarded|forwarded$|via$|x-real-ip$|x-client-ip$|true-client-ip$|cf-connecting-ip$)/;

/** One reading of the server's block; make a new one when it changes. */
export function peerReader({
  trusted_proxies,
  trust_forwarded_proto,
  public_url,
}: Pick<ServerConfig['server'], 'trusted_proxies' | 'trust_forwarded_proto' | 'public_url'>): (
  request: IncomingMessage,
) => Peer {
  const isProxy = proxyList(trusted_proxies);
  // The world comes by another address, so something stands before us; unless it is named, it may leave no trace.
  const hidden = !isProxy && public_url !== undefined && !isLoopbackHost(hostOf(public_url));
  return (request) => {
    const { headers, socket } = request;
    const at = plainAddress(socket.remoteAddress ?? '');
    const near = isLoopbackHost(at);
    const secure = (socket as Partial<TLSSocket>).encrypted === true;
    const { host } = headers;
    const direct = { address: at, loopback: near && !hidden, secure, host, proxied: false };
    if ((!near && !isProxy) || !Object.keys(headers).some((name) => TRACE.test(name))) return direct;
    if (!isProxy?.(at))
      return {
        ...direct,
        loopback: false,
        secure: secure || (near && trust_forwarded_proto && saysHttps(headers)),
      };
    const client = clientOf(headerText(headers['x-forwarded-for']), at, isProxy);
    return {
      address: client.address,
      // A proxy that does not say for whom it asks may ask for anybody.
      loopback: near && client.named && isLoopbackHost(client.address),
      secure: secure || saysHttps(headers),
      host: first(headers['x-forwarded-host']) ?? host,
      proxied: true,
    };
  };
}

/**
 * The address nearest to us that is no trusted proxy: what stands left of it is its own claim. Not `named` when the
 * list stops making sense before one is found.
 */
function clientOf(
  forwarded: string,
  at: string,
  isProxy: (address: string) => boolean,
): { address: string; named: boolean } {
  let client = at;
  for (const entry of forwarded.split(',').toReversed()) {
    const address = forwardedAddress(entry);
    if (address === undefined) return { address: client, named: false };
    client = address;
    if (!isProxy(client)) break;
  }
  return { address: client, named: true };
}

/** Undefined when no proxy is trusted. */
function proxyList(entries: readonly string[]): ((address: string) => boolean) | undefined {
  if (entries.length === 0) return undefined;
  const list = new BlockList();
  for (const entry of entries) {
    const [network = '', prefix] = entry.trim().split('/');
    const family = isIP(network);
    if (family === 0) continue;
    const type = family === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(network, type);
    else list.addSubnet(network, Number(prefix), type);
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; undefined for anything else. */
function forwardedAddress(entry: string): string | undefined {
  const text = entry.trim();
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = plainAddress(bare);
  return isIP(address) === 0 ? undefined : address;
}

const hostOf = (url: string): string => new URL(url).hostname.replace(/^\[|\]$/g, '');

/** Without the zone of IPv6, and IPv4 as IPv4. */
function plainAddress(address: string): string {
  const bare = address.replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  return mapped ?? bare;
}

const saysHttps = (headers: IncomingMessage['headers']): boolean =>
  first(headers['x-forwarded-proto'])?.toLowerCase() === 'https';

/** The first of a list, which is the client's. */
function first(value: string | string[] | undefined): string | undefined {
  const text = headerText(value).split(',', 1)[0]!.trim();
  return text === '' ? undefined : text;
}

const headerText = (value: string | string[] | undefined): string =>
  Array.isArray(value) ? value.join(',') : (value ?? '');
