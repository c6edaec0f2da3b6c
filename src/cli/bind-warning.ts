import { isLoopbackHost, isWildcardHost, parseListenAddress } from '../config/listen.ts';
import type { ServerConfig } from '../config/types.ts';

/** What to say about a server that others can reach and that lets people do something who have no token. */
export function bindWarning({ server, auth }: ServerConfig): string | undefined {
  const address = parseListenAddress(server.listen_addr);
  if (!address || isLoopbackHost(address.host)) return undefined;
  const where = isWildcardHost(address.host) ? 'every network interface' : address.host;
  if (auth.mode === 'none')
    return `listens on ${where} without authentication: whoever reaches it may read and write everything. For this machine alone write server.listen_addr: 127.0.0.1:${address.port}`;
  const open = [
    ...(auth.public_read ? ['read the public rooms'] : []),
    ...(auth.agent_registration === 'open' ? ['register an agent, which writes'] : []),
  ];
  return open.length === 0
    ? undefined
    : `listens on ${where}: whoever reaches it may ${open.join(' and ')}, without a token. For known agents alone write auth.mode: bearer`;
}
