/**
 * What the servers of one database know of each other: who lives, by leases that lapse by the database's clock; which
 * server delivers to which agent, or does what one server at a time does; who is attached where; and volatile facts, told
 * by NOTIFY.
 */
import type { Client } from 'pg';
import { newServerId } from './postgres-feed.ts';
import { drop, type Sessions, type Statement } from './postgres-sessions.ts';
import { asStoreError } from './postgres-errors.ts';
import type { Peers, PeersFollower, TicketRow } from './peers.ts';

/** Milliseconds: between two signs of life, after which of them without one a server counts as dead, and a doubt of ours. */
const BEAT = 1_000;
const LIVES = 5_000;
const DOUBT = 4_000;
/** Milliseconds in which facts gather, and bytes of one NOTIFY. */
const GATHER = 20;
const NOTIFY_BYTES = 7_000;
/** Facts that wait at most; what is over it is lost, as it is when nobody listens. */
const FACTS = 2_000;
const LISTENING = 10_000;

const BORN: Statement = {
  name: 'moltnet_peers_born',
  text: `INSERT INTO servers (server, until) VALUES ($1, clock_timestamp() + interval '${LIVES} milliseconds')`,
};
/** Locks leases in the order of their names, as commits do with theirs (postgres-row-sql.ts), and takes them out. */
const leasesOf = (which: string): { locked: string; out: string } => ({
  locked: `locked AS MATERIALIZED (SELECT name FROM leases WHERE ${which} ORDER BY name FOR UPDATE)`,
  out: 'DELETE FROM leases USING locked WHERE leases.name = locked.name',
});
const OF_DEAD = leasesOf('server IN (SELECT server FROM dead)');
const LET_GO = leasesOf('server = $1 AND name = ANY($2::TEXT[])');
const OURS = leasesOf('server = $1');

/** Says that we live, unless that lapsed; and takes out who has been dead for long. */
const LIVE: Statement = {
  name: 'moltnet_peers_live',
  text: `WITH dead AS MATERIALIZED (DELETE FROM servers WHERE until < clock_timestamp() - interval '30 seconds' RETURNING server),
      a AS (DELETE FROM attached USING dead WHERE attached.server = dead.server),
      ${OF_DEAD.locked}, l AS (${OF_DEAD.out})
    UPDATE servers SET until = clock_timestamp() + interval '${LIVES} milliseconds'
    WHERE server = $1 AND until > clock_timestamp() RETURNING (SELECT count(*) FROM servers o WHERE o.server <> $1 AND o.until > clock_timestamp()) AS others`,
};
const OTHERS: Statement = {
  name: 'moltnet_peers_others',
  text: `SELECT a.agent_id, a.state FROM attached a JOIN servers s ON s.server = a.server
    WHERE a.server <> $1 AND s.until > clock_timestamp() ORDER BY a.agent_id`,
};
/** Values: server, agents with their states, agents that are gone. */
const ATTACHED: Statement = {
  name: 'moltnet_peers_attached',
  text: `WITH gone AS (DELETE FROM attached WHERE server = $1 AND agent_id = ANY($3::TEXT[]))
    INSERT INTO attached (server, agent_id, state) SELECT $1, x.agent_id, x.state
    FROM json_to_recordset($2::JSON) AS x(agent_id TEXT, state TEXT)
    ON CONFLICT (server, agent_id) DO UPDATE SET state = excluded.state`,
};
const LEASE: Statement = {
  name: 'moltnet_peers_lease',
  text: `INSERT INTO leases AS l (name, server)
    SELECT $2, s.server FROM servers s WHERE s.server = $1 AND s.until > clock_timestamp()
    ON CONFLICT (name) DO UPDATE SET server = excluded.server
    WHERE l.server = excluded.server OR NOT EXISTS (SELECT 1 FROM servers o WHERE o.server = l.server AND o.until > clock_timestamp())
    RETURNING 1`,
};
const RELEASE: Statement = {
  name: 'moltnet_peers_release',
  text: `WITH ${LET_GO.locked} ${LET_GO.out}`,
};
const TELL: Statement = { name: 'moltnet_peers_tell', text: 'SELECT pg_notify($1, $2)' };
const DIED: Statement = {
  name: 'moltnet_peers_died',
  text: `WITH s AS (DELETE FROM servers WHERE server = $1), a AS (DELETE FROM attached WHERE server = $1),
      ${OURS.locked} ${OURS.out}`,
};

/** Values: hash, token id, token hash, milliseconds, most. */
const KEEP_TICKET: Statement = {
  name: 'moltnet_peers_keep_ticket',
  text: `WITH gone AS (DELETE FROM tickets WHERE until <= clock_timestamp()
      OR id_hash IN (SELECT id_hash FROM tickets ORDER BY until DESC OFFSET $5 - 1))
    INSERT INTO tickets (id_hash, token_id, token_hash, until)
    VALUES ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond') ON CONFLICT DO NOTHING`,
};
const TAKE_TICKET: Statement = {
  name: 'moltnet_peers_take_ticket',
  text: `WITH t AS (DELETE FROM tickets WHERE id_hash = $1 RETURNING *)
    SELECT id_hash, token_id, token_hash FROM t WHERE until > clock_timestamp()`,
};

export class PostgresPeers implements Peers {
  readonly #sessions: Sessions;
  readonly #channel: string;
  #server = newServerId();
  #born = false;
  /** When the last sign of life that was taken was sent, by either clock: one of them stands still while a machine sleeps. */
  #livedAt = Number.NEGATIVE_INFINITY;
  #livedAtTime = 0;
  #others = 0;
  #elsewhere: ReadonlyMap<string, string> = new Map();
  #noted: ReadonlyMap<string, string> = new Map();
  readonly #here = new Map<string, string>();
  readonly #changed = new Set<string>();
  #facts: string[] = [];
  #telling: NodeJS.Timeout | undefined;
  #beating: NodeJS.Timeout | undefined;
  #beat: Promise<void> | undefined;
  /** Leases that are to be let go. */
  readonly #owed = new Set<string>();
  #releasing: Promise<void> = Promise.resolve();
  #follower: PeersFollower | undefined;
  #listener: Client | undefined;
  #closed = false;

  constructor(sessions: Sessions, channel: string) {
    this.#sessions = sessions;
    this.#channel = `${channel}_facts`;
  }

  get alive(): boolean {
    return performance.now() - this.#livedAt < DOUBT && Date.now() - this.#livedAtTime < DOUBT;
  }
  get others(): number {
    return this.#others;
  }
  get hears(): boolean {
    return this.#listener !== undefined;
  }
  elsewhere(): ReadonlyMap<string, string> {
    return this.#elsewhere;
  }
  noted(name: string): string | undefined {
    return this.#noted.get(name);
  }

  async follow(follower: PeersFollower): Promise<void> {
    this.#follower = follower;
    await this.#live();
    this.#beating = setInterval(() => void this.#live(), BEAT).unref();
    void this.#listen();
  }

  get holder(): number {
    return this.#server;
  }

  async lease(name: string): Promise<boolean> {
    try {
      if (!this.#born) await this.#live();
      this.#owed.delete(name);
      await this.#releasing;
      return (await this.#sessions.read(LEASE, [this.#server, name])).length > 0;
    } catch {
      return false;
    }
  }

  async release(name: string): Promise<void> {
    this.#owed.add(name);
    await this.#releaseOwed();
  }

  /** What fails is let go with the next sign of life: we may live on for long, and nobody else could have it. */
  #releaseOwed(): Promise<void> {
    return (this.#releasing = this.#releaseAfter(this.#releasing));
  }

  async #releaseAfter(before: Promise<void>): Promise<void> {
    await before;
    const names = [...this.#owed];
    if (names.length === 0) return;
    this.#owed.clear();
    try {
      await this.#sessions.read(RELEASE, [this.#server, names]);
    } catch {
      for (const name of names) this.#owed.add(name);
    }
  }

  async keepTicket({ id_hash, token_id, token_hash }: TicketRow, lives: number, most: number): Promise<void> {
    try {
      await this.#sessions.read(KEEP_TICKET, [id_hash, token_id, token_hash, lives, most]);
    } catch (error) {
      throw asStoreError(error, 'the database');
    }
  }

  async takeTicket(id_hash: string): Promise<TicketRow | undefined> {
    try {
      // When its answer is lost it is used up, and one asks for another.
      const [row] = await this.#sessions.read(TAKE_TICKET, [id_hash]);
      return row && { id_hash, token_id: row['token_id'] as string, token_hash: row['token_hash'] as string };
    } catch (error) {
      throw asStoreError(error, 'the database');
    }
  }

  present(agent_id: string, state: string | undefined): void {
    if (state === undefined) this.#here.delete(agent_id);
    else this.#here.set(agent_id, state);
    this.#changed.add(agent_id);
    this.#soon();
  }

  note(name: string, text: string | undefined): void {
    this.present(name, text);
  }

  tell(text: string): void {
    if (this.#others === 0 || this.#facts.length >= FACTS || Buffer.byteLength(text) > NOTIFY_BYTES) return;
    this.#facts.push(text);
    this.#soon();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#beating);
    clearTimeout(this.#telling);
    if (this.#listener) drop(this.#listener);
    await this.#beat?.catch(() => {});
    if (this.#born) await this.#sessions.read(DIED, [this.#server]).catch(() => {});
  }

  #soon(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      void this.#say();
    }, GATHER).unref();
  }

  async #say(): Promise<void> {
    const facts = this.#facts.splice(0);
    try {
      await this.#sayWhoIsHere();
      for (let at = 0; at < facts.length && !this.#closed;) {
        let text = String(this.#server);
        do text += `\n${facts[at++]!}`;
        while (at < facts.length && Buffer.byteLength(text) + Buffer.byteLength(facts[at]!) < NOTIFY_BYTES);
        await this.#sessions.read(TELL, [this.#channel, text]);
      }
    } catch {
      // Volatile: who is attached is said again with the next sign of life.
    }
  }

  async #sayWhoIsHere(): Promise<void> {
    if (this.#changed.size === 0 || !this.#born) return;
    const changed = [...this.#changed];
    this.#changed.clear();
    try {
      const here = changed.filter((id) => this.#here.has(id));
      const gone = changed.filter((id) => !this.#here.has(id));
      const states = here.map((agent_id) => ({ agent_id, state: this.#here.get(agent_id) }));
      await this.#sessions.read(ATTACHED, [this.#server, JSON.stringify(states), gone]);
    } catch (error) {
      for (const id of changed) this.#changed.add(id);
      throw error;
    }
  }

  #live(): Promise<void> {
    return (this.#beat ??= this.#sign().finally(() => (this.#beat = undefined)));
  }

  async #sign(): Promise<void> {
    const [at, time] = [performance.now(), Date.now()];
    try {
      if (!this.#born) {
        await this.#sessions.read(BORN, [this.#server]);
        this.#born = true;
        // The others need not wait for their next sign of life to know.
        await this.#sessions.read(TELL, [this.#channel, String(this.#server)]);
        for (const id of this.#here.keys()) this.#changed.add(id);
      }
      const [row] = await this.#sessions.read(LIVE, [this.#server]);
      if (!row) {
        // We were dead to the others: what we had is theirs.
        this.#server = newServerId();
        this.#born = false;
        this.#owed.clear();
        this.#livedAt = Number.NEGATIVE_INFINITY;
        this.#follower?.lapsed();
        return;
      }
      this.#livedAt = at;
      this.#livedAtTime = time;
      void this.#releaseOwed();
      this.#others = row['others'] as number;
      await this.#sayWhoIsHere();
      if (this.#others === 0 && this.#elsewhere.size + this.#noted.size === 0) return;
      const rows = await this.#sessions.read(OTHERS, [this.#server]);
      const said = rows.map((each) => [each['agent_id'] as string, each['state'] as string] as const);
      const before = this.#elsewhere;
      // No agent of this network has a colon in its id.
      this.#elsewhere = new Map(said.filter(([name]) => !name.includes(':')));
      this.#noted = new Map(said.filter(([name]) => name.includes(':')));
      for (const id of before.keys()) if (!this.#elsewhere.has(id)) this.#follower?.gone(id);
    } catch {
      if (!this.alive && Number.isFinite(this.#livedAt)) {
        this.#livedAt = Number.NEGATIVE_INFINITY;
        this.#follower?.lapsed();
      }
    }
  }

  async #listen(): Promise<void> {
    while (!this.#closed && !this.#sessions.pooled) {
      try {
        const client = await this.#sessions.connect(LISTENING);
        if (this.#closed) return drop(client);
        const ended = new Promise<void>((resolve) => void client.once('end', resolve));
        client.on('notification', ({ payload = '' }) => this.#hear(payload));
        await client.query(`LISTEN ${this.#channel}`);
        this.#listener = client;
        await ended;
      } catch {
        // Facts are lost meanwhile; who is attached comes with the next sign of life.
      }
      this.#listener = undefined;
      await new Promise((resolve) => setTimeout(resolve, BEAT).unref());
    }
  }

  #hear(payload: string): void {
    const [server, ...facts] = payload.split('\n');
    if (Number(server) === this.#server || this.#closed) return;
    if (facts.length === 0) void this.#live();
    for (const fact of facts) this.#follower?.told(fact);
  }
}
