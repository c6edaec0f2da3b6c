/**
 * The functions that a commit on Postgres is one call of. Everything happens in the one statement, in autocommit: no
 * lock is held between two round trips, and a server that is stopped in the middle holds none. Their name carries a
 * version: a server calls those that it was built for, also while another one has newer ones.
 */
import { ROW_CASES } from './postgres-row-sql.ts';

/** Rows of a batch as Postgres reads them out of JSON. */
const CONVERSATION = `key TEXT, kind TEXT, id TEXT, room_id TEXT, parent_message_id TEXT, messages BIGINT,
  first BIGINT, touched BIGINT, last_message_at TEXT, guard_turns BIGINT, guard_speaker TEXT, held_at TEXT,
  held_seq BIGINT, held_first BIGINT, keep_hold BOOLEAN, held_messages BIGINT, guard_window TEXT, held_by TEXT`;

/** Bytes of what was missed that an answer carries at most: it must fit the buffers of a socket that nobody reads. */
const MISSED_BYTES = 49_152;

/**
 * Milliseconds for which one that was refused goes first: once; and again and again, or when it has waited, from when it
 * asked last. And for which a turn may go on.
 */
const FIRST_TURN = 10;
const TURN = 100;
const SLICE = 20;

/** A conversation is as it was for all that decisions go by: who is told so late that more was said there need not decide again. */
const SAME = `(c.room_id, c.parent_message_id, c.guard_turns, c.guard_speaker, c.guard_window, c.held_at, c.held_seq, c.held_messages, c.held_by)
        IS NOT DISTINCT FROM (excluded.room_id, excluded.parent_message_id, excluded.guard_turns, excluded.guard_speaker, excluded.guard_window,
        excluded.held_at, excluded.held_seq, excluded.held_messages, excluded.held_by)`;

/** One commit after the other, in the order in which they came: who waits for a row would come after all who ask anew. */
export const IN_TURN = `pg_advisory_xact_lock(${0x6d6f6c74}, 'log_head'::REGCLASS::OID::INTEGER)`;

const COLUMNS =
  'seq, id, type, created_at, conversation, room_id, dm_id, participants, agent_id, held, payload';

/** What each event brings, as arrays of one length; null where no event has it. */
export const EVENT_COLUMNS = [
  'ids',
  'types',
  'created_ats',
  'conversations',
  'room_ids',
  'dm_ids',
  'participants',
  'agent_ids',
  'helds',
  'payloads',
  'message_ids',
  'origin_networks',
  'origin_ids',
  'content_hashes',
  'senders',
] as const;

export const COMMIT_FUNCTIONS = `
-- What servers other than this one have committed between two stamps, as one JSON array; null when it is much.
CREATE OR REPLACE FUNCTION moltnet_missed_2(own BIGINT, seen BIGINT, upto BIGINT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
  found JSON;
  bytes BIGINT;
BEGIN
  IF upto - seen > 64 THEN RETURN NULL; END IF;
  SELECT coalesce(sum(octet_length(c.rows)), 0) + coalesce(sum((SELECT sum(octet_length(e.payload)) FROM events e
      WHERE e.seq > c.after_seq AND e.seq <= c.last_seq)), 0)
    INTO bytes FROM changes c WHERE c.stamp > seen AND c.stamp <= upto AND c.server <> own;
  IF bytes > ${MISSED_BYTES} THEN RETURN NULL; END IF;
  SELECT coalesce(json_agg(json_build_object('stamp', c.stamp, 'after_seq', c.after_seq, 'last_seq', c.last_seq, 'rows', c.rows,
      'events', (SELECT json_agg(e ORDER BY e.seq) FROM (SELECT ${COLUMNS} FROM events
        WHERE seq > c.after_seq AND seq <= c.last_seq) e)) ORDER BY c.stamp), '[]')
    INTO found FROM changes c WHERE c.stamp > seen AND c.stamp <= upto AND c.server <> own;
  RETURN found::TEXT;
END $$;

-- Commits one batch. \`seen\`: the stamp up to which its decision knew what others have changed; \`checks\`: refuse it when
-- that is not enough. \`applied\`: the stamp up to which it has everything already. \`follows\`: the batch over which it was
-- decided, when that had no answer yet: it came just before on this connection. \`attempt\`: how often it was refused in a
-- row; \`many\`: its server is busy. \`channel\`: null when nobody else is there. \`knows\`: the newest schema that the
-- server's program knows.
-- Answers 'done'; 'old': nothing was stored, because the program must not write any more; 'moved': nothing was stored,
-- because something that the decision is about has changed since; 'wait': nothing was stored, it is another server's turn;
-- or 'after': nothing was stored, because the batch before it was not. 'done', 'moved' and 'wait' say what was missed after
-- \`applied\`: null when it is much. Who asks for that apart gives an \`applied\` above all stamps, and is told '[]'.
CREATE OR REPLACE FUNCTION moltnet_commit_3(knows BIGINT, own_batch UUID, follows UUID, own BIGINT, seen BIGINT, applied BIGINT, checks BOOLEAN, attempt INTEGER,
    many BOOLEAN, moves BOOLEAN, channel TEXT, count BIGINT, in_threads BOOLEAN, in_dms BOOLEAN,
    ${EVENT_COLUMNS.map((name) => `${name} TEXT[]`).join(', ')},
    conversations_json JSON, pairs_json JSON, groups_json JSON, changed TEXT,
    OUT verdict TEXT, OUT before BIGINT, OUT after_stamp BIGINT, OUT missed TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  head log_head%ROWTYPE;
  others BIGINT;
  my_turn TIMESTAMPTZ;
  their_turn TIMESTAMPTZ;
  my_start TIMESTAMPTZ;
  n BIGINT;
  next_stamp BIGINT;
  g JSON;
  op TEXT;
  ignored TEXT;
BEGIN
  IF current_setting('synchronous_commit') = 'off' THEN ignored := set_config('synchronous_commit', 'on', true); END IF;
  ignored := set_config('lock_timeout', '5s', true);
  PERFORM ${IN_TURN};
  SELECT * INTO STRICT head FROM log_head h WHERE h.one = 1;
  before := head.seq;
  after_stamp := head.stamp;
  missed := '[]';
  IF head.min_reader > knows THEN
    verdict := 'old';
    RETURN;
  END IF;
  IF follows IS NOT NULL AND current_setting('moltnet.batch', true) IS DISTINCT FROM follows::TEXT THEN
    verdict := 'after';
    RETURN;
  END IF;
  -- The newest commit of another server.
  others := CASE WHEN head.run_by = own THEN head.run_from - 1 ELSE head.stamp END;
  -- Turns: the oldest one that has not lapsed goes first. A batch of many keeps its server's turn for a while: it has
  -- more where those came from, and each change of turns is a batch decided in vain.
  SELECT max(t.since) FILTER (WHERE t.server = own), min(t.since) FILTER (WHERE t.server <> own), max(t.began) FILTER (WHERE t.server = own)
    INTO my_turn, their_turn, my_start FROM commit_turns t WHERE t.until > clock_timestamp();
  IF checks AND (their_turn < my_turn OR my_turn IS NULL AND their_turn IS NOT NULL) THEN
    INSERT INTO commit_turns AS t (server, since, until) VALUES (own, clock_timestamp(), clock_timestamp() + interval '${TURN} ms')
      ON CONFLICT (server) DO UPDATE SET since = coalesce(my_turn, excluded.since), until = excluded.until, began = NULL;
    verdict := 'wait';
    IF others > applied THEN missed := moltnet_missed_2(own, applied, head.stamp); END IF;
    RETURN;
  END IF;
  IF checks AND others > seen THEN
    IF (head.topology > seen AND head.topology_by <> own)
      OR EXISTS (SELECT 1 FROM json_to_recordset(conversations_json) AS x(key TEXT) JOIN conversations c ON c.key = x.key
        WHERE c.stamp > seen AND c.stamp_by <> own)
      OR EXISTS (SELECT 1 FROM json_to_recordset(pairs_json) AS x(pair TEXT) JOIN guard_pairs p ON p.pair = x.pair
        WHERE p.stamp > seen AND p.stamp_by <> own)
    THEN
      INSERT INTO commit_turns AS t (server, since, until)
        VALUES (own, clock_timestamp(), clock_timestamp() + CASE WHEN attempt > 0 THEN interval '${TURN} ms' ELSE interval '${FIRST_TURN} ms' END)
        ON CONFLICT (server) DO UPDATE SET since = coalesce(my_turn, excluded.since), until = excluded.until, began = NULL;
      verdict := 'moved';
      IF others > applied THEN missed := moltnet_missed_2(own, applied, head.stamp); END IF;
      RETURN;
    END IF;
  END IF;
  IF my_turn IS NOT NULL AND checks THEN
    IF many AND (my_start IS NULL OR my_start > clock_timestamp() - interval '${SLICE} ms') THEN
      UPDATE commit_turns t SET until = clock_timestamp() + interval '${FIRST_TURN} ms', began = coalesce(my_start, clock_timestamp())
        WHERE t.server = own;
    ELSE
      DELETE FROM commit_turns t WHERE t.server = own OR t.until < clock_timestamp();
      IF their_turn IS NOT NULL AND channel IS NOT NULL THEN PERFORM pg_notify(channel || '_turn', ''); END IF;
    END IF;
  END IF;
  next_stamp := head.stamp + 1;

  IF count > 0 THEN
    INSERT INTO events (${COLUMNS})
      SELECT before + x.i, x.id, x.type, x.created_at, x.conversation, x.room_id, x.dm_id, x.participants, x.agent_id,
        CASE WHEN x.held IS NULL THEN 0 ELSE 1 END, x.payload
      FROM unnest(ids, types, created_ats, conversations, room_ids, dm_ids, participants, agent_ids, helds, payloads) WITH ORDINALITY
        AS x(id, type, created_at, conversation, room_id, dm_id, participants, agent_id, held, payload, i);
    IF message_ids IS NOT NULL THEN
      INSERT INTO messages (seq, id, origin_network, origin_id, content_hash, conversation, room_id, sender)
        SELECT before + x.i, x.id, x.origin_network, x.origin_id, x.content_hash, x.conversation, x.room_id, x.sender
        FROM unnest(message_ids, origin_networks, origin_ids, content_hashes, conversations, room_ids, senders) WITH ORDINALITY
          AS x(id, origin_network, origin_id, content_hash, conversation, room_id, sender, i)
        WHERE x.id IS NOT NULL;
    END IF;
    IF participants IS NOT NULL THEN
      INSERT INTO dm_events (participant, seq) SELECT DISTINCT p.value, before + x.i
        FROM unnest(participants) WITH ORDINALITY AS x(participants, i), json_array_elements_text(x.participants::JSON) AS p(value)
        WHERE x.participants IS NOT NULL;
    END IF;
    IF in_threads THEN
      INSERT INTO thread_speakers (conversation, sender, seq)
        SELECT x.conversation, x.sender, min(before + x.i)
        FROM unnest(message_ids, conversations, senders) WITH ORDINALITY AS x(id, conversation, sender, i)
        WHERE x.id IS NOT NULL AND x.conversation >= 'thread:' AND x.conversation < 'thread;'
        GROUP BY x.conversation, x.sender ON CONFLICT DO NOTHING;
    END IF;
    head.seq := before + count;
  END IF;
  IF conversations_json IS NOT NULL THEN
    INSERT INTO conversations AS c (key, kind, id, room_id, parent_message_id, message_count, first_seq, last_seq, last_message_at,
        guard_turns, guard_speaker, held_at, held_seq, held_messages, guard_window, held_by, stamp, stamp_by)
      SELECT x.key, x.kind, x.id, x.room_id, x.parent_message_id, x.messages, before + x.first,
        CASE WHEN x.touched > 0 THEN before + x.touched ELSE 0 END, x.last_message_at, x.guard_turns, x.guard_speaker, x.held_at,
        CASE WHEN x.held_first IS NULL THEN x.held_seq
          ELSE coalesce((SELECT o.held_seq FROM conversations o WHERE x.keep_hold AND o.key = x.key), before + x.held_first) END,
        x.held_messages, x.guard_window, x.held_by, next_stamp, own
      FROM json_to_recordset(conversations_json) AS x(${CONVERSATION})
    ON CONFLICT (key) DO UPDATE SET
      room_id = excluded.room_id, parent_message_id = excluded.parent_message_id, message_count = c.message_count + excluded.message_count,
      last_seq = greatest(excluded.last_seq, c.last_seq), last_message_at = excluded.last_message_at,
      guard_turns = excluded.guard_turns, guard_speaker = excluded.guard_speaker, held_at = excluded.held_at,
      held_seq = excluded.held_seq, held_messages = excluded.held_messages,
      guard_window = excluded.guard_window, held_by = excluded.held_by,
      stamp = CASE WHEN ${SAME} THEN c.stamp ELSE excluded.stamp END,
      stamp_by = CASE WHEN ${SAME} THEN c.stamp_by ELSE excluded.stamp_by END;
  END IF;
  IF pairs_json IS NOT NULL THEN
    INSERT INTO guard_pairs (pair, speaker, at, turns, stamp, stamp_by)
      SELECT x.pair, x.speaker, x.at, x.turns, next_stamp, own
      FROM json_to_recordset(pairs_json) AS x(pair TEXT, speaker TEXT, at BIGINT, turns TEXT)
    ON CONFLICT (pair) DO UPDATE SET speaker = excluded.speaker, at = excluded.at, turns = excluded.turns,
      stamp = excluded.stamp, stamp_by = excluded.stamp_by;
  END IF;
  IF groups_json IS NOT NULL THEN
    FOR op, g IN SELECT e.value->>'op', e.value->'rows' FROM json_array_elements(groups_json) WITH ORDINALITY AS e(value, place) ORDER BY e.place
    LOOP
      CASE op
      ${ROW_CASES}
      ELSE RAISE EXCEPTION 'unknown row: %', op;
      END CASE;
    END LOOP;
  END IF;
  IF in_dms THEN
    UPDATE dm_participants d SET last_seq = before + x.touched
      FROM json_to_recordset(conversations_json) AS x(kind TEXT, id TEXT, touched BIGINT)
      WHERE x.kind = 'dm' AND x.touched > 0 AND d.dm_id = x.id;
  END IF;
  UPDATE log_head SET seq = head.seq, stamp = next_stamp,
    run_by = own, run_from = CASE WHEN head.run_by = own THEN head.run_from ELSE next_stamp END,
    topology = CASE WHEN moves THEN next_stamp ELSE topology END,
    topology_by = CASE WHEN moves THEN own ELSE topology_by END WHERE one = 1;
  INSERT INTO changes (stamp, batch, server, after_seq, last_seq, rows)
    VALUES (next_stamp, own_batch, own, before, head.seq, changed);
  IF channel IS NOT NULL THEN PERFORM pg_notify(channel, next_stamp::TEXT); END IF;
  -- Undone when this is rolled back.
  ignored := set_config('moltnet.batch', own_batch::TEXT, false);
  verdict := 'done';
  after_stamp := next_stamp;
  IF others > applied THEN missed := moltnet_missed_2(own, applied, head.stamp); END IF;
END $$;

-- What became of a batch whose answer was lost. One that is not there is marked, so that a commit of it that is still
-- under way somewhere fails: the answer is for good.
CREATE OR REPLACE FUNCTION moltnet_resolve_2(own_batch UUID, own BIGINT, channel TEXT, OUT verdict TEXT, OUT before BIGINT, OUT after_stamp BIGINT)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
  head log_head%ROWTYPE;
  found_rows TEXT;
BEGIN
  IF current_setting('synchronous_commit') = 'off' THEN PERFORM set_config('synchronous_commit', 'on', true); END IF;
  PERFORM set_config('lock_timeout', '5s', true);
  PERFORM ${IN_TURN};
  SELECT * INTO STRICT head FROM log_head h WHERE h.one = 1;
  SELECT c.after_seq, c.stamp, c.rows INTO before, after_stamp, found_rows FROM changes c WHERE c.batch = own_batch;
  IF FOUND THEN
    verdict := CASE WHEN found_rows = '' THEN 'void' ELSE 'done' END;
    RETURN;
  END IF;
  after_stamp := head.stamp + 1;
  UPDATE log_head SET stamp = after_stamp,
    run_by = own, run_from = CASE WHEN head.run_by = own THEN head.run_from ELSE after_stamp END WHERE one = 1;
  INSERT INTO changes (stamp, batch, server, after_seq, last_seq, rows) VALUES (after_stamp, own_batch, own, head.seq, head.seq, '');
  PERFORM pg_notify(channel, after_stamp::TEXT);
  before := head.seq;
  verdict := 'void';
END $$;
`;
