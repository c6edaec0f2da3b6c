/** A TCP relay in front of a server or a database, so that a test decides what gets through, and when a connection breaks. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Proxy {
  port: number;
  /** The target's address by way of the proxy. */
  url: string;
  /** Breaks every connection. */
  cut(): void;
  /** Nothing of the client gets through any more on the connections that are open; it does not notice. */
  swallow(): void;
  /** New connections are refused until `admit`. */
  refuse(): void;
  admit(): void;
  /** Nothing gets through in either direction, as over a cable that was pulled; it waits. Without `all` only on the connections that are open. */
  stall(all?: boolean): void;
  /** What waited is delivered in its order, also where the other side has gone meanwhile. */
  flow(): void;
  /** Called with what a client sends, before it goes on: it may cut or stall first. */
  onData: ((data: Buffer) => void) | undefined;
}

interface Pair {
  client: Socket;
  upstream: Socket;
  swallowing: boolean;
  /** What waits, undefined while it flows. */
  held: (() => void)[] | undefined;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const pairs = new Set<Pair>();
  let open = true;
  let stalled = false;
  const server = createServer((client) => {
    if (!open) return void client.destroy();
    const upstream = connect(Number(port), hostname);
    const pair: Pair = { client, upstream, swallowing: false, held: stalled ? [] : undefined };
    pairs.add(pair);
    const pass = (run: () => void): void => void (pair.held ? pair.held.push(run) : run());
    const end = (): void =>
      pass(() => {
        pairs.delete(pair);
        client.destroy();
        upstream.destroySoon();
      });
    client.on('data', (data) => {
      proxy.onData?.(data as Buffer);
      pass(() => void (pair.swallowing || upstream.destroyed || upstream.write(data)));
    });
    upstream.on('data', (data) => pass(() => void (client.destroyed || client.write(data))));
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = (server.address() as AddressInfo).port;
  const url = new URL(target);
  url.port = String(own);
  const proxy: Proxy = {
    port: own,
    url: url.href.replace(/\/$/, ''),
    onData: undefined,
    cut() {
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream.destroy();
      }
    },
    swallow() {
      for (const pair of pairs) pair.swallowing = true;
    },
    refuse: () => void (open = false),
    admit: () => void (open = true),
    stall(all = false) {
      stalled = all;
      for (const pair of pairs) pair.held ??= [];
    },
    flow() {
      stalled = false;
      for (const pair of pairs) {
        const held = pair.held ?? [];
        pair.held = undefined;
        for (const run of held) run();
      }
    },
  };
  onTestFinished(async () => {
    for (const pair of pairs) pair.held = undefined;
    proxy.cut();
    await new Promise((resolve) => server.close(resolve));
  });
  return proxy;
}
