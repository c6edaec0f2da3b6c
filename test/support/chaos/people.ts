/** People of a chaos run: they say things to agents, and say them again under the same id when no answer came. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConnectionError,
  createClient,
  RefusedError,
  type Client,
  type SendRequest,
} from '../../../src/client/http.ts';
import type { FactFile } from './record.ts';
import type { World } from './world.ts';

export interface People {
  /** A client of one of the servers that are up. */
  client(): Client;
  /** Resolves when it was accepted, or (with `once`) when no answer came. Rejects when it is refused. */
  say(target: SendRequest['target'], text: string, options?: { once?: boolean }): Promise<void>;
  /** Asks a server until one answers. */
  ask<T>(what: (client: Client) => Promise<T>): Promise<T>;
  close(): void;
}

/** A server on its way out has said so. */
const isStopping = (error: unknown): boolean => error instanceof RefusedError && error.status === 503;

export function peopleOf(world: World, facts: FactFile): People {
  const clients = new Map(
    world.servers.map((server) => [
      server,
      createClient({ baseUrl: server.url, timeoutMs: 10_000, keepAlive: true }),
    ]),
  );
  let turn = 0;
  const client = (): Client => {
    const servers = world.servers.filter(({ up }) => up);
    const some = servers.length > 0 ? servers : world.servers;
    return clients.get(some[turn++ % some.length]!)!;
  };
  const ask = async <T>(what: (client: Client) => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await what(client());
      } catch (error) {
        if (!(error instanceof ConnectionError || isStopping(error))) throw error;
        await sleep(20);
      }
    }
  };
  return {
    client,
    ask,
    close: () => clients.forEach((each) => each.close()),
    async say(target, text, { once = false } = {}) {
      const id = `msg_${randomUUID()}`;
      const request: SendRequest = {
        id,
        target,
        from: { type: 'human', id: 'ann' },
        parts: [{ kind: 'text', text }],
      };
      if (!once) {
        await ask((each) => each.send(request));
        return facts.add({ t: 'accepted', id, by: 'ann' });
      }
      try {
        await client().send(request);
        facts.add({ t: 'accepted', id, by: 'ann' });
      } catch (error) {
        // It says that nothing was stored: then it must not be there.
        if (isStopping(error)) return;
        if (!(error instanceof ConnectionError)) throw error;
        facts.add({ t: 'unknown', id, by: 'ann' });
      }
    },
  };
}
