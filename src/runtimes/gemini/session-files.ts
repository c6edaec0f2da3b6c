/**
 * The files in which Gemini CLI keeps a session: `<home>/.gemini/tmp/<project>/chats/session-<minute>-<id8>.jsonl`,
 * to which it appends what happens. Tried with 0.61.0.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** Bytes beyond its text that the record of a message may begin behind. */
const SLACK = 256 * 1024;
const DAY = 86_400_000;
const MINUTE = 60_000;

export function sessionFiles(env: NodeJS.ProcessEnv, id: string): string[] {
  const projects = path.join(env['GEMINI_CLI_HOME'] || env['HOME'] || os.homedir(), '.gemini', 'tmp');
  return list(projects).flatMap((project) => {
    const chats = path.join(projects, project, 'chats');
    return list(chats)
      .filter((name) => name.startsWith('session-') && name.endsWith(`-${id.slice(0, 8)}.jsonl`))
      .map((name) => path.join(chats, name));
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * To be called before a session is loaded. Loading, it first begins a session of the same id in a file that is named
 * by this minute: one that was begun in this minute would be emptied by that. Such a file gets an earlier name.
 */
export function keepFromReset(env: NodeJS.ProcessEnv, id: string, now = Date.now()): void {
  for (const file of sessionFiles(env, id)) {
    const [, day, hour, minute] = /^session-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-/.exec(path.basename(file)) ?? [];
    const begun = Date.parse(`${day}T${hour}:${minute}Z`);
    // It looks at the clock later than this does.
    if (!(begun > now - 2 * MINUTE)) continue;
    for (let days = 1; ; days++) {
      const earlier = new Date(begun - days * DAY).toISOString().slice(0, 16).replace(':', '-');
      const name = path.join(path.dirname(file), `session-${earlier}-${id.slice(0, 8)}.jsonl`);
      if (existsSync(name)) continue;
      renameSync(file, name);
      break;
    }
  }
}

/** Removes a session that nothing was said in. */
export function removeSession(env: NodeJS.ProcessEnv, id: string): void {
  for (const file of sessionFiles(env, id)) rmSync(file, { force: true });
}

/** Tells whether a session has been given this text since now. */
export function watchForMessage(env: NodeJS.ProcessEnv, id: string, text: string): () => boolean {
  const before = new Map(sessionFiles(env, id).map((file) => [file, sizeOf(file)]));
  let found = false;
  return () =>
    (found ||= sessionFiles(env, id).some((file) => {
      const from = before.get(file) ?? 0;
      return (
        sizeOf(file) > from && read(file, from, text.length * 6 + SLACK).some((line) => isIt(line, text))
      );
    }));
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

function read(file: string, from: number, most: number): string[] {
  const bytes = Buffer.alloc(Math.min(most, sizeOf(file) - from));
  try {
    const fd = openSync(file, 'r');
    try {
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from)).split('\n');
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
}

function isIt(line: string, text: string): boolean {
  if (!line.includes('"type":"user"')) return false;
  try {
    const { type, content } = JSON.parse(line) as { type?: string; content?: { text?: string }[] };
    return type === 'user' && Array.isArray(content) && content.some((part) => part.text === text);
  } catch {
    return false;
  }
}
