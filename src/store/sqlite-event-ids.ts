/**
 * Events by their id. Every RUN events the log's writer stores one run: the hashes of their ids in BUCKETS rows, by the
 * hash's first bits. A look-up reads one row of each run, newest first, and the event rows that it points to. The ids
 * after the last whole run are in memory, on either side, and are read from the log at the start: the database is
 * never behind itself. A hash that points to another id, or to a row that is gone, is only a look in vain.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { transaction } from './migrations.ts';

/** Events of one run: run r holds the seqs from r * RUN + 1 on. */
export const RUN = 16_384;
/** Bits of a hash that say in which row it stands; those after them stand there, before the place in the run. */
const BUCKET_BITS = 6;
const PLACE_BITS = 14;
const BUCKETS = 2 ** BUCKET_BITS;
const PLACES = RUN - 1;
/** Key of a row: the runs of one bucket are neighbours. */
const keyOf = (bucket: number, run: number): number => bucket * 2 ** 32 + run;

export const EVENT_ID_SQL = {
  idEntries: 'SELECT key, entries FROM event_ids WHERE key >= ? AND key < ? ORDER BY key DESC',
  idOfSeq: 'SELECT id FROM events WHERE seq = ?',
  lastRun: 'SELECT max(key) AS run FROM event_ids WHERE key < ?',
  idsOfRun: 'SELECT seq, id FROM events WHERE seq > ? AND seq <= ? ORDER BY seq',
} as const;

/** The ids of the run that is not whole yet. */
export class OpenRun {
  readonly #hashes = new Uint32Array(RUN);
  #seq = 0;

  /** Takes the next event: one whose seq is above all before it. */
  add(seq: number, id: string): void {
    this.#hashes[(seq - 1) & PLACES] = hashOf(id);
    this.#seq = seq;
  }

  /** Seqs after the last whole run at which this id may be, newest first. */
  *find(hash: number): Iterable<number> {
    for (let seq = this.#seq; seq % RUN !== 0; seq--)
      if (this.#hashes[(seq - 1) & PLACES] === hash) yield seq;
  }

  /** The rows of the run that the last event has made whole: entries by bucket. */
  rows(): Uint8Array[] {
    const buckets: number[][] = Array.from({ length: BUCKETS }, () => []);
    for (let place = 0; place < RUN; place++) {
      const hash = this.#hashes[place]!;
      buckets[hash >>> (32 - BUCKET_BITS)]!.push(((hash << BUCKET_BITS) & ~PLACES) | place);
    }
    return buckets.map(bytesOf);
  }

  clear(): void {
    this.#hashes.fill(0);
    this.#seq = 0;
  }
}

/** Writes the runs. `add` and what belongs to it happen in the transaction of the events. */
export interface RunWriter {
  add(seq: number, id: string): void;
  /** The transaction is undone: the newest event is this one again. */
  undone(head: number): void;
}

/** Opens the writing side, and writes the runs that a database of an older program does not have. */
export function createRunWriter(db: DatabaseSync, head: number): RunWriter {
  const insert = db.prepare('INSERT INTO event_ids (key, entries) VALUES (?, ?)');
  const ids = db.prepare(EVENT_ID_SQL.idsOfRun);
  const open = new OpenRun();
  let newest = head;
  /** What the open run held is lost to an undone run after it. */
  let lost = false;

  function add(seq: number, id: string): void {
    if (lost) load(ids, open, Math.floor((seq - 1) / RUN));
    lost = false;
    open.add(seq, id);
    newest = seq;
    if (seq % RUN === 0) write(seq / RUN - 1);
  }

  function write(run: number): void {
    for (const [bucket, entries] of open.rows().entries()) insert.run(keyOf(bucket, run), entries);
  }

  let run = wholeRuns(db);
  if (run === 0) {
    // What is missing at the old end was pruned.
    const oldest = db.prepare('SELECT min(seq) AS seq FROM events').get()?.['seq'];
    if (typeof oldest === 'number') run = Math.floor((oldest - 1) / RUN);
  }
  for (; (run + 1) * RUN <= head; run++) {
    open.clear();
    load(ids, open, run);
    const whole = run;
    transaction(db, () => write(whole));
  }
  open.clear();
  load(ids, open, run);

  return {
    add,
    undone(to) {
      lost ||= Math.floor(newest / RUN) !== Math.floor(to / RUN);
      newest = to;
    },
  };
}

/** Finds events by id: `add` is told every committed event, in order. */
export function createEventIds(db: DatabaseSync): {
  add(seq: number, id: string): void;
  seqOf(id: string): number | undefined;
} {
  const entriesOf = db.prepare(EVENT_ID_SQL.idEntries);
  const idOf = db.prepare(EVENT_ID_SQL.idOfSeq);
  const open = new OpenRun();
  load(db.prepare(EVENT_ID_SQL.idsOfRun), open, wholeRuns(db));

  return {
    add: (seq, id) => open.add(seq, id),
    seqOf(id) {
      const hash = hashOf(id);
      const isIt = (seq: number): boolean => idOf.get(seq)?.['id'] === id;
      for (const seq of open.find(hash)) if (isIt(seq)) return seq;
      const bucket = hash >>> (32 - BUCKET_BITS);
      const wanted = (hash << BUCKET_BITS) >>> PLACE_BITS;
      for (const row of entriesOf.iterate(keyOf(bucket, 0), keyOf(bucket + 1, 0))) {
        const first = ((row['key'] as number) - keyOf(bucket, 0)) * RUN + 1;
        for (const place of placesOf(row['entries'] as Uint8Array, wanted))
          if (isIt(first + place)) return first + place;
      }
      return undefined;
    },
  };
}

function wholeRuns(db: DatabaseSync): number {
  const last = db.prepare(EVENT_ID_SQL.lastRun).get(keyOf(1, 0))?.['run'];
  return typeof last === 'number' ? last + 1 : 0;
}

function load(ids: StatementSync, open: OpenRun, run: number): void {
  for (const row of ids.iterate(run * RUN, (run + 1) * RUN))
    open.add(row['seq'] as number, row['id'] as string);
}

/** 32 bits of FNV-1a, mixed so that the first bits are as good as the last. The same for ever: it is stored. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Entries as they are stored: four bytes each, the least first on every machine. */
function bytesOf(entries: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * 4);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < entries.length; i++) view.setUint32(i * 4, entries[i]! >>> 0, true);
  return bytes;
}

function* placesOf(bytes: Uint8Array, wanted: number): Iterable<number> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at += 4) {
    const entry = view.getUint32(at, true);
    if (entry >>> PLACE_BITS === wanted) yield entry & PLACES;
  }
}
