/**
 * Search on Postgres: one tsvector per message, made behind the log by whichever server comes to it first. No answer is
 * taken from it alone: what is shown is looked up, as on SQLite. SEARCH-1 to SEARCH-9.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Message } from '../protocol/messages.ts';
import { hasArtifact, keyWord, keyWordsOf, searchableText, timeWords } from './search-document.ts';
import { snippetOf } from './search-snippet.ts';
import { marked, wordsOf } from './search-words.ts';
import { isReadable, participantsOf } from './sqlite-search-index.ts';
import { integer, MESSAGE, nullable, storedMessage, text, type Row } from './sqlite-rows.ts';
import type { Sessions, Statement } from './postgres-sessions.ts';
import type { FoundMessage, SearchRequest, SearchRows } from './search-rows.ts';

/** Events that one step takes in, and a search before it answers, at most. */
const STEP = 500;
const CATCH_UP = 10_000;
/** While others commit, a step rests this many times as long as it took: the index can wait, and commits cannot. */
const REST = 10;
const LONGEST_REST = 2_000;
/** Candidates that one search looks at: then it answers with a cursor to go on from. */
const LOOKED_AT = 5_000;
const CHUNK = 128;
/** Milliseconds after a commit until it is taken in. */
const BEHIND = 200;
/** Milliseconds after now in which a message may have been sent: a search without an end finds it too. */
const CLOCKS_AHEAD = 2 * 86_400_000;
const LAST = Number.MAX_SAFE_INTEGER;
/** What Postgres takes: places in a text, and places of one word. */
const PLACES = 16_383;
const PLACES_OF_ONE = 255;

const STATE: Statement = { name: 'moltnet_search_state', text: 'SELECT reached, oldest FROM search_state' };
const NEXT: Statement = {
  name: 'moltnet_search_next',
  // OFFSET 0: by the index of each, whatever the planner thinks of a table that it has no statistics of.
  text: `SELECT e.seq, e.type, e.created_at, e.payload, e.participants, m.conversation, m.room_id, m.sender
    FROM (SELECT * FROM events WHERE seq > $1 ORDER BY seq LIMIT ${STEP}) e
    LEFT JOIN LATERAL (SELECT * FROM messages WHERE seq = e.seq OFFSET 0) m ON true ORDER BY e.seq`,
};
/** Values: from where, to where, the oldest time, documents, ids of redacted messages. One server's step counts. */
const TAKE: Statement = {
  name: 'moltnet_search_take',
  text: `WITH step AS (UPDATE search_state SET reached = $2, oldest = least(oldest, $3) WHERE reached = $1 RETURNING 1),
      gone AS (DELETE FROM search_documents WHERE seq = ANY(ARRAY(SELECT m.seq FROM unnest($5::TEXT[]) AS r(id)
        CROSS JOIN LATERAL (SELECT seq FROM messages WHERE id = r.id OFFSET 0) m)))
    INSERT INTO search_documents (seq, words) SELECT x.seq, x.words::TSVECTOR
    FROM json_to_recordset($4::JSON) AS x(seq BIGINT, words TEXT)
    WHERE EXISTS (SELECT 1 FROM step) AND (SELECT m.seq FROM messages m WHERE m.seq = x.seq) IS NOT NULL ON CONFLICT DO NOTHING`,
};
const FIND: Statement = {
  name: 'moltnet_search_find',
  text: `SELECT ${MESSAGE}, e.participants FROM search_documents d JOIN messages m ON m.seq = d.seq JOIN events e ON e.seq = d.seq
    WHERE d.words @@ $1::TSQUERY AND d.seq < $2 ORDER BY d.seq DESC LIMIT $3`,
};

/** @param head seq of the newest event that this server knows */
export function createSearch(sessions: Sessions, head: () => number) {
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  let working: Promise<void> = Promise.resolve();
  const closed = new AbortController();

  /** Takes in the next events. Answers how many it took. */
  async function step(): Promise<number> {
    const [state] = await sessions.read(STATE);
    const reached = integer(state!, 'reached');
    const rows = await sessions.read(NEXT, [reached]);
    if (rows.length === 0) return 0;
    const redacted: string[] = [];
    const documents: { seq: number; words: string }[] = [];
    let oldest: number | null = null;
    for (const row of rows) {
      if (row['type'] === 'message.redacted')
        redacted.push((JSON.parse(text(row, 'payload')) as { message_id: string }).message_id);
      if (row['conversation'] === null) continue;
      const message = JSON.parse(text(row, 'payload')) as Message;
      if (message.redacted_at !== undefined) continue;
      oldest = Math.min(oldest ?? Infinity, Date.parse(text(row, 'created_at')));
      documents.push({ seq: integer(row, 'seq'), words: vectorOf(row, message) });
    }
    await sessions.read(TAKE, [
      reached,
      integer(rows.at(-1)!, 'seq'),
      oldest,
      JSON.stringify(documents),
      redacted,
    ]);
    return rows.length;
  }

  /** Before a search. */
  async function catchUp(): Promise<void> {
    for (let taken = 0; taken < CATCH_UP && !closed.signal.aborted;) {
      const more = await step();
      if (more === 0) return;
      taken += more;
    }
  }

  /** Behind the log. */
  async function follow(): Promise<void> {
    const { signal } = closed;
    for (;;) {
      const [began, from] = [performance.now(), head()];
      if ((await step()) === 0) return;
      const rest = head() === from ? 0 : (performance.now() - began) * REST;
      await delay(Math.min(rest, LONGEST_REST), undefined, { signal, ref: false });
    }
  }

  /** Something was committed. */
  function news(): void {
    again = true;
    if (closed.signal.aborted) return;
    timer ??= setTimeout(() => {
      again = false;
      // What fails is taken in after the next commit, or by the next search.
      working = follow()
        .catch(() => {})
        .finally(() => {
          timer = undefined;
          if (again) news();
        });
    }, BEHIND).unref();
  }

  return {
    news,

    async search(request: SearchRequest): Promise<SearchRows> {
      await catchUp();
      const [state] = await sessions.read(STATE);
      const unindexed = Math.max(0, head() - integer(state!, 'reached'));
      const query = queryOf(request, (state!['oldest'] as number | null) ?? 0);
      const found: FoundMessage[] = [];
      let below = request.before ?? LAST;
      let lastId: string | undefined;
      let more = query !== undefined;
      let chunk = request.limit + 1;
      for (let looked = 0; more && found.length <= request.limit && looked < LOOKED_AT; chunk = CHUNK) {
        const candidates = await sessions.read(FIND, [query, below, chunk]);
        more = candidates.length === chunk;
        looked += candidates.length;
        for (const candidate of candidates) {
          const message = look(candidate, request);
          if (message && found.push(message) > request.limit) break;
          below = integer(candidate, 'seq');
          lastId = text(candidate, 'id');
        }
      }
      const rows = found.slice(0, request.limit);
      if (found.length > request.limit) return { rows, next_before: rows.at(-1)!.row.id, unindexed };
      return { rows, ...(more && lastId !== undefined && { next_before: lastId }), unindexed };
    },

    async close(): Promise<void> {
      closed.abort();
      clearTimeout(timer);
      await working;
    },
  };
}

function look(candidate: Row, request: SearchRequest): FoundMessage | undefined {
  const row = storedMessage(candidate);
  const participants = participantsOf(candidate);
  if (!isReadable(request.readable, row.room_id, participants)) return undefined;
  const at = Date.parse(row.created_at);
  if (request.since !== undefined && at < request.since) return undefined;
  if (request.until !== undefined && at >= request.until) return undefined;
  const message = JSON.parse(row.payload) as Message;
  if (message.redacted_at !== undefined) return undefined;
  return { row, participants, snippet: snippetOf(marked(searchableText(message), request.terms)) };
}

/** A message's tsvector, written out. Words that filter begin with '=', which none that was said does. */
function vectorOf(row: Row, message: Message): string {
  const places = new Map<string, number[]>();
  for (const [i, word] of wordsOf(searchableText(message)).entries()) {
    if (i >= PLACES) break;
    const own = places.get(word);
    if (!own) places.set(word, [i + 1]);
    else if (own.length < PLACES_OF_ONE) own.push(i + 1);
  }
  const keys = keyWordsOf({
    conversation: text(row, 'conversation'),
    room_id: nullable(row, 'room_id'),
    participants: participantsOf(row),
    sender: text(row, 'sender'),
    created_at: text(row, 'created_at'),
    artifact: hasArtifact(message),
  });
  return [
    ...keys.map((key) => `'=${key}'`),
    ...[...places].map(([word, at]) => `'${word}':${at.join(',')}`),
  ].join(' ');
}

/** Undefined: nothing can be found. */
function queryOf(request: SearchRequest, oldest: number): string | undefined {
  const every: string[] = [];
  for (const { text: given, prefix } of request.terms) {
    const words = wordsOf(given);
    if (words.length === 0) return undefined;
    every.push(
      `(${words.map((word, i) => `'${word}'${prefix && i === words.length - 1 ? ':*' : ''}`).join(' <-> ')})`,
    );
  }
  const key = (...words: string[]): void =>
    void every.push(`(${words.map((word) => `'=${word}'`).join(' | ')})`);
  const { conversation, room_id, sender, artifact, since, until, readable } = request;
  if (conversation !== undefined) key(keyWord('conversation', conversation));
  if (room_id !== undefined) key(keyWord('room', room_id));
  if (sender !== undefined) key(keyWord('sender', sender));
  if (artifact) key(keyWord('has', 'artifact'));
  if (since !== undefined || until !== undefined) {
    const from = Math.max(since ?? 0, oldest);
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
    if (words.length === 0) return undefined;
    key(...words);
  }
  // A time without an end that words say: every message.
  if (every.length === 0) key(keyWord('kind', 'room'), keyWord('kind', 'dm'));
  return every.join(' & ');
}
