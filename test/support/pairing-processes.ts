/**
 * Paired networks whose servers are processes of their own: killed with -9, stopped and let go on, each with its clock.
 * They are paired by codes; the first edge goes over a link.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { PairingInvite } from '../../src/protocol/pairings.ts';
import { ask, openWire, OPERATOR, wordsOver, type Net, type Wire } from './pairing-lab.ts';
import { freePort, startServerProcess, type ServerProcess } from './process.ts';
import { temporaryFolder } from './server.ts';

const SKEW = fileURLToPath(new URL('./skewed-clock.mjs', import.meta.url));

export type StormNet = Pick<Net, 'id' | 'from' | 'stop' | 'start' | 'api' | 'say' | 'history'> & {
  /** Those that run. */
  servers: readonly unknown[];
  /** One of them stands still for so long. */
  freeze?(milliseconds: number): Promise<void>;
};

export interface ProcessNetsOptions {
  edges: [string, string][];
  rooms: string[];
  /** Milliseconds by which each network's clock is off. */
  skew: Record<string, number>;
  /** Two servers for each network, on a Postgres. */
  postgres?: { fresh(): Promise<string> };
}

export async function startProcessNets(
  ids: string[],
  { edges, rooms, skew, postgres }: ProcessNetsOptions,
): Promise<Record<string, StormNet>> {
  const nets: Record<string, StormNet & { wire: Wire }> = {};
  for (const id of ids) {
    const dsn = await postgres?.fresh();
    nets[id] = await startProcessNet(id, rooms, skew[id] ?? 0, dsn);
  }
  for (const [i, [a, b]] of edges.entries()) {
    const { code } = await nets[a]!.api<PairingInvite>('POST', '/v1/pairing-invites', {
      rooms,
      url: nets[a]!.wire.url,
      expires_in: 30 * 86_400,
    });
    const url = i === 0 ? {} : { url: nets[b]!.wire.url };
    await nets[b]!.api('POST', '/v1/pairings/accept', { code, ...url });
  }
  return nets;
}

async function startProcessNet(
  id: string,
  rooms: string[],
  skew: number,
  dsn: string | undefined,
): Promise<StormNet & { wire: Wire }> {
  const folder = await temporaryFolder();
  const storage =
    dsn === undefined
      ? `{kind: sqlite, sqlite: {path: ${path.join(folder, 'moltnet.db')}}}`
      : `{kind: postgres, postgres: {dsn: ${JSON.stringify(dsn)}}}`;
  let begun = 0;
  const running: ServerProcess[] = [];
  onTestFinished(async () => {
    for (const server of running.splice(0)) {
      server.child.kill('SIGCONT');
      await server.kill();
    }
  });
  const start = async (): Promise<void> => {
    const port = await freePort();
    const config = path.join(folder, `Moltnet-${++begun}`);
    writeFileSync(
      config,
      `version: moltnet.v1
network: {id: ${id}}
server: {listen_addr: "127.0.0.1:${port}"}
auth: {mode: bearer, tokens: [{id: operator, value: ${OPERATOR}, scopes: [observe, write, admin]}]}
storage: ${storage}
guard: {turns: off, hour_turns: off, pair_turns: off}
rooms:
${rooms.map((room) => `  - {id: ${room}, visibility: public, write_policy: registered_agents}`).join('\n')}
  - {id: private, members: [alpha]}
`,
      { mode: 0o600 },
    );
    const at = { url: `http://127.0.0.1:${port}`, config };
    running.push(
      await startServerProcess(at, [
        ...['env', `MOLTNET_TEST_SKEW=${skew}`, `NODE_OPTIONS=--import=${SKEW}`],
      ]),
    );
  };
  for (let n = 0; n < (dsn === undefined ? 1 : 2); n++) await start();
  let turn = 0;
  const next = (): ServerProcess | undefined => running[turn++ % Math.max(1, running.length)];
  const wire = await openWire();
  wire.next = () => {
    const server = next();
    return server && Number(new URL(server.url).port);
  };
  const api = async <T>(method: string, at: string, body?: unknown): Promise<T> => {
    const server = next();
    if (!server) throw new Error(`${id} has no server now`);
    const answer = await ask(server.url, method, at, OPERATOR, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${at}: ${answer.status} ${JSON.stringify(answer.json)}`);
    return answer.json as T;
  };
  const { say, history } = wordsOver(api);
  return {
    id,
    wire,
    from: new Map([['anybody', wire]]),
    servers: running,
    start,
    async stop() {
      await running.shift()?.kill();
    },
    async freeze(milliseconds) {
      const server = running.at(-1);
      server?.child.kill('SIGSTOP');
      await pause(milliseconds);
      server?.child.kill('SIGCONT');
    },
    api,
    say,
    history,
  };
}
