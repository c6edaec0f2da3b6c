/** A live reader of the leak test: an event stream or an attachment, which comes and goes, and what it was sent. */
import { expect } from 'vitest';
import { AttachClient } from '../support/attach-client.ts';
import { SseClient } from '../support/sse-client.ts';
import { beyond, seesMessage, seesRoom, type Reader, type World } from './leak-oracle.ts';

export interface Sent {
  id: string;
  room?: string;
  dm?: string;
  from: string;
  step: number;
}

/** Of those that are in no room; it stays, and everybody who reads live reads it. */
export const PLAZA = 'plaza';

export class Watcher {
  readonly name: string;
  readonly reader: Reader;
  readonly kind: 'sse' | 'stream' | 'delivery';
  client: SseClient | AttachClient | undefined;
  leftAt = 0;
  /** Messages that came since it was connected. */
  readonly got = new Set<string>();
  /** Room, or `dms` → the step since which it may see it; for deliveries also since the last change of where they begin. */
  readonly since = new Map([[PLAZA, 0]]);
  /** Rooms that are gone and that it could see until then. */
  readonly former = new Set<string>();
  #looked = 0;
  #cursor: string | undefined;

  constructor(name: string, reader: Reader, kind: Watcher['kind']) {
    this.name = name;
    this.reader = reader;
    this.kind = kind;
  }

  get isOver(): boolean {
    return this.client instanceof SseClient ? this.client.ended : (this.client?.closed ?? true);
  }

  async connect(port: number, headers: Record<string, string>, rooms: readonly string[]): Promise<void> {
    this.#looked = 0;
    this.got.clear();
    if (this.kind === 'sse') {
      const last: Record<string, string> =
        this.#cursor === undefined ? {} : { 'last-event-id': this.#cursor };
      const client = await SseClient.open(port, { headers: { ...headers, ...last } });
      expect(client.status, this.name).toBe(200);
      this.client = client;
      return;
    }
    const client = await AttachClient.attach({
      url: `ws://127.0.0.1:${port}/v1/attach`,
      agent: this.reader.agent,
      headers,
      ack: true,
      ...(this.kind === 'stream' && { cursor: this.#cursor }),
      ...(this.kind === 'delivery' && {
        bindings: {
          rooms: [PLAZA, ...rooms].map((id) => ({ id, wake: 'all' as const })),
          dms: { enabled: true, wake: 'all' },
          catch_up: 'all',
        },
      }),
    });
    expect(client.has('READY'), `${this.name}: ${client.error}`).toBe(true);
    this.client = client;
  }

  async leave(step: number): Promise<void> {
    const { client } = this;
    if (!client) return;
    this.client = undefined;
    this.leftAt = step;
    if (client instanceof SseClient) {
      this.#cursor = client.events.findLast(({ id }) => id !== undefined)?.id ?? this.#cursor;
      client.close();
    } else {
      this.#cursor = client.cursor || this.#cursor;
      await client.drop();
    }
  }

  /** Visibility may have changed: of a room, or of everything. `actor` is whose membership did. */
  moved(world: World, step: number, room?: string, actor?: string): void {
    for (const id of world.rooms.keys()) {
      const begins =
        this.kind === 'delivery' && id === room && (actor ?? this.reader.agent) === this.reader.agent;
      if (!seesRoom(world, this.reader, id)) this.since.delete(id);
      else if (begins || !this.since.has(id)) this.since.set(id, step);
    }
  }

  /** It comes back: a room of others that became public meanwhile is delivered from here on (DLV-2). */
  returns(world: World, step: number): void {
    if (this.kind !== 'delivery') return;
    for (const [id, since] of this.since)
      if (since > this.leftAt && !world.rooms.get(id)?.members.has(this.reader.agent!))
        this.since.set(id, step);
  }

  /** Whether a message is owed to it: it could see it when it was sent, and ever since. */
  isOwed(world: World, { id, room, from, step }: Sent): boolean {
    if (world.messages.get(id)!.redacted || !seesMessage(world, this.reader, id)) return false;
    if ((this.since.get(room ?? 'dms') ?? 0) >= step) return false;
    return this.kind !== 'delivery' || from !== this.reader.agent;
  }

  /** Looks at what has come since the last time: nothing in it may be beyond what it may see now. */
  look(world: World): void {
    const { client } = this;
    if (!client) return;
    const came = client instanceof SseClient ? client.events : client.frames;
    for (const each of came.slice(this.#looked)) {
      this.#looked++;
      const event = ((each as { data?: object }).data ?? (each as { event?: object }).event) as
        | Partial<Told>
        | undefined;
      const type = event?.type ?? '';
      if (type === 'message.created') this.got.add(event!.message!.id);
      if (!this.reader.observer) this.#mayHave(world, each, type, event);
    }
  }

  #mayHave(world: World, each: object, type: string, event: Partial<Told> | undefined): void {
    const what = `${this.name} was sent ${JSON.stringify(each)}`;
    // The removal of a room is told to who could see it until then; that of a public one to all.
    const wasPublic = world.mode === 'none' || event?.room?.visibility === 'public';
    const leaked = beyond(world, this.reader, JSON.stringify(each)).filter(
      (marker) => !(type === 'room.removed' && (wasPublic || this.former.has(marker))),
    );
    expect(leaked, what).toEqual([]);
    expect(type, what).not.toMatch(/^(?:pairing|conversation)\./);
    // wire.md 7: whoever is nobody in particular is told no more than this of the public rooms.
    if (this.reader.selves.length === 0 && world.mode !== 'none')
      expect(type, what).toMatch(
        /^(?:message\.(?:created|redacted)|thread\.created|room\.(?:created|updated|removed)|stream\.replay_gap|)$/,
      );
    // Of the lives of agents it is told its own, and an attachment nothing.
    if (type.startsWith('agent.')) {
      expect(this.kind, what).toBe('sse');
      expect(this.reader.selves, what).toContain(event!.agent!.agent_id);
    }
  }
}

interface Told {
  type: string;
  message: { id: string };
  room: { visibility?: string };
  agent: { agent_id: string };
}
