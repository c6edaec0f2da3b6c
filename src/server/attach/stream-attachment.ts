/**
 * An attachment of a client that does not speak the delivery protocol (wire.md 6): it is sent every event that its
 * agent may read, from its cursor on, and acknowledges each by itself. ACK means "handed over", no more.
 */
import type { LogEntry } from '../../log/entry.ts';
import { LogEntry as Entry } from '../../log/entry.ts';
import { LogReader, type ReaderSink } from '../../log/reader.ts';
import type { Tail } from '../../log/tail.ts';
import { conversationOf } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import type { EventType } from '../../protocol/events.ts';
import { fqid, gapEventId, isId } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import type { Target } from '../../protocol/messages.ts';
import { mayWake } from '../../protocol/wake.ts';
import { can } from '../../network/access.ts';
import type { Network } from '../../network/network.ts';
import type { Store } from '../../store/store.ts';
import { Audience } from '../audience.ts';
import type { EndReason } from '../presence.ts';
import type { Holds } from '../holds.ts';
import { announceReceipt } from '../receipts.ts';
import type { Connection, FrameHandler } from './connection.ts';
import { eventFrame, type ClientFrame } from './frames.ts';
import type { GapPositions } from './gap-positions.ts';
import type { HandedLog } from './handed-log.ts';
import type { WakeReports, WireWakeReason } from './wake-report.ts';

export interface StreamOptions {
  connection: Connection;
  network: Network;
  store: Store;
  tail: Tail;
  wakes: WakeReports;
  gaps: GapPositions;
  holds: Holds;
  handed: Pick<HandedLog, 'add'>;
  /** Since when a room is paused, RFC 3339. */
  paused: (room_id: string) => string | undefined;
  agent_id: string;
  /** Where the event stream begins: an event id, or empty for live only. */
  cursor: string;
}

/** An event that is out and counts as a wake (wire.md 6.6). */
interface WakeMark {
  seq: number;
  message_id: string;
  from: string;
  target: Target;
  reason: WireWakeReason;
}

const OBSERVERS_ONLY: ReadonlySet<string> = new Set<EventType>([
  'conversation.held',
  'conversation.resumed',
  'pause.changed',
]);

export class StreamAttachment implements FrameHandler, ReaderSink {
  readonly #options: StreamOptions;
  readonly #connection: Connection;
  readonly #self: string;
  readonly #reader: LogReader;
  /** Undefined in mode none, where every room is readable. */
  readonly #audience: Audience | undefined;
  /** The head when it subscribed. */
  readonly #head: number;
  /** Cursors that are out, and which of them are wakes. */
  #pending: Map<string, WakeMark | null> | undefined;
  #corked = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#connection = options.connection;
    this.#self = fqid(options.network.settings.id, 'agents', options.agent_id);
    // Subscribed from here on, before READY is written: nothing that is published after it can be missed (W6).
    this.#head = options.tail.head;
    this.#audience = audienceOf(options);
    this.#reader = new LogReader({
      tail: options.tail,
      sink: this,
      interest: this.#audience?.interest ?? { rooms: 'all', participants: new Set([options.agent_id]) },
      withholds: true,
      paused: options.paused,
    });
  }

  /** Called after READY. Rejects with what storage rejects with. */
  async start(): Promise<void> {
    const { cursor, store, gaps, agent_id, network } = this.#options;
    if (cursor === '') return this.#reader.start();
    const seq = isId(cursor) ? ((await store.eventSeq(cursor)) ?? gaps.get(agent_id, cursor)) : undefined;
    if (this.#connection.ended) return;
    if (seq === undefined) {
      await this.#sendGap(cursor);
      return this.#reader.start(this.#head);
    }
    const [event] = await store.events({ all: true }, seq - 1, 1);
    if (event?.seq === seq && event.held && event.conversation !== undefined) {
      const row =
        network.topology.conversation(event.conversation) ??
        (await store.conversations([event.conversation])).get(event.conversation);
      const stillHeld =
        row !== undefined && row.held_at !== null && row.held_seq !== null && row.held_seq < seq;
      if (!stillHeld) return this.#reader.startWithinHeld(event.conversation, seq);
    }
    this.#reader.start(seq);
  }

  /** What is held was decided anew. */
  holdsChanged(): void {
    this.#reader.resume();
  }

  /** A room or its members changed. */
  refresh(room_id: string): void {
    const changed = this.#audience?.refresh(room_id);
    if (changed) this.#reader.update(changed);
  }

  ready(): boolean {
    const { agent_id, holds } = this.#options;
    if (holds.of(agent_id, undefined)) return false;
    return (this.#pending?.size ?? 0) < limits.outstanding.value && this.#connection.writable;
  }

  take(entry: LogEntry): void {
    const { event } = entry;
    if (!this.#wants(entry)) return;
    if (!this.#corked && this.#options.tail.atEndOfBatch(this.#uncork)) {
      this.#corked = true;
      this.#connection.cork();
    }
    this.#connection.write(eventFrame(entry, this.#options.network.settings.id));
    (this.#pending ??= new Map()).set(event.id, this.#wakeMark(entry));
  }

  fail(error: unknown): void {
    const refusal = new MoltnetError(
      'storage_unavailable',
      'the log cannot be read now: reconnect with the same cursor',
      { cause: error },
    );
    this.#connection.fail(refusal, 'event_stream_closed');
  }

  onFrame(frame: ClientFrame): void {
    if (frame.op !== 'ACK')
      throw new MoltnetError(
        'bad_frame',
        `${frame.op.slice(0, 40)}: not a frame of a client; ACK, PONG, PING and ERROR are`,
      );
    const cursor = typeof frame['cursor'] === 'string' ? frame['cursor'] : '';
    const mark = this.#pending?.get(cursor);
    if (mark === undefined)
      throw new MoltnetError(
        'unknown_cursor',
        `ACK of ${JSON.stringify(cursor.slice(0, 160))}, which is not outstanding here: ACK each event once, on the connection that brought it`,
      );
    this.#pending!.delete(cursor);
    if (mark) this.#delivered(mark);
    if (!this.#reader.live) this.#reader.resume();
  }

  isOut(cursor: string): boolean {
    return this.#pending?.has(cursor) ?? false;
  }

  onDrain(): void {
    this.#reader.resume();
  }

  onEnd(reason: EndReason, error?: string): void {
    this.#reader.close();
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending || reason === 'request_context_done' || reason === 'agent_removed') return;
    for (const mark of pending.values()) {
      if (!mark) continue;
      const { seq: _seq, from: _from, ...wake } = mark;
      this.#options.wakes.failed({ agent_id: this.#options.agent_id, ...wake, error: error ?? reason });
    }
  }

  /** The client has it: all that a client that decides wakes itself tells. */
  #delivered({ seq, from, ...mark }: WakeMark): void {
    const { agent_id, wakes, handed, tail } = this.#options;
    wakes.delivered({ agent_id, ...mark });
    handed.add(agent_id, seq);
    const { message_id, target } = mark;
    const messages = [{ message_id, from }];
    announceReceipt(tail, agent_id, {
      conversation: conversationOf(target),
      room_id: target.room_id,
      state: 'handed',
      messages,
    });
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#connection.uncork();
  };

  /** Of what the reader may give it, what an attachment is sent. */
  #wants({ event, message }: LogEntry): boolean {
    if (OBSERVERS_ONLY.has(event.type)) return false;
    // A client that decides about wakes itself knows nothing of messages that wake nobody.
    if (message && !mayWake(message) && message.from.fqid !== this.#self) return false;
    if (this.#audience) return this.#audience.allows(event);
    const { topology, settings } = this.#options.network;
    if (event.room_id === undefined) return settings.direct_messages;
    // The log keeps what a removed room said; nobody can read it any more.
    return event.type === 'room.removed' || topology.room(event.room_id) !== undefined;
  }

  #wakeMark(entry: LogEntry): WakeMark | null {
    const message = entry.message;
    if (!message) return null;
    if (message.from.fqid === this.#self) return null;
    const reason =
      message.target.kind === 'dm' ? 'dm' : message.mentions?.includes(this.#self) ? 'mention' : undefined;
    const { id: message_id, target } = message;
    return reason ? { seq: entry.seq, message_id, from: message.from.id, target, reason } : null;
  }

  async #sendGap(requested: string): Promise<void> {
    const { store, network, gaps, agent_id, tail } = this.#options;
    const { oldest, newest } = await store.eventBounds();
    if (this.#connection.ended) return;
    const id = gapEventId(requested);
    gaps.set(agent_id, id, this.#head);
    const gap = {
      requested_event_id: isId(requested) ? requested : undefined,
      oldest_event_id: oldest,
      newest_event_id: newest,
    };
    const created_at = new Date(tail.now()).toISOString();
    const entry = new Entry({
      seq: 0,
      id,
      type: 'stream.replay_gap',
      created_at,
      payload: JSON.stringify(gap),
      held: false,
    });
    this.#connection.write(eventFrame(entry, network.settings.id));
    (this.#pending ??= new Map()).set(id, null);
  }
}

function audienceOf({ network, connection, agent_id }: StreamOptions): Audience | undefined {
  const { settings } = network;
  const { identity } = connection;
  if (identity.mode === 'none') return undefined;
  return new Audience({
    network,
    selves: new Set([agent_id]),
    mayRead: (room) => can(settings, identity, 'room.receive', { room, agent: agent_id }).allowed,
    mayReadDm: (participants) =>
      can(settings, identity, 'dm.receive', { dm: { participants }, agent: agent_id }).allowed,
  });
}
