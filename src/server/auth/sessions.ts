/**
 * Browser sessions (SESS rules): a login with a token, known by the hash of a random cookie. They are rows, so that a
 * restart logs nobody out, and are all in memory, so that a request costs no query.
 */
import { hashSecret, newSessionId } from '../../protocol/credentials.ts';
import { limits } from '../../protocol/limits.ts';
import { server } from '../../network/identity.ts';
import type { Network } from '../../network/network.ts';
import type { Store } from '../../store/store.ts';
import type { SessionRow } from '../../store/topology-rows.ts';
import type { SessionWrite } from '../../store/writes.ts';

export interface SessionsOptions {
  network: Pick<Network, 'execute'>;
  store: Pick<Store, 'sessions'>;
  /** A session that ended by itself could not be taken out of the storage; it will be at the next start. */
  onFault: (error: unknown) => void;
  /** Milliseconds since 1970; for tests. */
  clock?: () => number;
}

/** What a session lives by: the id and the value of its token. */
export type SessionToken = Pick<SessionRow, 'token_id' | 'token_hash'>;

export interface Sessions {
  readonly size: number;
  /** The live session of a cookie. */
  find(cookie: string): SessionRow | undefined;
  isAlive(session: SessionRow): boolean;
  /** Resolves with the cookie's value when the session is stored. Beyond limits.sessions_per_token the token's oldest ends, beyond limits.sessions the oldest of all. */
  begin(token: SessionToken): Promise<{ value: string; session: SessionRow }>;
  /** Ends it at once; resolves when that is stored. */
  end(session: SessionRow): Promise<void>;
  /** Takes over what another server stored. */
  foreign(write: SessionWrite): void;
  /** Ends at once those whose token is not there any more. */
  keepOnly(holds: (token: SessionToken) => boolean): void;
}

/** Reads them from the storage, without those that have expired. */
export async function openSessions({
  network,
  store,
  onFault,
  clock = Date.now,
}: SessionsOptions): Promise<Sessions> {
  /** By the cookie's hash, the oldest first: as all live equally long, the first to expire too. */
  const alive = new Map<string, SessionRow>();
  const hasExpired = (row: SessionRow): boolean => Date.parse(row.expires_at) <= clock();
  const save = async (writes: SessionWrite[]): Promise<void> => {
    if (writes.length > 0) await network.execute('session.save', { writes }, server);
  };
  const forget = (row: SessionRow): SessionWrite => {
    alive.delete(row.id_hash);
    return { op: 'session.remove', id_hash: row.id_hash };
  };
  const expired = (): SessionWrite[] => {
    const gone: SessionWrite[] = [];
    for (const row of alive.values()) {
      if (!hasExpired(row)) break;
      gone.push(forget(row));
    }
    return gone;
  };

  const stored = await store.sessions('');
  for (const row of stored.sort((a, b) => (a.created_at < b.created_at ? -1 : 1)))
    alive.set(row.id_hash, row);
  await save(expired());

  return {
    get size() {
      return alive.size;
    },
    find(cookie) {
      const row = alive.get(hashSecret(cookie));
      return row && !hasExpired(row) ? row : undefined;
    },
    isAlive: (session) => alive.get(session.id_hash) === session && !hasExpired(session),
    async begin({ token_id, token_hash }) {
      const value = newSessionId();
      const now = clock();
      const session: SessionRow = {
        id_hash: hashSecret(value),
        token_id,
        token_hash,
        created_at: new Date(now).toISOString(),
        expires_at: new Date(now + limits.session.value).toISOString(),
      };
      // Nobody has its cookie before it is stored.
      alive.set(session.id_hash, session);
      const gone = expired();
      // A token's own go before those of others: whoever logs in without end logs out nobody else.
      const own = [...alive.values()].filter((row) => row.token_id === token_id);
      for (const oldest of own.slice(0, -limits.sessions_per_token.value)) gone.push(forget(oldest));
      for (const oldest of alive.values()) {
        if (alive.size <= limits.sessions.value) break;
        gone.push(forget(oldest));
      }
      try {
        await save([...gone, { op: 'session', row: session }]);
      } catch (error) {
        alive.delete(session.id_hash);
        throw error;
      }
      return { value, session };
    },
    async end(session) {
      await save([forget(session)]);
    },
    foreign(write) {
      if (write.op === 'session.remove') alive.delete(write.id_hash);
      else if (!alive.has(write.row.id_hash)) alive.set(write.row.id_hash, write.row);
    },
    keepOnly(holds) {
      const gone = [...alive.values()].filter((row) => !holds(row)).map(forget);
      save(gone).catch(onFault);
    },
  };
}
