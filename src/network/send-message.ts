/** POST /v1/messages: wire.md 4, in its order of checks. */
import { hash } from 'node:crypto';
import { MoltnetError } from '../protocol/errors.ts';
import { messageEventId, requireId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import {
  INTENTS,
  type Intent,
  type Message,
  type MessageOrigin,
  type SendMessageRequest,
} from '../protocol/messages.ts';
import { requireText } from '../protocol/text.ts';
import type { StoredMessage } from '../store/log-rows.ts';
import type { EventWrite } from '../store/writes.ts';
import type { CommandOf } from './commands.ts';
import { requireAccess } from './access.ts';
import type { PairingIdentity } from './identity.ts';
import { mentionsOf } from './message-mentions.ts';
import { slotOf } from './message-slot.ts';
import { messageWrites, type NewMessage } from './message-writes.ts';
import { canonicalJson, checkParts, type CheckedPart } from './parts.ts';
import { membershipEvents } from './room-members.ts';
import type { Random } from './random.ts';
import { unchanged, type Decided, type Rule } from './rule.ts';
import { senderOf, type Sender } from './sender.ts';
import { isShared, pairingOfRelay, requireShared, requireSharedDm, spaceFor } from './sharing.ts';
import type { RoomState, State } from './state.ts';
import { newThread, placeOf, type Place } from './target.ts';

export const sendMessage: Rule<'message.send'> = (state, command, random) =>
  decideMessage(state, command, random);

/** The same rules for what a paired network has said before: it is marked, is no turn of anybody, and wakes nobody. */
export const backfillMessage: Rule<'message.backfill'> = (state, command, random) => {
  const { request, said_at } = command;
  if (!TIME.test(said_at) || Number.isNaN(Date.parse(said_at)))
    throw new MoltnetError('unprocessable_entity', 'created_at: not a time');
  const { writes } = decideMessage(state, { ...command, request, kind: 'message.send' }, random, said_at);
  return { writes, answer: { known: writes.events.length === 0 } };
};
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]{8,18}Z$/;

function decideMessage(
  state: State,
  command: CommandOf<'message.send'>,
  random: Random,
  backfilled?: string,
): Decided<'message.send'> {
  const { request, identity, at } = command;
  const { settings } = state;
  requireAccess(settings, identity, 'message.send');
  if (request.target?.kind === 'dm' && !settings.direct_messages)
    throw new MoltnetError('direct_messages_disabled');
  const origin = originOf(request, settings.id);
  const relayed = origin.network_id !== settings.id;
  const sender = senderOf(state, identity, request.from, origin.network_id);
  const parts = checkParts(request.parts);
  requireSize(parts);
  const asked = mentionsAsked(request);
  const intent = intentOf(request);
  const pairing = relayed ? pairingOfRelay(state, identity, origin.network_id) : undefined;
  // A paired network's message has the id that it has there, and is taken once under it.
  const given = (pairing && origin.message_id) || request.id?.trim();
  const own = given ? requireId(given, 'id') : random.messageId();
  if (origin.message_id === '') origin.message_id = own;
  const place = placeOf(state, request.target, sender.canonical);

  const content = given ? contentHash(place, sender, parts, asked, origin, intent) : null;
  const { id, stored } = given ? slotOf(state, origin.network_id, own) : { id: own, stored: undefined };
  if (stored) return repeated(stored, content!);
  // It was here, and is not to come back: what is said of it is as if it stood here still.
  if (relayed && given && state.wasTaken(origin.network_id, origin.message_id))
    return known(own, messageEventId(own));

  const room = requirePlace(state, command, place, sender, pairing);
  const mentions = mentionsOf(state, place, room, asked, parts, relayed);
  const message: NewMessage = {
    id,
    network_id: settings.id,
    origin,
    target: place.target,
    from: sender.actor,
    parts,
    ...(mentions.length > 0 && { mentions }),
    ...(intent !== undefined && { intent }),
    ...(backfilled !== undefined && { backfilled }),
    created_at: at,
  };
  const decided = messageWrites(state, random, message, place, room, sender, content);
  // Whoever speaks from a paired network is there, for those here to see and to mention.
  if (pairing && room) decided.writes.events.unshift(...joining(state, random, at, room, sender));
  return decided;
}

/** Where it came into the world; blanks mean here. `message_id` may still be blank. */
function originOf({ origin }: SendMessageRequest, networkId: string): MessageOrigin {
  const network_id = (origin?.network_id ?? '').trim();
  const message_id = (origin?.message_id ?? '').trim();
  return {
    network_id: network_id === '' ? networkId : requireId(network_id, 'origin.network_id'),
    message_id: message_id === '' ? '' : requireId(message_id, 'origin.message_id'),
  };
}

/** The text alone is over the limit of a message: told before anything is looked for in it. Throws `message_too_large`. */
function requireSize(parts: readonly CheckedPart[]): void {
  let size = 0;
  for (const { text } of parts) size += text?.length ?? 0;
  if (size > limits.message.value) {
    throw new MoltnetError(
      'message_too_large',
      `the message has over ${limits.message.value} bytes of text; send a url, or several messages`,
    );
  }
}

/** The request's own mentions, trimmed, each once. */
function mentionsAsked({ mentions }: SendMessageRequest): string[] {
  if (!mentions || mentions.length === 0) return [];
  if (mentions.length > limits.mentions.value) {
    throw new MoltnetError(
      'too_many_mentions',
      `mentions: ${mentions.length}, at most ${limits.mentions.value}`,
    );
  }
  const asked = new Set<string>();
  for (const mention of mentions) {
    const trimmed = requireText(mention, 'mentions').trim();
    if (trimmed !== '') asked.add(trimmed);
  }
  return [...asked];
}

/** Blank counts as not given. Throws `unprocessable_entity`. */
function intentOf({ intent: given }: SendMessageRequest): Intent | undefined {
  const intent = (given ?? '').trim();
  if (intent === '') return undefined;
  const known = INTENTS.find((each) => each === intent);
  if (known === undefined) {
    throw new MoltnetError(
      'unprocessable_entity',
      `intent: must be one of ${INTENTS.join(', ')}, not ${JSON.stringify(intent.slice(0, 40))}`,
    );
  }
  return known;
}

/** Says whether two requests with one id are the same message: what the writer chose, not what the network added. */
function contentHash(
  place: Place,
  sender: Sender,
  parts: CheckedPart[],
  mentions: string[],
  origin: MessageOrigin,
  intent: Intent | undefined,
): string {
  const content: unknown[] = [place.target, sender.actor.type, sender.actor.fqid, parts, mentions, origin];
  // Only where there is one: what was stored without keeps its hash.
  if (intent !== undefined) content.push(intent);
  return hash('sha256', canonicalJson(content), 'hex');
}

/** A message with this id exists. The same again is accepted as before; of a redacted one the content is forgotten. */
function repeated(stored: StoredMessage, content: string): Decided<'message.send'> {
  const redacted =
    stored.content_hash === null && (JSON.parse(stored.payload) as Message).redacted_at !== undefined;
  if (stored.content_hash !== content && !redacted)
    throw new MoltnetError(
      'message_id_conflict',
      `message ${stored.id} exists with other content; send this one with a new id`,
    );
  return known(stored.id, stored.event_id);
}

const known = (message_id: string, event_id: string): Decided<'message.send'> =>
  unchanged({
    message_id,
    event_id,
    accepted: true,
    thread_created: false,
    dm_created: false,
  });

function joining(state: State, random: Random, at: string, room: RoomState, sender: Sender): EventWrite[] {
  const { members } = room;
  if (sender.person || members.has(sender.canonical) || spaceFor(room, sender.actor.network_id) === 0)
    return [];
  return membershipEvents(state.settings.id, random, at, room, [sender.canonical], []).events;
}

/** The room of a room or thread; undefined for a DM. Throws when it does not exist or the sender may not write there. */
function requirePlace(
  state: State,
  { identity, request }: Pick<CommandOf<'message.send'>, 'identity' | 'request'>,
  place: Place,
  sender: Sender,
  pairing: PairingIdentity | undefined,
): RoomState | undefined {
  if (place.room_id !== null) {
    const room = state.room(place.room_id);
    // A thread of which it does not say the room is a new one to whoever may not know of its room.
    if (pairing && !request.target?.room_id?.trim() && !isShared(room, pairing))
      throw newThread(place.target.thread_id ?? '');
    if (pairing) return requireShared(room, place.room_id, pairing);
    if (!room) throw new MoltnetError('not_found', `no such room: ${place.room_id}`);
    requireAccess(state.settings, identity, 'room.write', { room, agent: sender.canonical });
    return room;
  }
  if (!place.participants!.includes(sender.canonical)) {
    throw new MoltnetError(
      'not_a_participant',
      `${sender.canonical} is not one of the participants of ${place.key}`,
    );
  }
  if (pairing) requireSharedDm(state, place.participants!, pairing);
  return undefined;
}
