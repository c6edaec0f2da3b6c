/**
 * Gemini CLI takes the same message twice, and its session does not tell whether the last turn in it came to its end.
 * So that is noted here, in the folder of the conversation's wake, which the next wake clears.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { writeFileAtomic } from '../../config/private-files.ts';
import type { Wake } from '../runtime.ts';

const FILE = 'ended.json';

export interface EndedTurn {
  final_text?: string;
}

interface Noted extends EndedTurn {
  wake_id: string;
  attempt: number;
}

/** This attempt at the wake, or a later one, when it came to its end. */
export function endedTurn(folder: string, wake: Wake): EndedTurn | undefined {
  try {
    const noted = JSON.parse(readFileSync(path.join(folder, FILE), 'utf8')) as Noted;
    if (noted.wake_id !== wake.wake_id || !(noted.attempt >= wake.attempt)) return undefined;
    return typeof noted.final_text === 'string' ? { final_text: noted.final_text } : {};
  } catch {
    return undefined;
  }
}

/** Never throws: what is over stays so, and at worst is run again after a crash in just this moment. */
export function noteEnded(folder: string, { wake_id, attempt }: Wake, ended: EndedTurn): void {
  try {
    writeFileAtomic(
      path.join(folder, FILE),
      `${JSON.stringify({ wake_id, attempt, ...ended } satisfies Noted)}\n`,
    );
  } catch {
    // As above.
  }
}
