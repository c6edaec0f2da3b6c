/** What a store rejects with: nothing was stored, whichever it is. */

/** A unique id was taken: the batch holds a loser, nothing was stored. */
export class ConstraintError extends Error {
  override readonly name = 'ConstraintError';
}

/** The engine cannot take the write now (disk full, locked, away); nothing was stored. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
}

/** What one server at a time may write is another one's by now; nothing was stored. */
export class LeaseLostError extends Error {
  override readonly name = 'LeaseLostError';
}

/**
 * The state that the writes were decided on has moved: a commit before them in their run failed, or (several processes
 * on one database) another process changed it. Nothing was stored; catch up, and decide again.
 */
export class StateMovedError extends Error {
  override readonly name = 'StateMovedError';
}
