/** One attempt to tell a paired network what was said and what was removed: as it takes it. RLY-74 to RLY-76. */
import type { RelayItem } from '../client/http.ts';
import type { Message } from '../protocol/messages.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { Store } from '../store/store.ts';
import type { Outcome } from './outcome.ts';
import type { Peer } from './peer.ts';
import { relayRequest } from './relay-message.ts';

export interface Sending {
  peer: Pick<Peer, 'takesItems' | 'send' | 'relay'>;
  store: Pick<Store, 'messages'>;
  /** This network's id. */
  local: string;
}

/** Codes of what a server of the original is not told. */
export const NOT_TOLD = 'redaction_not_told';
const RELAYED: Outcome = { kind: 'relayed' };

/** An outcome for each, or one that none of them got through. `relayed` also for what is not to be told. */
export async function sendEvents(
  events: readonly LogEvent[],
  { peer, store, local }: Sending,
): Promise<Outcome[] | Outcome> {
  if (!peer.takesItems) {
    const outcomes: Outcome[] = [];
    for (const event of events) {
      const outcome = await sendPlain(event, { peer, store, local });
      if (outcome.kind !== 'relayed' && outcome.kind !== 'refused')
        return outcomes.length > 0 ? outcomes : outcome;
      outcomes.push(outcome);
    }
    return outcomes;
  }
  const outcomes = events.map((): Outcome => RELAYED);
  const items: { item: RelayItem; at: number; redacted: boolean }[] = [];
  for (const [at, event] of events.entries()) {
    const item = await itemOf(event, store, local);
    if (item) items.push({ item, at, redacted: isRedacted(event) });
  }
  if (items.length === 0) return outcomes;
  const sent = await peer.relay(items.map(({ item }) => item));
  if (!Array.isArray(sent)) return sent;
  for (const [i, { at, redacted }] of items.entries()) {
    const outcome = sent[i]!;
    // It had got there before it was removed, and no answer came: the redaction that follows blanks it.
    const there = redacted && outcome.kind === 'refused' && outcome.code === 'message_id_conflict';
    outcomes[at] = there ? RELAYED : outcome;
  }
  return outcomes;
}

async function sendPlain(event: LogEvent, { peer, store, local }: Sending): Promise<Outcome> {
  if (event.type === 'message.redacted')
    return (await itemOf(event, store, local))
      ? { kind: 'refused', code: NOT_TOLD, reason: 'its server does not take that a message was removed' }
      : RELAYED;
  if (isRedacted(event))
    return { kind: 'refused', code: 'redacted', reason: 'it was removed before it could be sent' };
  const request = relayRequest(event.payload, local);
  return request ? peer.send(request) : RELAYED;
}

/** Undefined for what nobody else is told, and for the redaction of what came into the world elsewhere. */
async function itemOf(
  event: LogEvent,
  store: Pick<Store, 'messages'>,
  local: string,
): Promise<RelayItem | undefined> {
  if (event.type !== 'message.redacted') {
    const message = relayRequest(event.payload, local);
    return message && { message };
  }
  const { message_id } = JSON.parse(event.payload) as { message_id: string };
  const stored = (await store.messages([message_id])).get(message_id);
  if (!stored) return undefined;
  const { origin, from } = JSON.parse(stored.payload) as Message;
  if (origin.network_id !== local || (from.type !== 'agent' && from.type !== 'human')) return undefined;
  return { redaction: { network_id: local, message_id } };
}

const isRedacted = ({ type, payload }: LogEvent): boolean =>
  type === 'message.created' && (JSON.parse(payload) as Message).redacted_at !== undefined;
