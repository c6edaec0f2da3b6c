/** How far relay to a pairing has come, for a server that does not relay for it: what is stored, and what the one that does has said. */
import { z } from 'zod';
import type { ConversationKey } from '../protocol/conversation.ts';
import { Pairing, RelayCounts, RelayWaiting } from '../protocol/pairings.ts';
import type { RelayState } from '../store/relay-rows.ts';

export interface Standing {
  /** Whether a message that is for this pairing is out, or refused: what is stored says which. */
  isDone(conversation: ConversationKey, seq: number): boolean;
  /** Whether this message may still be one that waits. */
  mayWait(conversation: ConversationKey, seq: number): boolean;
  /** Whether it waits that this message was removed. */
  waitsToRedact(conversation: ConversationKey, message_id: string): boolean;
  /** The first message of the conversation that waits, and what became of it so far. */
  attemptsOf(
    conversation: ConversationKey,
  ): { first: number; attempts: number; message_id?: string; error?: string } | undefined;
}

/** Positions are written within moments of what they say: what is beyond them counts as waiting. */
export function storedStanding(state: RelayState | undefined, note: RelayNote | undefined): Standing {
  const acked = new Map(state?.positions.map((one) => [one.conversation, one.acked_seq]));
  const settled = state?.settled_seq ?? Number.POSITIVE_INFINITY;
  const isDone: Standing['isDone'] = (conversation, seq) =>
    seq <= Math.max(settled, acked.get(conversation) ?? 0);
  return {
    isDone,
    mayWait: (conversation, seq) => !isDone(conversation, seq),
    waitsToRedact: (conversation) => note?.waiting.some((one) => one.conversation === conversation) === true,
    attemptsOf: () => undefined,
  };
}

/** What the server that relays tells the others. */
export const RelayNote = z.object({
  ...Pairing.pick({ status: true, diagnostics: true, link: true }).shape,
  takes_items: z.boolean(),
  relay: RelayCounts.pick({ waiting: true, waiting_since: true, relayed: true, refused: true }),
  waiting: z.array(RelayWaiting),
});
export type RelayNote = z.infer<typeof RelayNote>;

export function parseNote(text: string | undefined): RelayNote | undefined {
  // Of a server of another version it may be anything.
  try {
    return text === undefined ? undefined : RelayNote.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
