/**
 * Which session of the CLI belongs to which conversation: `moltnet.cli-sessions.v1` (wire.md 12.6). The file is read
 * for each access and replaced as a whole, without a pause in between: all adapters of this process may share one.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { ConfigError } from '../config/issues.ts';
import { writePrivateFile } from '../config/private-files.ts';
import { isObject, parseObject } from './json.ts';
import { SetupError } from './setup-error.ts';

export const SESSIONS_VERSION = 'moltnet.cli-sessions.v1';
/** Threads are made without end: over so many entries, those unused the longest are forgotten. */
export const MAX_SESSIONS = 5000;

export interface StoredSession {
  runtime_session_id: string;
  /** RFC 3339. */
  created_at: string;
  updated_at: string;
  /** Additive: what the CLI had counted for the whole session after its last turn. */
  usage_total?: { input_tokens?: number; output_tokens?: number; cost_usd?: number };
  /** Additive: of Codex, the thread was begun with the tool by which its agent speaks. */
  tool?: true;
}

export interface SessionStore {
  get(key: string): StoredSession | undefined;
  /** Keeps the session's id, and its usage when given; `tool` as it begins. */
  set(
    key: string,
    runtimeSessionId: string,
    usage?: StoredSession['usage_total'],
    begun?: Pick<StoredSession, 'tool'>,
  ): void;
  /** Whether there was one. */
  delete(key: string): boolean;
  list(): [key: string, session: StoredSession][];
}

/**
 * The store in this file; it is made when it is first written, 0600. Every call throws when the file is of a version
 * that is not known. A file that is no JSON is put aside as `<file>.corrupt-<time>` and `onCorrupt` is told: its
 * sessions begin anew, and nothing of it is lost.
 */
export function openSessionStore(file: string, onCorrupt: (aside: string) => void): SessionStore {
  const read = (): Map<string, StoredSession> => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw storeError(`the session store ${file} cannot be read`, error);
    }
    const root = parseObject(text);
    if (root && 'version' in root && root['version'] !== SESSIONS_VERSION)
      throw new SetupError(
        `${file} has version ${JSON.stringify(root['version'])} and this moltnet knows ${SESSIONS_VERSION}; use the newer moltnet that wrote it, or move the file away`,
      );
    const sessions = root?.['sessions'];
    if (root?.['version'] === SESSIONS_VERSION && isObject(sessions))
      return new Map(
        Object.entries(sessions).filter((entry): entry is [string, StoredSession] => isSession(entry[1])),
      );
    // Two in one millisecond are two.
    const aside = `${file}.corrupt-${new Date().toISOString().replaceAll(':', '')}-${randomUUID().slice(0, 8)}`;
    renameSync(file, aside);
    onCorrupt(aside);
    return new Map();
  };
  const write = (sessions: Map<string, StoredSession>): void => {
    const root = { version: SESSIONS_VERSION, sessions: Object.fromEntries(sessions) };
    try {
      writePrivateFile(path.resolve(file), `${JSON.stringify(root, null, 2)}\n`);
    } catch (error) {
      throw storeError(`the session store ${file} cannot be written`, error);
    }
  };
  return {
    get: (key) => read().get(key),
    set: (key, runtimeSessionId, usage, begun) => {
      const sessions = read();
      const before = sessions.get(key);
      const same = before?.runtime_session_id === runtimeSessionId ? before : undefined;
      const now = new Date().toISOString();
      const total = usage ?? same?.usage_total;
      const tool = (begun ?? same)?.tool;
      sessions.set(key, {
        runtime_session_id: runtimeSessionId,
        created_at: same?.created_at ?? now,
        updated_at: now,
        ...(total ? { usage_total: total } : {}),
        ...(tool ? { tool } : {}),
      });
      if (sessions.size > MAX_SESSIONS) {
        const oldest = [...sessions].sort(([, a], [, b]) => (a.updated_at < b.updated_at ? -1 : 1));
        for (const [stale] of oldest.slice(0, sessions.size - MAX_SESSIONS)) sessions.delete(stale);
      }
      write(sessions);
    },
    delete: (key) => {
      const sessions = read();
      const had = sessions.delete(key);
      if (had) write(sessions);
      return had;
    },
    list: () => [...read()],
  };
}

/** In plain words; a code of the system stays, because it tells whether that may pass. */
function storeError(what: string, cause: unknown): Error {
  const { code, message } = cause as NodeJS.ErrnoException;
  const told = `${what}: ${message}; make room, or correct runtime.session_store_path`;
  return cause instanceof ConfigError
    ? new SetupError(told)
    : Object.assign(new Error(told, { cause }), code === undefined ? {} : { code });
}

const isSession = (value: unknown): value is StoredSession =>
  isObject(value) && typeof value['runtime_session_id'] === 'string' && value['runtime_session_id'] !== '';
