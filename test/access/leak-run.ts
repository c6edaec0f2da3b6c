/** One run of the leak test: does random things to a real server, with readers of every kind on it all the while. */
import { expect } from 'vitest';
import { exchange, openAuthLab, SECRETS, type Mode, type Reply } from '../support/auth-lab.ts';
import { eventually } from '../support/eventually.ts';
import { isDead, mayAsk, seesRoom, type Reader, type World } from './leak-oracle.ts';
import { readAs } from './leak-read.ts';
import { PLAZA, Watcher, type Sent } from './leak-watcher.ts';

export const AGENTS = ['ag-0', 'ag-1', 'ag-2'] as const;
/** Who can be a member or take part in a DM: agents with tokens, one of a static token, a person. */
export const ACTORS = [...AGENTS, 'listed', 'ann'] as const;
export const ROOMS = 4;
const DMS: readonly (readonly string[])[] = [
  ['ag-0', 'ag-1'],
  ['ag-0', 'ag-2'],
  ['ag-1', 'listed'],
  ['ag-2', 'ann'],
  ['listed', 'ann'],
  ['ag-0', 'ag-1', 'ag-2'],
];
export const PLACES = ROOMS * 2 + DMS.length;

export type Op =
  | { op: 'room'; room: number; public: boolean; policy: number; members: number[] }
  | { op: 'member'; room: number; actor: number; add: boolean }
  | { op: 'drop'; room: number }
  | { op: 'say'; place: number; actor: number; own: boolean; artifact: boolean }
  | { op: 'redact'; nth: number }
  | { op: 'remove' | 'readmit' | 'rotate'; agent: number }
  | { op: 'away' | 'back'; watcher: number }
  | { op: 'read' };

const POLICIES = ['members', 'registered_agents', 'operators'];

export class LeakRun {
  readonly #mode: Mode;
  readonly world: World;
  readonly #sent: Sent[] = [];
  readonly #watchers: Watcher[] = [];
  readonly #readers = new Map<string, { reader: Reader; headers: Record<string, string> }>();
  #lab!: Awaited<ReturnType<typeof openAuthLab>>;
  #step = 0;
  #marks = 0;

  constructor(mode: Mode) {
    this.#mode = mode;
    this.world = {
      mode: mode === 'none' ? 'none' : mode === 'open' ? 'open' : 'bearer',
      publicRead: mode !== 'none' && mode !== 'bearer',
      rooms: new Map([[PLAZA, { public: true, members: new Set(), gone: false }]]),
      dms: new Map(),
      threads: new Map(),
      messages: new Map(),
      removed: new Set(),
    };
  }

  async start(): Promise<void> {
    const lab = (this.#lab = await openAuthLab(this.#mode, {
      guard: { turns: 'off', hour_turns: 'off', pair_turns: 'off' },
    }));
    const none = this.#mode === 'none';
    const add = (name: string, selves: readonly string[], observer: boolean, secret: string): void =>
      void this.#readers.set(name, {
        reader: { name, observer, selves },
        headers: secret === '' || none ? {} : { authorization: `Bearer ${secret}` },
      });
    const tokens = new Map<string, string>();
    for (const id of AGENTS) tokens.set(id, await lab.claim(id));
    await lab.claim('herald');
    if (none) await lab.claim('listed');
    await lab.must('POST /v1/rooms', { id: PLAZA, visibility: 'public' });
    add('anon', [], none, '');
    if (!none) {
      for (const scope of ['observe', 'write', 'admin', 'attach', 'pair'] as const)
        add(scope, [], scope === 'observe' || scope === 'admin', SECRETS[scope]);
      for (const id of AGENTS) add(id, [id], false, tokens.get(id)!);
      add('listed', ['listed', 'idle'], false, SECRETS.listed);
      add('ann', ['ann'], false, SECRETS.person);
      const browser = async (name: string, selves: string[], token: string): Promise<void> => {
        add(name, selves, selves.length === 0, '');
        // As from a page of this server (SESS-7).
        this.#readers.get(name)!.headers = {
          cookie: await lab.login(token),
          'sec-fetch-site': 'same-origin',
        };
      };
      await browser('session', [], SECRETS.login);
      await browser("ann's session", ['ann'], SECRETS.person);
    }
    for (const [name, { reader }] of this.#readers)
      if (mayAsk(this.world, reader)) this.#watch(`stream of ${name}`, name, reader, 'sse');
    for (const [index, agent] of [...AGENTS, 'listed'].entries()) {
      const reader = { name: agent, observer: false, selves: [agent], agent };
      const of = none ? 'anon' : agent;
      // In mode none a second attachment of an agent is refused.
      if (!none || index % 2 === 0) this.#watch(`attachment of ${agent}`, of, reader, 'stream');
      if (!none || index % 2 === 1) this.#watch(`delivery to ${agent}`, of, reader, 'delivery');
    }
    for (const watcher of this.#watchers) await this.#connect(watcher);
    await this.#barrier();
  }

  async stop(): Promise<void> {
    for (const watcher of this.#watchers) await watcher.leave(this.#step);
    await this.#lab.server.stop();
  }

  async apply(op: Op): Promise<void> {
    this.#step++;
    switch (op.op) {
      case 'room':
        await this.#room(`rm-${op.room}`, op);
        break;
      case 'member':
        await this.#member(`rm-${op.room}`, ACTORS[op.actor]!, op.add);
        break;
      case 'drop':
        await this.#drop(`rm-${op.room}`);
        break;
      case 'say':
        await this.#say(op);
        break;
      case 'redact':
        await this.#redact(op.nth);
        break;
      case 'remove':
        await this.#remove(AGENTS[op.agent]!);
        break;
      case 'readmit':
      case 'rotate':
        await this.#renew(AGENTS[op.agent]!, op.op);
        break;
      case 'away':
        await this.#watchers[op.watcher % this.#watchers.length]!.leave(this.#step);
        break;
      case 'back':
        await this.#return(this.#watchers[op.watcher % this.#watchers.length]!);
        break;
      case 'read':
        await this.readEverything();
    }
    await this.#barrier();
  }

  /** Everybody comes back, and reads. */
  async end(): Promise<void> {
    for (const watcher of this.#watchers) await this.#return(watcher);
    await this.#barrier();
    await this.readEverything();
  }

  // what is done

  async #room(id: string, op: Op & { op: 'room' }): Promise<void> {
    const room = this.world.rooms.get(id);
    const fields = {
      name: `Room ${id}`,
      visibility: op.public ? 'public' : 'private',
      write_policy: POLICIES[op.policy],
    };
    if (room && !room.gone) {
      await this.#lab.must(`PATCH /v1/rooms/${id}`, fields);
      room.public = op.public;
      return this.#moved(id);
    }
    const members = op.members.map((index) => ACTORS[index]!);
    await this.#lab.must('POST /v1/rooms', { id, members, ...fields });
    this.world.rooms.set(id, { public: op.public, members: new Set(members), gone: false });
    for (const watcher of this.#watchers) watcher.former.delete(id);
    this.#moved(id);
  }

  async #member(id: string, actor: string, add: boolean): Promise<void> {
    const room = this.world.rooms.get(id);
    if (!room || room.gone) return;
    await this.#lab.must(`PATCH /v1/rooms/${id}/members`, { [add ? 'add' : 'remove']: [actor] });
    const changed = room.members.has(actor) !== add;
    if (add) room.members.add(actor);
    else room.members.delete(actor);
    if (changed) this.#moved(id, actor);
  }

  async #drop(id: string): Promise<void> {
    const room = this.world.rooms.get(id);
    if (!room || room.gone) return;
    for (const watcher of this.#watchers)
      if (seesRoom(this.world, watcher.reader, id)) watcher.former.add(id);
    await this.#lab.must(`DELETE /v1/rooms/${id}`);
    room.gone = true;
    room.members.clear();
    this.#moved(id);
  }

  async #say(op: Op & { op: 'say' }): Promise<void> {
    const dmIndex = op.place - ROOMS * 2;
    const dm = dmIndex >= 0 ? `dm-${dmIndex}` : undefined;
    const room = dm === undefined ? `rm-${op.place % ROOMS}` : undefined;
    const thread = room !== undefined && op.place >= ROOMS ? room.replace('rm', 'th') : undefined;
    const actors = dm === undefined ? ACTORS : DMS[dmIndex]!;
    const from = actors[op.actor % actors.length]!;
    if (this.world.removed.has(from)) return;
    if (room !== undefined && (this.world.rooms.get(room)?.gone ?? true)) return;
    const n = this.#sent.length;
    const [id, words] = [`ms-${n}`, `tx-${n}`];
    const person = from === 'ann';
    const body = {
      id,
      from: { type: person ? 'human' : 'agent', id: from },
      target:
        dm !== undefined
          ? { kind: 'dm', dm_id: dm, participant_ids: actors }
          : thread !== undefined
            ? { kind: 'thread', room_id: room, thread_id: thread }
            : { kind: 'room', room_id: room },
      parts: [
        { kind: 'text', text: `${words} @ag-0 @ag-1` },
        ...(op.artifact ? [{ kind: 'url', url: `https://files.test/${words}` }] : []),
      ],
    };
    const none = this.#mode === 'none';
    const own = op.own || person;
    const reply =
      own && !none
        ? await this.#ask(from, 'POST /v1/messages', body)
        : await this.#lab.call('operator', 'POST /v1/messages', body);
    if (reply.status !== 202) {
      // The room does not take this sender's; only that may be.
      expect([reply.status, reply.code], JSON.stringify(body)).toEqual([403, 'write_refused']);
      expect(own && dm === undefined).toBe(true);
      return;
    }
    this.#sent.push({ id, from, step: this.#step, ...(room !== undefined ? { room } : { dm: dm! }) });
    this.world.messages.set(id, { redacted: false, ...(room !== undefined ? { room } : { dm: dm! }) });
    if (thread !== undefined) this.world.threads.set(thread, room!);
    if (dm !== undefined) this.world.dms.set(dm, actors);
  }

  async #redact(nth: number): Promise<void> {
    if (this.#sent.length === 0) return;
    const { id } = this.#sent[nth % this.#sent.length]!;
    await this.#lab.must(`DELETE /v1/messages/${id}`);
    this.world.messages.get(id)!.redacted = true;
  }

  async #remove(id: string): Promise<void> {
    if (this.world.removed.has(id)) return;
    await this.#lab.must(`DELETE /v1/agents/${id}`);
    this.world.removed.add(id);
    for (const { members } of this.world.rooms.values()) members.delete(id);
    this.#moved();
    await this.#cut(id, 'was removed');
  }

  /** A new token: the earlier one, and what was opened with it, are at an end. */
  async #renew(id: string, op: 'readmit' | 'rotate'): Promise<void> {
    const none = this.#mode === 'none';
    if (this.world.removed.has(id) !== (op === 'readmit') || (none && op === 'rotate')) return;
    const before = this.#readers.get(id)?.headers;
    const token =
      op === 'readmit'
        ? await this.#lab.claim(id)
        : (await this.#lab.must<{ agent_token: string }>(`POST /v1/agents/${id}/rotate-token`)).agent_token;
    this.world.removed.delete(id);
    if (!none) {
      const after = await exchange(this.#lab.port, 'GET /v1/rooms', before);
      expect(after.status, `${op} ${id}: the earlier token`).toBeGreaterThanOrEqual(401);
      this.#readers.get(id)!.headers = { authorization: `Bearer ${token}` };
      await this.#cut(id, 'has another token');
    }
    this.#moved();
    for (const watcher of this.#watchers)
      if (watcher.reader.selves.includes(id) && op === 'readmit') watcher.since.set('dms', this.#step);
  }

  /** What was opened with an agent's token ends. */
  async #cut(id: string, why: string): Promise<void> {
    for (const watcher of this.#watchers) {
      const { reader } = watcher;
      if ((reader.name !== id && reader.agent !== id) || !watcher.client) continue;
      await eventually(() => watcher.isOver, `${watcher.name} ends, for ${id} ${why}`, 10_000);
      watcher.look(this.world);
      await watcher.leave(this.#step);
    }
  }

  #moved(room?: string, actor?: string): void {
    for (const watcher of this.#watchers) watcher.moved(this.world, this.#step, room, actor);
  }

  // live readers

  #watch(name: string, of: string, reader: Reader, kind: Watcher['kind']): void {
    this.#watchers.push(new Watcher(name, { ...reader, name: of }, kind));
  }

  #connect(watcher: Watcher): Promise<void> {
    const rooms = Array.from({ length: ROOMS }, (_, index) => `rm-${index}`);
    return watcher.connect(this.#lab.port, this.#readers.get(watcher.reader.name)!.headers, rooms);
  }

  async #return(watcher: Watcher): Promise<void> {
    if (watcher.client || isDead(this.world, watcher.reader)) return;
    watcher.returns(this.world, this.#step);
    await this.#connect(watcher);
    await this.#barrier();
    for (const sent of this.#sent) if (sent.step > watcher.leftAt) await this.#receives(watcher, sent);
  }

  async #receives(watcher: Watcher, sent: Sent): Promise<void> {
    if (watcher.isOwed(this.world, sent)) await this.#gets(watcher, sent.id);
  }

  #gets(watcher: Watcher, id: string): Promise<void> {
    const has = (): boolean => {
      watcher.look(this.world);
      return watcher.got.has(id);
    };
    return eventually(has, `${watcher.name} is sent ${id}`, 10_000);
  }

  /** Everything that was sent until now is with whom it is for; nobody has anything else. */
  async #barrier(): Promise<void> {
    const live = this.#watchers.filter(({ client }) => client !== undefined);
    const mark = `bar-${++this.#marks}`;
    await this.#lab.must('POST /v1/messages', {
      id: mark,
      from: { type: 'agent', id: 'herald' },
      target: { kind: 'room', room_id: PLAZA },
      parts: [{ kind: 'text', text: 'all is well' }],
    });
    for (const watcher of live) await this.#gets(watcher, mark);
    const newest = this.#sent.at(-1);
    if (newest?.step === this.#step) for (const watcher of live) await this.#receives(watcher, newest);
  }

  // reading by HTTP

  #ask(name: string, route: string, body?: unknown): Promise<Reply> {
    return exchange(this.#lab.port, route, this.#readers.get(name)!.headers, body);
  }

  async readEverything(): Promise<void> {
    for (const [name, { reader }] of this.#readers)
      await readAs(this.world, reader, (route) => this.#ask(name, route));
  }
}
