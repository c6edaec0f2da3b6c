/** One connection of the attach protocol as its holder sees it. Types only. */
import type { CannotWakeCause, StatusRuntime, WakeFailure } from '../protocol/agents.ts';
import type { Event } from '../protocol/events.ts';
import type { WakeUsage } from '../protocol/receipts.ts';
import type { Bindings } from '../protocol/wake.ts';

export interface AttachmentOptions {
  /** `http://host:port` or https, with or without a path. */
  baseUrl: string;
  networkId: string;
  agent: { id: string; name?: string };
  token?: string;
  /** Without a token, where registration is open: makes the claim repeatable (protocol/credentials.ts). */
  claimKey?: string;
  bindings: Bindings;
  /** Continue after this event: only for servers without the delivery protocol. */
  cursor?: string;
  times?: Partial<AttachmentTimes>;
}

/** Milliseconds (wire.md 12.2). */
export interface AttachmentTimes {
  dial: number;
  hello: number;
  /** At least; twice the announced heartbeat when that is longer. */
  silence: number;
  /** How long sent bytes may wait in a socket that takes nothing. */
  blocked: number;
  /** How long a close may take. */
  linger: number;
  /** How often the deadlines are looked at. */
  tick: number;
}
export interface ReadyAttachment {
  /** Both sides speak the delivery protocol. */
  delivery: boolean;
  actor_uid?: string;
  actor_uri?: string;
  /** Minted for a first claim; it is not shown again. */
  agent_token?: string;
}

/** A wake that the server still holds open, as it presents it after a connect. */
export interface PresentedWake {
  wake_id: string;
  conversation: string;
  cursor: string;
  attempt: number;
  /** Messages of its conversation that were missed before it, and that nobody is woken for any more. */
  earlier?: number;
}

/** How a wake ended. */
export interface WakeAck {
  wake_id: string;
  outcome: 'ok' | 'failed';
  error?: string;
  attempts?: number;
  classification?: WakeFailure;
  /** Of all its turns. */
  usage?: WakeUsage;
}

/** Whether the agent's runtime can be woken. */
export interface AttachmentStatus {
  /** Why not, in one line; left out when it can. */
  cannot_wake?: string;
  cannot_wake_cause?: CannotWakeCause;
  /** RFC 3339, where it ends by itself. */
  cannot_wake_until?: string;
  runtime?: StatusRuntime;
  /** The PROBE that is answered. */
  probe?: string;
}

/** What becomes of the connection. Called in the order of the frames, never after `ended`. */
export interface AttachmentHandlers {
  ready(ready: ReadyAttachment): void;
  event(cursor: string, event: Event): void;
  /** Delivery: the answer to our WAKE, or an open wake of before this connection. */
  wake(wake: PresentedWake): void;
  /** Delivery: rooms that need their first wake. */
  bootstrap(rooms: string[]): void;
  /** Delivery: whether the runtime can be woken is to be looked at, and answered by `status` with this id. */
  probe?(id: string): void;
  /** PING was read, and answered. */
  ping?(): void;
  ended(end: AttachmentEnd): void;
}

export interface AttachmentEnd {
  /** One plain sentence. */
  reason: string;
  /** READY was there. */
  was_ready: boolean;
  /** Coming back as it was is of no use: the server said so, or refused the upgrade with 401 or 403. */
  permanent: boolean;
  /** The server's code, in its ERROR frame or in the answer to the upgrade, when it names one. */
  code?: string;
  /** Close code, 1006 for none. */
  close_code?: number;
  /** Status of a refused upgrade. */
  http_status?: number;
  /** Seconds, from Retry-After of a refused upgrade. */
  retry_after?: number;
}

export interface AttachmentSocket {
  /** ACK. With `wake_id` it ends that wake (delivery protocol). No-op once ended. */
  ack(cursor: string, wake?: WakeAck): void;
  /** WAKE: announces one turn. Resolved by the `wake` handler with the same id. */
  wake(wake: PresentedWake): void;
  /** BOOTSTRAP: asks which of the rooms need a first wake. */
  bootstrap(rooms: readonly string[]): void;
  /** BOOTSTRAP: the first wake of these rooms has ended. */
  bootstrapped(rooms: readonly string[]): void;
  /** STATUS, to a server that wants to know. */
  status(status: AttachmentStatus): void;
  readonly live: boolean;
  /** Ends it cleanly (1000), for a reason if there is one to tell; resolves when the socket is gone. Idempotent. */
  close(reason?: string): Promise<void>;
}
