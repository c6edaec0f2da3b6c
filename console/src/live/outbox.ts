import type { Outgoing, State } from '../model/state.ts';
import { texts, wordsOf } from '../texts.ts';
import { ApiError, type Api } from './api.ts';
import { remember } from './remember.ts';
import type { Store } from './store.ts';

/** Pauses before a message without an answer is sent again, with the same id. Then the person decides. */
const RETRIES_MS = [800, 2_000, 4_000];

export interface Outbox {
  send(outgoing: Outgoing): void;
  retry(messageId: string): void;
  /** Takes it out; returns its text. */
  discard(messageId: string): string;
  /** The connection is back: what got no answer is tried again. */
  retryUnanswered(): void;
}

/**
 * Messages of this window on their way. Each keeps its id through every try, over reloads too, so that whatever got
 * lost (the request or its answer) it is stored once.
 */
export function createOutbox(store: Store<State>, api: Api): Outbox {
  const keep = () => {
    const open = store.get().outbox.filter((outgoing) => outgoing.status !== 'sent');
    remember.setOutbox(open.length === 0 ? undefined : JSON.stringify(open));
  };
  const change = (messageId: string, fields: Partial<Outgoing>) => {
    store.update((state) => ({
      ...state,
      outbox: state.outbox.map((outgoing) => {
        if (outgoing.message.id !== messageId) return outgoing;
        const { error: _, unanswered: __, ...rest } = outgoing;
        return { ...rest, ...fields };
      }),
    }));
    keep();
  };
  const find = (messageId: string) =>
    store.get().outbox.find((outgoing) => outgoing.message.id === messageId);

  const run = async (messageId: string) => {
    change(messageId, { status: 'sending' });
    for (let attempt = 0; ; attempt++) {
      const outgoing = find(messageId);
      // Arrived by the stream meanwhile, or was discarded.
      if (!outgoing) return keep();
      const { target, from, parts, id } = outgoing.message;
      try {
        await api.send({
          id,
          target,
          from: { type: from.type, id: from.id, name: from.name },
          parts,
          origin: undefined,
          mentions: undefined,
        });
        return change(messageId, { status: 'sent' });
      } catch (error) {
        const refused = error instanceof ApiError ? error : new ApiError(0, 'no_answer', String(error));
        const pause = RETRIES_MS[attempt];
        if (!refused.transient || pause === undefined) {
          return change(messageId, {
            status: 'failed',
            error: wordsOf(refused),
            unanswered: refused.transient,
          });
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  };

  const restored = restore(remember.outbox());
  if (restored.length > 0) {
    store.update((state) => ({ ...state, outbox: restored }));
    for (const outgoing of restored) if (outgoing.status === 'sending') void run(outgoing.message.id);
  }

  return {
    send(outgoing) {
      store.update((state) => ({ ...state, outbox: [...state.outbox, outgoing] }));
      void run(outgoing.message.id);
    },
    retry: (messageId) => void run(messageId),
    discard(messageId) {
      const text = find(messageId)?.message.parts[0]?.text ?? '';
      store.update((state) => ({
        ...state,
        outbox: state.outbox.filter((outgoing) => outgoing.message.id !== messageId),
      }));
      keep();
      return text;
    },
    retryUnanswered() {
      for (const outgoing of store.get().outbox)
        if (outgoing.status === 'failed' && outgoing.unanswered) void run(outgoing.message.id);
    },
  };
}

function restore(json: string | undefined): Outgoing[] {
  if (json === undefined) return [];
  try {
    const list = JSON.parse(json) as Outgoing[];
    return list.filter(
      (outgoing) => typeof outgoing.message?.id === 'string' && typeof outgoing.key === 'string',
    );
  } catch {
    console.warn(texts.outboxUnreadable);
    return [];
  }
}
