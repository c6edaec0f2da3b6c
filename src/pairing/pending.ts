/** What of one conversation waits to be relayed, and what of it goes together. */
import type { LogEvent } from '../store/log-rows.ts';

export interface Pending {
  /** seq of the first message that is not out. */
  first: number;
  /** seq of the newest that is known to be for the pairing. */
  last: number;
  attempts: number;
  error?: string;
  message_id?: string;
  since?: string;
  /** Events that a message was removed, which are in no read of messages; those before `first` are done with. */
  redactions: LogEvent[];
}

/** Bytes of those that go together. */
const TOGETHER = 300_000;

/** Of the message that it is, or that was removed. */
export function idOf({ type, payload }: LogEvent): string {
  const { id, message_id } = JSON.parse(payload) as { id?: string; message_id?: string };
  return (type === 'message.redacted' ? message_id : id) ?? '';
}

/** Of these events (in order) those that go in one attempt, and how many were looked at for that. */
export function together(
  events: readonly LogEvent[],
  isFor: (event: LogEvent) => boolean,
  most: number,
): { going: LogEvent[]; looked: number } {
  const going: LogEvent[] = [];
  let bytes = 0;
  let looked = 0;
  for (const event of events) {
    if (isFor(event)) {
      if (going.length > 0 && bytes + event.payload.length > TOGETHER) break;
      bytes += event.payload.length;
      going.push(event);
    }
    looked++;
    if (going.length === most) break;
  }
  return { going, looked };
}
