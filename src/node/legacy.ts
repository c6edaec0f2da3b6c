/**
 * The node's side toward a server without the delivery protocol (wire.md 6, 12): every EVENT is acknowledged as soon
 * as it is in our own queue, wakes are decided here, nothing is taken twice, and what was missed is fetched as history
 * after each connect. Turns go on whether there is a connection or not.
 */
import type { AttachmentSocket } from '../client/attachment.ts';
import { RefusedError, type Client } from '../client/http.ts';
import { conversationOf, type ConversationKey } from '../protocol/conversation.ts';
import type { Event } from '../protocol/events.ts';
import { messageEventId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import type { Message } from '../protocol/messages.ts';
import { catchUpOf, isNamed, wakeReason } from '../protocol/wake.ts';
import { backoffMs, pause } from './backoff.ts';
import { catchUp } from './catch-up.ts';
import { ConversationQueue } from './conversation-queue.ts';
import type { LinkHost } from './delivery.ts';
import type { LegacyState } from './legacy-state.ts';
import { RecentSet } from './recent-set.ts';
import type { RunningWake, Waiting, WakeEnd } from './wake.ts';

export type LegacyHost = LinkHost & {
  readonly client: Client;
  readonly state: LegacyState;
  warn(message: string): void;
};

/** Live messages that wait until what was missed is there; with more, the history is read again. */
const HELD_BACK = 1_024;
/** Events whose place in the stream is remembered until all before them are handled. */
const PLACES = 2_048;

export class LegacyLink {
  readonly #host: LegacyHost;
  readonly #queues = new Map<ConversationKey, ConversationQueue>();
  /** Message ids that are here or were. */
  readonly #received = new RecentSet(8_192);
  /** Messages that wake nobody, behind some that do: handled when those are. */
  readonly #passed = new Map<ConversationKey, string[]>();
  /** created_at of what is not handled yet, by message id. */
  readonly #unhandled = new Map<string, string>();
  /** Events in the order of the stream; the cursor moves over those that are handled. */
  #places: { cursor: string; messageId: string | undefined }[] = [];
  #heldBack: Message[] | undefined;
  #overflowed = false;
  #connection = new AbortController();
  #newest = '';
  #unreported = false;
  /** Missed messages that the catch_up policy let go. What comes over the connection after all was not missed. */
  readonly #letGo = new RecentSet(HELD_BACK);
  /** Turns wait until what was missed is there, so that it is one wake with what follows. */
  #gate = Promise.withResolvers<void>();

  constructor(host: LegacyHost) {
    this.#host = host;
  }

  connected(_socket: AttachmentSocket, rooms: readonly string[]): void {
    this.#connection = new AbortController();
    // What an earlier connection brought before the history was there still waits for it.
    this.#heldBack ??= [];
    this.#gate = Promise.withResolvers();
    for (const room of rooms) {
      if (this.#host.state.wasBootstrapped(room)) continue;
      this.#host.state.bootstrapped(room);
      this.#queue(`room:${room}`).bootstrap();
    }
    void this.#catchUp(AbortSignal.any([this.#connection.signal, this.#host.signal]));
  }

  disconnected(): void {
    this.#connection.abort();
    this.#gate.resolve();
  }

  /** What was held back is in its queue, and turns may begin. */
  #release(): void {
    const heldBack = this.#heldBack ?? [];
    this.#heldBack = undefined;
    this.#limitWakes();
    for (const message of heldBack) this.#take(message);
    this.#gate.resolve();
  }

  event(cursor: string, event: Event, socket: AttachmentSocket): void {
    const message = event.type === 'message.created' ? event.message : undefined;
    if (message) {
      if (!this.#heldBack) this.#take(message);
      else if (this.#heldBack.push(message) > HELD_BACK) {
        this.#heldBack.shift();
        this.#overflowed = true;
      }
    }
    if (event.type === 'message.redacted' && event.redaction)
      this.#queues.get(conversationOf(event.redaction.target))?.redact(event.redaction.message_id);
    socket.ack(cursor);
    // The id of a gap's own event is no place in the stream.
    if (event.type !== 'stream.replay_gap') this.#place(cursor, message?.id);
  }

  /** Writes down what is handled. */
  close(): void {
    this.disconnected();
    this.#remember();
    this.#host.state.flush();
  }

  async #catchUp(signal: AbortSignal): Promise<void> {
    const { client, state, agent, bindings, warn } = this.#host;
    for (let failed = 0; !signal.aborted;) {
      try {
        const known = state.since !== undefined;
        const isLive = (id: string): boolean => this.#heldBack?.some((message) => message.id === id) ?? false;
        await catchUp({
          client,
          agent,
          bindings,
          state,
          signal,
          warn,
          isLive,
          take: (message) => this.#take(message, known && !isLive(message.id)),
        });
        if (this.#overflowed) {
          this.#overflowed = false;
          continue;
        }
        break;
      } catch (error) {
        if (signal.aborted) return;
        failed++;
        if (failed === 1)
          warn(
            `what was missed cannot be fetched yet: ${error instanceof Error ? error.message : String(error)}`,
          );
        this.#gate.resolve();
        const asked = (error instanceof RefusedError && error.retry_after) || 0;
        await pause(Math.max(asked * 1_000, backoffMs(failed, { first: 500, max: 15_000 })), signal);
      }
    }
    if (signal.aborted) return;
    this.#release();
    this.#remember();
  }

  /** Of the conversations in which something was missed, those that name the agent and then the latest are woken for. */
  #limitWakes(): void {
    const { max_wakes = Infinity } = catchUpOf(this.#host.bindings);
    const live = new Date(Date.now() - limits.catch_up_live.value).toISOString();
    const missed = [...this.#queues.values()]
      .filter(({ current, waiting }) => !current && waiting.length > 0)
      .map((queue) => ({
        queue,
        named: queue.waiting.some(({ reason }) => reason !== undefined && isNamed(reason)),
        last: queue.waiting.at(-1)!.message.created_at,
      }))
      .filter(({ last }) => last < live)
      .sort((a, b) => Number(b.named) - Number(a.named) || (a.last < b.last ? 1 : -1));
    for (const { queue } of missed.slice(max_wakes)) {
      const counted = queue.passOver();
      for (const id of counted) this.#unhandled.delete(id);
      this.#host.state.handled(queue.key, counted);
    }
  }

  /** `missed`: it was said while we were away, so the catch_up policy has its say. */
  #take(message: Message, missed = false): void {
    const { state, agent, bindings } = this.#host;
    const known = this.#received.has(message.id) || state.wasHandled(message.id);
    if (known && (missed || !this.#letGo.delete(message.id))) return;
    this.#received.add(message.id);
    const conversation = conversationOf(message.target);
    let reason = wakeReason(agent, bindings, message);
    const named = reason !== undefined && isNamed(reason);
    const { policy, max_age = Infinity, max_age_mentions = max_age } = catchUpOf(bindings);
    const age = Date.now() - Date.parse(message.created_at);
    const tooOld = age > (named ? max_age_mentions : max_age) * 1_000;
    if (missed && (tooOld || policy === 'none' || (policy === 'mentions' && !named))) {
      this.#letGo.add(message.id);
      reason = undefined;
    }
    if (reason) {
      this.#unhandled.set(message.id, message.created_at);
      const forgotten = this.#queue(conversation).push({
        cursor: messageEventId(message.id),
        message,
        reason,
      });
      if (forgotten !== undefined) this.#unhandled.delete(forgotten);
      return;
    }
    if (
      message.target.kind !== 'dm' &&
      !bindings.rooms.some(({ id, wake }) => id === message.target.room_id && wake !== 'never')
    )
      return;
    if (!this.#newest || Date.parse(message.created_at) > Date.parse(this.#newest))
      this.#newest = message.created_at;
    if (this.#queues.has(conversation))
      this.#passed.set(conversation, [...(this.#passed.get(conversation) ?? []), message.id].slice(-64));
    else state.handled(conversation, [message.id]);
  }

  #queue(conversation: ConversationKey): ConversationQueue {
    let queue = this.#queues.get(conversation);
    if (!queue) {
      queue = new ConversationQueue(conversation, {
        ...this.#host,
        keep: limits.wake_messages.value,
        turn: async (urgent, signal) => {
          await this.#gate.promise;
          return this.#host.turn(urgent, signal);
        },
        announce: () => Promise.resolve(true),
        settle: (wake, end) => this.#settle(wake, end),
        skip: (key, entries) =>
          this.#handled(
            key,
            entries.map(({ message }) => message),
          ),
        idle: (key) => this.#idle(key),
      });
      this.#queues.set(conversation, queue);
    }
    return queue;
  }

  #settle(wake: RunningWake, end: WakeEnd): void {
    this.#host.ended(wake, end);
    if (wake.bootstrap) return;
    for (const id of wake.earlier) this.#unhandled.delete(id);
    this.#host.state.handled(wake.conversation, wake.earlier);
    this.#handled(
      wake.conversation,
      wake.entries.map(({ message }) => message),
    );
    if (end.outcome === 'failed') this.#report(wake.entries.at(-1)!, end);
  }

  /** Tells the server that the wake was given up (wire-newer.md 4); servers of before do not know the route. */
  #report(
    { cursor, message }: Waiting,
    { error, attempts, permanent }: WakeEnd & { outcome: 'failed' },
  ): void {
    const event = {
      id: cursor,
      type: 'message.created',
      network_id: message.network_id,
      message,
      created_at: message.created_at,
    };
    this.#host.client
      .wakeFailed({
        agent_id: this.#host.agent.id,
        event,
        error,
        attempts,
        classification: permanent ? 'permanent' : 'retry_exhausted',
      })
      .catch((failure: unknown) => {
        if (!this.#unreported)
          this.#host.warn(
            `failed wakes cannot be reported to this server: ${failure instanceof Error ? failure.message : String(failure)}`,
          );
        this.#unreported = true;
      });
  }

  #handled(conversation: ConversationKey, messages: readonly Message[]): void {
    for (const { id, created_at } of messages) {
      this.#unhandled.delete(id);
      if (!this.#newest || Date.parse(created_at) > Date.parse(this.#newest)) this.#newest = created_at;
    }
    this.#host.state.handled(
      conversation,
      messages.map(({ id }) => id),
    );
    this.#remember();
    this.#host.state.flush();
  }

  #idle(conversation: ConversationKey): void {
    this.#queues.delete(conversation);
    const passed = this.#passed.get(conversation);
    this.#passed.delete(conversation);
    if (passed) this.#host.state.handled(conversation, passed);
  }

  #place(cursor: string, messageId: string | undefined): void {
    this.#places.push({ cursor, messageId });
    this.#remember();
  }

  /** Moves what is remembered to the oldest thing that is not handled. */
  #remember(): void {
    const { state } = this.#host;
    if (this.#heldBack) return;
    let at = 0;
    while (
      at < this.#places.length &&
      (this.#places.length - at > PLACES || !this.#unhandled.has(this.#places[at]!.messageId ?? ''))
    )
      at++;
    if (at > 0) {
      state.cursor = this.#places[at - 1]!.cursor;
      this.#places = this.#places.slice(at);
      state.save();
    }
    const oldest = [...this.#unhandled.values()].reduce(
      (a, b) => (a === '' || Date.parse(b) < Date.parse(a) ? b : a),
      '',
    );
    const since = oldest || this.#newest;
    if (
      since &&
      (state.since === undefined || state.since === '' || Date.parse(since) > Date.parse(state.since))
    )
      state.since = since;
  }
}
