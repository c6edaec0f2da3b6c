import type { Event } from '../../../src/protocol/events.ts';
import { conversationOf } from '../model/conversation.ts';
import { maySeeGuard, meOf } from '../model/me.ts';
import { agentActorKey } from '../model/names.ts';
import { byId } from '../model/reduce.ts';
import type { State } from '../model/state.ts';
import { ApiError, type Api } from './api.ts';
import { giveHues } from './hues.ts';
import { remember } from './remember.ts';
import type { Store } from './store.ts';

/** Who writes before a name was chosen. */
export const OPERATOR = 'operator';
/** What an event makes us read again is read at most so often. */
const SOON_MS = 700;

/** The facts that stand beside the messages, as they are read from the server. */
export type Facts = ReturnType<typeof createFacts>;

export function createFacts(store: Store<State>, api: Api) {
  const update = (fields: Partial<State>) => store.update((state) => ({ ...state, ...fields }));
  const observes = () => maySeeGuard(store.get().identity);
  const byKey = <T>(items: readonly T[], key: (item: T) => string): Record<string, T> =>
    Object.fromEntries(items.map((item) => [key(item), item]));

  const facts = {
    /** Who this browser is to the server: asked first, because what else may be asked follows from it. */
    async identify() {
      const identity = await api.identity();
      // Another person than the last one here: nothing of theirs is this one's.
      if (identity.human && identity.human.id !== remember.person()) {
        if (remember.person() !== undefined) {
          remember.forget();
          update({ outbox: [] });
        }
        remember.setPerson(identity.human.id);
      }
      // Nor are messages on their way of this window, if another one has signed somebody else in.
      const { outbox } = store.get();
      const own = outbox.filter(({ message }) => message.from.id === identity.human?.id);
      if (identity.human && own.length < outbox.length) {
        update({ outbox: own });
        remember.setOutbox(own.length === 0 ? undefined : JSON.stringify(own));
      }
      update({ identity, me: meOf(identity, remember.name() ?? OPERATOR) });
    },
    async network() {
      update({ network: await api.network() });
    },
    async rooms() {
      update({ rooms: byId(await api.rooms()) });
    },
    async agents() {
      const agents = byId(await api.agents());
      giveHues(agents.map((agent) => agentActorKey(agent)));
      update({ agents });
    },
    async guard() {
      if (!observes()) return;
      const held = (await api.guard()).filter((guard) => guard.held);
      update({ held: byKey(held, (guard) => guard.conversation) });
    },
    async pauses() {
      if (observes()) update({ pauses: byKey(await api.pauses(), (pause) => pause.scope) });
    },
    async failed() {
      if (observes()) update({ failed: await api.failedWakes() });
    },
    async pairings() {
      if (observes()) update({ pairings: byId(await api.pairings()) });
    },
    /** Those who read openly may not see DMs, and a network may have none: then there are none here. */
    async dms() {
      try {
        const dms = await api.dms();
        update({ dms: byKey(dms, (dm) => dm.id) });
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status !== 401 && error.status !== 403)) throw error;
        update({ dms: {} });
      }
    },
    async thread(id: string) {
      const thread = await api.thread(id);
      store.update((state) => ({ ...state, threads: { ...state.threads, [id]: thread } }));
    },
    async dm(id: string) {
      const dm = await api.dm(id);
      store.update((state) => ({ ...state, dms: { ...state.dms, [id]: dm } }));
    },
    async threads(roomId: string) {
      const threads = byKey(await api.threads(roomId), (thread) => thread.id);
      store.update((state) => ({ ...state, threads: { ...state.threads, ...threads } }));
    },
    /** Everything that stands beside the messages. */
    async all() {
      await facts.identify();
      const { network, rooms, agents, guard, pauses, failed, dms, pairings } = facts;
      await Promise.all([network(), rooms(), agents(), guard(), pauses(), failed(), dms(), pairings()]);
      update({ boot: 'ready' });
    },
    /** What an event makes us read: facts that it does not carry whole. */
    follow(event: Event) {
      const { target } = event.message ?? {};
      const threadId = target?.kind === 'thread' ? target.thread_id : event.thread?.id;
      if (threadId) soon(`thread:${threadId}`, () => facts.thread(threadId));
      if (event.type.startsWith('agent.')) soon('agents', facts.agents);
      if (event.type === 'agent.wake.failed' || event.receipt?.state === 'failed')
        soon('failed', facts.failed);
      if (event.type.startsWith('room.')) soon('rooms', facts.rooms);
      if (event.type === 'pairing.updated')
        soon('pairings', async () => {
          await Promise.all([facts.network(), facts.pairings()]);
        });
      if (event.message && store.get().held[conversationOf(event.message.target)]) soon('guard', facts.guard);
    },
  };

  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Once within a while, however often it is asked for. Failures are left to the next occasion. */
  const soon = (name: string, run: () => Promise<void>) => {
    if (timers.has(name)) return;
    const start = () => {
      timers.delete(name);
      run().catch(() => {});
    };
    timers.set(name, setTimeout(start, SOON_MS));
  };
  return facts;
}
