import { isLoopbackHost, isWildcardHost, parseListenAddress } from '../config/listen.ts';
import type { ServerConfig } from '../config/types.ts';

/** What to say about a server that others can reach while everybody who does may do everything. */
export function bindWarning(config: ServerConfig): string | undefined {
  const address = parseListenAddress(config.server.listen_addr);
  if (!address || isLoopbackHost(address.host) || config.auth.mode !== 'none') return undefined;
  const where = isWildcardHost(address.host) ? 'every network interface' : address.host;
  return `listens on ${where} without authentication: whoever reaches it may read and write everything. For this machine alone write server.listen_addr: 127.0.0.1:${address.port}`;
}
