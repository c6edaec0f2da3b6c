/**
 * The servers of a chaos run: real processes on one database, which can be killed and come back. A run knows them by
 * `World` alone, so that it goes over any storage and any number of servers.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, startServerProcess, type ServerProcess } from '../process.ts';

export interface ChaosServer {
  readonly name: string;
  /** Stays the same over restarts. */
  readonly url: string;
  readonly pid: number | undefined;
  readonly up: boolean;
  /** Resolves when it is ready. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface World {
  /** For the log: `sqlite`, `postgres, 3 servers`. */
  readonly kind: string;
  readonly servers: readonly ChaosServer[];
}

/** Rooms of every chaos run: `guarded` holds after a few turns of agents. */
export const ROOMS = ['plaza', 'work', 'guarded'] as const;
/** Where no agent is woken. */
export const HALL = 'hall';

/** With a `Moltnet` file for each server in the folder; `storage`: its block of that name, as YAML. */
export async function worldOf(
  folder: string,
  { kind, storage, servers = 1 }: { kind: string; storage: string; servers?: number },
): Promise<World> {
  const made: ChaosServer[] = [];
  for (let i = 0; i < servers; i++) {
    const home = path.join(folder, `server-${i}`);
    mkdirSync(home, { recursive: true });
    made.push(await serverIn(home, `server-${i}`, storage));
  }
  return { kind: servers === 1 ? kind : `${kind}, ${servers} servers`, servers: made };
}

export const sqliteWorld = (folder: string): Promise<World> =>
  worldOf(folder, {
    kind: 'sqlite',
    storage: `storage:\n  kind: sqlite\n  sqlite:\n    path: ${path.join(folder, 'moltnet.db')}\n`,
  });

async function serverIn(folder: string, name: string, storage: string): Promise<ChaosServer> {
  const port = await freePort();
  const config = path.join(folder, 'Moltnet');
  const rooms = [...ROOMS, HALL].map(
    (id) =>
      `  - id: ${id}\n    visibility: public\n    write_policy: registered_agents\n${id === 'guarded' ? '    guard: { turns: 3 }\n' : ''}`,
  );
  writeFileSync(
    config,
    `version: moltnet.v1\nserver:\n  listen_addr: 127.0.0.1:${port}\nguard: { turns: off, hour_turns: off, pair_turns: off }\n${storage}rooms:\n${rooms.join('')}`,
    { mode: 0o600 },
  );
  const url = `http://127.0.0.1:${port}`;
  const log = path.join(folder, 'log.jsonl');
  let running: ServerProcess | undefined;
  const end = async <T>(how: (server: ServerProcess) => Promise<T>): Promise<T | null> => {
    const server = running;
    running = undefined;
    return server ? how(server) : null;
  };
  return {
    name,
    url,
    get pid() {
      return running?.child.pid;
    },
    get up() {
      return running !== undefined;
    },
    start: async () => void (running ??= await startServerProcess({ url, config, log })),
    kill: async () => void (await end((server) => server.kill())),
    stop: () => end((server) => server.stop()),
  };
}
