/**
 * What a delivery holds in memory, and how it is written down. A **scope** is a room with its threads, or all DMs of
 * the agent; a **feed** is a conversation of which something is not settled yet. Every conversation without a feed is
 * settled up to its scope's floor.
 *
 * On disk: the scope's `settled_seq` (the floor), and a position for each conversation that is behind or ahead of it.
 */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { Bindings, WakePolicy, WakeReason } from '../protocol/wake.ts';
import type { DeliveryWrite, WakeRow } from '../store/delivery-rows.ts';
import { passedText, stretchOf, type PassedRange } from './passed.ts';
import type { Hold } from './receipt.ts';

/** A floor that is so far behind the head is written down though nothing else changed: the next search begins there. */
const STALE = 256;
/** With more unsettled conversations than this, each is written when it changes instead of all with every save. */
const FEW = 64;

/** An event that was sent and is not acknowledged. */
export interface Outstanding {
  readonly seq: number;
  /** Its event id. */
  readonly cursor: string;
  readonly message_id: string;
  /** Id of its sender. */
  readonly from: string;
  readonly reason: WakeReason;
  readonly feed: Feed;
}

export interface OpenWake {
  readonly wake_id: string;
  /** The range: after_seq < seq <= last_seq. */
  readonly after_seq: number;
  readonly last_seq: number;
  /** Event id of the last event sent of it. */
  readonly cursor: string;
  /** The head when it was opened: what the agent posts there after it is its answer. */
  readonly opened_seq: number;
  /** RFC 3339. */
  readonly opened_at: string;
  /** What of its range is not in it, as storage keeps it. */
  readonly passed: string | null;
  attempt: number;
}

export class Feed {
  readonly conversation: ConversationKey;
  readonly scope: Scope;
  /** Settled up to here. */
  acked: number;
  /** Looked at up to here: sent, or it wakes nobody. */
  read: number;
  /** The log may hold more after `read`. */
  more: boolean;
  /** Waits for conversation.resumed. */
  held = false;
  readonly out: Outstanding[] = [];
  wake: OpenWake | undefined;
  /** An open wake of an earlier attachment that has to be sent before anything else. */
  owed: WakeRow | undefined;
  /** Failed wakes that an operator wants run again, each when nothing else is out here. */
  retries: WakeRow[] = [];
  /** What catch_up passes over of it. */
  passed: readonly PassedRange[] | undefined;
  /** Messages that were passed over before its next wake. */
  earlier = 0;
  /** Id of the last message that the agent posted here since its wake was opened. */
  answer: string | undefined;
  /** Counts pushes and resumes, so that a read sees what came while it waited. */
  version = 0;
  /** Its position differs from what is written down. */
  dirty = false;

  constructor(
    scope: Scope,
    conversation: ConversationKey,
    options: { acked: number; read?: number; more: boolean },
  ) {
    this.scope = scope;
    this.conversation = conversation;
    this.acked = options.acked;
    this.read = options.read ?? options.acked;
    this.more = options.more;
    this.passed = scope.passed;
  }

  /** Its position as it is written down. */
  write(agent_id: string): DeliveryWrite {
    const { conversation, acked, earlier } = this;
    const passed = passedText({ ranges: this.passed, earlier }, acked);
    return { op: 'position', agent_id, conversation, acked_seq: acked, passed };
  }

  get settled(): boolean {
    return (
      this.out.length === 0 &&
      !this.more &&
      !this.held &&
      this.wake === undefined &&
      this.owed === undefined &&
      this.retries.length === 0
    );
  }
}

/** Whether wakes that were begun have to wait as well: a daily cap counts what is begun. */
export const stops = ({ hold }: Scope): boolean => hold !== undefined && hold !== 'budget';

export class Scope {
  /** `room:ID` or `dms`. */
  readonly name: string;
  readonly room_id: string | undefined;
  /** Only what concerns this scope, so that the wake decision does not look through all rooms. */
  readonly bindings: Bindings;
  readonly start: number;
  /** Nothing is sent while it is set. */
  hold: Hold | undefined;
  /** While there is a scan: conversations without a feed or a position are settled up to here. Else all are, up to the head. */
  floor: number;
  /** What catch_up passes over of what came while the agent was away; undefined when all of that was looked at. */
  passed: readonly PassedRange[] | undefined;
  /** Of what is settled up to here without a wake, catch_up may say that it was passed over by count. */
  counted = 0;
  /** The search for conversations that hold something: it has seen those whose last message is up to `after`. */
  scan: { after: number; followed?: boolean } | undefined;
  /** Counts pushes, as in Feed. */
  version = 0;
  readonly feeds = new Set<Feed>();
  /** While there is a scan: positions of conversations without a feed that differ from the floor. */
  positions: Map<ConversationKey, number> | undefined;
  /** Conversations that became settled since the last save. */
  settled: Map<ConversationKey, number> | undefined;
  dirty = false;
  /** There may be rows of positions on disk. */
  hasRows = true;
  /** Positions below the floor do not count any more. */
  readonly lifted: boolean;
  /** Its floor as it is on disk. */
  #written: number;
  /** Its row on disk says another floor than ours, or there is none: written anew with the next save. */
  #rewrite: boolean;

  constructor(options: {
    room_id?: string;
    bindings: Bindings;
    start: number;
    floor: number;
    passed?: readonly PassedRange[] | undefined;
    scanning: boolean;
    rewrite: boolean;
    lifted?: boolean;
  }) {
    this.room_id = options.room_id;
    this.name = options.room_id === undefined ? 'dms' : `room:${options.room_id}`;
    this.bindings = options.bindings;
    this.start = options.start;
    this.floor = options.floor;
    this.passed = options.passed;
    this.scan = options.scanning ? { after: options.floor } : undefined;
    this.lifted = options.lifted ?? false;
    this.#written = options.floor;
    this.#rewrite = this.dirty = options.rewrite;
  }

  /** Of a room; DMs wake like `all` (wire.md 12.3). */
  get policy(): WakePolicy {
    return this.room_id === undefined ? 'all' : (this.bindings.rooms[0]?.wake ?? 'never');
  }

  /** A save failed: all of it is to be written again. `settled`: what it would have said. */
  notWritten(settled: ReadonlyMap<ConversationKey, number>): void {
    this.settled = new Map([...settled, ...(this.settled ?? [])]);
    this.dirty = this.hasRows = this.#rewrite = true;
  }

  /** How to look at what comes after a position, and up to where that holds. `ranges`: what catch_up passes over there. */
  stretch(
    ranges: readonly PassedRange[] | undefined,
    after: number,
    head: number,
  ): { of: 'messages' | 'mentions' | 'nothing'; end: number } {
    const { policy } = this;
    const live = policy === 'never' ? 'nothing' : policy === 'mentions' ? 'mentions' : 'messages';
    const { passed, end } = stretchOf(ranges, after, head);
    if (passed === 'all' || live === 'nothing') return { of: 'nothing', end };
    return { of: passed === 'unnamed' ? 'mentions' : live, end };
  }

  /** What was missed up to here is with the feeds, or passed over: the search goes on from here. */
  caughtUp(until: number): void {
    this.floor = this.counted = until;
    this.scan = { after: until };
    for (const [conversation, seq] of this.positions ?? [])
      if (seq <= until) this.positions!.delete(conversation);
    this.#rewrite = this.dirty = true;
  }

  positionOf(conversation: ConversationKey): number {
    return this.positions?.get(conversation) ?? this.floor;
  }

  /** Whether it is worth writing down though nothing was acknowledged. */
  isStale(head: number): boolean {
    return !this.scan && head - this.#written > STALE;
  }

  /** What has to be written down now; afterwards it counts as written. `head`: everything up to it was looked at. */
  takeWrites(agent_id: string, head: number): DeliveryWrite[] {
    const writes: DeliveryWrite[] = [];
    const position = (conversation: ConversationKey, acked_seq: number) =>
      writes.push({ op: 'position', agent_id, conversation, acked_seq });
    const scope = (settled_seq: number) => {
      this.#written = settled_seq;
      writes.push({ op: 'scope', agent_id, scope: this.name, start_seq: this.start, settled_seq });
    };
    const clear = () => writes.push({ op: 'positions.clear', agent_id, scope: this.name, up_to: head });
    if (!this.scan && this.feeds.size <= FEW) {
      if (this.hasRows) clear();
      scope(head);
      for (const feed of this.feeds) writes.push(feed.write(agent_id));
      this.hasRows = this.feeds.size > 0;
      this.positions = undefined;
    } else {
      if (this.#rewrite) {
        clear();
        scope(this.scan ? this.floor : head);
      }
      const { positions = [], settled = [] } = this;
      for (const [conversation, seq] of this.#rewrite ? [...positions, ...settled] : settled)
        position(conversation, seq);
      for (const feed of this.feeds) if (feed.dirty || this.#rewrite) writes.push(feed.write(agent_id));
      this.hasRows = true;
    }
    this.#rewrite = false;
    for (const feed of this.feeds) feed.dirty = false;
    this.settled = undefined;
    this.dirty = false;
    return writes;
  }
}
