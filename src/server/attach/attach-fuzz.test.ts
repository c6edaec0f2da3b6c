/**
 * Many readers, of both kinds, over a server that stops and crashes at random: in the end each has seen exactly what
 * is for it, in order. A failure prints its seed; `MOLTNET_FUZZ_SEED=…` runs it again.
 */
import { expect, it } from 'vitest';
import { AttachClient, type Frame } from '../../../test/support/attach-client.ts';
import { startAttachLab, type AttachLab } from '../../../test/support/attach-lab.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { labFolder } from '../../../test/support/network-lab.ts';
import { wakeReason, type Bindings } from '../../protocol/wake.ts';
import type { Message } from '../../protocol/messages.ts';
import type { LogEvent } from '../../store/log-rows.ts';

const SEEDS = process.env['MOLTNET_FUZZ_SEED']
  ? [Number(process.env['MOLTNET_FUZZ_SEED'])]
  : [1, 2, 3, 20_261_121, Date.now() % 1_000_000];
const STEPS = 250;
const ROOMS = ['research', 'build', 'chat'];

/** mulberry32: small, seeded, good enough to shuffle with. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface Reader {
  readonly agent: string;
  connected(): boolean;
  connect(url: string): Promise<void>;
  drop(): Promise<void>;
  /** Acknowledges some, or all, of what is out. */
  acknowledge(random: (below: number) => number, all: boolean): Promise<void>;
  /** Message ids in the order in which they were first seen. */
  seen: string[];
}

/** A client of the wire: its cursor is the last event of which everything before is acknowledged too. */
class StreamReader implements Reader {
  readonly agent: string;
  seen: string[] = [];
  #seenIds = new Set<string>();
  #client: AttachClient | undefined;
  #cursor = '';
  #order: string[] = [];
  #unacked = new Set<string>();

  constructor(agent: string) {
    this.agent = agent;
  }
  connected(): boolean {
    return this.#client !== undefined && !this.#client.closed;
  }
  async connect(url: string): Promise<void> {
    this.#order = [];
    this.#unacked = new Set();
    const onEvent = (frame: Frame): void => {
      expect(frame.event!.type).not.toBe('stream.replay_gap');
      this.#order.push(frame.cursor!);
      this.#unacked.add(frame.cursor!);
      const id = frame.event!.message?.id;
      if (id !== undefined && !this.#seenIds.has(id)) {
        this.#seenIds.add(id);
        this.seen.push(id);
      }
    };
    this.#client = await AttachClient.attach({ url, agent: this.agent, cursor: this.#cursor, onEvent });
    expect(this.#client.error).toBeUndefined();
  }
  async drop(): Promise<void> {
    await this.#client?.drop();
  }
  async acknowledge(random: (below: number) => number, all: boolean): Promise<void> {
    for (const cursor of all
      ? [...this.#unacked]
      : [...this.#unacked].sort(() => random(3) - 1).slice(0, random(8))) {
      this.#client!.ack(cursor);
      this.#unacked.delete(cursor);
    }
    while (this.#order.length > 0 && !this.#unacked.has(this.#order[0]!)) this.#cursor = this.#order.shift()!;
    await this.#client!.settle();
    expect(this.#client!.error).toBeUndefined();
  }
}

/** A client of the delivery protocol. It keeps nothing over a reconnect, as a node that was restarted. */
class DeliveryReader implements Reader {
  readonly agent: string;
  readonly bindings: Bindings;
  seen: string[] = [];
  /** wake id → the messages it ran; each time it comes it must be the same. */
  readonly wakes = new Map<string, string[]>();
  #seenIds = new Set<string>();
  #client: AttachClient | undefined;
  #queues = new Map<string, { cursor: string; id: string }[]>();
  #open = new Map<string, { wake_id: string; cursor: string; answered: boolean }>();
  #made = 0;

  constructor(agent: string, bindings: Bindings) {
    this.agent = agent;
    this.bindings = bindings;
  }
  connected(): boolean {
    return this.#client !== undefined && !this.#client.closed;
  }
  async connect(url: string): Promise<void> {
    this.#queues = new Map();
    this.#open = new Map();
    const client = new AttachClient({ url, agent: this.agent, bindings: this.bindings });
    client.socket.on('message', (data: Buffer) => this.#frame(JSON.parse(data.toString()) as Frame));
    this.#client = client;
    await client.until(() => client.has('HELLO') || client.closed);
    client.identify();
    await client.until(() => client.has('READY') || client.closed);
    expect(client.error).toBeUndefined();
  }
  async drop(): Promise<void> {
    await this.#client?.drop();
  }
  async acknowledge(random: (below: number) => number, all: boolean): Promise<void> {
    for (const [conversation, queue] of this.#queues) {
      const open = this.#open.get(conversation);
      const at = open ? queue.findIndex((item) => item.cursor === open.cursor) : -1;
      if (open) {
        // The answer, and for a wake that came again its last event, may still be on their way.
        if (!open.answered || at < 0 || (!all && random(2) === 0)) continue;
        const ran = queue.slice(0, at + 1).map((item) => item.id);
        expect([open.wake_id, this.wakes.get(open.wake_id) ?? ran]).toEqual([open.wake_id, ran]);
        this.wakes.set(open.wake_id, ran);
        if (!all && random(4) === 0) continue;
        this.#client!.ack(open.cursor, { wake_id: open.wake_id, outcome: random(5) === 0 ? 'failed' : 'ok' });
        this.#open.delete(conversation);
        queue.splice(0, at + 1);
      } else if (queue.length > 0) {
        const last = all ? queue.length - 1 : random(queue.length);
        if (random(2) === 0) {
          this.#client!.ack(queue[last]!.cursor);
          queue.splice(0, last + 1);
        } else {
          const wake_id = `${this.agent}-${this.#made++}`;
          this.wakes.set(
            wake_id,
            queue.slice(0, last + 1).map((item) => item.id),
          );
          this.#open.set(conversation, { wake_id, cursor: queue[last]!.cursor, answered: false });
          this.#client!.send({ op: 'WAKE', wake_id, conversation, cursor: queue[last]!.cursor, attempt: 1 });
        }
      }
    }
    await this.#client!.settle();
    expect(this.#client!.error).toBeUndefined();
  }
  #frame(frame: Frame): void {
    if (frame.op === 'WAKE') {
      this.#open.set(frame.conversation!, { wake_id: frame.wake_id!, cursor: frame.cursor!, answered: true });
    } else if (frame.op === 'EVENT') {
      const message = frame.event!.message as unknown as Message;
      const { target, id } = message;
      const key =
        target.kind === 'dm'
          ? `dm:${target.dm_id}`
          : target.kind === 'thread'
            ? `thread:${target.thread_id}`
            : `room:${target.room_id}`;
      const queue = this.#queues.get(key) ?? [];
      this.#queues.set(key, [...queue, { cursor: frame.cursor!, id }]);
      if (this.#seenIds.has(id)) return;
      this.#seenIds.add(id);
      this.seen.push(id);
    }
  }
}

/** What the log holds for a client of the wire, in the order in which it must come. */
function streamOf(log: readonly LogEvent[], agent: string, after: number): string[] {
  const mine = (event: LogEvent): boolean =>
    event.room_id !== undefined || event.participants?.includes(agent) === true;
  const waiting = new Map<string, string[]>();
  const ids: string[] = [];
  for (const event of log) {
    if (event.type === 'conversation.resumed') ids.push(...(waiting.get(event.conversation!) ?? []));
    if (event.type === 'conversation.resumed') waiting.delete(event.conversation!);
    if (event.type !== 'message.created' || !mine(event) || event.seq <= after) continue;
    const { id, from } = JSON.parse(event.payload) as Message;
    // The guard's notice goes to no attachment.
    if (from.type === 'system') continue;
    if (!event.held) ids.push(id);
    else waiting.set(event.conversation!, [...(waiting.get(event.conversation!) ?? []), id]);
  }
  return ids;
}

/** What wakes a client of the delivery protocol, by conversation. */
function wakesOf(log: readonly LogEvent[], reader: DeliveryReader, after: number): Map<string, string[]> {
  const wakes = new Map<string, string[]>();
  const spoken = new Set<string>();
  for (const event of log) {
    if (event.type !== 'message.created') continue;
    const message = JSON.parse(event.payload) as Message;
    const posted = spoken.has(event.conversation!);
    if (message.from.id === reader.agent) spoken.add(event.conversation!);
    const agent = { network_id: 'local', id: reader.agent };
    if (event.seq <= after || !wakeReason(agent, reader.bindings, message, posted)) continue;
    wakes.set(event.conversation!, [...(wakes.get(event.conversation!) ?? []), message.id]);
  }
  return wakes;
}

it.for(SEEDS)(
  'ATT-1 LOG-1 LOG-5 LOG-7 DLV-3 DLV-5 DLV-8 seed %i: every reader sees what is for it, once and in order',
  { timeout: 120_000 },
  async (seed, { signal }) => {
    const random = randomOf(seed);
    const path = `${labFolder()}/moltnet.db`;
    const options = { path, ringCount: 12, settings: { guard: { turns: 4 } } };
    let lab: AttachLab = await startAttachLab(options);
    for (const room of ROOMS) await lab.createRoom(room);
    const bound = (wake: 'all' | 'mentions' | 'thread_only'): Bindings => ({
      rooms: ROOMS.map((id) => ({ id, wake })),
      dms: { enabled: true, wake: 'all' },
      catch_up: 'all',
    });
    const deliveries = [
      new DeliveryReader('delta', bound('all')),
      new DeliveryReader('echo', bound('mentions')),
      new DeliveryReader('foxtrot', bound('thread_only')),
    ];
    const streams = [new StreamReader('alpha'), new StreamReader('beta')];
    const readers: Reader[] = [...streams, ...deliveries];
    const agents = readers.map((reader) => reader.agent);
    for (const reader of readers) await reader.connect(lab.url);
    const begin = lab.tail.head;
    // A first event, so that clients of the wire have a cursor before anything goes wrong.
    await lab.send('human:me', 'room:chat', { id: 'first' });
    for (const reader of streams) {
      await eventually(() => reader.seen.length > 0);
      await reader.acknowledge(random, true);
    }

    let posted = 0;
    const post = async (): Promise<void> => {
      const as = random(6) === 0 ? 'human:me' : `agent:${agents[random(agents.length)]!}`;
      const room = ROOMS[random(ROOMS.length)]!;
      const other = agents[random(agents.length)]!;
      const target = [
        `room:${room}`,
        `thread:${room}-t${random(3)}@${room}`,
        `dm:@${as.startsWith('agent:') ? as.slice(6) : agents[0]},${other}`,
      ][random(5) % 3]!;
      const text = random(3) === 0 ? `look @${agents[random(agents.length)]}` : 'hm';
      const id = `m${posted++}`;
      // A DM with itself, or a person in a DM that is not theirs, is refused: nothing was accepted then.
      await lab.send(as, target, { id, parts: [{ kind: 'text', text }] }).catch(() => {});
    };

    for (let step = 0; step < STEPS; step++) {
      const reader = readers[random(readers.length)]!;
      const dice = random(100);
      if (dice < 60) await Promise.all(Array.from({ length: 1 + random(6) }, post));
      else if (dice < 80) {
        if (reader.connected()) await reader.acknowledge(random, false);
      } else if (dice < 87) await reader.drop();
      else if (dice < 95) {
        for (const each of readers) if (!each.connected()) await each.connect(lab.url);
      } else if (dice < 98) {
        const held = [...lab.network.topology.held()];
        if (held.length > 0)
          await lab.execute('guard.resume', { conversation: held[random(held.length)]!.key });
      } else {
        if (random(2) === 0) await lab.crash();
        else await lab.stop();
        lab = await startAttachLab({ ...options, port: lab.port });
      }
    }

    for (const { key } of [...lab.network.topology.held()])
      await lab.execute('guard.resume', { conversation: key });
    const log: LogEvent[] = [];
    for (
      let page = await lab.store.events({ all: true }, 0, 500);
      page.length > 0;
      page = await lab.store.events({ all: true }, log.at(-1)!.seq, 500)
    )
      log.push(...page);
    for (const reader of readers) if (!reader.connected()) await reader.connect(lab.url);
    const expected = new Map(
      readers.map((reader) => [
        reader,
        reader instanceof DeliveryReader
          ? [...wakesOf(log, reader, begin).values()].flat()
          : streamOf(log, reader.agent, begin),
      ]),
    );
    for (const reader of readers) {
      // If something is lost, the test's timeout ends this.
      while (reader.seen.length < expected.get(reader)!.length) {
        await reader.acknowledge(random, true);
        signal.throwIfAborted();
      }
      await reader.acknowledge(random, true);
    }
    for (const reader of streams) expect(reader.seen).toEqual(expected.get(reader));
    for (const reader of deliveries) {
      const wakes = wakesOf(log, reader, begin);
      expect(reader.seen.toSorted()).toEqual(expected.get(reader)!.toSorted());
      for (const ids of wakes.values()) expect(reader.seen.filter((id) => ids.includes(id))).toEqual(ids);
    }
    expect(log.filter((event) => event.type === 'conversation.held').length).toBeGreaterThan(0);
    expect(lab.faults).toEqual([]);
  },
);
