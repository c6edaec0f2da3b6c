/** Servers of a chaos run that share one Postgres, which is killed and stopped too. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../postgres-server.ts';
import { chances } from './random.ts';
import { worldOf, type World } from './world.ts';

export interface PostgresWorld {
  world: World;
  /** So many times it is killed and started, or stands still for a while. Resolves when it runs again. */
  trouble(times: number): Promise<void>;
  troubles(): number;
  /** Ends Postgres: after the run; `keep`: its data are there afterwards. */
  stop(keep?: string): Promise<void>;
}

export async function postgresWorld(folder: string, servers: number, seed: string): Promise<PostgresWorld> {
  const postgres = await startPostgres();
  const random = chances(`${seed}-postgres`);
  const below = (n: number): number => Math.floor(random.next() * n);
  const storage = `storage:\n  kind: postgres\n  postgres:\n    dsn: ${JSON.stringify(postgres.dsn)}\n`;
  let troubles = 0;
  return {
    world: await worldOf(folder, { kind: 'postgres', storage, servers }),
    async trouble(times) {
      for (let i = 0; i < times; i++) {
        await sleep(2_000 + below(6_000));
        troubles++;
        if (below(2) === 0) {
          await postgres.kill();
          await sleep(below(2_000));
          await postgres.start();
        } else {
          postgres.signal('SIGSTOP');
          await sleep(below(4_000));
          postgres.signal('SIGCONT');
        }
      }
    },
    troubles: () => troubles,
    stop: (keep) => postgres.stop(keep),
  };
}
