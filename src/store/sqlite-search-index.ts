/**
 * The search index of a SQLite store: FTS5 in a file of its own beside the database, filled behind the log. It is
 * derived: a commit does not wait for it, it may be thrown away at any time, and no answer is taken from it alone (what
 * is shown is looked up in the database). SEARCH-5 to SEARCH-9.
 */
import { DatabaseSync } from 'node:sqlite';
import type { Message } from '../protocol/messages.ts';
import { transaction } from './migrations.ts';
import { hasArtifact, keyWord, keyWordsOf, searchableText, timeWords } from './search-document.ts';
import { snippetOf } from './search-snippet.ts';
import type { SearchTerm } from './search-terms.ts';
import { marked, wordsOf } from './search-words.ts';
import { prepareAll } from './sqlite-prepare.ts';
import { integer, MESSAGE, nullable, storedMessage, text, type Row } from './sqlite-rows.ts';
import type { FoundMessage, SearchRequest, SearchRows } from './search-rows.ts';

/** Another number makes indexes of before be built anew. */
const FORMAT = 3;
/** Events that one step takes in. */
const STEP = 500;
/** Events that a search takes in before it answers, at most; then it says how many are left. */
const CATCH_UP = 10_000;
/** Candidates that one search looks at: then it answers with a cursor to go on from. */
const LOOKED_AT = 5_000;
const CHUNK = 128;
/** Words of the index with one beginning that are searched for one by one: FTS5 itself reads all that they stand in first. */
const MOST_WORDS = 200;
/** Words that are known to be noted. */
const NOTED = 50_000;
/** Milliseconds after now in which a message may have been sent: a search without an end finds it too. */
const CLOCKS_AHEAD = 2 * 86_400_000;
const LAST = Number.MAX_SAFE_INTEGER;

/** FTS5 is given words already (search-words.ts): this one divides them at spaces, and takes all beyond ASCII for letters. */
export const TOKENIZER = 'tokenize = "ascii"';

const SCHEMA = `
CREATE VIRTUAL TABLE IF NOT EXISTS documents USING fts5(text, keys, ${TOKENIZER});
INSERT INTO documents (documents, rank) VALUES ('secure-delete', 1);
CREATE TABLE IF NOT EXISTS words (word TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (key TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
`;
const INDEX_SQL = {
  state: 'SELECT value FROM state WHERE key = ?',
  setState:
    'INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  add: 'INSERT INTO documents (rowid, text, keys) VALUES (?, ?, ?)',
  remove: 'DELETE FROM documents WHERE rowid = ?',
  // Numbers are bound as REAL, which FTS5 does not take for a rowid beside a MATCH.
  find: `SELECT rowid AS seq FROM documents
    WHERE documents MATCH ? AND rowid < CAST(? AS INTEGER) ORDER BY rowid DESC LIMIT ?`,
  said: 'SELECT text FROM documents WHERE rowid = ?',
  after: `SELECT rowid AS seq FROM documents WHERE rowid > CAST(? AS INTEGER) ORDER BY rowid LIMIT ${STEP}`,
  isSaid: 'SELECT 1 FROM documents WHERE documents MATCH ? LIMIT 1',
  removeWord: 'DELETE FROM words WHERE word = ?',
  addWord: 'INSERT INTO words (word) VALUES (?) ON CONFLICT DO NOTHING',
  words: `SELECT word FROM words WHERE word >= ? AND word < ? || '\u{10ffff}' LIMIT ${MOST_WORDS + 1}`,
} as const;
const LOG_SQL = {
  head: 'SELECT max(seq) AS seq FROM events',
  eventId: 'SELECT id FROM events WHERE seq = ?',
  next: `SELECT e.seq, e.id, e.type, e.created_at, e.payload, e.participants, m.conversation, m.room_id, m.sender
    FROM events e LEFT JOIN messages m ON m.seq = e.seq WHERE e.seq > ? ORDER BY e.seq LIMIT ${STEP}`,
  seqOf: 'SELECT seq FROM messages WHERE id = ?',
  seqs: 'SELECT seq FROM messages WHERE seq BETWEEN ? AND ?',
  message: `SELECT ${MESSAGE}, e.participants FROM messages m CROSS JOIN events e ON e.seq = m.seq WHERE m.seq = ?`,
} as const;

/** Messages by id, while they are in the log, or by the seq that they had. */
export interface Forgotten {
  message_ids: readonly string[];
  seqs: readonly number[];
}

export class SearchIndex {
  readonly #log: Record<keyof typeof LOG_SQL, ReturnType<DatabaseSync['prepare']>>;
  readonly #index: DatabaseSync;
  readonly #sql: Record<keyof typeof INDEX_SQL, ReturnType<DatabaseSync['prepare']>>;
  readonly #noted = new Set<string>();
  #reached: number;
  /** Up to this seq no document is of a message that is gone; what a crash or a full disk kept `forget` from, is looked for. */
  #swept = 0;
  /** Milliseconds since 1970 of the oldest message, by its own time; undefined for none. */
  #oldest: number | undefined;

  /**
   * @param log a connection that reads the store's database
   * @param path of the index's file, or `:memory:`
   */
  constructor(log: DatabaseSync, path: string) {
    this.#log = prepareAll(log, LOG_SQL);
    this.#index = new DatabaseSync(path);
    // A file that a power loss spoils is made anew; what was redacted must be gone from it all the same.
    this.#index.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON');
    this.#index.exec(SCHEMA);
    this.#sql = prepareAll(this.#index, INDEX_SQL);
    this.#reached = Number(this.#state('reached') ?? 0);
    const oldest = this.#state('oldest');
    this.#oldest = oldest === undefined ? undefined : Number(oldest);
    if (!this.#isOf()) this.#reset();
  }

  /** Takes in the next events; returns how many there are after them. */
  follow(): number {
    const rows = this.#log.next.all(this.#reached);
    const last = rows.at(-1);
    if (last) {
      let removed = false;
      this.#write(() => {
        for (const row of rows) if (this.#take(row)) removed = true;
        this.#setState('reached', integer(last, 'seq'));
        this.#setState('reached_id', text(last, 'id'));
        if (this.#oldest !== undefined) this.#setState('oldest', this.#oldest);
      });
      // Only now is it true.
      this.#reached = integer(last, 'seq');
      if (removed) this.#truncate();
    }
    return this.#behind();
  }

  /** A step of what is to be done while nobody asks. Whether there is more. */
  work(): boolean {
    return this.follow() > 0 || this.#sweep();
  }

  /** Removes the texts of messages that were redacted or pruned from the index and its files. */
  forget({ message_ids, seqs }: Forgotten): void {
    try {
      this.#write(() => {
        for (const id of message_ids) {
          const row = this.#log.seqOf.get(id);
          if (row) this.#remove(integer(row, 'seq'));
        }
        for (const seq of seqs) this.#remove(seq);
      });
    } catch (error) {
      this.#swept = 0;
      throw error;
    }
    this.#truncate();
  }

  search(request: SearchRequest): SearchRows {
    for (const _ of this.catchUp());
    return this.find(request);
  }

  /** What comes before a search, in steps: takes in what was committed, up to a bound. */
  *catchUp(): Generator<void> {
    for (let taken = 0; taken < CATCH_UP && this.#behind() > 0; taken += STEP) {
      this.follow();
      yield;
    }
  }

  /** In what the index holds. */
  find(request: SearchRequest): SearchRows {
    const unindexed = this.#behind();
    const match = this.#expression(request);
    const found: FoundMessage[] = [];
    let below = request.before ?? LAST;
    let more = true;
    // As a rule the first candidates are the page.
    let chunk = request.limit + 1;
    for (let looked = 0; more && found.length <= request.limit && looked < LOOKED_AT; chunk = CHUNK) {
      const candidates = this.#sql.find.all(match, below, chunk);
      more = candidates.length === chunk;
      looked += candidates.length;
      for (const candidate of candidates) {
        const message = this.#look(candidate, request);
        if (message && found.push(message) > request.limit) break;
        below = integer(candidate, 'seq');
      }
    }
    const rows = found.slice(0, request.limit);
    if (found.length > request.limit) return { rows, next_before: rows.at(-1)!.row.id, unindexed };
    // It looked at enough: the next page goes on from there.
    const last = more ? this.#log.message.get(below) : undefined;
    return { rows, ...(last && { next_before: text(last, 'id') }), unindexed };
  }

  close(): void {
    this.#index.close();
  }

  /** All of it or nothing. */
  #write(body: () => void): void {
    try {
      transaction(this.#index, body);
    } catch (error) {
      this.#noted.clear();
      throw error;
    }
  }

  #truncate(): void {
    this.#index.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  /** Looks at the next documents; whether there are more. */
  #sweep(): boolean {
    const documents = this.#sql.after.all(this.#swept).map((row) => integer(row, 'seq'));
    const [first, last] = [documents[0], documents.at(-1)];
    if (first === undefined || last === undefined) return false;
    const there = new Set(this.#log.seqs.all(first, last).map((row) => integer(row, 'seq')));
    const gone = documents.filter((seq) => !there.has(seq));
    if (gone.length > 0) this.forget({ message_ids: [], seqs: gone });
    this.#swept = last;
    return documents.length === STEP;
  }

  #behind(): number {
    return Math.max(0, Number(this.#log.head.get()?.['seq'] ?? 0) - this.#reached);
  }

  /** Whether the index is one of this very log: a database that was put in the place of another has another. */
  #isOf(): boolean {
    if (Number(this.#state('format') ?? 0) !== FORMAT) return false;
    if (this.#reached === 0) return true;
    return this.#log.eventId.get(this.#reached)?.['id'] === this.#state('reached_id');
  }

  #reset(): void {
    transaction(this.#index, () => {
      this.#index.exec('DELETE FROM documents; DELETE FROM words; DELETE FROM state');
      this.#setState('format', FORMAT);
    });
    this.#reached = 0;
    this.#oldest = undefined;
  }

  /** Whether something was removed for it. */
  #take(row: Row): boolean {
    const seq = integer(row, 'seq');
    if (row['type'] === 'message.redacted') {
      const { message_id } = JSON.parse(text(row, 'payload')) as { message_id: string };
      const redacted = this.#log.seqOf.get(message_id);
      return redacted !== undefined && this.#remove(integer(redacted, 'seq'));
    }
    if (row['conversation'] === null) return false;
    const message = JSON.parse(text(row, 'payload')) as Message;
    if (message.redacted_at !== undefined) return false;
    const created_at = text(row, 'created_at');
    this.#oldest = Math.min(this.#oldest ?? Infinity, Date.parse(created_at));
    const keys = keyWordsOf({
      conversation: text(row, 'conversation'),
      room_id: nullable(row, 'room_id'),
      participants: participantsOf(row),
      sender: text(row, 'sender'),
      created_at,
      artifact: hasArtifact(message),
    });
    const words = wordsOf(searchableText(message));
    this.#sql.add.run(seq, words.join(' '), keys.join(' '));
    for (const word of new Set(words)) {
      if (this.#noted.has(word)) continue;
      if (this.#noted.size === NOTED) this.#noted.clear();
      this.#noted.add(word);
      this.#sql.addWord.run(word);
    }
    return false;
  }

  /** Takes a message out, and the words that nobody else has said. Whether it was there. */
  #remove(seq: number): boolean {
    const row = this.#sql.said.get(seq);
    if (!row) return false;
    this.#sql.remove.run(seq);
    for (const word of new Set(text(row, 'text').split(' '))) {
      if (this.#sql.isSaid.get(`text : "${word}"`)) continue;
      this.#sql.removeWord.run(word);
      this.#noted.delete(word);
    }
    return true;
  }

  /** A candidate as it is in the database now, when it is what is searched for; what is not there any more is forgotten. */
  #look(candidate: Row, request: SearchRequest): FoundMessage | undefined {
    const row = this.#log.message.get(integer(candidate, 'seq'));
    if (!row) {
      this.forget({ message_ids: [], seqs: [integer(candidate, 'seq')] });
      return undefined;
    }
    const stored = storedMessage(row);
    const participants = participantsOf(row);
    if (!isReadable(request.readable, stored.room_id, participants)) return undefined;
    const at = Date.parse(stored.created_at);
    if (request.since !== undefined && at < request.since) return undefined;
    if (request.until !== undefined && at >= request.until) return undefined;
    const message = JSON.parse(stored.payload) as Message;
    // Redacted a moment ago: the index still has what it said.
    if (message.redacted_at !== undefined) return undefined;
    const snippet = snippetOf(marked(searchableText(message), request.terms));
    return { row: stored, participants, snippet };
  }

  #expression({
    terms,
    conversation,
    room_id,
    sender,
    artifact,
    since,
    until,
    readable,
  }: SearchRequest): string {
    const every: string[] = terms.map((term) => `text : ${this.#termOf(term)}`);
    const key = (...words: string[]): void => void every.push(`keys : (${words.join(' OR ')})`);
    if (conversation !== undefined) key(keyWord('conversation', conversation));
    if (room_id !== undefined) key(keyWord('room', room_id));
    if (sender !== undefined) key(keyWord('sender', sender));
    if (artifact) key(keyWord('has', 'artifact'));
    if (since !== undefined || until !== undefined) {
      const from = Math.max(since ?? 0, this.#oldest ?? 0);
      const words = timeWords(from, Math.max(until ?? Date.now() + CLOCKS_AHEAD, from + 1));
      if (words) key(...words);
    }
    if (readable.rooms !== 'all' || readable.participants !== 'all') {
      const { rooms, participants } = readable;
      const words = [
        ...(rooms === 'all' ? [keyWord('kind', 'room')] : [...rooms].map((id) => keyWord('room', id))),
        ...(participants === 'all'
          ? [keyWord('kind', 'dm')]
          : participants.map((id) => keyWord('participant', id))),
      ];
      // Nothing at all: a word that no message has.
      key(...(words.length > 0 ? words : ['nothing']));
    }
    // A time without an end that words say: every message.
    if (every.length === 0) key(keyWord('kind', 'room'), keyWord('kind', 'dm'));
    return every.join(' AND ');
  }

  /** A term as FTS5 writes it: a phrase of its own words; a beginning as the words that begin so, if they are not too many. */
  #termOf({ text: given, prefix }: SearchTerm): string {
    const own = wordsOf(given);
    const phrase = `"${own.join(' ')}"`;
    if (!prefix) return phrase;
    const [word, ...others] = own;
    const words =
      word === undefined || others.length > 0
        ? []
        : this.#sql.words.all(word, word).map((row) => text(row, 'word'));
    if (words.length === 0 || words.length > MOST_WORDS) return `${phrase} *`;
    return `(${words.map((each) => `"${each}"`).join(' OR ')})`;
  }

  #state(key: string): string | number | undefined {
    return this.#sql.state.get(key)?.['value'] as string | number | undefined;
  }
  #setState(key: string, value: string | number): void {
    this.#sql.setState.run(key, value);
  }
}

export const participantsOf = (row: Row): string[] =>
  row['participants'] === null ? [] : (JSON.parse(text(row, 'participants')) as string[]);

/** The index's word for it is a hash: what is shown is looked at once more. */
export function isReadable(
  { rooms, participants }: SearchRequest['readable'],
  room_id: string | null,
  of: readonly string[],
): boolean {
  if (room_id !== null) return rooms === 'all' || rooms.has(room_id);
  return participants === 'all' || participants.some((id) => of.includes(id));
}
