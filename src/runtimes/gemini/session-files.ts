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
import { parseObject } from '../json.ts';

/** Bytes beyond its text that the record of a message may begin behind. */
const SLACK = 256 * 1024;
/** Bytes of the end of a session in which its last turn is looked for. */
const LAST_TURN = 4 * 1024 * 1024;
/** Bytes within which the first turn of a session begins. */
const FIRST_TURN = 1024 * 1024;
const DAY = 86_400_000;
const HOUR = 3_600_000;
const MINUTE = 60_000;

export const geminiHome = (env: NodeJS.ProcessEnv): string =>
  path.join(env['GEMINI_CLI_HOME'] || env['HOME'] || os.homedir(), '.gemini');

export function sessionFiles(env: NodeJS.ProcessEnv, id: string): string[] {
  const projects = path.join(geminiHome(env), 'tmp');
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
 * To be called before a session is loaded. Loading, it first begins a session of the same id, in a file that is named
 * by this minute: one that was begun in this minute would be emptied by that. Such a file gets an earlier name.
 */
export function keepFromReset(env: NodeJS.ProcessEnv, id: string, now = Date.now()): void {
  removeEmpty(env, id);
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

/**
 * To be called when a session was loaded, too: what it began at that stays behind, without a turn in it, and the next
 * Gemini CLI that starts here would tidy that away, with every file of the same id.
 */
export function removeEmpty(env: NodeJS.ProcessEnv, id: string): void {
  for (const file of sessionFiles(env, id)) if (!holdsTurn(file)) rmSync(file, { force: true });
}

/** Each start leaves a session without a turn. Those of an hour ago go, of the project of this session. */
export function removeAbandoned(env: NodeJS.ProcessEnv, id: string, now = Date.now()): void {
  for (const chats of new Set(sessionFiles(env, id).map((file) => path.dirname(file))))
    for (const name of list(chats).filter((each) => each.startsWith('session-') && each.endsWith('.jsonl'))) {
      const file = path.join(chats, name);
      const stat = statSync(file, { throwIfNoEntry: false });
      if (stat && stat.mtimeMs < now - HOUR && !holdsTurn(file)) rmSync(file, { force: true });
    }
}

/** Messages stand alone in a line; what a session begins with does not. */
const holdsTurn = (file: string): boolean =>
  sizeOf(file) > FIRST_TURN || read(file, 0, FIRST_TURN).some((line) => line.startsWith('{"id":'));

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

/** The command of a call of the shell; empty when the session does not tell. */
export function toolCommand(env: NodeJS.ProcessEnv, id: string, call: string): string {
  for (const file of sessionFiles(env, id))
    for (const line of read(file, Math.max(0, sizeOf(file) - LAST_TURN), LAST_TURN)) {
      if (!line.includes(call)) continue;
      const { toolCalls } = record(line);
      const found = Array.isArray(toolCalls) ? toolCalls.find((one) => one?.id === call) : undefined;
      if (typeof found?.args?.command === 'string') return found.args.command;
    }
  return '';
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

function read(file: string, from: number, most: number): string[] {
  try {
    const bytes = Buffer.alloc(Math.min(most, sizeOf(file) - from));
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
  const { type, content } = record(line);
  return type === 'user' && Array.isArray(content) && content.some((part) => part?.text === text);
}

interface SessionRecord {
  type?: string;
  content?: ({ text?: string } | null)[] | string;
  toolCalls?: ({ id?: string; args?: { command?: unknown } } | null)[];
}

const record = (line: string): SessionRecord => parseObject(line) ?? {};
