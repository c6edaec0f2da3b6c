/**
 * Foreign web pages (SAFE rules). One set of rules is asked by every HTTP route, by the WebSocket upgrade and by the
 * event stream, in every auth mode: a browser lets any page send requests to a server on the reader's own machine,
 * and only what the browser says about the page (Origin, Sec-Fetch-Site, Host) tells them apart. Programs that are
 * no browsers send none of these headers and are not held up.
 */
import { isIP } from 'node:net';
import { isWildcardHost } from '../../config/listen.ts';
import type { ServerConfig } from '../../config/types.ts';
import { MoltnetError } from '../../protocol/errors.ts';

/** The request headers the rules look at, as Node gives them. */
export interface OriginHeaders {
  host?: string | undefined;
  origin?: string | string[] | undefined;
  'sec-fetch-site'?: string | string[] | undefined;
  referer?: string | undefined;
}

export interface OriginRules {
  /** Every request: throws `foreign_host` in auth mode none for a Host that a foreign page could have chosen. */
  requireHost(headers: OriginHeaders): void;
  /** Writes, attach and the event stream: throws `foreign_origin` when a page of another origin sends it. */
  requireOrigin(headers: OriginHeaders): void;
  /**
   * Writes and streams of a browser's session, after requireOrigin: throws `foreign_origin` when nothing says that a
   * page of ours sends it.
   */
  requireOwnPage(headers: OriginHeaders): void;
  /** Whether a Host header names this server in a way no foreign page can bring about. */
  isTrustedHost(host: string | undefined): boolean;
}

/** `host:port` of a URL authority, lower-case; IPv6 without brackets. Undefined when it is none. */
export function splitHost(authority: string): { host: string; port: string } | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^\s:/?#[\]@\\]+))(?::(\d{1,5}))?$/i.exec(authority.trim());
  if (!match) return undefined;
  const host = (match[1] ?? match[2] ?? '').toLowerCase();
  // One trailing dot says "fully qualified"; the name is the same.
  return { host: host.endsWith('.') ? host.slice(0, -1) : host, port: match[3] ?? '' };
}

const isLocalhost = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost');
const isSingleLabel = (host: string): boolean => /^[a-z0-9_-]+$/.test(host);
const DEFAULT_PORT: Record<string, string> = { 'http:': '80', 'https:': '443' };

/** An `Origin` value as `scheme://host:port` with the port always there; undefined for `null` and for malformed ones. */
function parseOrigin(value: string): { scheme: string; host: string; port: string } | undefined {
  const match = /^(https?:)\/\/([^/?#]+)\/?$/i.exec(value.trim());
  const authority = match && splitHost(match[2]!);
  if (!match || !authority || authority.host === '') return undefined;
  const scheme = match[1]!.toLowerCase();
  return { scheme, host: authority.host, port: authority.port || DEFAULT_PORT[scheme]! };
}

const originText = (o: { scheme: string; host: string; port: string }): string =>
  `${o.scheme}//${o.host}:${o.port}`;

/**
 * The rules of one running server.
 * @param bound the address and port it listens on (the port is known only after listen, when 0 was asked for)
 */
export function originRules(config: ServerConfig, bound: { host: string; port: number }): OriginRules {
  const { server, auth } = config;
  const publicUrl =
    server.public_url === undefined ? undefined : parseOrigin(new URL(server.public_url).origin);
  const listenHost = bound.host.toLowerCase();

  /** Names that the operator configured: allowed as Host, and as Origin when the page came from this very Host. */
  const configuredHosts = new Set<string>();
  for (const entry of server.allowed_hosts)
    configuredHosts.add(splitHost(entry)?.host ?? entry.toLowerCase());
  if (publicUrl) configuredHosts.add(publicUrl.host);
  if (!isWildcardHost(listenHost)) configuredHosts.add(listenHost);

  const ownOrigins = new Set<string>();
  for (const host of new Set([
    'localhost',
    '127.0.0.1',
    '::1',
    ...(isWildcardHost(listenHost) ? [] : [listenHost]),
  ]))
    for (const scheme of ['http:', 'https:'])
      ownOrigins.add(originText({ scheme, host, port: String(bound.port) }));
  if (publicUrl) ownOrigins.add(originText(publicUrl));
  for (const entry of server.allowed_origins) {
    const origin = parseOrigin(entry);
    if (origin) ownOrigins.add(originText(origin));
  }

  /**
   * A page whose address is an IP literal, localhost or a configured name, at the very Host and port this request
   * went to, was served by this server: no resolver that a foreign page's owner controls has a say in those. A
   * matching Host alone proves nothing, because a rebound name matches too.
   */
  const isServedHere = (
    origin: { scheme: string; host: string; port: string },
    hostHeader: string | undefined,
  ): boolean => {
    const host = hostHeader === undefined ? undefined : splitHost(hostHeader);
    if (!host || host.host !== origin.host || (host.port || DEFAULT_PORT[origin.scheme]) !== origin.port)
      return false;
    return isIP(host.host) !== 0 || isLocalhost(host.host) || configuredHosts.has(host.host);
  };

  const isTrustedHost = (value: string | undefined): boolean => {
    // Only programs leave Host out (HTTP/1.0 health checks); a browser never does.
    if (value === undefined || value === '') return true;
    const host = splitHost(value)?.host;
    if (host === undefined) return false;
    return isIP(host) !== 0 || isLocalhost(host) || isSingleLabel(host) || configuredHosts.has(host);
  };

  const isOwn = (
    origin: { scheme: string; host: string; port: string } | undefined,
    hostHeader: string | undefined,
  ): boolean =>
    origin !== undefined && (ownOrigins.has(originText(origin)) || isServedHere(origin, hostHeader));

  /** Most requests come to one host: the last that passed. */
  let passed: string | undefined;

  return {
    isTrustedHost,
    requireHost(headers) {
      if (auth.mode !== 'none' || headers.host === passed) return;
      if (isTrustedHost(headers.host)) {
        passed = headers.host;
        return;
      }
      throw new MoltnetError(
        'foreign_host',
        `this server does not answer to the host ${quoted(headers.host)}: use its IP address or localhost, or add the name to server.allowed_hosts`,
      );
    },
    requireOrigin(headers) {
      const value = headers.origin;
      if (value === undefined) {
        const site = headers['sec-fetch-site'];
        if (site !== 'cross-site' && site !== 'same-site') return;
        throw new MoltnetError(
          'foreign_origin',
          'a web page of another origin may not call this server; add its origin to server.allowed_origins if it may',
        );
      }
      const origin = typeof value === 'string' ? parseOrigin(value) : undefined;
      if (isOwn(origin, headers.host)) return;
      throw new MoltnetError(
        'foreign_origin',
        `the web page at ${quoted(String(value))} may not call this server; add its origin to server.allowed_origins if it may`,
      );
    },
    requireOwnPage({ origin, referer, host, 'sec-fetch-site': site }) {
      // An Origin that is there has been looked at.
      if (origin !== undefined || site === 'same-origin') return;
      // Over plain HTTP a browser's event stream carries neither; no page can send a Referer that is not its own.
      if (referer !== undefined && isOwn(parseOrigin(URL.parse(referer)?.origin ?? ''), host)) return;
      throw new MoltnetError(
        'foreign_origin',
        "a browser's session writes and reads the event stream only from a page of this server (Origin, or Sec-Fetch-Site: same-origin)",
      );
    },
  };
}

const quoted = (value: string | undefined): string => JSON.stringify((value ?? '').slice(0, 160));
