/** Writes of claim codes, browser sessions and people's read positions. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareAll } from './sqlite-prepare.ts';
import type { ReadWrite, RowWrite, SessionWrite } from './writes.ts';

type CredentialWrite = Extract<RowWrite, { op: 'invite' | 'invite.remove' }> | SessionWrite | ReadWrite;

const SQL = {
  invite: `INSERT INTO invites (agent_id, code_hash, created_at, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (agent_id) DO UPDATE SET
      code_hash = excluded.code_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
  inviteRemove: 'DELETE FROM invites WHERE code_hash = ?',
  session: `INSERT INTO sessions (id_hash, token_id, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id_hash) DO UPDATE SET token_id = excluded.token_id, token_hash = excluded.token_hash,
      created_at = excluded.created_at, expires_at = excluded.expires_at`,
  sessionRemove: 'DELETE FROM sessions WHERE id_hash = ?',
  read: `INSERT INTO reads (person_id, conversation, seq, message_id, at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (person_id, conversation) DO UPDATE SET
      seq = excluded.seq, message_id = excluded.message_id, at = excluded.at WHERE excluded.seq > reads.seq`,
  readRemove: 'DELETE FROM reads WHERE person_id = ? AND conversation = ?',
} as const;

export type CredentialStatements = ReturnType<typeof credentialStatements>;

export const credentialStatements = (db: DatabaseSync) => prepareAll(db, SQL);

export function writeCredential(sql: CredentialStatements, write: CredentialWrite): void {
  switch (write.op) {
    case 'invite': {
      const { agent_id, code_hash, created_at, expires_at } = write.row;
      sql.invite.run(agent_id, code_hash, created_at, expires_at);
      return;
    }
    case 'invite.remove':
      sql.inviteRemove.run(write.code_hash);
      return;
    case 'session': {
      const { id_hash, token_id, token_hash, created_at, expires_at } = write.row;
      sql.session.run(id_hash, token_id, token_hash, created_at, expires_at);
      return;
    }
    case 'session.remove':
      sql.sessionRemove.run(write.id_hash);
      return;
    case 'read': {
      const { person_id, conversation, seq, message_id, at } = write.row;
      sql.read.run(person_id, conversation, seq, message_id, at);
      return;
    }
    case 'read.remove':
      sql.readRemove.run(write.person_id, write.conversation);
      return;
  }
}
