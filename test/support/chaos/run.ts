/**
 * A chaos run: people and agents talk in rooms, threads and DMs, while servers, nodes and runtimes are killed at random,
 * agents and rooms are paused, and turns fail in every way. Then everything settles, and what is left is written down
 * for the checker. No test framework in here: `npm run soak` runs it for hours.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedError, type SendRequest } from '../../../src/client/http.ts';
import { collect, nothingKnown } from './collect.ts';
import { AGENTS, chaosNodes, liveRuntimes, type ChaosNode } from './nodes.ts';
import { peopleOf, type People } from './people.ts';
import { chances, type Chances } from './random.ts';
import { attachedReader, streamReader, type FollowingReader } from './readers.ts';
import { openFacts, type ChaosRecord, type FactFile, type StoredConversation } from './record.ts';
import { spentOn, type Look, type Spent } from './spent.ts';
import { HALL, ROOMS, type ChaosServer, type World } from './world.ts';

export interface ChaosOptions {
  world: World;
  /** Empty, for everything that the run writes. */
  folder: string;
  /** The plan follows from it; what the processes make of it does not. */
  seed: string;
  /** Share of turns that fail in some way, 0 to 1. */
  fails?: number;
  /** Milliseconds at most between two steps, and between what an agent says. */
  pace?: number;
}

export interface ChaosCounts {
  /** What people were told is accepted, and what they were not told about. */
  accepted: number;
  unknown: number;
  said: number;
  turns: number;
  retries: number;
  kills: Record<'server' | 'node' | 'runtime', number>;
  pauses: number;
  frozen: number;
}

export interface Chaos {
  /** So many things are said, killed, frozen, paused, one after the other; resolves when the last of them was done. */
  storm(steps: number): Promise<void>;
  /** Everything runs and nothing is paused: resolves with what is left when all has come to an end. Rejects after `ms`. */
  settle(ms: number): Promise<ChaosRecord>;
  counts(): ChaosCounts;
  /** What the last settling was spent on. */
  spent(): Spent;
  /** Ends all processes. */
  close(): Promise<void>;
}

export async function startChaos(options: ChaosOptions): Promise<Chaos> {
  const { world, folder, seed, fails = 0.3, pace = 400 } = options;
  mkdirSync(folder, { recursive: true });
  const facts = openFacts(path.join(folder, 'facts.jsonl'));
  await Promise.all(world.servers.map((server) => server.start()));
  const people = peopleOf(world, facts);
  const nodes = chaosNodes({ world, folder, facts, seed, fails, pace });
  const readers: FollowingReader[] = [
    streamReader(
      world.servers.map(({ url }) => url),
      'stream',
    ),
    ...world.servers.map(({ url }, i) => attachedReader(url, `reader-${i}`, ROOMS)),
  ];
  for (const node of nodes) node.start();
  const run = new Run({ world, folder, facts, people, nodes, readers, random: chances(seed), pace });
  await run.begun();
  return run;
}

/** The rolls that kill. */
const KILLS = { from: 0.62, to: 0.88 };

interface Parts {
  world: World;
  folder: string;
  facts: FactFile;
  people: People;
  nodes: ChaosNode[];
  readers: FollowingReader[];
  random: Chances;
  pace: number;
}

class Run implements Chaos {
  readonly #of: Parts;
  readonly #known = nothingKnown();
  /** What is under way: said, started again, let go on. */
  readonly #pending = new Set<Promise<unknown>>();
  #conversations = 0;
  #runs = 0;
  #pauses = 0;
  #frozen = 0;
  /** In half of all runs: then existing clients see another order (check.ts). */
  readonly #pausesRooms: boolean;
  #looks: Look[] = [];
  #fault: unknown;

  constructor(parts: Parts) {
    this.#of = parts;
    this.#pausesRooms = parts.random.next() < 0.5;
  }

  /** Resolves when everybody is there: what is said before is shown to nobody. */
  async begun(): Promise<void> {
    const { people, readers } = this.#of;
    for (const { id } of AGENTS)
      for (;;) {
        const there = await people.ask((client) => client.agent(id)).catch(notThereYet);
        if (there?.connected) break;
        await sleep(20);
      }
    while (readers.some(({ ready }) => !ready)) {
      await people.ask((client) => client.send(greeting()));
      await sleep(50);
    }
  }

  async storm(steps: number): Promise<void> {
    const { random, pace } = this.#of;
    for (let step = 0; step < steps; step++) {
      const roll = random.next();
      if (roll >= KILLS.from && roll < KILLS.to) await this.#turnsGoOn();
      this.#step(roll);
      await sleep(random.next() * pace);
      if (this.#fault !== undefined) throw this.#fault;
    }
    while (this.#pending.size > 0) await Promise.all(this.#pending);
    if (this.#fault !== undefined) throw this.#fault;
  }

  #step(roll: number): void {
    const { random, world, nodes } = this.#of;
    if (roll < KILLS.from) return this.#do(this.#say());
    if (roll < 0.69) return this.#do(this.#killServer(random.of(world.servers)));
    if (roll < 0.76) return this.#do(this.#killNode(random.of(nodes)));
    if (roll < 0.86) return this.#killRuntime();
    if (roll < KILLS.to) {
      this.#killRuntime();
      for (const server of world.servers) this.#do(this.#killServer(server));
      for (const node of nodes) this.#do(this.#killNode(node));
      return;
    }
    if (roll < 0.91) return this.#do(this.#freeze(random.of([...world.servers, ...nodes])));
    if (roll < 0.95) return this.#do(this.#pause());
    if (roll < 0.98) return this.#do(this.#deadLetters());
    return this.#do(this.#letGo());
  }

  /** On a machine that is slow nothing but kills would happen: two turns begin between them, or all are waited for in vain. */
  async #turnsGoOn(): Promise<void> {
    const runs = (): number => this.#of.facts.read().filter(({ t }) => t === 'run').length;
    const end = performance.now() + 3_000;
    while (runs() < this.#runs + 2 && performance.now() < end) await sleep(20);
    this.#runs = runs();
  }

  #do(what: Promise<unknown>): void {
    const pending: Promise<unknown> = what
      .catch((error: unknown) => (this.#fault ??= error))
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  async #say(): Promise<void> {
    const { random, people } = this.#of;
    const agent = random.of(AGENTS).id;
    // A few conversations at a time, and new ones all along.
    const nth = Math.floor(++this.#conversations / 20) * 2 + Math.floor(random.next() * 2);
    const where = random.next();
    const target =
      where < 0.45
        ? { kind: 'room', room_id: random.of(ROOMS) }
        : where < 0.7
          ? { kind: 'thread', thread_id: `t-${nth}`, room_id: 'work' }
          : { kind: 'dm', dm_id: `d-${nth}-${agent}`, participant_ids: ['ann', agent] };
    const poison = random.next() < 0.015 ? ' poison' : '';
    const mention = random.next() < 0.7 ? ` @${agent}` : '';
    await people.say(target, `hop=0${poison}${mention}`, { once: random.next() < 0.3 });
  }

  async #killServer(server: ChaosServer): Promise<void> {
    if (!server.up) return;
    // A restart as an operator makes it is another way to end.
    await (this.#of.random.next() < 0.25 ? server.stop() : server.kill());
    this.#of.facts.add({ t: 'kill', what: 'server', name: server.name });
    await sleep(this.#of.random.next() * 300);
    await server.start();
  }

  async #killNode(node: ChaosNode): Promise<void> {
    if (!node.up) return;
    await (this.#of.random.next() < 0.25 ? node.stop() : node.kill());
    // Now that it is gone: until then it may have begun more.
    this.#of.facts.add({ t: 'kill', what: 'node', name: node.name });
    await sleep(this.#of.random.next() * 300);
    node.start();
  }

  /** A process that stands still and goes on, as on a machine that swaps or sleeps; of several servers one for longer than its leases last. */
  async #freeze(process_: ChaosServer | ChaosNode): Promise<void> {
    const { pid } = process_;
    if (pid === undefined) return;
    const { random, world } = this.#of;
    this.#frozen++;
    const lapses = world.servers.length > 1 && random.next() < 0.4;
    signal(pid, 'SIGSTOP');
    await sleep(lapses ? 5_000 + random.next() * 4_000 : random.next() * 3_000);
    signal(pid, 'SIGCONT');
  }

  #killRuntime(): void {
    const { random, facts, folder } = this.#of;
    const live = liveRuntimes(facts, folder);
    if (live.length === 0) return;
    const { pid, agent } = random.of(live);
    facts.add({ t: 'kill', what: 'runtime', name: agent });
    signal(pid, 'SIGKILL');
  }

  async #pause(): Promise<void> {
    const { random, people } = this.#of;
    const scope = random.of([
      '*',
      'agent:cl1',
      'agent:pg1',
      ...(this.#pausesRooms ? ['room:work', 'room:plaza'] : []),
    ]);
    this.#of.facts.add({ t: 'pause', scope });
    this.#pauses++;
    await people.ask((client) => client.pause({ scope }));
    await sleep(random.next() * 1_500);
    await people.ask((client) => client.endPause(scope)).catch(notThereYet);
  }

  /** An operator has what failed run again, and gives some of it up. */
  async #deadLetters(): Promise<void> {
    const { random, people, facts } = this.#of;
    const failed = await people.ask((client) => client.deliveries({ state: 'failed' }));
    for (const { wake_id, agent_id } of failed.slice(0, 5)) {
      if (wake_id === undefined) continue;
      const again = random.next() < 0.7;
      if (again) facts.add({ t: 'retry', agent: agent_id, wake: wake_id });
      await people
        .ask((client) =>
          again ? client.retryDelivery(wake_id, agent_id) : client.dropDelivery(wake_id, agent_id),
        )
        .catch(notThereYet);
    }
  }

  /** An operator lets go what the guard holds. */
  async #letGo(): Promise<void> {
    const { people } = this.#of;
    const { conversations } = await people.ask((client) => client.guard());
    for (const { conversation } of conversations)
      await people.ask((client) => client.resumeGuard(conversation));
  }

  async settle(ms: number): Promise<ChaosRecord> {
    const { world, nodes, people, readers, facts } = this.#of;
    const end = performance.now() + ms;
    this.#looks = [];
    await Promise.all(world.servers.map((server) => server.start()));
    for (const node of nodes) node.start();
    // Twice nothing open, and nothing said in between: what is read first may be older than what is read last.
    let retried = false;
    for (let quiet: number | undefined; ;) {
      for (const { scope } of await people.ask((client) => client.pauses()))
        await people.ask((client) => client.endPause(scope)).catch(notThereYet);
      await this.#letGo();
      const { pending, conversations, receipts, look } = await people.ask((client) =>
        collect(client, AGENTS, this.#known),
      );
      this.#looks.push(look);
      const count = [...conversations.values()].reduce((sum, { messages }) => sum + messages.length, 0);
      if (pending.length === 0 && count === quiet && !retried) {
        retried = true;
        await this.#deadLetters();
        quiet = undefined;
        continue;
      }
      if (pending.length === 0 && count === quiet) {
        // What one of them lacks the checker tells.
        while (readers.some((reader) => lacks(reader, conversations)) && performance.now() < end)
          await sleep(50);
        return { facts: facts.read(), agents: AGENTS, conversations, receipts, readers };
      }
      if (performance.now() > end)
        throw new Error(
          `it did not settle in ${ms} ms; ${pending.length} are open:\n${pending.slice(0, 30).join('\n')}`,
        );
      quiet = pending.length === 0 ? count : undefined;
      await sleep(200);
    }
  }

  counts(): ChaosCounts {
    const all = this.#of.facts.read();
    const count = (t: string): number => all.filter((fact) => fact.t === t).length;
    const kills = { server: 0, node: 0, runtime: 0 };
    for (const fact of all) if (fact.t === 'kill') kills[fact.what]++;
    return {
      accepted: count('accepted'),
      unknown: count('unknown'),
      said: count('said'),
      turns: count('run'),
      retries: count('retry'),
      kills,
      pauses: this.#pauses,
      frozen: this.#frozen,
    };
  }

  spent(): Spent {
    const ids = AGENTS.map(({ id }) => id);
    return spentOn(this.#of.facts.read(), this.#looks, ids);
  }

  async close(): Promise<void> {
    const { nodes, world, readers, people, facts, folder } = this.#of;
    await Promise.allSettled(this.#pending);
    await Promise.all(readers.map((reader) => reader.stop()));
    await Promise.all(nodes.map((node) => node.stop()));
    for (const { pid } of liveRuntimes(facts, folder)) signal(pid, 'SIGKILL');
    people.close();
    await Promise.all(world.servers.map((server) => server.stop()));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

/** Said where no agent is woken, until all readers are there. */
const greeting = (): SendRequest => ({
  target: { kind: 'room', room_id: HALL },
  from: { type: 'human', id: 'ann' },
  parts: [{ kind: 'text', text: 'is everybody there?' }],
});

function lacks(
  { saw, rooms }: FollowingReader,
  conversations: ReadonlyMap<string, StoredConversation>,
): boolean {
  const seen = new Set(saw);
  return [...conversations.values()].some(
    ({ room, messages }) =>
      (rooms === undefined || (room !== undefined && rooms.includes(room))) &&
      messages.some(({ id, from }) => from.type !== 'system' && !seen.has(id)),
  );
}

/** What is not there yet, or not any more, or became something else meanwhile. */
function notThereYet(error: unknown): undefined {
  if (error instanceof RefusedError && [404, 409].includes(error.status)) return undefined;
  throw error;
}
