/** Writes of claim codes and browser sessions. */
import type { DatabaseSync } from 'node:sqlite';
import { prepareAll } from './sqlite-prepare.ts';
import type { RowWrite, SessionWrite } from './writes.ts';

type CredentialWrite = Extract<RowWrite, { op: 'invite' | 'invite.remove' }> | SessionWrite;

const SQL = {
  invite: `INSERT INTO invites (agent_id, code_hash, created_at, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (agent_id) DO UPDATE SET
      code_hash = excluded.code_hash, created_at = excluded.created_at, expires_at = excluded.expires_at`,
  inviteRemove: 'DELETE FROM invites WHERE code_hash = ?',
  session: `INSERT INTO sessions (id_hash, token_id, token_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id_hash) DO UPDATE SET token_id = excluded.token_id, token_hash = excluded.token_hash,
      created_at = excluded.created_at, expires_at = excluded.expires_at`,
  sessionRemove: 'DELETE FROM sessions WHERE id_hash = ?',
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
  }
}
