/** A TCP relay in front of a server, so that a test decides when the connection breaks. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Proxy {
  url: string;
  /** Breaks every connection. */
  cut(): void;
  /** Nothing of the client gets through any more on the connections that are open; it does not notice. */
  swallow(): void;
  /** New connections are refused until `admit`. */
  refuse(): void;
  admit(): void;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<{ client: Socket; upstream: Socket; swallowing: boolean }>();
  let open = true;
  const server = createServer((client) => {
    if (!open) return void client.destroy();
    const upstream = connect(Number(port), hostname);
    const pair = { client, upstream, swallowing: false };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    client.on('data', (data) => void (pair.swallowing || upstream.write(data)));
    upstream.on('data', (data) => void client.write(data));
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const { client, upstream } of pairs) {
      client.destroy();
      upstream.destroy();
    }
  };
  onTestFinished(async () => {
    cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    swallow: () => {
      for (const pair of pairs) pair.swallowing = true;
    },
    refuse: () => void (open = false),
    admit: () => void (open = true),
  };
}
