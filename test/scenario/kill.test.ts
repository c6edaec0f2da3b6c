import { Agent, request } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { StrictClient } from '../peer/strict-client.ts';
import { temporaryFolder } from '../support/server.ts';
import { startServerProcess, writeServerConfig, type ServerProcess } from '../support/process.ts';

const ROUNDS = 20;
const SENDERS = 32;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Resolves with the status, or undefined when the connection broke and the sender cannot know. */
function send(url: string, agent: Agent, id: string): Promise<number | undefined> {
  const body = JSON.stringify({
    id,
    target: { kind: 'room', room_id: 'general' },
    from: { type: 'human', id: 'tester' },
    parts: [{ kind: 'text', text: `message ${id}` }],
  });
  return new Promise((resolve) => {
    const req = request(
      `${url}/v1/messages`,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (res) => {
        // The status line alone says that it is stored; the rest of the answer may break.
        res.on('error', () => {});
        res.resume();
        resolve(res.statusCode);
      },
    );
    req.on('error', () => resolve(undefined));
    req.end(body);
  });
}

async function history(url: string): Promise<string[]> {
  const ids: string[] = [];
  let before: string | undefined;
  for (;;) {
    const page = (await (
      await fetch(`${url}/v1/rooms/general/messages?limit=500${before ? `&before=${before}` : ''}`)
    ).json()) as { messages: { id: string }[]; page: { has_more: boolean; next_before?: string } };
    ids.unshift(...page.messages.map((message) => message.id));
    if (!page.page.has_more) return ids;
    before = page.page.next_before;
  }
}

it(
  'STO-4 LOG-1 ATT-1: 20 rounds of kill -9 under 32 senders lose and double nothing, in history and at attached readers',
  { timeout: 240_000 },
  async () => {
    const at = await writeServerConfig(await temporaryFolder());
    const accepted = new Set<string>();
    const seen = { r1: [] as string[], r2: [] as string[] };
    const cursors = { r1: '', r2: '' };
    let server: ServerProcess = await startServerProcess(at);
    cleanups.push(() => server.kill());

    const attach = async (name: 'r1' | 'r2'): Promise<StrictClient> => {
      const client = new StrictClient({ url: at.url, network: 'local', agent: name, cursor: cursors[name] });
      await client.ready();
      expect(client.state).toBe('live');
      return client;
    };
    const leave = async (name: 'r1' | 'r2', client: StrictClient): Promise<void> => {
      await client.drop();
      expect(client.broken).toEqual([]);
      seen[name].push(
        ...client.events
          .filter((event) => event.type === 'message.created')
          .map((event) => event.message!.id),
      );
      expect(client.events.filter((event) => event.type === 'stream.replay_gap')).toEqual([]);
      cursors[name] = client.cursor;
    };

    for (let round = 0; round < ROUNDS; round++) {
      const readers = { r1: await attach('r1'), r2: await attach('r2') };
      if (round === 0) {
        // A cursor to come back with, even if the first round ends before anything else arrived.
        await send(at.url, new Agent(), 'first');
        accepted.add('first');
        await Promise.all(
          Object.values(readers).map((reader) => reader.until(() => reader.events.length > 0)),
        );
      }
      const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
      const enough = 150 + ((round * 97) % 400);
      let inRound = 0;
      let down = false;
      let kill!: () => void;
      const killed = new Promise<void>((resolve) => (kill = resolve)).then(() => server.kill());
      await Promise.all(
        Array.from({ length: SENDERS }, async (_, sender) => {
          for (let n = 0; !down; n++) {
            const id = `k-${round}-${sender}-${n}`;
            const status = await send(at.url, agent, id);
            if (status === undefined) down = true;
            else {
              expect(status).toBe(202);
              accepted.add(id);
              if (++inRound === enough) kill();
            }
          }
        }),
      );
      await killed;
      agent.destroy();
      await Promise.all([leave('r1', readers.r1), leave('r2', readers.r2)]);
      server = await startServerProcess(at);
    }

    const stored = await history(at.url);
    expect(new Set(stored).size).toBe(stored.length);
    const storedIds = new Set(stored);
    expect([...accepted].filter((id) => !storedIds.has(id))).toEqual([]);

    const readers = { r1: await attach('r1'), r2: await attach('r2') };
    for (const name of ['r1', 'r2'] as const) {
      const missing = stored.length - seen[name].length;
      await readers[name].until(
        () => readers[name].events.filter((event) => event.type === 'message.created').length >= missing,
      );
      await leave(name, readers[name]);
      expect(seen[name]).toEqual(stored);
    }
    expect(await server.stop()).toBe(0);
  },
);
