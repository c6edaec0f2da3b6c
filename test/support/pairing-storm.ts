/** Paired networks under load while wires are cut and slowed, connections break and servers restart; seeded. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Message } from '../../src/protocol/messages.ts';
import { SHARED, startNets } from './pairing-lab.ts';
import { startProcessNets, type StormNet } from './pairing-processes.ts';

export interface StormOptions {
  seed: number;
  seconds: number;
  ids: string[];
  edges: [string, string][];
  /** Messages a second of each network. */
  rate?: number;
  /** Milliseconds by which each network's clock is off. */
  skew?: Record<string, number>;
  /** Two servers for each network, on a Postgres. */
  postgres?: { fresh(): Promise<string> };
  /** The servers are processes, and are killed with -9 and stopped; else they are told to end. */
  processes?: boolean;
}

export interface StormRecord {
  /** Of each network and conversation what was accepted there, in order of its answers. */
  said: Map<string, string[]>;
  counts: {
    said: number;
    cuts: number;
    slowed: number;
    restarts: number;
    frozen: number;
    settled_ms: number;
  };
  /** What is wrong, as lines; empty when all is well. */
  wrong: string[];
}

const ROOMS = ['general', 'work'];
/** room, or room/thread. */
const CONVERSATIONS = ['general', 'work', 'general/t1', 'work/t2', 'work/t3'];

/** mulberry32: the same steps for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export async function runStorm(options: StormOptions): Promise<StormRecord> {
  const {
    seed,
    seconds,
    ids,
    edges,
    processes = false,
    rate = processes ? 10 : 25,
    skew = {},
    postgres,
  } = options;
  const random = seeded(seed);
  const nets: Record<string, StormNet> = processes
    ? await startProcessNets(ids, { edges, rooms: ROOMS, skew, ...(postgres && { postgres }) })
    : await startNets(ids, {
        edges,
        storage: 'sqlite',
        ...(postgres && { postgres: { fresh: () => postgres.fresh(), servers: 2 } }),
        clock: (id) => () => Date.now() + (skew[id] ?? 0),
        rooms: () => [...ROOMS.map((id) => ({ ...SHARED, id })), { id: 'private', members: ['alpha'] }],
        config: () => ({ guard: { turns: 'off', hour_turns: 'off', pair_turns: 'off' } }),
      });
  const said = new Map<string, string[]>();
  const counts = { said: 0, cuts: 0, slowed: 0, restarts: 0, frozen: 0, settled_ms: 0 };
  const until = performance.now() + seconds * 1_000;
  const down = new Set<string>();

  async function speak(net: StormNet): Promise<void> {
    for (let n = 0; performance.now() < until; n++) {
      await pause(1_000 / rate);
      if (down.has(net.id)) continue;
      const conversation =
        random() < 0.02 ? 'private' : CONVERSATIONS[Math.floor(random() * CONVERSATIONS.length)]!;
      const [room, thread] = conversation.split('/');
      const text = `${net.id} ${conversation} ${n}`;
      try {
        await net.say(room!, 'alpha', text, {
          id: `${net.id}-${n}-${seed}`,
          ...(thread !== undefined && { target: { kind: 'thread', room_id: room, thread_id: thread } }),
        });
      } catch {
        // It was stopping: nobody has said that it is stored. It may be all the same, and then it is relayed.
        continue;
      }
      counts.said++;
      const key = `${net.id} ${conversation}`;
      said.set(key, [...(said.get(key) ?? []), text]);
    }
  }

  async function disturb(): Promise<void> {
    const wires = Object.values(nets).flatMap((net) => [...net.from.values()]);
    const some = <T>(list: T[]): T => list[Math.floor(random() * list.length)]!;
    while (performance.now() < until) {
      // A process takes its time to start.
      await pause((100 + random() * 400) * (processes ? 5 : 1));
      const what = random();
      if (what < 0.55) {
        const wire = some(wires);
        wire.cut();
        counts.cuts++;
        void pause(random() * 1_200).then(() => wire.mend());
      } else if (what < 0.85) {
        const wire = some(wires);
        wire.delay = Math.floor(random() * 60);
        counts.slowed++;
      } else if (processes && random() < 0.3) {
        const net = some(Object.values(nets));
        counts.frozen++;
        // For less and for more than a lease is good.
        await net.freeze?.(1_000 + random() * 7_000);
      } else {
        const net = some(Object.values(nets));
        // Where there is another server it goes on.
        if (net.servers.length === 1) down.add(net.id);
        await net.stop();
        await pause(random() * 800);
        await net.start();
        down.delete(net.id);
        counts.restarts++;
      }
    }
    await pause(1_300);
    for (const wire of wires) {
      wire.mend();
      wire.delay = 0;
    }
  }

  await Promise.all([...Object.values(nets).map(speak), disturb()]);
  const began = performance.now();
  let wrong = await differences(nets, edges);
  // It may take its time where the machine is busy, for as long as it goes on.
  for (let stood = performance.now(); wrong.length > 0 && performance.now() - stood < 60_000;) {
    await pause(500);
    const now = await differences(nets, edges);
    if (now.join() !== wrong.join()) stood = performance.now();
    wrong = now;
  }
  counts.settled_ms = Math.round(performance.now() - began);
  // What was accepted is there, whatever became of it elsewhere.
  for (const [key, texts] of said) {
    const [id, conversation] = key.split(' ') as [string, string];
    const here = (await histories(nets[id]!)).get(conversation)?.map(textOf) ?? [];
    const missing = texts.filter((text) => !here.includes(text));
    if (missing.length > 0) wrong.push(`${key}: accepted and gone: ${missing.slice(0, 3).join(', ')}`);
  }
  return { said, counts, wrong };
}

const textOf = (message: Message): string => message.parts[0]?.text ?? '';

/** Every message of agents, by conversation, as it stands in the network's history. */
async function histories(net: StormNet): Promise<Map<string, Message[]>> {
  const all = new Map<string, Message[]>();
  for (const conversation of [...CONVERSATIONS, 'private']) {
    const [room, thread] = conversation.split('/');
    const messages = await net
      .history(thread === undefined ? room! : thread, thread === undefined ? 'rooms' : 'threads')
      // A thread may not have begun.
      .catch((error: Error) => {
        if (error.message.includes(': 404')) return [];
        throw error;
      });
    all.set(
      conversation,
      messages.filter(({ from }) => from.type === 'agent'),
    );
  }
  return all;
}

/** Every message once at every network that is paired with its own, in its own order; at no other, and nothing private. */
async function differences(nets: Record<string, StormNet>, edges: [string, string][]): Promise<string[]> {
  const wrong: string[] = [];
  const all = new Map<string, Map<string, Message[]>>();
  for (const net of Object.values(nets)) all.set(net.id, await histories(net));
  for (const [id, here] of all)
    for (const [conversation, messages] of here) {
      const own = messages.filter(({ origin }) => origin.network_id === id).map(textOf);
      if (
        new Set(messages.map((m) => `${m.origin.network_id} ${m.origin.message_id}`)).size !== messages.length
      )
        wrong.push(`${id} ${conversation}: a message stands there twice`);
      for (const [other, there] of all) {
        if (other === id) continue;
        const paired = edges.some(([a, b]) => (a === id && b === other) || (b === id && a === other));
        const theirs = (there.get(conversation) ?? [])
          .filter(({ origin }) => origin.network_id === id)
          .map(textOf);
        const wanted = paired && conversation !== 'private' ? own : [];
        if (JSON.stringify(theirs) !== JSON.stringify(wanted))
          wrong.push(
            `${id} → ${other} ${conversation}: ${theirs.length} of ${wanted.length}, ${firstDifference(theirs, wanted)}`,
          );
      }
    }
  return wrong;
}

function firstDifference(found: string[], wanted: string[]): string {
  const at = wanted.findIndex((text, i) => text !== found[i]);
  return at < 0 ? `one too many: ${found[wanted.length]}` : `at ${at} ${found[at]} and not ${wanted[at]}`;
}
