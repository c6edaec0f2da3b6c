/**
 * What the commit function of Postgres does with each kind of row that is not an event, a conversation or a pair. The
 * texts are part of that function: they may use its variables `before` (the newest seq from before the batch) and `head`.
 */

/** One statement for each kind of row that is not an event, a conversation or a pair. `g` is the JSON of its rows. */
const ROWS: Readonly<Record<string, string>> = {
  // Who takes the lease waits for this commit, and then reads what it stored. In the order of names, as wherever several
  // leases are locked (postgres-peers.ts): so no two wait for each other.
  fence: `PERFORM 1 FROM leases l JOIN json_to_recordset(g) AS x(name TEXT, holder BIGINT) ON l.name = x.name AND l.server = x.holder
    ORDER BY l.name FOR SHARE OF l`,
  mention: `INSERT INTO mentions (seq, agent_id, conversation, room_id)
    SELECT before + x.i, x.agent_id, x.conversation, x.room_id
    FROM json_to_recordset(g) AS x(i BIGINT, agent_id TEXT, conversation TEXT, room_id TEXT) ON CONFLICT DO NOTHING`,
  artifact: `INSERT INTO artifacts (seq, part_index, id, message_id, conversation, room_id, payload)
    SELECT before + x.i, x.part_index, x.id, x.message_id, x.conversation, x.room_id, x.payload
    FROM json_to_recordset(g) AS x(i BIGINT, part_index BIGINT, id TEXT, message_id TEXT, conversation TEXT, room_id TEXT, payload TEXT)`,
  participant: `INSERT INTO dm_participants (dm_id, participant, last_seq)
    SELECT x.dm_id, x.participant, before + x.i
    FROM json_to_recordset(g) AS x(i BIGINT, dm_id TEXT, participant TEXT) ON CONFLICT DO NOTHING`,
  room: `INSERT INTO rooms (id, name, visibility, write_policy, guard, created_at, created_seq, removed_at, credential_hash)
    SELECT x.id, x.name, x.visibility, x.write_policy, x.guard, x.created_at, before + x.i, x.removed_at, x.credential_hash
    FROM json_to_recordset(g) AS x(i BIGINT, id TEXT, name TEXT, visibility TEXT, write_policy TEXT, guard TEXT,
      created_at TEXT, removed_at TEXT, credential_hash TEXT)
    ON CONFLICT (id) DO UPDATE SET
      name = excluded.name, visibility = excluded.visibility, write_policy = excluded.write_policy, guard = excluded.guard,
      created_at = excluded.created_at,
      created_seq = CASE WHEN rooms.removed_at IS NOT NULL AND excluded.removed_at IS NULL THEN excluded.created_seq ELSE rooms.created_seq END,
      removed_at = excluded.removed_at, credential_hash = excluded.credential_hash`,
  'room.remove': `WITH x AS (SELECT * FROM json_to_recordset(g) AS x(id TEXT, removed_at TEXT)),
      r AS (UPDATE rooms SET removed_at = x.removed_at FROM x WHERE rooms.id = x.id),
      s AS (DELETE FROM room_shares USING x WHERE room_shares.room_id = x.id)
    DELETE FROM room_members USING x WHERE room_members.room_id = x.id`,
  'member.add': `INSERT INTO room_members (room_id, member_id, since_seq)
    SELECT x.room_id, x.member_id, before + x.i
    FROM json_to_recordset(g) AS x(i BIGINT, room_id TEXT, member_id TEXT) ON CONFLICT DO NOTHING`,
  'member.remove': `DELETE FROM room_members USING json_to_recordset(g) AS x(room_id TEXT, member_id TEXT)
    WHERE room_members.room_id = x.room_id AND room_members.member_id = x.member_id`,
  agent: `INSERT INTO agents (id, actor_uid, display_name, credential_key, created_at, updated_at, removed_at, claim_key_hash)
    SELECT x.id, x.actor_uid, x.display_name, x.credential_key, x.created_at, x.updated_at, x.removed_at, x.claim_key_hash
    FROM json_to_recordset(g) AS x(id TEXT, actor_uid TEXT, display_name TEXT, credential_key TEXT, created_at TEXT,
      updated_at TEXT, removed_at TEXT, claim_key_hash TEXT)
    ON CONFLICT (id) DO UPDATE SET
      actor_uid = excluded.actor_uid, display_name = excluded.display_name, credential_key = excluded.credential_key,
      created_at = excluded.created_at, updated_at = excluded.updated_at, removed_at = excluded.removed_at,
      claim_key_hash = excluded.claim_key_hash`,
  'agent.remove': `UPDATE agents SET removed_at = x.removed_at FROM json_to_recordset(g) AS x(id TEXT, removed_at TEXT)
    WHERE agents.id = x.id`,
  meta: `INSERT INTO meta (key, value) SELECT x.key, x.value FROM json_to_recordset(g) AS x(key TEXT, value TEXT)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  pause: `INSERT INTO pauses (scope, paused_by, at, until)
    SELECT x.scope, x.paused_by, x.at, x.until FROM json_to_recordset(g) AS x(scope TEXT, paused_by TEXT, at TEXT, until TEXT)
    ON CONFLICT (scope) DO UPDATE SET paused_by = excluded.paused_by, at = excluded.at, until = excluded.until`,
  'pause.remove': `DELETE FROM pauses USING json_to_recordset(g) AS x(scope TEXT) WHERE pauses.scope = x.scope`,
  invite: `INSERT INTO invites (agent_id, code_hash, created_at, expires_at)
    SELECT x.agent_id, x.code_hash, x.created_at, x.expires_at
    FROM json_to_recordset(g) AS x(agent_id TEXT, code_hash TEXT, created_at TEXT, expires_at TEXT)
    ON CONFLICT (agent_id) DO UPDATE SET
      code_hash = excluded.code_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
  'invite.remove': `DELETE FROM invites USING json_to_recordset(g) AS x(code_hash TEXT) WHERE invites.code_hash = x.code_hash`,
  session: `INSERT INTO sessions (id_hash, token_id, token_hash, created_at, expires_at)
    SELECT x.id_hash, x.token_id, x.token_hash, x.created_at, x.expires_at
    FROM json_to_recordset(g) AS x(id_hash TEXT, token_id TEXT, token_hash TEXT, created_at TEXT, expires_at TEXT)
    ON CONFLICT (id_hash) DO UPDATE SET token_id = excluded.token_id, token_hash = excluded.token_hash,
      created_at = excluded.created_at, expires_at = excluded.expires_at`,
  'session.remove': `DELETE FROM sessions USING json_to_recordset(g) AS x(id_hash TEXT) WHERE sessions.id_hash = x.id_hash`,
  read: `INSERT INTO reads (person_id, conversation, seq, message_id, at)
    SELECT x.person_id, x.conversation, x.seq, x.message_id, x.at
    FROM json_to_recordset(g) AS x(person_id TEXT, conversation TEXT, seq BIGINT, message_id TEXT, at TEXT)
    ON CONFLICT (person_id, conversation) DO UPDATE SET
      seq = excluded.seq, message_id = excluded.message_id, at = excluded.at WHERE excluded.seq > reads.seq`,
  'read.remove': `DELETE FROM reads USING json_to_recordset(g) AS x(person_id TEXT, conversation TEXT)
    WHERE reads.person_id = x.person_id AND reads.conversation = x.conversation`,
  redact: `WITH x AS MATERIALIZED (SELECT y.payload, m.seq
        FROM json_to_recordset(g) AS y(message_id TEXT, payload TEXT) JOIN messages m ON m.id = y.message_id),
      e AS (UPDATE events SET payload = x.payload FROM x WHERE events.seq = x.seq),
      a AS (DELETE FROM artifacts USING x WHERE artifacts.seq = x.seq),
      n AS (DELETE FROM mentions USING x WHERE mentions.seq = x.seq),
      s AS (DELETE FROM search_documents USING x WHERE search_documents.seq = x.seq)
    UPDATE messages SET content_hash = NULL FROM x WHERE messages.seq = x.seq`,
  // The next seq is counted from the newest event, so that one stays.
  prune: `WITH x AS MATERIALIZED (SELECT s.value::BIGINT AS seq
        FROM json_to_recordset(g) AS y(seqs JSON), json_array_elements_text(y.seqs) AS s(value)),
      s AS (DELETE FROM search_documents USING x WHERE search_documents.seq = x.seq)
    DELETE FROM events USING x WHERE events.seq = x.seq AND events.seq < head.seq AND events.type = 'message.created'`,
  pairing: `INSERT INTO pairings (id, remote_network_id, remote_network_name, remote_base_url, token, token_hash, link, created_at)
    SELECT x.id, x.remote_network_id, x.remote_network_name, x.remote_base_url, x.token, x.token_hash, x.link::INTEGER, x.created_at
    FROM json_to_recordset(g) AS x(id TEXT, remote_network_id TEXT, remote_network_name TEXT, remote_base_url TEXT, token TEXT,
      token_hash TEXT, link BOOLEAN, created_at TEXT)
    ON CONFLICT (id) DO UPDATE SET
      remote_network_id = excluded.remote_network_id, remote_network_name = excluded.remote_network_name,
      remote_base_url = excluded.remote_base_url, token = excluded.token, token_hash = excluded.token_hash,
      link = excluded.link, created_at = excluded.created_at`,
  'pairing.remove': `WITH x AS (SELECT * FROM json_to_recordset(g) AS x(id TEXT)),
      s AS (DELETE FROM room_shares USING x WHERE room_shares.pairing_id = x.id),
      r AS (DELETE FROM relays USING x WHERE relays.pairing_id = x.id),
      p AS (DELETE FROM relay_positions USING x WHERE relay_positions.pairing_id = x.id),
      f AS (DELETE FROM relay_refusals USING x WHERE relay_refusals.pairing_id = x.id)
    DELETE FROM pairings USING x WHERE pairings.id = x.id`,
  'pairing.invite': `INSERT INTO pairing_invites (code_hash, id, rooms, created_at, expires_at)
    SELECT x.code_hash, x.id, x.rooms, x.created_at, x.expires_at
    FROM json_to_recordset(g) AS x(code_hash TEXT, id TEXT, rooms TEXT, created_at TEXT, expires_at TEXT)`,
  'pairing.invite.remove': `DELETE FROM pairing_invites USING json_to_recordset(g) AS x(code_hash TEXT)
    WHERE pairing_invites.code_hash = x.code_hash`,
  share: `INSERT INTO room_shares (room_id, pairing_id, since_seq)
    SELECT x.room_id, x.pairing_id, coalesce(x.since_seq, before + x.i)
    FROM json_to_recordset(g) AS x(i BIGINT, room_id TEXT, pairing_id TEXT, since_seq BIGINT) ON CONFLICT DO NOTHING`,
  'share.remove': `DELETE FROM room_shares USING json_to_recordset(g) AS x(room_id TEXT, pairing_id TEXT)
    WHERE room_shares.room_id = x.room_id AND room_shares.pairing_id = x.pairing_id`,
  'relay.begin': `INSERT INTO relays (pairing_id, settled_seq) SELECT x.pairing_id, before + x.i
    FROM json_to_recordset(g) AS x(i BIGINT, pairing_id TEXT) ON CONFLICT DO NOTHING`,
  'relay.settled': `WITH x AS MATERIALIZED (SELECT y.pairing_id, max(y.settled_seq) AS settled_seq
        FROM json_to_recordset(g) AS y(pairing_id TEXT, settled_seq BIGINT) GROUP BY y.pairing_id),
      r AS (UPDATE relays SET settled_seq = x.settled_seq FROM x WHERE relays.pairing_id = x.pairing_id AND relays.settled_seq < x.settled_seq)
    DELETE FROM relay_positions USING x WHERE relay_positions.pairing_id = x.pairing_id AND relay_positions.acked_seq <= x.settled_seq`,
  'relay.position': `INSERT INTO relay_positions AS p (pairing_id, conversation, acked_seq)
    SELECT x.pairing_id, x.conversation, max(x.acked_seq)
    FROM json_to_recordset(g) AS x(pairing_id TEXT, conversation TEXT, acked_seq BIGINT) GROUP BY x.pairing_id, x.conversation
    ON CONFLICT (pairing_id, conversation) DO UPDATE SET acked_seq = excluded.acked_seq WHERE excluded.acked_seq > p.acked_seq`,
  'relay.refusal': `INSERT INTO relay_refusals (pairing_id, seq, message_id, conversation, code, reason, at)
    SELECT x.pairing_id, x.seq, x.message_id, x.conversation, x.code, x.reason, x.at
    FROM json_to_recordset(g) AS x(pairing_id TEXT, seq BIGINT, message_id TEXT, conversation TEXT, code TEXT, reason TEXT, at TEXT)
    ON CONFLICT DO NOTHING`,
  scope: `INSERT INTO delivery_scopes (agent_id, scope, start_seq, settled_seq)
    SELECT x.agent_id, x.scope, x.start_seq, x.settled_seq
    FROM json_to_recordset(g) AS x(agent_id TEXT, scope TEXT, start_seq BIGINT, settled_seq BIGINT)
    ON CONFLICT (agent_id, scope) DO UPDATE SET start_seq = excluded.start_seq, settled_seq = excluded.settled_seq`,
  position: `INSERT INTO delivery_positions (agent_id, conversation, acked_seq, passed)
    SELECT x.agent_id, x.conversation, x.acked_seq, x.passed
    FROM json_to_recordset(g) AS x(agent_id TEXT, conversation TEXT, acked_seq BIGINT, passed TEXT)
    ON CONFLICT (agent_id, conversation) DO UPDATE SET acked_seq = excluded.acked_seq, passed = excluded.passed`,
  // ';' is the character after ':': exactly the keys that begin with dm:.
  'positions.clear': `DELETE FROM delivery_positions p USING json_to_recordset(g) AS x(agent_id TEXT, scope TEXT, up_to BIGINT)
    WHERE p.agent_id = x.agent_id AND p.acked_seq <= x.up_to AND CASE
      WHEN x.scope = 'dms' THEN p.conversation >= 'dm:' AND p.conversation < 'dm;'
      ELSE p.conversation = x.scope OR (SELECT 'room:' || c.room_id FROM conversations c WHERE c.key = p.conversation) = x.scope END`,
  'wake.open': `INSERT INTO wakes (wake_id, agent_id, conversation, after_seq, last_seq, attempt, state, error, opened_at, closed_at, opened_seq, outcome, answer_id, classification, passed)
    SELECT x.wake_id, x.agent_id, x.conversation, x.after_seq, x.last_seq, x.attempt, x.state, x.error, x.opened_at, x.closed_at, x.opened_seq, x.outcome, x.answer_id, x.classification, x.passed
    FROM json_to_recordset(g) AS x(wake_id TEXT, agent_id TEXT, conversation TEXT, after_seq BIGINT, last_seq BIGINT,
      attempt BIGINT, state TEXT, error TEXT, opened_at TEXT, closed_at TEXT, opened_seq BIGINT, outcome TEXT, answer_id TEXT, classification TEXT, passed TEXT)
    ON CONFLICT (wake_id) DO UPDATE SET
      agent_id = excluded.agent_id, conversation = excluded.conversation, after_seq = excluded.after_seq,
      last_seq = excluded.last_seq, attempt = excluded.attempt, state = excluded.state, error = excluded.error,
      opened_at = excluded.opened_at, opened_seq = excluded.opened_seq, closed_at = excluded.closed_at,
      outcome = excluded.outcome, answer_id = excluded.answer_id, classification = excluded.classification,
      passed = excluded.passed`,
  'wake.close': `UPDATE wakes SET state = x.state, error = x.error, closed_at = x.closed_at, outcome = x.outcome,
      answer_id = x.answer_id, classification = x.classification, attempt = coalesce(x.attempt, wakes.attempt)
    FROM json_to_recordset(g) AS x(wake_id TEXT, state TEXT, error TEXT, closed_at TEXT, outcome TEXT, answer_id TEXT,
      classification TEXT, attempt BIGINT) WHERE wakes.wake_id = x.wake_id`,
  'wake.retry': `UPDATE wakes SET state = 'open', attempt = wakes.attempt + 1, error = NULL, closed_at = NULL, outcome = NULL,
      classification = NULL, opened_at = x.at, opened_seq = x.opened_seq
    FROM json_to_recordset(g) AS x(wake_id TEXT, at TEXT, opened_seq BIGINT)
    WHERE wakes.wake_id = x.wake_id AND wakes.state = 'failed'`,
  'wake.drop': `UPDATE wakes SET state = 'done', outcome = 'dropped'
    FROM json_to_recordset(g) AS x(wake_id TEXT) WHERE wakes.wake_id = x.wake_id AND wakes.state = 'failed'`,
  skip: `INSERT INTO skips (agent_id, conversation, last_seq, after_seq, reason, at)
    SELECT x.agent_id, x.conversation, x.last_seq, x.after_seq, x.reason, x.at
    FROM json_to_recordset(g) AS x(agent_id TEXT, conversation TEXT, last_seq BIGINT, after_seq BIGINT, reason TEXT, at TEXT)
    ON CONFLICT (agent_id, conversation, last_seq) DO UPDATE SET
      after_seq = least(skips.after_seq, excluded.after_seq), reason = excluded.reason`,
  handed: `INSERT INTO handed (agent_id, seq, at)
    SELECT x.agent_id, x.seq, x.at FROM json_to_recordset(g) AS x(agent_id TEXT, seq BIGINT, at TEXT) ON CONFLICT DO NOTHING`,
  bindings: `INSERT INTO bindings (agent_id, bindings, at)
    SELECT x.agent_id, x.bindings, x.at FROM json_to_recordset(g) AS x(agent_id TEXT, bindings TEXT, at TEXT)
    ON CONFLICT (agent_id) DO UPDATE SET bindings = excluded.bindings, at = excluded.at`,
  usage: `INSERT INTO usage (day, agent_id, room_id, wakes, input_tokens, output_tokens, cost_usd)
    SELECT x.day, x.agent_id, x.room_id, x.wakes, x.input_tokens, x.output_tokens, x.cost_usd
    FROM json_to_recordset(g) AS x(day TEXT, agent_id TEXT, room_id TEXT, wakes BIGINT, input_tokens BIGINT, output_tokens BIGINT, cost_usd DOUBLE PRECISION)
    ON CONFLICT (day, agent_id, room_id) DO UPDATE SET wakes = usage.wakes + excluded.wakes,
      input_tokens = usage.input_tokens + excluded.input_tokens, output_tokens = usage.output_tokens + excluded.output_tokens,
      cost_usd = usage.cost_usd + excluded.cost_usd`,
  'deliveries.prune': `WITH x AS MATERIALIZED (SELECT max(y.before) AS before FROM json_to_recordset(g) AS y(before TEXT)),
      w AS (DELETE FROM wakes WHERE wake_id IN (SELECT wake_id FROM wakes
        WHERE closed_at IS NOT NULL AND closed_at < (SELECT x.before FROM x) ORDER BY closed_at LIMIT 500)),
      s AS (DELETE FROM skips WHERE (agent_id, conversation, last_seq) IN (SELECT agent_id, conversation, last_seq FROM skips
        WHERE at < (SELECT x.before FROM x) ORDER BY at LIMIT 500))
    DELETE FROM handed WHERE (agent_id, seq) IN (SELECT agent_id, seq FROM handed
      WHERE at < (SELECT x.before FROM x) ORDER BY at LIMIT 500)`,
  /** Pairs that have been still for an hour. */
  'pairs.forget': `DELETE FROM guard_pairs USING json_to_recordset(g) AS x(before BIGINT) WHERE guard_pairs.at < x.before`,
  bootstrap: `INSERT INTO bootstraps (agent_id, room_id, at)
    SELECT x.agent_id, x.room_id, x.at FROM json_to_recordset(g) AS x(agent_id TEXT, room_id TEXT, at TEXT) ON CONFLICT DO NOTHING`,
};

/** The kinds of rows that the function knows. */
export const ROW_OPS: ReadonlySet<string> = new Set(Object.keys(ROWS));

/** The branches of a CASE over `op`. */
/** SQLSTATE of a lease that is another server's. */
export const LEASE_LOST = 'MN001';
/** Of which each row has to find one that is there, and what is raised else. */
const ALL: Readonly<Record<string, string>> = {
  redact: `'redact: there is no message of one of these ids: %', g`,
  fence: `'a lease was lost: %', g USING ERRCODE = '${LEASE_LOST}'`,
};

export const ROW_CASES = Object.entries(ROWS)
  .map(([op, sql]) => {
    const missing = ALL[op];
    const check = missing
      ? `; GET DIAGNOSTICS n = ROW_COUNT; IF n <> json_array_length(g) THEN RAISE EXCEPTION ${missing}; END IF`
      : '';
    return `WHEN '${op}' THEN ${sql}${check};`;
  })
  .join('\n      ');
