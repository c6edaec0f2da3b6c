/** Every waiting time of the node, in milliseconds. Tests shorten them. */
import type { AttachmentTimes } from '../client/attachment.ts';

export interface NodeTimes {
  /** Between tries to connect: first, and at most (wire.md 12.2). */
  reconnect: number;
  reconnect_max: number;
  /** READY that held so long counts as a good connection: the waiting times start anew. */
  stable: number;
  /** Between looks at what only an operator can put right, while other attachments run. */
  recheck: number;
  /** For a token that was made anew to be written where it is read, after the old one stopped to count. */
  renewal: number;
  /** Between tries of one wake: first (then three times as long each), and at most. */
  retry: number;
  retry_max: number;
  /** Until a runtime that is rate-limited and does not say for how long is tried again: first (then three times as long each), and at most. */
  limited: number;
  limited_max: number;
  /** For the server's answer to WAKE, before the connection counts as dead. */
  answer: number;
  /** For turns to end after they were told to, and for runtimes to close. */
  stop: number;
  attachment: Partial<AttachmentTimes>;
}

export const nodeTimes: NodeTimes = {
  reconnect: 500,
  reconnect_max: 15_000,
  stable: 5_000,
  recheck: 300_000,
  renewal: 10_000,
  retry: 2_000,
  retry_max: 60_000,
  limited: 60_000,
  limited_max: 900_000,
  answer: 30_000,
  stop: 10_000,
  attachment: {},
};
