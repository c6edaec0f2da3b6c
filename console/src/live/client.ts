import { createContext, useContext } from 'react';
import type { Event } from '../../../src/protocol/events.ts';
import type { Receipt } from '../../../src/protocol/receipts.ts';
import type { Message, Target } from '../../../src/protocol/messages.ts';
import { splitKey, type ConversationKey } from '../model/conversation.ts';
import { chosenMe } from '../model/me.ts';
import { personActor } from '../model/names.ts';
import { applyEvents, withRead } from '../model/reduce.ts';
import { initialState, type State } from '../model/state.ts';
import { withNewFrom } from '../model/timeline.ts';
import { wordsOf } from '../texts.ts';
import { api, ApiError } from './api.ts';
import { createConversations, omit } from './conversations.ts';
import { createFacts, OPERATOR, type Facts } from './facts.ts';
import { newMessageId } from './ids.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { remember } from './remember.ts';
import { createSeen } from './seen.ts';
import { createStore, useStore, type Store } from './store.ts';
import { openStream, type Stream } from './stream.ts';

/** A loss shorter than this is not worth a banner. */
const GRACE_MS = 1_000;
const BACK_MS = 4_000;
/** Events are kept for whoever wants to look what happened. */
const RECENT = 500;
/** Events are applied in batches, so that a burst costs few renderings and a hidden page almost none. */
const BATCH_MS = { first: 16, next: 60, hidden: 250 };

export interface OpenOptions {
  /** A message to be led to. */
  at?: string | undefined;
  /** Its first message makes it: until then it is empty, not missing. */
  mayBeNew?: boolean | undefined;
}

/** Everything the console does: one store, one event stream, the HTTP API. */
export interface Client {
  readonly store: Store<State>;
  readonly outbox: Outbox;
  readonly facts: Facts;
  start(): Promise<void>;
  /** Puts a conversation on screen and loads it: its newest messages, or those around `at`. */
  open(key: ConversationKey, options?: OpenOptions): void;
  /** It is on screen no more. */
  leave(key: ConversationKey): void;
  /** Goes to the newest message of a window that does not reach it, or asks again for what could not be loaded. */
  reload(key: ConversationKey): void;
  loadOlder(key: ConversationKey): Promise<void>;
  loadNewer(key: ConversationKey): Promise<void>;
  /** The person is at the end of what is on screen and sees it, or has left it. */
  follow(key: ConversationKey, follows: boolean): void;
  /** Returns the message's id. */
  send(key: ConversationKey, target: Target, text: string): string;
  redact(message: Message): Promise<void>;
  resume(conversation: string): Promise<void>;
  /** `*`, `agent:ID` or `room:ID`. */
  setPaused(scope: string, paused: boolean): Promise<void>;
  /** Tries a wake that failed again, or gives it up. */
  settleWake(wakeId: string, agent: string, how: 'retry' | 'drop'): Promise<void>;
  receipts(messageId: string): Promise<Receipt[]>;
  /** The last events of the stream, the newest last. */
  recentEvents(): readonly Event[];
  /** Whoever wants to see every event as it comes; returns the end of it. */
  watch(listener: (event: Event) => void): () => void;
  setName(name: string): void;
  /** Exchanges a token of the server's configuration for this browser's session. Rejects with ApiError. */
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
  restart(): void;
}

export function createClient(): Client {
  const store = createStore<State>(initialState(remember.name() ?? OPERATOR));
  const outbox = createOutbox(store, api);
  const facts = createFacts(store, api);
  const seen = createSeen(store, api);
  const conversations = createConversations(store, api, seen);
  let stream: Stream | undefined;
  const seenNow = () => !document.hidden;
  const watchers = new Set<(event: Event) => void>();
  let recent: Event[] = [];

  let waiting: Event[] = [];
  let flushed = 0;
  let flushTimer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    flushTimer = undefined;
    flushed = Date.now();
    const events = waiting;
    waiting = [];
    store.update((state) => applyEvents(state, events, seenNow()));
    recent = [...recent, ...events].slice(-RECENT);
    for (const event of events) {
      facts.follow(event);
      if (event.read) seen.moved(event.read);
      for (const watcher of watchers) watcher(event);
      if (event.type === 'stream.replay_gap') void refresh(true);
    }
    if (seenNow() && seen.gathers) for (const key of store.get().onScreen) conversations.keepSeen(key);
  };

  /** Whom the server takes this browser for: another window may have signed somebody else in. */
  const whoIsIn = () => {
    const { identity } = store.get();
    return identity && `${identity.credential} ${identity.human?.id ?? ''}`;
  };

  /** What the person has read in other windows, which the stream tells of only while it is open. */
  const readElsewhere = async () => {
    const reads = await seen.load();
    store.update((state) => reads.reduce(withRead, state));
  };

  /** Reads the facts that stand beside the messages; with `missed`, also the messages that the stream did not bring. */
  const refresh = async (missed: boolean) => {
    const before = whoIsIn();
    await facts.all();
    if (whoIsIn() !== before) return client.restart();
    await readElsewhere();
    if (!missed) return;
    const { timelines, onScreen } = store.get();
    for (const key of Object.keys(timelines) as ConversationKey[]) {
      if (onScreen.includes(key)) await conversations.catchUp(key);
      // Read again when it is next opened.
      else store.update((state) => ({ ...state, timelines: omit(state.timelines, key) }));
    }
    for (const key of onScreen) {
      const room = roomOf(store.get(), key);
      if (room) await facts.threads(room);
    }
  };

  let backTimer: ReturnType<typeof setTimeout> | undefined;
  let lostTimer: ReturnType<typeof setTimeout> | undefined;
  const listener = {
    event(event: Event) {
      waiting.push(event);
      const { first, next, hidden } = BATCH_MS;
      const pause = document.hidden ? hidden : Date.now() - flushed > 2 * next ? first : next;
      flushTimer ??= setTimeout(flush, pause);
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
      refresh(!resumed).catch(signedOutOr(() => {}));
      const { onScreen, timelines } = store.get();
      for (const key of onScreen) if (timelines[key]?.status === 'failed') void conversations.load(key);
      outbox.retryUnanswered();
    },
    lost() {
      // The stream does not say why: whether this browser is still somebody to the server is asked.
      if (store.get().identity?.credential === 'session') {
        const before = whoIsIn();
        facts.identify().then(
          () => whoIsIn() === before || client.restart(),
          () => {},
        );
      }
      lostTimer ??= setTimeout(() => store.update((state) => ({ ...state, connection: 'lost' })), GRACE_MS);
    },
  };

  /** Loads what a conversation on screen needs. */
  const show = (key: ConversationKey, { at, mayBeNew }: OpenOptions = {}, from?: string) => {
    const { kind, id } = splitKey(key);
    const timeline = store.get().timelines[key];
    if (at !== undefined) void conversations.around(key, at);
    else if (timeline && timeline.status !== 'failed')
      conversations.change(key, (known) => withNewFrom(known, from));
    else void conversations.load(key, { from, mayBeNew });
    const about = kind === 'room' ? facts.threads(id) : kind === 'thread' ? facts.thread(id) : facts.dm(id);
    about.catch(() => {});
  };

  /** Nothing is left on screen of what only somebody else may read. */
  const leave = () => {
    stream?.close();
    stream = undefined;
    booted = false;
    recent = [];
    seen.forget();
    clearTimeout(lostTimer);
    lostTimer = undefined;
    store.update(({ identity, onScreen, me }) => ({
      ...initialState(me.name),
      boot: 'signed-out',
      ...(identity ? { identity } : {}),
      onScreen,
    }));
  };
  const signedOutOr =
    (otherwise: (error: unknown) => void) =>
    (error: unknown): void => {
      if (error instanceof ApiError && error.status === 401) leave();
      else otherwise(error);
    };
  let booting = false;
  let booted = false;
  const opened = new Map<ConversationKey, OpenOptions>();
  const bootUp = async () => {
    if (booting) return;
    booting = true;
    booted = true;
    try {
      const read = seen.load().catch(() => {});
      for (const key of store.get().onScreen) show(key, opened.get(key));
      await Promise.all([facts.all(), read]);
      void conversations.missed();
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
    facts,
    async start() {
      try {
        await facts.identify();
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
      remember.forget();
      client.restart();
    },
    open(key, options = {}) {
      const from = store.get().unread[key]?.from;
      opened.set(key, options);
      store.update((state) => ({
        ...state,
        onScreen: [...state.onScreen.filter((other) => other !== key), key],
        unread: omit(state.unread, key),
      }));
      // At the start the stream is opened first, so that nothing falls between a page and the live events.
      if (booted) show(key, options, from);
    },
    leave(key) {
      opened.delete(key);
      store.update((state) => ({ ...state, onScreen: state.onScreen.filter((other) => other !== key) }));
      conversations.putAway(key);
    },
    reload: (key) => void conversations.load(key),
    loadOlder: conversations.loadOlder,
    loadNewer: conversations.loadNewer,
    follow: conversations.follow,
    send(key, target, text) {
      const { me, network, timelines } = store.get();
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
      conversations.change(key, (timeline) => withNewFrom(timeline, undefined));
      // What one writes is seen where it will stand.
      if (timelines[key] && timelines[key].newer !== 'none') void conversations.load(key);
      outbox.send({ key, message, status: 'sending' });
      return id;
    },
    async redact(message) {
      await api.redact(message.id);
      const event: Event = {
        id: '',
        type: 'message.redacted',
        network_id: message.network_id,
        redaction: { message_id: message.id, target: message.target },
        created_at: new Date().toISOString(),
      };
      store.update((state) => applyEvents(state, [event], seenNow()));
    },
    async resume(key) {
      try {
        await api.resume(key);
      } finally {
        await facts.guard().catch(() => {});
      }
    },
    async setPaused(scope, paused) {
      await (paused ? api.pause(scope) : api.unpause(scope));
      await facts.pauses();
    },
    async settleWake(wakeId, agent, how) {
      await api.settleWake(wakeId, agent, how);
      await facts.failed();
    },
    receipts: (messageId) => api.receipts(messageId),
    recentEvents: () => recent,
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    setName(name) {
      remember.setName(name);
      store.update((state) => (state.me.bound ? state : { ...state, me: chosenMe(name) }));
    },
  };
  const keepSeen = () => {
    for (const key of store.get().onScreen) conversations.keepSeen(key);
    seen.flush();
  };
  window.addEventListener('pagehide', keepSeen);
  document.addEventListener('visibilitychange', () => document.hidden && keepSeen());
  return client;
}

/** The room of a conversation; a thread's is known from the thread. */
export function roomOf(state: State, key: ConversationKey): string | undefined {
  const { kind, id } = splitKey(key);
  if (kind === 'room') return id;
  return kind === 'thread' ? state.threads[id]?.room_id : undefined;
}

export const ClientContext = createContext<Client | undefined>(undefined);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error('useClient outside of ClientContext');
  return client;
}

/** A part of the state; `select` returns the same object as long as nothing changed. */
export const useApp = <T>(select: (state: State) => T): T => useStore(useClient().store, select);
