/** `server.listen_addr`: `host:port`, `:port` for every interface, `[v6]:port`. */

export interface ListenAddress {
  /** Empty for every interface. Without brackets for IPv6. */
  host: string;
  /** 0 lets the system choose. */
  port: number;
}

/** Undefined when the text is no such address. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%a-z]*)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text.trim());
  if (!match) return undefined;
  const port = Number(match[3]);
  return port <= 65_535 ? { host: match[1] ?? match[2] ?? '', port } : undefined;
}

/** Whether only this machine can reach the address. */
export function isLoopbackHost(host: string): boolean {
  return (
    host === 'localhost' || host === '::1' || host === '0:0:0:0:0:0:0:1' || /^127(\.\d{1,3}){3}$/.test(host)
  );
}

/** Whether the address stands for every interface. */
export const isWildcardHost = (host: string): boolean =>
  host === '' || host === '0.0.0.0' || host === '::' || host === '*';

/**
 * The URL under which this machine itself reaches a server with that address; undefined when it does not listen on
 * the loopback interface.
 */
export function loopbackUrl(address: ListenAddress): string | undefined {
  if (isWildcardHost(address.host)) return `http://127.0.0.1:${address.port}`;
  if (!isLoopbackHost(address.host)) return undefined;
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}
