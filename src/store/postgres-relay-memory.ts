/** Counts toward quotas that servers share, and what is remembered and forgotten of relay. */
import { RELAY_MEMORY_SQL } from './relay-memory-sql.ts';
import type { RelayKept, Reservation } from './relay-rows.ts';
import type { Sessions, Statement } from './postgres-sessions.ts';
import { statements } from './postgres-sql.ts';
import { integer, text } from './sqlite-rows.ts';

const SQL = statements('relay_memory', RELAY_MEMORY_SQL);
/** Asked again over a broken connection it may count twice: then a little less is granted than there is. */
const RESERVE: Statement = {
  name: 'moltnet_relay_memory_reserve',
  text: `INSERT INTO quotas AS q (name, span, used, granted)
      VALUES ($1, $2, least($3::BIGINT, $4::BIGINT), least($3::BIGINT, $4::BIGINT))
    ON CONFLICT (name) DO UPDATE SET
      span = excluded.span,
      granted = CASE WHEN q.span = excluded.span THEN greatest(0, least($3::BIGINT, $4::BIGINT - q.used)) ELSE excluded.granted END,
      used = CASE WHEN q.span = excluded.span THEN q.used + greatest(0, least($3::BIGINT, $4::BIGINT - q.used)) ELSE excluded.used END
    RETURNING granted`,
};

export function createRelayMemory(sessions: Sessions) {
  return {
    async reserve({ name, span, amount, most }: Reservation): Promise<number> {
      return integer((await sessions.read(RESERVE, [name, span, amount, most]))[0]!, 'granted');
    },
    async forgetRelays({ refusals, taken }: RelayKept): Promise<void> {
      for (const row of await sessions.read(SQL.refusalsOver, [refusals + 1])) {
        const values = [integer(row, 'seq'), text(row, 'owner')];
        await sessions.read(SQL.floorRefusals, values);
        await sessions.read(SQL.forgetRefusals, values);
      }
      for (const row of await sessions.read(SQL.takenOver, [taken]))
        await sessions.read(SQL.forgetTaken, [integer(row, 'seq'), text(row, 'owner')]);
    },
    taken: async (network: string, ids: readonly string[]): Promise<string[]> =>
      (await sessions.read(SQL.taken, [network, ids])).map((row) => text(row, 'origin_id')),
    relays: async (): Promise<string[]> =>
      (await sessions.read(SQL.relays)).map((row) => text(row, 'pairing_id')),
    async refusalsAfter(pairingId: string): Promise<number> {
      const [row] = await sessions.read(SQL.refusalsAfter, [pairingId]);
      return row ? integer(row, 'refusals_after') : 0;
    },
  };
}
