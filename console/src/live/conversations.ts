import type { Message } from '../../../src/protocol/messages.ts';
import { splitKey, type ConversationKey } from '../model/conversation.ts';
import { withMissed } from '../model/reduce.ts';
import type { State } from '../model/state.ts';
import {
  AWAY,
  loadingTimeline,
  trimmed,
  withAppended,
  withFollowing,
  withNewerPage,
  withNewestPage,
  withNewFrom,
  withOlderPage,
  withPageAround,
  type Timeline,
} from '../model/timeline.ts';
import { wordsOf } from '../texts.ts';
import { ApiError, type Api, type MessageRun } from './api.ts';
import type { Seen } from './seen.ts';
import type { Store } from './store.ts';

const PAGE = 100;
const NEXT_PAGE = 200;
const HALF = 60;
/** So many conversations are asked for what came while no window was open. */
const MISSED = 40;
/** Missed messages are read one page after the other up to here; beyond it the newest page replaces what was loaded. */
const CATCH_UP_PAGES = 5;

interface LoadOptions {
  /** The line `New` stands above this one. */
  from?: string | undefined;
  /** What is not there is empty. */
  mayBeNew?: boolean | undefined;
}

/** The loaded windows on the conversations' histories. */
export type Conversations = ReturnType<typeof createConversations>;

export function createConversations(store: Store<State>, api: Api, seen: Seen) {
  const timelineOf = (key: ConversationKey) => store.get().timelines[key];
  const put = (key: ConversationKey, timeline: Timeline) =>
    store.update((state) => ({ ...state, timelines: { ...state.timelines, [key]: timeline } }));
  const change = (key: ConversationKey, how: (timeline: Timeline) => Timeline) => {
    const timeline = timelineOf(key);
    const next = timeline && how(timeline);
    if (next && next !== timeline) put(key, next);
  };

  /** Takes out of the outbox what the server has. */
  const settle = (messages: readonly Message[]) => {
    const stored = new Set(messages.map((message) => message.id));
    store.update((state) => {
      const rest = state.outbox.filter((outgoing) => !stored.has(outgoing.message.id));
      return rest.length === state.outbox.length ? state : { ...state, outbox: rest };
    });
  };

  /** The newest load of each conversation: an earlier one that answers later is not applied. */
  const loads = new Map<string, object>();
  const replace = async (
    key: ConversationKey,
    read: () => Promise<MessageRun>,
    apply: (timeline: Timeline, run: MessageRun) => Timeline,
  ) => {
    const mine = {};
    loads.set(key, mine);
    const shown = timelineOf(key)?.status === 'ready';
    // What is shown stays until it can be replaced; what arrives meanwhile is put behind the new page.
    if (shown) change(key, (timeline) => ({ ...timeline, newer: 'loading' }));
    else put(key, loadingTimeline());
    try {
      const [run] = await Promise.all([read(), seen.ready()]);
      if (loads.get(key) !== mine) return;
      change(key, (timeline) => apply(timeline, run));
      settle(run.messages);
    } catch (error) {
      if (loads.get(key) !== mine) return;
      change(key, (timeline) =>
        shown ? { ...timeline, newer: 'failed' } : { ...timeline, status: 'failed', error: wordsOf(error) },
      );
    }
  };

  /** The newest page, with the line `New` above `from`, or else above what came since the person was here last. */
  const load = (key: ConversationKey, { from, mayBeNew }: LoadOptions = {}) =>
    replace(
      key,
      () => api.messages(key, { limit: PAGE }).catch(mayBeNew ? nothingYet : rethrown),
      (timeline, { messages, older }) =>
        withNewestPage(timeline, messages, older, from ?? sinceLastTime(key, messages)),
    );

  const sinceLastTime = (key: ConversationKey, messages: readonly Message[]): string | undefined => {
    const last = seen.last(key);
    const index = last === undefined ? -1 : messages.findIndex((message) => message.id === last);
    if (index < 0) return undefined;
    const { id } = store.get().me;
    return messages.slice(index + 1).find(({ from }) => !(from.type === 'human' && from.id === id))?.id;
  };

  /** One more page at an end of the window. */
  const extend = async (key: ConversationKey, side: 'older' | 'newer') => {
    const timeline = timelineOf(key);
    const at = side === 'older' ? timeline?.messages[0] : timeline?.messages.at(-1);
    if (!timeline || !at || timeline.older === 'loading' || timeline.newer === 'loading') return;
    if (timeline.status !== 'ready' || timeline[side] === 'none') return;
    change(key, (known) => ({ ...known, [side]: 'loading' }));
    const unlessReplaced = (how: (known: Timeline) => Timeline) =>
      change(key, (known) => (known.window === timeline.window ? how(known) : known));
    try {
      const run = await api.messages(key, {
        limit: NEXT_PAGE,
        [side === 'older' ? 'before' : 'after']: at.id,
      });
      unlessReplaced((known) =>
        side === 'older'
          ? withOlderPage(known, run.messages, run.older)
          : withNewerPage(known, run.messages, run.newer),
      );
    } catch {
      unlessReplaced((known) => ({ ...known, [side]: 'failed' }));
    }
  };

  return {
    change,
    load,
    /** The window in which this message is, with the reader led to it. */
    async around(key: ConversationKey, messageId: string) {
      const timeline = timelineOf(key);
      if (timeline?.status === 'ready' && timeline.messages.some(({ id }) => id === messageId)) {
        const { window } = loadingTimeline();
        change(key, (known) => ({ ...known, focus: messageId, follows: false, window }));
        return;
      }
      await replace(
        key,
        () => api.messagesAround(key, messageId, HALF),
        (_, { messages, ...more }) => withPageAround(messages, messageId, more),
      );
      // What the link led to is not there (any more): then the newest ones.
      const { status, newer } = timelineOf(key) ?? {};
      if (status === 'failed' || newer === 'failed') await load(key);
    },
    loadOlder: (key: ConversationKey) => extend(key, 'older'),
    loadNewer: (key: ConversationKey) => extend(key, 'newer'),
    /** Reads what was missed while there was no stream. */
    async catchUp(key: ConversationKey): Promise<void> {
      const timeline = timelineOf(key);
      const last = timeline?.messages.at(-1);
      if (!timeline || !last) return load(key);
      if (timeline.newer !== 'none') return;
      let after: string | undefined = last.id;
      for (let pages = 0; after !== undefined; pages++) {
        if (pages === CATCH_UP_PAGES) return load(key);
        try {
          const run: MessageRun = await api.messages(key, { after, limit: 500 });
          change(key, (known) => withAppended(known, run.messages));
          settle(run.messages);
          after = run.newer ? run.messages.at(-1)?.id : undefined;
        } catch (error) {
          if (error instanceof ApiError && error.status === 422) return load(key);
          throw error;
        }
      }
    },
    /** The reader is at the end and sees it, or is not. */
    follow(key: ConversationKey, follows: boolean) {
      change(key, (timeline) => withFollowing(timeline, follows));
      if (!follows || document.hidden) return;
      store.update((state) => {
        const mentions = state.mentions.filter(({ target }) => !isIn(target, key));
        const changed = mentions.length !== state.mentions.length;
        if (!state.unread[key] && !changed) return state;
        return { ...state, unread: omit(state.unread, key), mentions: changed ? mentions : state.mentions };
      });
    },
    /** Not on screen any more: little of it is kept, and how far it was read. */
    putAway(key: ConversationKey) {
      keepSeen(key);
      change(key, (timeline) => {
        const { focus: _, ...rest } = withNewFrom(timeline, undefined);
        return trimmed({ ...rest, follows: true, fresh: 0 }, AWAY);
      });
      // A window into the past is not worth keeping: the next visit begins at the end.
      const timeline = timelineOf(key);
      if (timeline && timeline.newer !== 'none')
        store.update((state) => ({ ...state, timelines: omit(state.timelines, key) }));
    },
    keepSeen,
    /** What came in the conversations that the person saw last, while no window was open. */
    async missed() {
      for (const key of seen.conversations().slice(0, MISSED)) {
        const last = seen.last(key);
        const { onScreen, unread } = store.get();
        if (last === undefined || onScreen.includes(key) || unread[key]) continue;
        try {
          const { messages } = await api.messages(key, { after: last, limit: PAGE });
          store.update((state) => withMissed(state, key, messages));
        } catch (error) {
          // It is gone, or nobody answers any more: then nothing of it is told.
          if (error instanceof ApiError && error.transient) return;
        }
      }
    },
  };

  function keepSeen(key: ConversationKey) {
    const timeline = timelineOf(key);
    const last = timeline?.messages.at(-1);
    if (timeline?.follows && timeline.newer === 'none' && last) seen.set(key, last.id);
  }
}

function rethrown(error: unknown): never {
  throw error;
}
/** Who may read only their own is told `forbidden` of what does not exist. */
function nothingYet(error: unknown): MessageRun {
  if (error instanceof ApiError && (error.status === 404 || error.status === 403))
    return { messages: [], older: false, newer: false };
  throw error;
}

function isIn(target: Message['target'], key: string): boolean {
  const { kind, id } = splitKey(key);
  return target.kind === kind && target[`${kind as 'room' | 'thread' | 'dm'}_id`] === id;
}

export function omit<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record;
  return rest;
}
