import { createContext, useContext } from 'react';
import type { Event } from '../../../src/protocol/events.ts';
import type { Receipt } from '../../../src/protocol/receipts.ts';
import type { Message, Target } from '../../../src/protocol/messages.ts';
import { conversationOf, splitKey, type ConversationKey } from '../model/conversation.ts';
import { chosenMe, maySeeGuard, meOf } from '../model/me.ts';
import { agentActorKey, personActor } from '../model/names.ts';
import { applyEvents, byId } from '../model/reduce.ts';
import { initialState, type State } from '../model/state.ts';
import {
  loadingTimeline,
  trimmed,
  withAppended,
  withNewestPage,
  withOlderPage,
  type Timeline,
} from '../model/timeline.ts';
import { wordsOf } from '../texts.ts';
import { api, ApiError, type Api } from './api.ts';
import { newMessageId } from './ids.ts';
import { giveHues } from './hues.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { remember } from './remember.ts';
import { createStore, useStore, type Store } from './store.ts';
import { openStream, type Stream } from './stream.ts';

/** Who writes before a name was chosen. */
const OPERATOR = 'operator';
const PAGE = 100;
const OLDER_PAGE = 200;
/** Missed messages are read one page after the other up to here; beyond it the newest page replaces what was loaded. */
const CATCH_UP_PAGES = 5;
/** What is kept of conversations that are not on screen, and of one that is followed at its end. */
const KEEP_AWAY = 200;
const KEEP_FOLLOWED = 4_000;
/** A loss shorter than this is not worth a banner. */
const GRACE_MS = 1_000;
const BACK_MS = 4_000;

/** Everything the console does: one store, one event stream, the HTTP API. */
export interface Client {
  readonly store: Store<State>;
  readonly outbox: Outbox;
  start(): Promise<void>;
  /** Puts a conversation on screen and loads it. */
  open(key: ConversationKey): void;
  /** Nothing is on screen any more. */
  leave(key: ConversationKey): void;
  /** Asks again for a conversation that could not be loaded. */
  reload(key: ConversationKey): void;
  loadOlder(key: ConversationKey): Promise<void>;
  /** The person is at the end of what is on screen and sees it. */
  seen(key: ConversationKey): void;
  send(key: ConversationKey, target: Target, text: string): void;
  redact(message: Message): Promise<void>;
  resume(key: ConversationKey): Promise<void>;
  /** `*`, `agent:ID` or `room:ID`. */
  setPaused(scope: string, paused: boolean): Promise<void>;
  /** Tries a wake that failed again, or gives it up. */
  settleWake(wakeId: string, how: 'retry' | 'drop'): Promise<void>;
  receipts(messageId: string): Promise<Receipt[]>;
  setName(name: string): void;
  /** Exchanges a token of the server's configuration for this browser's session. Rejects with ApiError. */
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
  restart(): void;
}

export function createClient(): Client {
  const store = createStore<State>(initialState(remember.name() ?? OPERATOR));
  const outbox = createOutbox(store, api);
  let stream: Stream | undefined;
  const seenNow = () => !document.hidden;

  // Events are applied in batches: a burst costs one rendering, and a hidden page almost none.
  let waiting: Event[] = [];
  let flushTimer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    flushTimer = undefined;
    const events = waiting;
    waiting = [];
    store.update((state) => applyEvents(state, events, seenNow()));
    for (const event of events) follow(event);
  };

  /** What an event makes us read: facts that it does not carry whole. */
  const follow = (event: Event) => {
    const threadId =
      event.message?.target.kind === 'thread' ? event.message.target.thread_id : event.thread?.id;
    if (threadId) soon(`thread:${threadId}`, () => refreshThread(threadId));
    if (event.type.startsWith('agent.')) soon('agents', refreshAgents);
    if (event.type === 'agent.wake.failed' || event.receipt?.state === 'failed')
      soon('failed', refreshFailed);
    if (event.type.startsWith('room.')) soon('rooms', refreshRooms);
    if (event.message && store.get().held[conversationOf(event.message.target)]) soon('guard', refreshGuard);
    if (event.type === 'stream.replay_gap') void refreshAll(true);
  };

  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Once within a second, however often it is asked for. Failures are left to the next occasion. */
  const soon = (name: string, run: () => Promise<void>) => {
    if (timers.has(name)) return;
    timers.set(
      name,
      setTimeout(() => {
        timers.delete(name);
        run().catch(() => {});
      }, 700),
    );
  };

  const refreshThread = async (id: string) => {
    const thread = await api.thread(id);
    store.update((state) => ({ ...state, threads: { ...state.threads, [id]: thread } }));
  };
  const refreshAgents = async () => {
    const agents = byId(await api.agents());
    giveHues(agents.map((agent) => agentActorKey(agent)));
    store.update((state) => ({ ...state, agents }));
  };
  const refreshRooms = async () => {
    const rooms = byId(await api.rooms());
    store.update((state) => ({ ...state, rooms }));
  };
  const refreshGuard = async () => {
    if (!maySeeGuard(store.get().identity)) return;
    const held = Object.fromEntries(
      (await api.guard()).filter((guard) => guard.held).map((guard) => [guard.conversation, guard]),
    );
    store.update((state) => ({ ...state, held }));
  };
  const refreshPauses = async () => {
    if (!maySeeGuard(store.get().identity)) return;
    const pauses = Object.fromEntries((await api.pauses()).map((pause) => [pause.scope, pause]));
    store.update((state) => ({ ...state, pauses }));
  };
  const refreshFailed = async () => {
    if (!maySeeGuard(store.get().identity)) return;
    const failed = await api.failedWakes();
    store.update((state) => ({ ...state, failed }));
  };
  const refreshThreads = async (roomId: string) => {
    const threads = await api.threads(roomId);
    store.update((state) => ({
      ...state,
      threads: { ...state.threads, ...Object.fromEntries(threads.map((thread) => [thread.id, thread])) },
    }));
  };

  /** Who this browser is to the server: asked first, because what else may be asked follows from it. */
  const identify = async () => {
    const identity = await api.identity();
    store.update((state) => ({ ...state, identity, me: meOf(identity, remember.name() ?? OPERATOR) }));
  };

  /** Reads the facts that stand beside the messages; with `missed`, also the messages that the stream did not bring. */
  const refreshAll = async (missed: boolean) => {
    await identify();
    const [network] = await Promise.all([
      api.network(),
      refreshRooms(),
      refreshAgents(),
      refreshGuard(),
      refreshPauses(),
      refreshFailed(),
    ]);
    store.update((state) => ({ ...state, network, boot: 'ready' }));
    if (!missed) return;
    const { timelines, current } = store.get();
    for (const key of Object.keys(timelines) as ConversationKey[]) {
      if (key === current) await catchUp(key);
      // Read again when it is next opened.
      else store.update((state) => ({ ...state, timelines: omit(state.timelines, key) }));
    }
    const room = current && roomOf(store.get(), current);
    if (room) await refreshThreads(room);
  };

  const setTimeline = (key: string, change: (timeline: Timeline) => Timeline) =>
    store.update((state) => {
      const timeline = state.timelines[key];
      if (!timeline) return state;
      const next = change(timeline);
      return next === timeline ? state : { ...state, timelines: { ...state.timelines, [key]: next } };
    });

  /** Takes out of the outbox what the server has. */
  const settle = (messages: readonly Message[]) => {
    const stored = new Set(messages.map((message) => message.id));
    store.update((state) => {
      const rest = state.outbox.filter((outgoing) => !stored.has(outgoing.message.id));
      return rest.length === state.outbox.length ? state : { ...state, outbox: rest };
    });
  };

  const catchUp = async (key: ConversationKey) => {
    const last = store.get().timelines[key]?.messages.at(-1);
    if (!last) return load(key);
    let after: string | undefined = last.id;
    for (let pages = 0; after !== undefined; pages++) {
      if (pages === CATCH_UP_PAGES) return load(key);
      try {
        const page: Awaited<ReturnType<Api['messages']>> = await api.messages(key, { after, limit: 500 });
        setTimeline(key, (timeline) => withAppended(timeline, page.messages));
        settle(page.messages);
        after = page.newer;
      } catch (error) {
        if (error instanceof ApiError && error.status === 422) return load(key);
        throw error;
      }
    }
  };

  /** The newest load of each conversation: an earlier one that answers later is not applied. */
  const loads = new Map<string, object>();
  const load = async (key: ConversationKey, from?: string) => {
    const mine = {};
    loads.set(key, mine);
    store.update((state) => ({ ...state, timelines: { ...state.timelines, [key]: loadingTimeline } }));
    try {
      const page = await api.messages(key, { limit: PAGE });
      if (loads.get(key) !== mine) return;
      setTimeline(key, (timeline) => withNewFrom(withNewestPage(timeline, page.messages, page.older), from));
      settle(page.messages);
    } catch (error) {
      if (loads.get(key) === mine)
        setTimeline(key, (timeline) => ({ ...timeline, status: 'failed', error: wordsOf(error) }));
    }
  };

  let backTimer: ReturnType<typeof setTimeout> | undefined;
  let lostTimer: ReturnType<typeof setTimeout> | undefined;
  const listener = {
    event(event: Event) {
      waiting.push(event);
      flushTimer ??= setTimeout(flush, document.hidden ? 250 : 16);
    },
    open(resumed: boolean) {
      clearTimeout(lostTimer);
      lostTimer = undefined;
      const { connection, boot } = store.get();
      store.update((state) => ({ ...state, connection: connection === 'lost' ? 'back' : 'live' }));
      clearTimeout(backTimer);
      backTimer = setTimeout(
        () =>
          store.update((state) => (state.connection === 'back' ? { ...state, connection: 'live' } : state)),
        BACK_MS,
      );
      if (boot !== 'ready') return void bootUp();
      refreshAll(!resumed).catch(signedOutOr(() => {}));
      const { current, timelines } = store.get();
      if (current && timelines[current]?.status === 'failed') void load(current);
      outbox.retryUnanswered();
    },
    lost() {
      // The stream does not say why: whether this browser is still somebody to the server is asked.
      if (store.get().identity?.credential === 'session') identify().then(stayOrLeave, () => {});
      lostTimer ??= setTimeout(() => store.update((state) => ({ ...state, connection: 'lost' })), GRACE_MS);
    },
  };

  /** Loads what a conversation on screen needs. */
  const show = (key: ConversationKey, from?: string) => {
    const { kind, id } = splitKey(key);
    const timeline = store.get().timelines[key];
    if (timeline && timeline.status !== 'failed') setTimeline(key, (known) => withNewFrom(known, from));
    else void load(key, from);
    if (kind === 'room') refreshThreads(id).catch(() => {});
    else if (kind === 'thread') refreshThread(id).catch(() => {});
  };

  /** Nothing is left on screen of what only somebody else may read. */
  const leave = () => {
    stream?.close();
    stream = undefined;
    booted = false;
    clearTimeout(lostTimer);
    lostTimer = undefined;
    store.update(({ identity, current, me }) => ({
      ...initialState(me.name),
      boot: 'signed-out',
      ...(identity ? { identity } : {}),
      ...(current ? { current } : {}),
    }));
  };
  const signedOutOr =
    (otherwise: (error: unknown) => void) =>
    (error: unknown): void => {
      if (error instanceof ApiError && error.status === 401) leave();
      else otherwise(error);
    };
  /** A session that ended (its token was taken out, or it was signed out elsewhere) begins anew as whoever is left. */
  const stayOrLeave = () => {
    if (store.get().identity?.credential !== 'session') client.restart();
  };

  let booting = false;
  let booted = false;
  const bootUp = async () => {
    if (booting) return;
    booting = true;
    booted = true;
    try {
      const { current } = store.get();
      if (current) show(current);
      await refreshAll(false);
    } catch (error) {
      signedOutOr((reason) =>
        store.update((state) => ({ ...state, boot: 'failed', bootError: wordsOf(reason) })),
      )(error);
    } finally {
      booting = false;
    }
  };

  const client: Client = {
    store,
    outbox,
    async start() {
      try {
        await identify();
        await api.network();
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return leave();
        // Away, or overloaded: the stream goes on trying.
      }
      stream ??= openStream(listener);
      // A stream that is refused (too many are open) must not keep the page empty.
      setTimeout(() => {
        if (store.get().boot === 'loading') void bootUp();
      }, 1_500);
    },
    restart() {
      // What was on screen was read as somebody else.
      leave();
      store.update((state) => ({ ...state, boot: 'loading' }));
      void client.start();
    },
    async signIn(token) {
      await api.signIn(token);
      client.restart();
    },
    async signOut() {
      await api.signOut();
      client.restart();
    },
    open(key) {
      const { unread } = store.get();
      const from = unread[key]?.from;
      store.update((state) => ({ ...state, current: key, unread: omit(state.unread, key) }));
      // At the start the stream is opened first, so that nothing falls between a page and the live events.
      if (booted) show(key, from);
    },
    leave(key) {
      store.update((state) => {
        if (state.current !== key) return state;
        const { current: _, ...rest } = state;
        const timeline = rest.timelines[key];
        return timeline
          ? {
              ...rest,
              timelines: { ...rest.timelines, [key]: trimmed(withNewFrom(timeline, undefined), KEEP_AWAY) },
            }
          : rest;
      });
    },
    reload: (key) => void load(key),
    async loadOlder(key) {
      const timeline = store.get().timelines[key];
      if (
        !timeline ||
        timeline.status !== 'ready' ||
        timeline.before === undefined ||
        timeline.older === 'loading'
      )
        return;
      setTimeline(key, (known) => ({ ...known, older: 'loading' }));
      try {
        const page = await api.messages(key, { before: timeline.before, limit: OLDER_PAGE });
        setTimeline(key, (known) => withOlderPage(known, page.messages, page.older));
      } catch {
        setTimeline(key, (known) => ({ ...known, older: 'failed' }));
      }
    },
    seen(key) {
      store.update((state) => (state.unread[key] ? { ...state, unread: omit(state.unread, key) } : state));
      const timeline = store.get().timelines[key];
      if (timeline && timeline.messages.length > KEEP_FOLLOWED + 500)
        setTimeline(key, (known) => trimmed(known, KEEP_FOLLOWED));
    },
    send(key, target, text) {
      const { me, network } = store.get();
      const id = newMessageId();
      const message: Message = {
        id,
        network_id: network?.id ?? '',
        origin: { network_id: network?.id ?? '', message_id: id },
        target,
        from: personActor(me, network?.id ?? ''),
        parts: [{ kind: 'text', text, data: undefined }],
        created_at: new Date().toISOString(),
      };
      setTimeline(key, (timeline) => withNewFrom(timeline, undefined));
      outbox.send({ key, message, status: 'sending' });
    },
    async redact(message) {
      await api.redact(message.id);
      store.update((state) =>
        applyEvents(
          state,
          [
            {
              id: '',
              type: 'message.redacted',
              network_id: message.network_id,
              redaction: { message_id: message.id, target: message.target },
              created_at: new Date().toISOString(),
            },
          ],
          seenNow(),
        ),
      );
    },
    async resume(key) {
      try {
        await api.resume(key);
      } finally {
        await refreshGuard().catch(() => {});
      }
    },
    async setPaused(scope, paused) {
      await (paused ? api.pause(scope) : api.unpause(scope));
      await refreshPauses();
    },
    async settleWake(wakeId, how) {
      await api.settleWake(wakeId, how);
      await refreshFailed();
    },
    receipts: (messageId) => api.receipts(messageId),
    setName(name) {
      remember.setName(name);
      store.update((state) => (state.me.bound ? state : { ...state, me: chosenMe(name) }));
    },
  };
  return client;
}

/** The room of a conversation; a thread's is known from the thread. */
export function roomOf(state: State, key: ConversationKey): string | undefined {
  const { kind, id } = splitKey(key);
  if (kind === 'room') return id;
  return kind === 'thread' ? state.threads[id]?.room_id : undefined;
}

function withNewFrom(timeline: Timeline, from: string | undefined): Timeline {
  if (timeline.newFrom === from) return timeline;
  const { newFrom: _, ...rest } = timeline;
  return from === undefined ? rest : { ...rest, newFrom: from };
}

function omit<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record;
  return rest;
}

export const ClientContext = createContext<Client | undefined>(undefined);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('useClient outside of ClientContext');
  return client;
}

/** A part of the state; `select` returns the same object as long as nothing changed. */
export const useApp = <T>(select: (state: State) => T): T => useStore(useClient().store, select);
