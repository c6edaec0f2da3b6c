/**
 * An attachment that speaks the delivery protocol: the frames around log/delivery.ts. Only the one that holds its
 * agent's lease delivers; another waits, READY and silent, until the holder has ended and its positions are stored.
 */
import { StatusRuntime, type CannotWakeCause } from '../../protocol/agents.ts';
import { Delivery, targetOf } from '../../log/delivery.ts';
import type {
  Addressed,
  DeliverySink,
  ReceiptChange,
  RoomAccess,
  WakeEnd,
  WakeFrame,
} from '../../log/delivery-types.ts';
import type { Hold } from '../../log/receipt.ts';
import { LogEntry } from '../../log/entry.ts';
import type { Tail } from '../../log/tail.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import type { ConversationKey } from '../../protocol/conversation.ts';
import { gapEventId, isId, newWakeId } from '../../protocol/ids.ts';
import type { Bindings } from '../../protocol/wake.ts';
import { can } from '../../network/access.ts';
import type { Network } from '../../network/network.ts';
import type { WakeRow } from '../../store/delivery-rows.ts';
import { LeaseLostError } from '../../store/errors.ts';
import type { Store } from '../../store/store.ts';
import type { Connection, FrameHandler } from './connection.ts';
import {
  classification,
  conversation,
  cannotWake,
  optionalCount,
  optionalText,
  outcome,
  rooms,
  textField,
  usage,
  wakeId,
} from './delivery-fields.ts';
import { eventFrame, frameOf, type ClientFrame } from './frames.ts';
import type { Holds } from '../holds.ts';
import { announceReceipt } from '../receipts.ts';
import type { Usage } from '../usage.ts';
import { lapsed, saveBy, type Lease } from './leases.ts';
import type { WakeReports } from './wake-report.ts';

/** Milliseconds until a message that no turn was begun over is told as handed. */
const HANDED_AFTER = 200;
const NOBODY: ReadonlyMap<string, number> = new Map();

export interface DeliveryAttachmentOptions {
  connection: Connection;
  network: Network;
  store: Store;
  tail: Tail;
  wakes: WakeReports;
  agent_id: string;
  bindings: Bindings;
  cursor: string;
  lease: Lease;
  holds: Holds;
  usage: Pick<Usage, 'began' | 'ended'>;
  /** The client announced `status`. */
  tellsStatus: boolean;
  /** The agent has reached its daily cap. */
  onCap: () => void;
  /** What the agent does now is another. */
  onStatus: () => void;
}

/** Why no turn can be run now; all of it left out when one can. */
export interface CannotWake {
  cannot_wake?: string;
  cannot_wake_cause?: CannotWakeCause;
  /** RFC 3339. */
  cannot_wake_until?: string;
}
/** What the node says of its runtime. */
export interface ProbeStatus extends CannotWake {
  runtime?: StatusRuntime | undefined;
}
export interface AttachmentActivity extends CannotWake {
  working: { wake_id: string; conversation: string; since: string; room_id: string | undefined }[];
}

/** A message that was sent. */
type Sent = Addressed & { conversation: ConversationKey; room_id: string | undefined };

export class DeliveryAttachment implements FrameHandler, DeliverySink {
  readonly #options: DeliveryAttachmentOptions;
  readonly #connection: Connection;
  readonly #delivery: Delivery;
  readonly #dms: boolean;
  #delivering = false;
  #ready = false;
  #corked = false;
  #gap: string | undefined;
  /** Sent messages that somebody watches, by event id, until they are told as handed. */
  #handed: Map<string, Sent> | undefined;
  #handedTimer: NodeJS.Timeout | undefined;
  #said: ProbeStatus | undefined;
  #probes: Map<string, (status: ProbeStatus | undefined) => void> | undefined;

  constructor(options: DeliveryAttachmentOptions) {
    this.#options = options;
    this.#connection = options.connection;
    const { network, store, tail, agent_id, bindings } = options;
    this.#dms = network.settings.direct_messages;
    this.#delivery = new Delivery({
      agent: { network_id: network.settings.id, id: agent_id },
      bindings,
      tail,
      store,
      sink: this,
      room: (id) => this.#room(id),
      hold: (room_id) => options.holds.of(agent_id, room_id)?.reason,
      dms: this.#dms,
      save: (writes) =>
        saveBy(options.lease, network, writes).catch((error: unknown) => {
          if (error instanceof LeaseLostError) this.fail(lapsed());
          throw error;
        }),
    });
  }

  /** Called before READY: when the lease is free, all that is published from here on will be delivered (W6). */
  async prepare(): Promise<void> {
    if (this.#options.lease.free) await this.#deliver();
    else void this.#deliver().catch((error: unknown) => this.fail(error));
  }

  /** Called after READY. */
  async start(): Promise<void> {
    this.#ready = true;
    await this.#sendGap();
    if (this.#delivering) this.#delivery.start();
  }

  /** The settings changed: what the agent may read is looked at again. */
  recheck(): void {
    if (this.#dms !== this.#options.network.settings.direct_messages)
      this.#connection.fail(
        new MoltnetError('service_unavailable', 'direct messages were switched: reconnect'),
        'attachment_closed',
      );
    else if (this.#delivering) this.#delivery.recheck();
  }

  ready(): boolean {
    return this.#connection.writable;
  }

  event(entry: LogEntry): void {
    // This process may have stood still, and what is sent here may be on its way from another server.
    if (!this.#options.lease.stands) return this.fail(lapsed());
    if (!this.#corked && this.#options.tail.atEndOfBatch(this.#uncork)) {
      this.#corked = true;
      this.#connection.cork();
    }
    this.#connection.write(eventFrame(entry, this.#options.network.settings.id));
    const { message, event: stored } = entry;
    if (!message || !this.#options.tail.isWatched(message.from.id)) return;
    const { id: message_id, from } = message;
    (this.#handed ??= new Map()).set(stored.id, {
      message_id,
      from: from.id,
      conversation: stored.conversation!,
      room_id: stored.room_id,
    });
    this.#handedTimer ??= setTimeout(() => this.#tellHanded(), HANDED_AFTER);
  }

  receipt(change: ReceiptChange): void {
    if (change.state === 'started') this.#options.onStatus();
    announceReceipt(this.#options.tail, this.#options.agent_id, change);
  }

  /** What is held was decided anew. */
  holdsChanged(): void {
    if (this.#delivering) this.#delivery.holdsChanged();
  }

  retry(row: WakeRow, room_id: string | undefined): void {
    if (this.#delivering) this.#delivery.retry(row, room_id);
  }

  heldBack(): { conversation: string; reason: Hold }[] {
    return this.#delivering ? this.#delivery.holds() : [];
  }

  /** What the agent does and whether it can be woken; undefined while another attachment delivers. */
  activity(): AttachmentActivity | undefined {
    if (!this.#delivering) return undefined;
    const { runtime: _runtime, ...cannot } = this.#said ?? {};
    return { working: this.#delivery.working(), ...cannot };
  }

  get tellsStatus(): boolean {
    return this.#delivering && this.#options.tellsStatus;
  }

  /** Asks the node whether the runtime can be woken; undefined when it ended or its answer did not come in time. */
  async ask(milliseconds: number): Promise<ProbeStatus | undefined> {
    if (!this.#delivering) return undefined;
    const probe = newWakeId();
    const { promise, resolve } = Promise.withResolvers<ProbeStatus | undefined>();
    (this.#probes ??= new Map()).set(probe, resolve);
    const timer = setTimeout(() => resolve(undefined), milliseconds);
    this.#connection.write(frameOf('PROBE', { probe }));
    const status = await promise;
    clearTimeout(timer);
    this.#probes?.delete(probe);
    return status;
  }

  /** Whether the agent's node has the event, and nothing became of it yet. */
  isOut(cursor: string): boolean {
    return this.#delivering && this.#delivery.isOut(cursor);
  }

  wake({ wake_id, conversation, cursor, attempt, earlier }: WakeFrame): void {
    if (!this.#options.lease.stands) return this.fail(lapsed());
    this.#connection.write(frameOf('WAKE', { cursor, wake_id, conversation, attempt, earlier }));
  }

  began(room_id: string | undefined): void {
    const { usage, agent_id, onCap } = this.#options;
    if (usage.began(agent_id, room_id)) onCap();
  }

  wakeEnded(end: WakeEnd): void {
    const { agent_id, wakes, usage, onStatus } = this.#options;
    usage.ended(agent_id, end.room_id, end.usage);
    onStatus();
    const reason = end.reason === 'mention' || end.reason === 'dm' ? end.reason : 'targeted';
    const ended = {
      agent_id,
      message_id: end.message_id,
      target: targetOf(end.conversation, end.room_id),
      reason,
    } as const;
    if (end.outcome === 'ok') wakes.delivered(ended);
    else
      wakes.failed({
        ...ended,
        error: end.error,
        attempts: end.attempts,
        classification: end.classification,
      });
  }

  fail(error: unknown): void {
    const refusal =
      error instanceof MoltnetError
        ? error
        : new MoltnetError('storage_unavailable', 'delivery state cannot be read or stored now: reconnect', {
            cause: error,
          });
    this.#connection.fail(refusal, 'event_stream_closed');
  }

  onFrame(frame: ClientFrame): void {
    if (this.#delivering && !this.#options.lease.stands) throw lapsed();
    switch (frame.op) {
      case 'ACK':
        return this.#delivery.ack({
          cursor: textField(frame, 'cursor'),
          wake_id: optionalText(frame, 'wake_id'),
          outcome: outcome(frame['outcome']),
          error: optionalText(frame, 'error'),
          attempts: optionalCount(frame, 'attempts'),
          classification: classification(frame['classification']),
          usage: usage(frame['usage']),
        });
      case 'WAKE':
        return this.#delivery.wake({
          wake_id: wakeId(frame),
          conversation: conversation(frame),
          cursor: textField(frame, 'cursor'),
          attempt: optionalCount(frame, 'attempt') ?? 1,
        });
      case 'STATUS':
        return this.#status(frame);
      case 'BOOTSTRAP':
        return void this.#bootstrap(rooms(frame), frame['done'] === true);
      default:
        throw new MoltnetError(
          'bad_frame',
          `${frame.op.slice(0, 40)}: not a frame of a client; ACK, WAKE, BOOTSTRAP, STATUS, PONG, PING and ERROR are`,
        );
    }
  }

  get busy(): Promise<void> | undefined {
    return this.#delivery.busy;
  }

  onDrain(): void {
    this.#delivery.resume();
  }

  onEnd(): void {
    clearTimeout(this.#handedTimer);
    for (const answer of this.#probes?.values() ?? []) answer(undefined);
    this.#probes = undefined;
    // The next holder begins where this one has written down that it ended.
    this.#options.lease.release(this.#delivery.close());
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#connection.uncork();
  };

  async #deliver(): Promise<void> {
    await this.#options.lease.acquired;
    if (this.#connection.ended) return;
    const { cursor, store } = this.#options;
    // What another server has delivered is beyond what came here.
    await store.catchUp();
    // Positions say where delivery goes on; a cursor is only looked at to tell of a gap.
    if (cursor !== '' && (!isId(cursor) || (await store.eventSeq(cursor)) === undefined)) this.#gap = cursor;
    await this.#delivery.open();
    if (this.#connection.ended) return;
    this.#delivering = true;
    if (!this.#ready) return;
    await this.#sendGap();
    this.#delivery.start();
  }

  async #sendGap(): Promise<void> {
    const requested = this.#gap;
    if (requested === undefined) return;
    this.#gap = undefined;
    const { oldest, newest } = await this.#options.store.eventBounds();
    const gap = {
      requested_event_id: isId(requested) ? requested : undefined,
      oldest_event_id: oldest,
      newest_event_id: newest,
    };
    const id = gapEventId(requested);
    this.#delivery.notice(id);
    this.event(
      new LogEntry({
        seq: 0,
        id,
        type: 'stream.replay_gap',
        created_at: new Date(this.#options.tail.now()).toISOString(),
        payload: JSON.stringify(gap),
        held: false,
      }),
    );
  }

  #status(frame: ClientFrame): void {
    const { success, data: runtime } = StatusRuntime.optional().safeParse(frame['runtime'] ?? undefined);
    if (!success) throw new MoltnetError('bad_frame', 'STATUS.runtime: must be {kind, version}');
    this.#said = { ...cannotWake(frame), runtime: runtime ?? this.#said?.runtime };
    this.#probes?.get(optionalText(frame, 'probe') ?? '')?.(this.#said);
    this.#options.onStatus();
  }

  /** What a turn was begun over meanwhile has been told as more than that. */
  #tellHanded(): void {
    this.#handedTimer = undefined;
    const sent = [...(this.#handed ?? [])].filter(([cursor]) => this.#delivery.isOut(cursor));
    this.#handed = undefined;
    for (const [conversation, messages] of Map.groupBy(
      sent.map(([, message]) => message),
      (message) => message.conversation,
    ))
      this.receipt({ conversation, room_id: messages[0]!.room_id, state: 'handed', messages });
  }

  async #bootstrap(asked: string[], done: boolean): Promise<void> {
    try {
      if (done) return await this.#delivery.bootstrapped(asked);
      this.#connection.write(frameOf('BOOTSTRAP', { rooms: await this.#delivery.bootstrap(asked) }));
    } catch (error) {
      this.fail(error);
    }
  }

  #room(room_id: string): RoomAccess | undefined {
    const { network, agent_id, connection } = this.#options;
    const room = network.topology.room(room_id);
    if (!room) return undefined;
    const allowed = (members: ReadonlyMap<string, number>) =>
      can(network.settings, connection.identity, 'room.receive', {
        room: { row: room.row, members },
        agent: agent_id,
      }).allowed;
    if (!allowed(room.members)) return undefined;
    return {
      created_seq: room.row.created_seq,
      member_since: network.topology.memberSince(room_id, agent_id),
      open: allowed(NOBODY),
    };
  }
}
