/**
 * One event as the live readers share it. What is made of it for a wire (a WebSocket frame, an SSE chunk) is made
 * once, when the first reader needs it, and kept here for the others.
 */
import { encodeEvent } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import type { LogEvent } from '../store/log-rows.ts';

export class LogEntry {
  readonly event: LogEvent;
  /** The prepared EVENT frame, WebSocket header included; filled in by the attach gateway. */
  frame: Buffer | undefined;
  /** The prepared SSE chunk; filled in by the event streams. */
  chunk: Buffer | undefined;
  /** For `conversation.resumed`: the position before its first held message, looked up once for all readers. */
  heldAfter: Promise<number> | undefined;
  #message: Message | undefined;

  constructor(event: LogEvent) {
    this.event = event;
  }

  /** 0 for a volatile fact, which is not in the log and is no cursor. */
  get seq(): number {
    return this.event.seq;
  }

  get volatile(): boolean {
    return this.event.seq === 0;
  }

  /** The message of a `message.created`. Parsed when first asked for. */
  get message(): Message | undefined {
    if (this.event.type !== 'message.created') return undefined;
    return (this.#message ??= JSON.parse(this.event.payload) as Message);
  }

  /** Lets go of the parsed message: the ring keeps bytes, not objects. */
  forget(): void {
    this.#message = undefined;
  }

  json(networkId: string): string {
    const { id, type, created_at, payload } = this.event;
    return encodeEvent({ id, type, network_id: networkId, created_at, payload });
  }
}
