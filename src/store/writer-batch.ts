/** A batch of the writer: commands on their way to the disk, and what becomes of each. */
import { MoltnetError } from '../protocol/errors.ts';
import { ConstraintError, StateMovedError, StorageError } from './errors.ts';
import type { LogEvent } from './log-rows.ts';
import type { Draft } from './writer.ts';
import type { EventWrite, Writes } from './writes.ts';

export interface Waiting<C, A> {
  command: C;
  /** How often it was decided again because its refusal may not hold any more. */
  again?: number;
  /** An id of its batch was taken when that came to the storage: it was decided again, knowing by whom. */
  taken?: true;
  stored: ((answer: A) => void) | undefined;
  resolve: (answer: A) => void;
  reject: (error: unknown) => void;
}

/** Commands on their way to the disk. */
export interface Batch<C, A> {
  commands: Waiting<C, A>[];
  /** It holds one command of a batch that failed. */
  alone: boolean;
  /** The position when its deciding began. */
  decidedAt: number;
  /** What other servers committed after it, which waits until it is the state. */
  after: (() => void)[];
  /** When all of it is decided. */
  draft: Draft<C, A> | undefined;
  accepted: { waiting: Waiting<C, A>; answer: A }[];
  refused: { waiting: Waiting<C, A>; refusal: unknown }[];
  /** Of the accepted ones that write. */
  writes: Writes[];
  /** The seqs of the writes when it is stored. Failed: nothing of it was stored. */
  outcome: number[][] | Failed | undefined;
  /** Resolves when there is an outcome of what was handed to the storage. */
  done: Promise<void>;
}

export class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

/** After a fault: what was handed over is answered as what became of it. */
export function answerOnly<C, A>(batch: Batch<C, A>): void {
  if (batch.outcome instanceof Failed) {
    for (const { reject } of batch.commands) reject(asRefusal(batch.outcome.error));
    return;
  }
  for (const { waiting, answer: given } of batch.accepted) waiting.resolve(given);
  for (const { waiting, refusal } of batch.refused) waiting.reject(refusal);
}

export function logEventOf(event: EventWrite, seq: number): LogEvent {
  const { rows: _, ...written } = event;
  // A copy of ours alone: no second one for one more field.
  return Object.assign(written, { seq });
}

export function asRefusal(error: unknown): unknown {
  if (error instanceof ConstraintError)
    return new MoltnetError('conflict', 'another request took this id first', { cause: error });
  if (error instanceof StorageError || error instanceof StateMovedError)
    return new MoltnetError('storage_unavailable', undefined, { cause: error });
  return error;
}
