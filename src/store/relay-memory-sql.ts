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
  takenOver: `SELECT origin_network AS owner, seq FROM (
      SELECT origin_network, seq, row_number() OVER (PARTITION BY origin_network ORDER BY seq DESC) AS place FROM relay_taken
    ) AS ranked WHERE place = ?`,
  /** Parameters: seq, whose. */
  floorRefusals: 'UPDATE relays SET refusals_after = ? WHERE pairing_id = ?',
  forgetRefusals: 'DELETE FROM relay_refusals WHERE seq <= ? AND pairing_id = ?',
  forgetTaken: 'DELETE FROM relay_taken WHERE seq <= ? AND origin_network = ?',
} as const;
