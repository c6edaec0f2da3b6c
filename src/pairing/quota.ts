/**
 * How much one pairing may bring: messages in a minute, bytes in a day (UTC). Counted in the store before it is used, in
 * shares: a restart gives no fresh day, and servers of one database share the count. What a server has in hand of a share
 * when it ends is lost to the pairing. So the first share is small, and each next one is twice the one before: a server
 * that ends again and again loses no more than it has used and one first share, a 4,096th. RLY-35.
 */
import { spaceFor } from '../network/sharing.ts';
import type { RoomState } from '../network/state.ts';
import type { Topology } from '../network/topology.ts';
import { conversationKey } from '../protocol/conversation.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import type { SendMessageRequest } from '../protocol/messages.ts';
import type { Store } from '../store/store.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** The first share that a server takes of a span, and the largest: the span's amount through these. */
const FIRST = 4_096;
const LARGEST = 64;

/** Bytes that a message takes beside what it says: rows and indexes, and the conversation that it may begin. */
const ROW = 512;
/** For each participant of its DM, and each mention, a row of its own. */
const EACH = 100;
/** A part that is more than text is told once more, with where it was said. */
const ARTIFACT = 400;

/** Bytes of an event, and of one member in it beside the id. */
const EVENT = 1_024;
const MEMBER = 4;

/** A change of a room's members is told, and kept, with all of them. */
export function costOfMembers({ members }: Pick<RoomState, 'members'>, more: Iterable<string> = []): number {
  let bytes = EVENT;
  for (const member of members.keys()) bytes += member.length + MEMBER;
  for (const member of more) bytes += member.length + MEMBER;
  return bytes;
}

/** Whoever speaks in a room and is none of its members becomes one. */
export function costOfJoining(
  topology: Pick<Topology, 'room' | 'conversation'>,
  network: string,
  { target, from }: SendMessageRequest,
): number {
  if (from?.type !== 'agent' || (target?.kind !== 'room' && target?.kind !== 'thread')) return 0;
  const named = (target.room_id ?? '').trim();
  const thread = conversationKey('thread', (target.thread_id ?? '').trim());
  const room = topology.room(named === '' ? (topology.conversation(thread)?.room_id ?? '') : named);
  const id = (from.id ?? '').trim();
  const sender = id.startsWith(`${network}:`) ? id : `${network}:${id}`;
  // Most who speak are in the room: nothing is counted over for them.
  if (!room || room.members.has(sender) || spaceFor(room, network) === 0) return 0;
  return costOfMembers(room, [sender]);
}

/** What a message counts toward the bytes of a day: about what storing it takes. */
export function costOf(request: SendMessageRequest): number {
  const { target, parts, mentions } = request;
  const more = parts?.filter(({ kind }) => kind !== 'text').length ?? 0;
  const place = Buffer.byteLength(JSON.stringify(target ?? ''));
  return (
    Buffer.byteLength(JSON.stringify(request)) +
    ROW +
    (target?.kind === 'dm' ? limits.pairing_dm_participants.value * EACH : 0) +
    (mentions?.length ?? 0) * EACH +
    more * (ARTIFACT + place)
  );
}

export interface QuotaOptions {
  store: Pick<Store, 'reserve'>;
  most?: { messages: number; bytes: number };
  /** Milliseconds since 1970. */
  clock?: () => number;
}

export class Quota {
  readonly #options: Required<QuotaOptions>;
  readonly #counts = new Map<string, Count>();

  constructor({ store, most, clock }: QuotaOptions) {
    this.#options = {
      store,
      most: most ?? { messages: limits.pairing_messages.value, bytes: limits.pairing_bytes.value },
      clock: clock ?? Date.now,
    };
  }

  /** Counts so many messages. Rejects with `pairing_quota`, with the seconds to wait, and with StorageError. */
  async take(pairing_id: string, bytes: number, messages = 1): Promise<void> {
    const { most, clock } = this.#options;
    const at = clock();
    if (!(await this.#count(pairing_id, 'messages', most.messages, MINUTE).take(messages, at)))
      throw over(`${most.messages} messages in a minute`, MINUTE - (at % MINUTE));
    if (!(await this.#count(pairing_id, 'bytes', most.bytes, DAY).take(bytes, at)))
      throw over(`${most.bytes} bytes in a day`, DAY - (at % DAY));
  }

  /** The message was not stored. */
  giveBack(pairing_id: string, bytes: number): void {
    const { most, clock } = this.#options;
    this.#count(pairing_id, 'bytes', most.bytes, DAY).giveBack(bytes, clock());
  }

  #count(pairing_id: string, what: string, most: number, length: number): Count {
    const name = `pairing:${pairing_id}:${what}`;
    let count = this.#counts.get(name);
    if (!count) this.#counts.set(name, (count = new Count(this.#options.store, name, most, length)));
    return count;
  }
}

/** What this server has in hand of one bound. */
class Count {
  readonly #store: Pick<Store, 'reserve'>;
  readonly #name: string;
  readonly #most: number;
  readonly #length: number;
  #span = -1;
  #left = 0;
  /** How much is asked for next. */
  #share = 0;
  /** Nobody has more of this span. */
  #spent = false;
  #asking: Promise<unknown> = Promise.resolve();

  constructor(store: Pick<Store, 'reserve'>, name: string, most: number, length: number) {
    this.#store = store;
    this.#name = name;
    this.#most = most;
    this.#length = length;
  }

  async take(amount: number, at: number): Promise<boolean> {
    this.#begin(at);
    if (this.#use(amount)) return true;
    if (this.#spent) return false;
    // One asks for all who come meanwhile.
    const turn = this.#asking.then(() => this.#ask(amount, at));
    this.#asking = turn.catch(() => {});
    return turn;
  }

  giveBack(amount: number, at: number): void {
    this.#begin(at);
    this.#left += amount;
  }

  async #ask(amount: number, at: number): Promise<boolean> {
    const span = Math.floor(at / this.#length);
    if (span === this.#span && this.#use(amount)) return true;
    const wanted = Math.max(this.#share, amount);
    const granted = await this.#store.reserve({ name: this.#name, span, amount: wanted, most: this.#most });
    if (span !== this.#span) return granted >= amount;
    this.#share = Math.min(2 * this.#share, Math.ceil(this.#most / LARGEST));
    this.#left += granted;
    this.#spent = granted < wanted;
    return this.#use(amount);
  }

  #begin(at: number): void {
    const span = Math.floor(at / this.#length);
    // A clock that goes back gives nothing anew.
    if (span <= this.#span) return;
    this.#span = span;
    this.#share = Math.ceil(this.#most / FIRST);
    this.#left = 0;
    this.#spent = false;
  }

  #use(amount: number): boolean {
    if (amount > this.#left) return false;
    this.#left -= amount;
    return true;
  }
}

const over = (what: string, wait: number): MoltnetError =>
  new MoltnetError('pairing_quota', `the pairing has sent ${what}, as much as it may`, {
    retry_after: Math.max(1, Math.ceil(wait / 1_000)),
  });
