import type { Event, EventType } from '../../../src/protocol/events.ts';

/** The types of the protocol: EventSource hands out only what is asked for by name. */
const TYPES = {
  'message.created': true,
  'thread.created': true,
  'dm.created': true,
  'room.created': true,
  'room.members.updated': true,
  'room.removed': true,
  'agent.connected': true,
  'agent.disconnected': true,
  'agent.removed': true,
  'agent.wake.delivered': true,
  'agent.wake.failed': true,
  'pairing.updated': true,
  'stream.replay_gap': true,
  'room.updated': true,
  'agent.registered': true,
  'message.redacted': true,
  'conversation.held': true,
  'conversation.resumed': true,
  'pause.changed': true,
  'message.receipt': true,
  'agent.status': true,
  'read.moved': true,
} as const satisfies Record<EventType, true>;

/** Sent live but not kept in the server's log, so the stream cannot be resumed from them. */
const NOT_KEPT = new Set([
  'agent.connected',
  'agent.disconnected',
  'agent.wake.delivered',
  'agent.wake.failed',
  'pairing.updated',
  'message.receipt',
  'agent.status',
  'read.moved',
]);

const FIRST_RETRY_MS = 300;
const LAST_RETRY_MS = 5_000;
/** A timer this late means that the machine slept: the connection may be dead without knowing it. */
const SLEPT_MS = 30_000;

export interface StreamListener {
  event(event: Event): void;
  /** `resumed`: the server was told where we stopped, so nothing is missing unless a `stream.replay_gap` follows. */
  open(resumed: boolean): void;
  lost(): void;
}

export interface Stream {
  close(): void;
}

/**
 * The one event stream of the console. It reconnects by itself, with growing pauses, and from the last event it has
 * seen; EventSource's own reconnecting gives up on the first answer that is not 200.
 */
export function openStream(listener: StreamListener): Stream {
  let source: EventSource | undefined;
  let lastEventId: string | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let pause = FIRST_RETRY_MS;
  let closed = false;

  const connect = () => {
    clearTimeout(retry);
    source?.close();
    const resumed = lastEventId !== undefined;
    const current = new EventSource(
      `/v1/events/stream${resumed ? `?last_event_id=${encodeURIComponent(lastEventId!)}` : ''}`,
    );
    source = current;
    current.addEventListener('open', () => {
      pause = FIRST_RETRY_MS;
      listener.open(resumed);
    });
    current.addEventListener('error', () => {
      if (source !== current || closed) return;
      current.close();
      source = undefined;
      listener.lost();
      retry = setTimeout(connect, pause * (0.75 + Math.random() / 2));
      pause = Math.min(pause * 2, LAST_RETRY_MS);
    });
    for (const type of Object.keys(TYPES))
      current.addEventListener(type, (message) => take(message as MessageEvent<string>));
  };

  const take = (message: MessageEvent<string>) => {
    let event: Event;
    try {
      event = JSON.parse(message.data) as Event;
    } catch {
      return;
    }
    if (event.type === 'stream.replay_gap') lastEventId = event.replay_gap?.newest_event_id ?? lastEventId;
    else if (!NOT_KEPT.has(event.type)) lastEventId = event.id;
    listener.event(event);
  };

  let ticked = Date.now();
  const tick = setInterval(() => {
    const late = Date.now() - ticked > SLEPT_MS;
    ticked = Date.now();
    // A hidden page's timers are slowed down on purpose.
    if (late && !document.hidden && source) connect();
  }, 10_000);
  const now = () => {
    if (!source && !closed) {
      pause = FIRST_RETRY_MS;
      connect();
    }
  };
  window.addEventListener('online', now);
  connect();
  return {
    close() {
      closed = true;
      clearTimeout(retry);
      clearInterval(tick);
      window.removeEventListener('online', now);
      source?.close();
    },
  };
}
