/**
 * Which wakes of an attachment are out, and what the callbacks said of them: a file for each attempt, so that an outcome
 * that was taken outlives a node that dies before it has told it. Kept for two days, 1,000 at most.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { writePrivateFile } from '../../config/private-files.ts';
import { limits } from '../../protocol/limits.ts';
import { attemptKey, type Attempt, type TurnOutcome } from '../runtime.ts';

export type Kept = Attempt &
  (
    | { state: 'out' }
    /** By a callback. */
    | { state: 'told'; outcome: TurnOutcome }
    /** In any other way. */
    | { state: 'ended' }
  );

export interface KeptCallbacks {
  get(attempt: Attempt): Kept | undefined;
  /** On the disk when it returns; throws where that cannot be. */
  set(kept: Kept): void;
}

const KEPT_MS = 2 * 24 * 60 * 60 * 1000;
/** Writes between two looks at what has grown old. */
const SWEEP_EVERY = 100;

export function keptCallbacks(folder: string): KeptCallbacks {
  const fileOf = (attempt: Attempt): string =>
    path.join(folder, `${createHash('sha256').update(attemptKey(attempt)).digest('hex').slice(0, 32)}.json`);
  let written = 0;
  return {
    get: (attempt) => {
      try {
        return JSON.parse(readFileSync(fileOf(attempt), 'utf8')) as Kept;
      } catch {
        // Missing or damaged: it is not known.
        return undefined;
      }
    },
    set: (kept) => {
      writePrivateFile(fileOf(kept), `${JSON.stringify(kept)}\n`);
      if (written++ % SWEEP_EVERY === 0) sweep(folder);
    },
  };
}

function sweep(folder: string): void {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => path.join(folder, name))
    .map((file) => ({ file, at: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.at - a.at);
  const stale = files.filter(({ at }, n) => n >= limits.callbacks_kept.value || at < Date.now() - KEPT_MS);
  for (const { file } of stale) rmSync(file, { force: true });
}
