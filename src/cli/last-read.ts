/**
 * Where `read --since-last` left off: one small file per speaker and conversation in the `.moltnet` folder. It is
 * written after the messages have been printed, so that a crash in between shows them again and never skips any.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isId } from '../protocol/ids.ts';
import { writePrivateFile } from '../config/private-files.ts';
import type { Speaker } from './speaker.ts';

export interface LastRead {
  /** Id of the last message that was shown; undefined when there is none, or the file cannot be used. */
  cursor(): string | undefined;
  advance(message_id: string): void;
}

export function lastRead(speaker: Speaker, conversation: string): LastRead {
  const who = {
    network_id: speaker.network_id ?? speaker.base_url,
    member_id: speaker.from.id,
    conversation,
  };
  const name = createHash('sha256').update(JSON.stringify(who)).digest('hex').slice(0, 32);
  const file = path.join(speaker.state_dir, 'read', `${name}.json`);
  return {
    cursor() {
      try {
        const { message_id } = JSON.parse(readFileSync(file, 'utf8')) as { message_id?: unknown };
        return typeof message_id === 'string' && isId(message_id) ? message_id : undefined;
      } catch {
        return undefined;
      }
    },
    advance: (message_id) => writePrivateFile(file, `${JSON.stringify({ ...who, message_id }, null, 2)}\n`),
  };
}
