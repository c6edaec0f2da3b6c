/**
 * What the node remembers of a server that remembers nothing for it: how far each conversation was handled, and the
 * last cursor. One small file per attachment, 0600, replaced atomically. Handled means that the turn has ended: what
 * was only in memory when the node died is fetched again.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { writePrivateFile } from '../config/private-files.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import { RecentSet } from './recent-set.ts';

const VERSION = 'moltnet.node-state.v1';
/** Message ids kept of each conversation: the original may commit out of time order, so a page is taken from a little before the last one. */
const RECENT = 16;
/** Message ids kept in all, more than the original's ring of 256 events can bring again. */
const SEEN = 512;
const CONVERSATIONS = 2_000;
/** Milliseconds: what is not the end of a turn is written with the next one, or after this. */
const WRITE_AFTER = 500;

interface Stored {
  version: string;
  /** Last event up to which everything is handled. */
  cursor?: string;
  /** created_at of the oldest message that may not be handled yet. */
  since?: string;
  conversations: Record<string, string[]>;
  seen: string[];
  bootstrapped: string[];
}

export class LegacyState {
  readonly #file: string;
  readonly #seen: RecentSet;
  readonly #conversations: Map<string, string[]>;
  readonly #bootstrapped: Set<string>;
  readonly #failed: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  cursor: string | undefined;
  since: string | undefined;

  /** @param failed is told when the file cannot be read or written; the node goes on without it */
  constructor(file: string, failed: (error: unknown) => void) {
    this.#file = file;
    this.#failed = failed;
    const stored = this.#read();
    this.cursor = stored?.cursor;
    this.since = stored?.since;
    this.#seen = new RecentSet(SEEN, stored?.seen);
    this.#conversations = new Map(Object.entries(stored?.conversations ?? {}));
    this.#bootstrapped = new Set(stored?.bootstrapped);
  }

  /** Message ids of a conversation that were handled, oldest first; undefined when it is not known at all. */
  recent(conversation: ConversationKey): readonly string[] | undefined {
    return this.#conversations.get(conversation);
  }
  wasHandled(messageId: string): boolean {
    return this.#seen.has(messageId);
  }
  wasBootstrapped(room: string): boolean {
    return this.#bootstrapped.has(room);
  }

  handled(conversation: ConversationKey, messageIds: readonly string[]): void {
    const known = this.#conversations.get(conversation) ?? [];
    this.#conversations.delete(conversation);
    this.#conversations.set(conversation, [...known, ...messageIds].slice(-RECENT));
    if (this.#conversations.size > CONVERSATIONS)
      this.#conversations.delete(this.#conversations.keys().next().value!);
    for (const id of messageIds) this.#seen.add(id);
    this.save();
  }
  bootstrapped(room: string): void {
    this.#bootstrapped.add(room);
    this.flush();
  }

  save(): void {
    this.#timer ??= setTimeout(() => this.flush(), WRITE_AFTER);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const stored: Stored = {
      version: VERSION,
      ...(this.cursor === undefined ? {} : { cursor: this.cursor }),
      ...(this.since === undefined ? {} : { since: this.since }),
      conversations: Object.fromEntries(this.#conversations),
      seen: this.#seen.values(),
      bootstrapped: [...this.#bootstrapped],
    };
    try {
      writePrivateFile(this.#file, `${JSON.stringify(stored)}\n`);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Writes what is not written. Idempotent. */
  close(): void {
    if (this.#timer) this.flush();
  }

  #read(): Stored | undefined {
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#failed(error);
      return undefined;
    }
    try {
      const stored = JSON.parse(text) as Partial<Stored>;
      if (stored.version !== VERSION) throw new Error(`version ${String(stored.version)} is not ${VERSION}`);
      const texts = (value: unknown): string[] =>
        Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
      return {
        version: VERSION,
        ...(typeof stored.cursor === 'string' ? { cursor: stored.cursor } : {}),
        ...(typeof stored.since === 'string' ? { since: stored.since } : {}),
        conversations: Object.fromEntries(
          Object.entries(stored.conversations ?? {}).map(([key, ids]) => [key, texts(ids)]),
        ),
        seen: texts(stored.seen),
        bootstrapped: texts(stored.bootstrapped),
      };
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }
}

/** One file per network and agent; ids may hold characters that a file name may not. */
export const stateFile = (dir: string, networkId: string, agentId: string): string =>
  path.join(dir, `${encodeURIComponent(networkId)}.${encodeURIComponent(agentId)}.json`);
