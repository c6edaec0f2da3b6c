/** Where another machine reaches this server, as far as that can be known. */
import { networkInterfaces } from 'node:os';
import { isWildcardHost } from '../config/listen.ts';
import { MoltnetError } from '../protocol/errors.ts';
import type { ServerContext } from './context.ts';

type Own = Pick<ServerContext, 'config' | 'origins' | 'url' | 'bound'>;

/** The one given, else server.public_url, else the address it listens on. Throws `unprocessable_entity`. */
export function ownUrl({ config, origins, url, bound }: Own, given: string | undefined): string {
  const address =
    given ?? config.server.public_url ?? (isWildcardHost(bound.host) ? ofMachine(bound.port) : url);
  const parsed = URL.canParse(address) ? new URL(address) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search !== '' || parsed.hash !== '')
    throw new MoltnetError(
      'unprocessable_entity',
      'url: must be http(s)://host, where the other server reaches this one',
    );
  // It would be refused as a rebound name when the other side comes by it.
  if (config.auth.mode === 'none' && !origins.isTrustedHost(parsed.host))
    throw new MoltnetError(
      'unprocessable_entity',
      `url: in auth mode none ${parsed.host} is answered only when it is server.public_url, or its name is in server.allowed_hosts`,
    );
  return address.replace(/\/+$/, '');
}

/** The first address of this machine that is not its own alone. */
function ofMachine(port: number): string {
  for (const addresses of Object.values(networkInterfaces()))
    for (const { family, internal, address } of addresses ?? [])
      if (family === 'IPv4' && !internal) return `http://${address}:${port}`;
  return `http://127.0.0.1:${port}`;
}
