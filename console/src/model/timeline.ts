import type { Message } from '../../../src/protocol/messages.ts';

/** Whether there is more on the server beyond one end of what is loaded, and what became of asking for it. */
export type Edge = 'none' | 'some' | 'loading' | 'failed';

/**
 * What is loaded of one conversation: a window on its history, an unbroken run of messages, oldest first, in the
 * server's order. `newer: 'none'` means that it reaches the newest message, and what arrives is appended; otherwise
 * what arrives is only counted. It is bounded: a page that is joined on at one end takes messages away at the other.
 */
export interface Timeline {
  status: 'loading' | 'ready' | 'failed';
  error?: string;
  messages: readonly Message[];
  older: Edge;
  newer: Edge;
  /** Where pages were joined on: these messages keep beginning a group, so that no row changes its height above the reader. */
  joints?: readonly string[];
  /** The first message that the person has not seen: the line `New` stands above it. */
  newFrom?: string;
  /** The reader is at the newest message and follows. */
  follows: boolean;
  /** How many messages of others arrived since the reader left the end. */
  fresh: number;
  /** What arrived while a newer page was on its way: it stands behind that page, if that is the last one. */
  tail?: readonly Message[];
  /** The message that a link led to. */
  focus?: string;
  /** Another number is another window: the reader's place is set anew. */
  window: number;
}

/** So many messages are kept around the reader; of one who follows, the newest. */
export const WINDOW = 1_200;
/** What is kept of a conversation that is not on screen. */
export const AWAY = 200;
/** A window whose reader looks at older ones takes so many before it stops taking new ones. */
const STRETCHED = 2 * WINDOW;
/** Cutting in steps spares most of the work. */
const STEP = 200;
const TAIL = 500;

let windows = 0;
export const loadingTimeline = (): Timeline => ({
  status: 'loading',
  messages: [],
  older: 'none',
  newer: 'none',
  follows: true,
  fresh: 0,
  window: ++windows,
});

/** The newest page as a new window, and what arrived live while it was on its way. */
export function withNewestPage(
  timeline: Timeline,
  page: readonly Message[],
  more: boolean,
  newFrom?: string,
): Timeline {
  const next: Timeline = {
    ...loadingTimeline(),
    status: 'ready',
    messages: page,
    older: more ? 'some' : 'none',
    ...(newFrom === undefined ? {} : { newFrom }),
  };
  const arrived = timeline.status === 'loading' ? timeline.messages : (timeline.tail ?? []);
  return withAppended(next, arrived, 0);
}

/** A window around one message, to which the reader is led. */
export function withPageAround(
  page: readonly Message[],
  focus: string,
  more: { older: boolean; newer: boolean },
): Timeline {
  return {
    ...loadingTimeline(),
    status: 'ready',
    messages: page,
    older: more.older ? 'some' : 'none',
    newer: more.newer ? 'some' : 'none',
    follows: false,
    focus,
  };
}

/** An older page in front; what is then too much goes at the other end. */
export function withOlderPage(timeline: Timeline, page: readonly Message[], more: boolean): Timeline {
  const known = new Set(timeline.messages.map((message) => message.id));
  const messages = [...page.filter((message) => !known.has(message.id)), ...timeline.messages];
  const next = joined({ ...timeline, messages, older: more ? 'some' : 'none' }, timeline.messages[0]);
  if (messages.length <= WINDOW) return next;
  return pruned({ ...next, messages: messages.slice(0, WINDOW), newer: 'some', follows: false });
}

/** A newer page behind; what is then too much goes at the other end. The last one is followed by what arrived meanwhile. */
export function withNewerPage(timeline: Timeline, page: readonly Message[], more: boolean): Timeline {
  const known = new Set(timeline.messages.map((message) => message.id));
  const fresh = page.filter((message) => !known.has(message.id));
  const { tail, ...rest } = timeline;
  let next = joined(
    { ...rest, messages: [...timeline.messages, ...fresh], newer: more ? 'some' : 'none' },
    fresh[0],
  );
  if (!more && tail) {
    if (tail.length >= TAIL) next = { ...next, newer: 'some' };
    else next = withAppended(next, tail, 0);
  }
  if (next.messages.length <= WINDOW) return next;
  return pruned({ ...next, messages: next.messages.slice(-WINDOW), older: 'some' });
}

/**
 * Live messages behind the newest, each only once. The same object when nothing is new.
 * @param counted how many of them the person has not written themselves
 */
export function withAppended(
  timeline: Timeline,
  arrived: readonly Message[],
  counted = arrived.length,
): Timeline {
  if (arrived.length === 0) return timeline;
  const count = timeline.follows ? 0 : counted;
  if (timeline.newer !== 'none') {
    const fresh = timeline.fresh + count;
    if (timeline.newer !== 'loading') return count === 0 ? timeline : { ...timeline, fresh };
    const tail = [...(timeline.tail ?? []), ...arrived].slice(0, TAIL);
    return { ...timeline, fresh, tail };
  }
  const news = new Map(arrived.map((message) => [message.id, message]));
  for (const message of timeline.messages) {
    if (news.size === 0) break;
    news.delete(message.id);
  }
  if (news.size === 0) return timeline;
  const fresh = timeline.fresh + Math.min(count, news.size);
  // The reader is somewhere in a long window: it takes no more, so that neither its size nor their place changes.
  if (!timeline.follows && timeline.messages.length + news.size > STRETCHED)
    return { ...timeline, fresh, newer: 'some' };
  const next = { ...timeline, fresh, messages: [...timeline.messages, ...news.values()] };
  return timeline.follows && next.messages.length > WINDOW + STEP ? trimmed(next, WINDOW) : next;
}

/** The message's content taken away, as the server has it from now on. */
export function withRedacted(timeline: Timeline, messageId: string, at: string): Timeline {
  const index = timeline.messages.findIndex((message) => message.id === messageId);
  const message = timeline.messages[index];
  if (!message || message.redacted_at !== undefined) return timeline;
  const { mentions: _, ...rest } = message;
  const messages = [...timeline.messages];
  messages[index] = { ...rest, parts: [{ kind: 'text', text: '', data: undefined }], redacted_at: at };
  return { ...timeline, messages };
}

/** Only the newest `keep`, so that an open console's memory stays bounded; the rest is read again when scrolled to. */
export function trimmed(timeline: Timeline, keep: number): Timeline {
  if (
    timeline.status !== 'ready' ||
    timeline.newer !== 'none' ||
    timeline.messages.length <= keep ||
    timeline.older === 'loading'
  )
    return timeline;
  return pruned({ ...timeline, messages: timeline.messages.slice(-keep), older: 'some' });
}

/** The reader came to the end, or left it. */
export function withFollowing(timeline: Timeline, follows: boolean): Timeline {
  if (timeline.follows === follows && (!follows || timeline.fresh === 0)) return timeline;
  return { ...timeline, follows, fresh: follows ? 0 : timeline.fresh };
}

export function withNewFrom(timeline: Timeline, from: string | undefined): Timeline {
  if (timeline.newFrom === from) return timeline;
  const { newFrom: _, ...rest } = timeline;
  return from === undefined ? rest : { ...rest, newFrom: from };
}

function joined(timeline: Timeline, at: Message | undefined): Timeline {
  return at === undefined ? timeline : { ...timeline, joints: [...(timeline.joints ?? []), at.id] };
}

/** Without the joints of what is not loaded any more. */
function pruned(timeline: Timeline): Timeline {
  if (!timeline.joints) return timeline;
  const loaded = new Set(timeline.messages.map((message) => message.id));
  return { ...timeline, joints: timeline.joints.filter((id) => loaded.has(id)) };
}
