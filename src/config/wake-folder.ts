/**
 * What makes a repeated turn say nothing twice. The processes of a turn have a folder in MOLTNET_WAKE, in which stand
 * the wake and, one small file each, the sends of its runs. A run's n-th send to a target has an id made of wake,
 * target and n, so that the server knows it again when the turn is run once more. Files are made exclusively and never
 * changed: two sends at once take two numbers, whichever sandboxes they run in, and a crash leaves nothing to mend.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { wakeMessageId } from '../protocol/ids.ts';
import { ensurePrivateDir, writeFileAtomic } from './private-files.ts';

/** The environment variable with the folder's absolute path. */
export const WAKE_ENV = 'MOLTNET_WAKE';

/** Stands in the folder of a turn that is over, where somebody marks that. */
const ENDED = 'ended';
/** Milliseconds for which the sends of a failed wake are kept: as long as the wake itself is (RCPT-20). */
const KEPT = 30 * 86_400_000;

export interface WakeOfTurn {
  wake_id: string;
  conversation: string;
  /** How often it was begun, from 1: a retry, or the same turn after a crash. */
  run: number;
  /** Its runtime goes on with a turn by itself after a crash of its own: the same words within a run are said once. */
  resumes?: boolean;
}

/** The folder of one conversation's turns, below the `.moltnet` of a workspace. */
export const wakeFolder = (workspace: string, sessionKey: string): string =>
  path.join(workspace, '.moltnet', 'wakes', digest(sessionKey));

/** Notes that a run of this wake begins: its sends are counted from 0 again. Throws where it cannot be written. */
export function beginWake(folder: string, wake: Omit<WakeOfTurn, 'run'>): void {
  const { wake_id, conversation, resumes } = wake;
  let before = wakeOfTurn(folder);
  if (before?.wake_id !== wake_id) {
    rmSync(folder, { recursive: true, force: true });
    const aside = asideOf(folder, wake_id);
    if (existsSync(aside)) renameSync(aside, folder);
    before = wakeOfTurn(folder);
  }
  const again = before?.wake_id === wake_id;
  rmSync(path.join(folder, ENDED), { force: true });
  const wakes = path.dirname(folder);
  for (const dir of [path.dirname(wakes), wakes, folder]) ensurePrivateDir(dir);
  writeFileAtomic(
    path.join(folder, 'wake.json'),
    `${JSON.stringify({ wake_id, conversation, run: again ? before!.run + 1 : 1, ...(resumes ? { resumes } : {}) })}\n`,
  );
}

/**
 * Keeps what a failed wake has said, for the day on which an operator has it run again: the next wake has a folder of
 * its own. Never throws: without it a repeated send is only told by its id.
 */
export function keepWake(folder: string, wakeId: string): void {
  try {
    if (wakeOfTurn(folder)?.wake_id !== wakeId) return;
    renameSync(folder, asideOf(folder, wakeId));
    const wakes = path.dirname(folder);
    for (const name of readdirSync(wakes).filter((each) => each.includes('.'))) {
      const kept = path.join(wakes, name);
      if (statSync(kept).mtimeMs < Date.now() - KEPT) rmSync(kept, { recursive: true, force: true });
    }
  } catch {
    // As above.
  }
}

/** Marks that the turn is over: what is said in its session from now on is not of this wake. Never throws. */
export function endWake(folder: string): void {
  try {
    writeFileSync(path.join(folder, ENDED), '', { mode: 0o600 });
  } catch {
    // Without it the same words would count as said.
  }
}

/** Whether the last turn that had this folder was marked as over. */
export const wakeEnded = (folder: string): boolean => existsSync(path.join(folder, ENDED));

const asideOf = (folder: string, wakeId: string): string => `${folder}.${digest(wakeId)}`;

/** The wake whose turn has this folder; undefined when there is none, or it cannot be read. */
export function wakeOfTurn(folder: string): WakeOfTurn | undefined {
  try {
    const { wake_id, conversation, run, resumes } = JSON.parse(
      readFileSync(path.join(folder, 'wake.json'), 'utf8'),
    ) as Partial<WakeOfTurn>;
    return typeof wake_id === 'string' && typeof conversation === 'string' && Number.isSafeInteger(run)
      ? { wake_id, conversation, run: run!, ...(resumes === true ? { resumes } : {}) }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The id of this run's next send of `content` to `target`. What an earlier run sent there in the same words is sent
 * under its id again, in whatever order; other words get the first number that this run has not used. Where the
 * runtime resumes its turns by itself, the same words of this run are sent under their id too. `fresh`: a number that
 * no run has used. Undefined when the folder is gone or cannot be written: the send is one of its own.
 */
export function takeSend(
  folder: string,
  wake: WakeOfTurn,
  target: string,
  content: string,
  fresh = false,
): string | undefined {
  const [to, what] = [digest(target), digest(content)];
  try {
    for (;;) {
      const sends = readSends(folder, to);
      const said =
        wake.resumes && !fresh && sends.find(({ run, what: words }) => run === wake.run && words === what);
      if (said) return wakeMessageId(wake.wake_id, target, said.n);
      const mine = new Set(sends.filter(({ run }) => run === wake.run).map(({ n }) => n));
      const used = new Set(sends.map(({ n }) => n));
      const same = sends.find((send) => !mine.has(send.n) && send.what === what);
      let n = 0;
      while ((fresh ? used : mine).has(n)) n++;
      n = fresh ? n : (same?.n ?? n);
      try {
        writeFileSync(path.join(folder, `${to}.${n}.${wake.run}`), what, { flag: 'wx', mode: 0o600 });
        return wakeMessageId(wake.wake_id, target, n);
      } catch (error) {
        // Another send at the same moment took that number.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  } catch {
    return undefined;
  }
}

interface Send {
  n: number;
  run: number;
  /** Digest of what was said; empty when its writer was killed. */
  what: string;
}

/** The sends to one target, by number, a later run's before an earlier one's. */
function readSends(folder: string, to: string): Send[] {
  return readdirSync(folder)
    .flatMap((name): Send[] => {
      const [target, n, run] = name.split('.');
      return target === to
        ? [{ n: Number(n), run: Number(run), what: readFileSync(path.join(folder, name), 'utf8') }]
        : [];
    })
    .sort((a, b) => a.n - b.n || b.run - a.run);
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);
