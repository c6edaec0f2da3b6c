/**
 * What a chaos run writes down: the checker (check.ts) reads nothing else. Facts are lines of one file that everybody
 * appends to (the harness, the nodes, the agents), so their order is the order in which they happened, and a process
 * that is killed loses none that it wrote.
 */
import { appendFileSync, closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import type { ReceiptState } from '../../../src/protocol/receipts.ts';

export type Fact =
  /** A sender was told 202. `key`: what makes its words unlike all others'. */
  | { t: 'accepted'; id: string; by: string }
  /** A sender that gave up without an answer: it may be stored, or not. */
  | { t: 'unknown'; id: string; by: string }
  /** A runtime began a turn. `shown`: message ids. `life`: how often its node had been started. */
  | {
      t: 'run';
      agent: string;
      wake: string;
      conversation: string;
      shown: string[];
      hidden: number;
      life: number;
      pid: number;
    }
  /** The runtime has in its own history that this turn ended well. */
  | { t: 'done'; agent: string; wake: string }
  /** An agent was told that it had sent this; `key` is what its words begin with, and in them alone. */
  | { t: 'said'; agent: string; wake: string; id: string; key: string; target: string }
  /** A turn of this wake is run again, because one had failed: by the node, or because an operator said so. */
  | { t: 'retry'; agent: string; wake: string }
  /** An agent was in a turn, or waits before its next try. Milliseconds since 1970. */
  | { t: 'busy'; agent: string; what: 'turn' | 'backoff'; from: number; to: number }
  /** It is gone, and not there again yet. */
  | { t: 'kill'; what: 'server' | 'node' | 'runtime'; name: string }
  /** `*`, `agent:ID` or `room:ID`; not for long. */
  | { t: 'pause'; scope: string }
  /** Something that must not happen, seen where it happened. */
  | { t: 'trouble'; at: string; text: string };

export interface ChaosAgent {
  id: string;
  /** The node process that runs it. */
  node: string;
  /** Its runtime runs a wake once only. */
  dedupes: boolean;
  rooms: Readonly<Record<string, 'all' | 'mentions'>>;
}

export interface StoredMessage {
  id: string;
  from: { type: string; id: string };
  /** Ids of the agents of this network that it mentions. */
  mentions: readonly string[];
  intent?: string;
  text: string;
}

export interface StoredConversation {
  /** Of a room or a thread. */
  room?: string;
  /** Of a DM: ids. */
  participants?: readonly string[];
  /** In the order of the history. */
  messages: readonly StoredMessage[];
}

export interface StoredReceipt {
  agent_id: string;
  state: ReceiptState;
  reason?: string;
  wake_id?: string;
  answer_id?: string;
}

export interface ChaosReader {
  name: string;
  /** Rooms whose messages it is sent; undefined: everything, DMs too. */
  rooms?: readonly string[];
  /** Message ids as they came, over all its connections. */
  saw: readonly string[];
  /** Rules of the wire that were broken toward it. */
  broken: readonly string[];
}

export interface ChaosRecord {
  facts: readonly Fact[];
  agents: readonly ChaosAgent[];
  /** By key: `room:ID`, `thread:ID`, `dm:ID`. */
  conversations: ReadonlyMap<string, StoredConversation>;
  /** By message id. */
  receipts: ReadonlyMap<string, readonly StoredReceipt[]>;
  readers: readonly ChaosReader[];
}

export interface FactFile {
  readonly file: string;
  add(fact: Fact): void;
  /** All facts so far. */
  read(): readonly Fact[];
}

export function openFacts(file: string): FactFile {
  const facts: Fact[] = [];
  let read = 0;
  return {
    file,
    add: (fact) => appendFileSync(file, `${JSON.stringify(fact)}\n`),
    read: () => {
      if (!existsSync(file)) return facts;
      const { size } = statSync(file);
      if (size === read) return facts;
      const fd = openSync(file, 'r');
      const more = Buffer.alloc(size - read);
      readSync(fd, more, 0, more.length, read);
      closeSync(fd);
      // What others are just writing is read the next time.
      const whole = more.lastIndexOf(0x0a) + 1;
      for (const line of more.toString('utf8', 0, whole).split('\n'))
        if (line !== '') facts.push(JSON.parse(line) as Fact);
      read += whole;
      return facts;
    },
  };
}
