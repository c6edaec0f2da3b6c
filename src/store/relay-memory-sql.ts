/** Statements for what outlives messages and processes of relay: which were taken, which refusals are forgotten. For both engines. */

export const RELAY_MEMORY_SQL = {
  taken:
    'SELECT origin_id FROM relay_taken WHERE origin_network = ? AND origin_id IN (SELECT j.value FROM json_each(?) j)',
  relays: 'SELECT pairing_id FROM relays ORDER BY pairing_id',
  refusalsAfter: 'SELECT refusals_after FROM relays WHERE pairing_id = ?',
  /** Newest seq of each that is over its number. Parameter: the first place that is. */
  refusalsOver: `SELECT pairing_id AS owner, seq FROM (
      SELECT pairing_id, seq, row_number() OVER (PARTITION BY pairing_id ORDER BY seq DESC) AS place FROM relay_refusals
    ) AS ranked WHERE place = ?`,
  /** The same by the index, from one network to the next: they may be many. Parameter: how many stay. */
  takenOver: `WITH RECURSIVE owners(owner) AS (
      SELECT min(origin_network) FROM relay_taken
      UNION ALL
      SELECT (SELECT min(t.origin_network) FROM relay_taken t WHERE t.origin_network > owners.owner)
        FROM owners WHERE owners.owner IS NOT NULL
    )
    SELECT owner, seq FROM (
      SELECT owner, (SELECT t.seq FROM relay_taken t WHERE t.origin_network = owners.owner
        ORDER BY t.seq DESC LIMIT 1 OFFSET ?) AS seq
      FROM owners WHERE owner IS NOT NULL
    ) AS bounded WHERE seq IS NOT NULL`,
  /** Parameters: seq, whose. */
  floorRefusals: 'UPDATE relays SET refusals_after = ? WHERE pairing_id = ?',
  forgetRefusals: 'DELETE FROM relay_refusals WHERE seq <= ? AND pairing_id = ?',
  forgetTaken: 'DELETE FROM relay_taken WHERE seq <= ? AND origin_network = ?',
} as const;
