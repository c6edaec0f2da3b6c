import type { Message } from '../../../src/protocol/messages.ts';

/** What is loaded of one conversation: an unbroken run of messages up to the newest, oldest first, in the server's order. */
export interface Timeline {
  status: 'loading' | 'ready' | 'failed';
  error?: string;
  messages: readonly Message[];
  /** Whether there are older ones on the server, and what became of asking for them. */
  older: 'none' | 'some' | 'loading' | 'failed';
  /** Cursor of the page before the oldest loaded message. */
  before?: string;
  /** Where older pages were joined on: these messages keep beginning a group, so that no row changes its height above the reader. */
  joints?: readonly string[];
  /** The first message that the person has not seen: the line `New` stands above it. */
  newFrom?: string;
}

export const loadingTimeline: Timeline = { status: 'loading', messages: [], older: 'none' };

/** The newest page, and what arrived live while it was on its way. */
export function withNewestPage(
  timeline: Timeline,
  page: readonly Message[],
  before: string | undefined,
): Timeline {
  const ready: Timeline = {
    ...timeline,
    status: 'ready',
    messages: page,
    older: before === undefined ? 'none' : 'some',
  };
  delete ready.error;
  if (before === undefined) delete ready.before;
  else ready.before = before;
  return withAppended(ready, timeline.status === 'loading' ? timeline.messages : []);
}

/** An older page in front. */
export function withOlderPage(
  timeline: Timeline,
  page: readonly Message[],
  before: string | undefined,
): Timeline {
  const known = new Set(timeline.messages.map((message) => message.id));
  const messages = [...page.filter((message) => !known.has(message.id)), ...timeline.messages];
  const next: Timeline = { ...timeline, messages, older: before === undefined ? 'none' : 'some' };
  const joint = timeline.messages[0]?.id;
  if (joint !== undefined) next.joints = [...(timeline.joints ?? []), joint];
  if (before === undefined) delete next.before;
  else next.before = before;
  return next;
}

/** Live messages behind the newest, each only once. The same object when nothing is new. */
export function withAppended(timeline: Timeline, arrived: readonly Message[]): Timeline {
  if (arrived.length === 0) return timeline;
  const fresh = new Map(arrived.map((message) => [message.id, message]));
  for (const message of timeline.messages) {
    if (fresh.size === 0) break;
    fresh.delete(message.id);
  }
  return fresh.size === 0 ? timeline : { ...timeline, messages: [...timeline.messages, ...fresh.values()] };
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
  if (timeline.status !== 'ready' || timeline.messages.length <= keep || timeline.older === 'loading')
    return timeline;
  const messages = timeline.messages.slice(-keep);
  return { ...timeline, messages, older: 'some', before: messages[0]!.id };
}
