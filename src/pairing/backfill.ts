/**
 * History of a shared room from before the pairing, pulled on request: what was said there by that network itself, newest
 * first until there is enough, and stored oldest first, marked with the time at which it was said. It wakes nobody.
 */
import { RefusedError, ConnectionError } from '../client/errors.ts';
import type { Client } from '../client/http.ts';
import { pairingIdentity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { limits } from '../protocol/limits.ts';
import { SendMessageRequest, type Message } from '../protocol/messages.ts';
import type { BackfillResult } from '../protocol/pairings.ts';
import { shownOf } from './foreign-answers.ts';
import { costOf, type Quota } from './quota.ts';
import type { PairingSpec } from './spec.ts';

export interface BackfillOptions {
  network: Network;
  spec: PairingSpec;
  client: Client;
  quota: Quota;
  room_id: string;
  /** Messages at most. */
  count: number;
}

/** Bytes of messages that are held at once. */
const MOST = 32 * 1_048_576;
const PAGE = 100;
const PAGES = 500;
/** Milliseconds, for all of them. */
const LONGEST = 60_000;

/** Rejects with MoltnetError: `bad_gateway` for what fails there, `not_shared`, `pairing_quota`. What was taken by then stays. */
export async function backfill(options: BackfillOptions): Promise<BackfillResult> {
  const { network, spec, quota, room_id } = options;
  const result: BackfillResult = { room_id, taken: 0, known: 0, refused: 0 };
  const identity = pairingIdentity('backfill', { id: spec.id, network: spec.network!, bound: true });
  for (const message of (await pull(options)).toReversed()) {
    const { data: request } = SendMessageRequest.safeParse(requestOf(message));
    if (!request || typeof message.created_at !== 'string') {
      result.refused++;
      continue;
    }
    const bytes = costOf(request);
    await quota.take(spec.id, bytes);
    try {
      const { known } = await network.execute(
        'message.backfill',
        { request, said_at: message.created_at },
        identity,
      );
      if (known) {
        quota.giveBack(spec.id, bytes);
        result.known++;
      } else result.taken++;
    } catch (error) {
      quota.giveBack(spec.id, bytes);
      if (!(error instanceof MoltnetError) || error.status >= 500 || error.code === 'not_shared') throw error;
      result.refused++;
    }
  }
  return result;
}

/** The newest first. */
async function pull({ spec, client, room_id, count }: BackfillOptions): Promise<Message[]> {
  const found: Message[] = [];
  let bytes = 0;
  let before: string | undefined;
  let pages = 0;
  const until = performance.now() + LONGEST;
  try {
    do {
      // A history of others' words alone, or one without an end.
      if (++pages > PAGES || performance.now() > until) return found;
      const limit = PAGE;
      const page = await client.roomMessages(room_id, { limit, ...(before !== undefined && { before }) });
      for (const message of page.messages.toReversed()) {
        if (!isItsOwn(message, spec.network)) continue;
        bytes += JSON.stringify(message).length;
        if (found.length >= Math.min(count, limits.backfill.value) || bytes > MOST) return found;
        found.push(message);
      }
      const next = page.page.next_before;
      before = next === before ? undefined : next;
    } while (before !== undefined);
    return found;
  } catch (error) {
    if (error instanceof RefusedError || error instanceof ConnectionError)
      throw new MoltnetError('bad_gateway', shownOf(error.message), { cause: error });
    // What it answers may be anything.
    if (error instanceof TypeError)
      throw new MoltnetError('bad_gateway', 'its history is none', { cause: error });
    throw error;
  }
}

/** One hop: what it has from others is theirs to tell. */
const isItsOwn = ({ origin, from, redacted_at, target }: Message, network: string | undefined): boolean =>
  typeof target === 'object' &&
  target !== null &&
  origin?.network_id === network &&
  (from?.type === 'agent' || from?.type === 'human') &&
  redacted_at === undefined;

function requestOf(message: Message): unknown {
  const { id, target, from, parts, mentions, intent, origin } = message;
  return {
    id,
    origin: { network_id: origin.network_id, message_id: id },
    target: { kind: target.kind, room_id: target.room_id, parent_message_id: target.parent_message_id },
    from: { ...from, network_id: origin.network_id },
    parts,
    mentions,
    intent,
  };
}
