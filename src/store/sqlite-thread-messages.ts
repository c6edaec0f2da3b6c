/** What the main thread and the storage thread say to each other. Requests are answered in the order in which they came. */
import type { ErrorData } from './sqlite-errors.ts';
import type { PackedWrites } from './sqlite-packing.ts';
import type { MemoryCall } from './sqlite-relay-memory.ts';

/** workerData of the storage thread. */
export interface ThreadData {
  path: string;
  networkId: string;
}

export type ThreadRequest =
  | { op: 'commit'; writes: PackedWrites; run: number | undefined }
  | { op: 'memory'; call: MemoryCall }
  | { op: 'ping' }
  | { op: 'close' };

export type ThreadAnswer =
  /** Once, first: the database is open. */
  | { op: 'open'; head: number }
  /** Of a commit: the head from before it. Of the memory: its answer. Of the others: 0. */
  | { op: 'done'; result: number }
  | { op: 'failed'; error: ErrorData }
  /** Answers nothing: for the operator. */
  | { op: 'warn'; message: string };
