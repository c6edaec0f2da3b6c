import type { Migration } from '../migrations.ts';

/**
 * The log and the state that is written with it. `events` is the log itself; `messages`, `mentions`, `artifacts` and
 * `dm_events` are what its rows are found by, and go with them; the rest is state. `seq` is given by the writer, not
 * by the engine, so that it has no holes; retention may cut the log at its old end, and never takes the newest event,
 * from which the next seq is counted.
 *
 * `payload` stands last in its row: a look at the other columns does not read a long payload's overflow pages.
 * Columns and types are those that Postgres takes too; WITHOUT ROWID and partial indexes are the tuning.
 */
export const log: Migration = {
  version: 1,
  name: 'log',
  min_reader: 1,
  sql: `
CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  created_at TEXT NOT NULL,
  conversation TEXT,
  room_id TEXT,
  dm_id TEXT,
  participants TEXT,
  agent_id TEXT,
  held INTEGER NOT NULL,
  payload TEXT NOT NULL
);
CREATE INDEX events_room ON events (room_id, seq) WHERE room_id IS NOT NULL;
CREATE INDEX events_agent ON events (agent_id, seq) WHERE agent_id IS NOT NULL;

-- Who may read a DM's event: one row per participant, so that one participant's DMs are one index range.
CREATE TABLE dm_events (
  participant TEXT NOT NULL,
  seq INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
  PRIMARY KEY (participant, seq)
) WITHOUT ROWID;
CREATE INDEX dm_events_seq ON dm_events (seq);

CREATE TABLE messages (
  seq INTEGER PRIMARY KEY REFERENCES events (seq) ON DELETE CASCADE,
  id TEXT NOT NULL UNIQUE,
  origin_network TEXT NOT NULL,
  origin_id TEXT NOT NULL,
  content_hash TEXT,
  conversation TEXT NOT NULL,
  room_id TEXT,
  sender TEXT NOT NULL
);
CREATE INDEX messages_conversation ON messages (conversation, seq);

CREATE TABLE mentions (
  seq INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
  agent_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  room_id TEXT,
  PRIMARY KEY (seq, agent_id)
) WITHOUT ROWID;
CREATE INDEX mentions_agent ON mentions (agent_id, seq);
CREATE INDEX mentions_agent_room ON mentions (agent_id, room_id, seq);

CREATE TABLE artifacts (
  seq INTEGER NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
  part_index INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  message_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  room_id TEXT,
  payload TEXT NOT NULL,
  PRIMARY KEY (seq, part_index)
) WITHOUT ROWID;
CREATE INDEX artifacts_conversation ON artifacts (conversation, seq, part_index);
CREATE INDEX artifacts_room ON artifacts (room_id, seq, part_index) WHERE room_id IS NOT NULL;

CREATE TABLE conversations (
  key TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  room_id TEXT,
  parent_message_id TEXT,
  message_count INTEGER NOT NULL,
  first_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  last_message_at TEXT NOT NULL,
  guard_turns INTEGER NOT NULL,
  guard_speaker TEXT,
  held_at TEXT,
  held_seq INTEGER,
  held_messages INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX conversations_room ON conversations (room_id, last_seq) WHERE room_id IS NOT NULL;
CREATE INDEX conversations_thread ON conversations (room_id, id) WHERE kind = 'thread';
CREATE INDEX conversations_dm ON conversations (id) WHERE kind = 'dm';
CREATE INDEX conversations_held ON conversations (held_seq) WHERE held_at IS NOT NULL;

-- last_seq is that of the DM's conversation: one participant's DMs in order of activity are one index range.
CREATE TABLE dm_participants (
  dm_id TEXT NOT NULL,
  participant TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  PRIMARY KEY (dm_id, participant)
) WITHOUT ROWID;
CREATE INDEX dm_participants_id ON dm_participants (participant, dm_id);
CREATE INDEX dm_participants_activity ON dm_participants (participant, last_seq);

CREATE TABLE rooms (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  visibility TEXT NOT NULL,
  write_policy TEXT NOT NULL,
  guard TEXT NOT NULL,
  created_at TEXT NOT NULL,
  created_seq INTEGER NOT NULL,
  removed_at TEXT
) WITHOUT ROWID;

CREATE TABLE room_members (
  room_id TEXT NOT NULL REFERENCES rooms (id),
  member_id TEXT NOT NULL,
  since_seq INTEGER NOT NULL,
  PRIMARY KEY (room_id, member_id)
) WITHOUT ROWID;

CREATE TABLE agents (
  id TEXT NOT NULL PRIMARY KEY,
  actor_uid TEXT NOT NULL,
  display_name TEXT,
  credential_key TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  removed_at TEXT
) WITHOUT ROWID;

CREATE TABLE delivery_scopes (
  agent_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  start_seq INTEGER NOT NULL,
  settled_seq INTEGER NOT NULL,
  PRIMARY KEY (agent_id, scope)
) WITHOUT ROWID;

CREATE TABLE delivery_positions (
  agent_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  acked_seq INTEGER NOT NULL,
  PRIMARY KEY (agent_id, conversation)
) WITHOUT ROWID;

CREATE TABLE wakes (
  wake_id TEXT NOT NULL PRIMARY KEY,
  agent_id TEXT NOT NULL,
  conversation TEXT NOT NULL,
  after_seq INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  state TEXT NOT NULL,
  error TEXT,
  opened_at TEXT NOT NULL,
  closed_at TEXT
) WITHOUT ROWID;
CREATE INDEX wakes_open ON wakes (agent_id, opened_at, wake_id) WHERE state = 'open';
CREATE INDEX wakes_failed ON wakes (closed_at, wake_id) WHERE state = 'failed';
CREATE INDEX wakes_failed_agent ON wakes (agent_id, closed_at, wake_id) WHERE state = 'failed';

CREATE TABLE bootstraps (
  agent_id TEXT NOT NULL,
  room_id TEXT NOT NULL,
  at TEXT NOT NULL,
  PRIMARY KEY (agent_id, room_id)
) WITHOUT ROWID;
`,
};
