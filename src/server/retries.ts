/** A failed wake that an operator has run again: whoever delivers to its agent here takes it up, whichever server was asked. */
import { setTimeout as delay } from 'node:timers/promises';
import { parseConversation } from '../protocol/conversation.ts';
import type { WakeRow } from '../store/delivery-rows.ts';
import { StorageError } from '../store/errors.ts';
import type { Store } from '../store/store.ts';
import type { AttachGateway } from './attach/gateway.ts';

interface Retrying {
  store: Pick<Store, 'wake' | 'conversations'>;
  gateway: Pick<AttachGateway, 'retry'>;
}

/** The wake as it is stored now; undefined when there is none. It is run when it is open. */
export async function runAgain({ store, gateway }: Retrying, wake_id: string): Promise<WakeRow | undefined> {
  const row = await store.wake(wake_id);
  if (row?.state !== 'open') return row;
  const conversation = (await store.conversations([row.conversation])).get(row.conversation);
  const { kind } = parseConversation(row.conversation);
  if (conversation) gateway.retry(row, kind === 'dm' ? undefined : (conversation.room_id ?? undefined));
  return row;
}

/** Milliseconds between two tries while the storage does not answer, and how many there are. */
const AGAIN = 1_000;
const TRIES = 60;

/** The same of another server's. What cannot be read now is read later; a node that attaches meanwhile finds it itself. */
export async function runAgainSoon(at: Retrying, wake_id: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    try {
      return void (await runAgain(at, wake_id));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      await delay(AGAIN, undefined, { ref: false });
    }
  }
}
