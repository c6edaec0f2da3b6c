/**
 * The node's side of the delivery protocol (protocol/frames.ts): what the server sends waits by conversation, a turn is
 * announced by WAKE before it starts and ended by ACK. Nothing is kept on disk here: what is not acknowledged comes
 * again, and a wake that was begun comes again under its id.
 */
import type { AttachmentSocket, PresentedWake } from '../client/attachment.ts';
import { conversationOf, parseConversation, type ConversationKey } from '../protocol/conversation.ts';
import type { Event } from '../protocol/events.ts';
import { messageEventId } from '../protocol/ids.ts';
import type { Message } from '../protocol/messages.ts';
import { wakeReason, type Bindings, type WakeAgent, type WakeReason } from '../protocol/wake.ts';
import { ConversationQueue, type QueueHost } from './conversation-queue.ts';
import { RecentSet } from './recent-set.ts';
import type { RunningWake, Waiting, WakeEnd } from './wake.ts';

/** What a link needs of its attachment: how turns are had and run. */
export type LinkHost = Pick<QueueHost, 'retry' | 'signal' | 'turn' | 'run' | 'retrying'> & {
  readonly agent: WakeAgent;
  readonly bindings: Bindings;
  /** The wake is over, for the log. */
  ended(wake: RunningWake, end: WakeEnd): void;
};

export class DeliveryLink {
  readonly #host: LinkHost;
  readonly #answerMs: number;
  readonly #queues = new Map<ConversationKey, ConversationQueue>();
  #socket: AttachmentSocket | undefined;
  /** Open wakes whose events are coming in. */
  readonly #presented = new Map<ConversationKey, { wake: PresentedWake; entries: Waiting[] }>();
  /** Wakes that the server knows to be open on this connection. */
  readonly #open = new Set<string>();
  /** Who waits for the answer to a WAKE; undefined: it will not come. */
  readonly #answers = new Map<string, (begun: PresentedWake | undefined) => void>();
  /** How wakes ended: a connection that broke may have taken the ACK with it. */
  readonly #ended = new Map<string, { end: WakeEnd; attempt: number }>();
  /** First wakes of rooms, which no message began. */
  readonly #first = new Map<string, 'begun' | 'ended'>();
  /** Events of wakes that ended here: sent again, they need no second turn. */
  readonly #handled = new RecentSet(4_096);

  constructor(host: LinkHost, times: { answer: number }) {
    this.#host = host;
    this.#answerMs = times.answer;
  }

  connected(socket: AttachmentSocket): void {
    this.#socket = socket;
  }

  disconnected(): void {
    this.#socket = undefined;
    this.#open.clear();
    this.#presented.clear();
    for (const queue of this.#queues.values()) queue.reset();
    for (const answer of this.#answers.values()) answer(undefined);
    this.#answers.clear();
  }

  event(cursor: string, event: Event): void {
    switch (event.type) {
      case 'message.created':
        if (event.message)
          this.#message({ cursor, message: event.message, reason: this.#why(event.message) });
        return;
      case 'message.redacted': {
        const redaction = event.redaction;
        if (redaction) this.#redact(conversationOf(redaction.target), redaction.message_id);
        return this.#socket?.ack(cursor);
      }
      case 'stream.replay_gap':
        return this.#socket?.ack(cursor);
      default:
      // Nothing else is sent to us, and what is not a message cannot be settled by a turn.
    }
  }

  /** The server knows more than the bindings say: in which threads the agent has posted. What it sends, wakes. */
  #why(message: Message): WakeReason | undefined {
    if (message.redacted_at !== undefined) return undefined;
    const { kind } = message.target;
    return (
      wakeReason(this.#host.agent, this.#host.bindings, message) ??
      (kind === 'thread' || kind === 'dm' ? kind : 'room')
    );
  }

  wake(frame: PresentedWake): void {
    const answer = this.#answers.get(frame.wake_id);
    if (answer) {
      this.#answers.delete(frame.wake_id);
      this.#open.add(frame.wake_id);
      return answer(frame);
    }
    this.#presented.set(frame.conversation as ConversationKey, { wake: frame, entries: [] });
  }

  bootstrap(rooms: readonly string[]): void {
    for (const room of rooms) {
      const known = this.#first.get(room);
      // It ended, and the connection took what was said of it.
      if (known === 'ended') this.#socket?.bootstrapped([room]);
      if (known) continue;
      this.#first.set(room, 'begun');
      this.#queue(`room:${room}`).bootstrap();
    }
  }

  #message(entry: Waiting): void {
    const conversation = conversationOf(entry.message.target);
    const presented = this.#presented.get(conversation);
    if (presented) {
      presented.entries.push(entry);
      if (entry.cursor !== presented.wake.cursor) return;
      this.#presented.delete(conversation);
      return this.#begin(presented.wake, conversation, presented.entries);
    }
    const queue = this.#queue(conversation);
    const running = queue.current?.entries.some(({ cursor }) => cursor === entry.cursor);
    if (running || this.#handled.has(entry.cursor)) entry.reason = undefined;
    queue.push(entry);
  }

  /** A wake that was open before this connection, with all its events. */
  #begin(
    { wake_id, cursor, attempt, earlier = 0 }: PresentedWake,
    conversation: ConversationKey,
    entries: Waiting[],
  ): void {
    this.#open.add(wake_id);
    const ended = this.#ended.get(wake_id);
    // With a later attempt an operator wants it run again.
    if (ended && attempt <= ended.attempt) return this.#ack(wake_id, cursor, ended.end);
    this.#queue(conversation).begin({
      wake_id,
      conversation,
      cursor,
      entries,
      earlier: [],
      earlier_count: earlier,
      attempt,
      again: true,
      bootstrap: false,
    });
  }

  #redact(conversation: ConversationKey, messageId: string): void {
    this.#queues.get(conversation)?.redact(messageId);
    const cursor = messageEventId(messageId);
    for (const entry of this.#presented.get(conversation)?.entries ?? [])
      if (entry.cursor === cursor) entry.reason = undefined;
  }

  #queue(conversation: ConversationKey): ConversationQueue {
    let queue = this.#queues.get(conversation);
    if (!queue) {
      queue = new ConversationQueue(conversation, {
        ...this.#host,
        keep: Infinity,
        announce: (wake) => this.#announce(wake),
        settle: (wake, end) => this.#settle(wake, end),
        skip: (_key, entries) => this.#socket?.ack(entries.at(-1)!.cursor),
        idle: (key) => void this.#queues.delete(key),
      });
      this.#queues.set(conversation, queue);
    }
    return queue;
  }

  /** True once the server has stored that this turn begins. */
  async #announce(wake: RunningWake): Promise<boolean> {
    if (wake.bootstrap) return true;
    const { wake_id, conversation, cursor, attempt } = wake;
    const socket = this.#socket;
    if (!socket?.live) return false;
    // Of one that was begun before, the server must have told us on this connection that it still stands.
    if (wake.again && !this.#open.has(wake_id)) return false;
    const { promise, resolve } = Promise.withResolvers<PresentedWake | undefined>();
    this.#answers.set(wake_id, resolve);
    socket.wake({ wake_id, conversation, cursor, attempt });
    const timer = setTimeout(
      () => void socket.close('the server did not answer WAKE in time'),
      this.#answerMs,
    );
    const begun = await promise;
    clearTimeout(timer);
    if (begun?.earlier !== undefined) wake.earlier_count = begun.earlier;
    return begun !== undefined;
  }

  #settle(wake: RunningWake, end: WakeEnd): void {
    this.#host.ended(wake, end);
    if (wake.bootstrap) {
      const { id } = parseConversation(wake.conversation);
      this.#first.set(id, 'ended');
      this.#socket?.bootstrapped([id]);
      return;
    }
    for (const { cursor } of wake.entries) this.#handled.add(cursor);
    this.#ended.set(wake.wake_id, { end, attempt: wake.attempt });
    if (this.#ended.size > 1_024) this.#ended.delete(this.#ended.keys().next().value!);
    // Else the server presents it again when it is back.
    if (this.#open.has(wake.wake_id)) this.#ack(wake.wake_id, wake.cursor, end);
  }

  #ack(wake_id: string, cursor: string, end: WakeEnd): void {
    this.#open.delete(wake_id);
    const usage = end.usage === undefined ? {} : { usage: end.usage };
    this.#socket?.ack(
      cursor,
      end.outcome === 'ok'
        ? { wake_id, outcome: 'ok', ...usage }
        : {
            wake_id,
            outcome: 'failed',
            error: end.error,
            attempts: end.attempts,
            classification: end.permanent ? 'permanent' : 'retry_exhausted',
            ...usage,
          },
    );
  }
}
