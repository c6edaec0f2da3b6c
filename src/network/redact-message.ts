/** DELETE /v1/messages/{id}: what a message said is blanked everywhere; that it was there stays. By its sender, or an admin. */
import { MoltnetError } from '../protocol/errors.ts';
import { canonicalMemberId, isId, parseMemberId } from '../protocol/ids.ts';
import type { Message } from '../protocol/messages.ts';
import type { StoredMessage } from '../store/log-rows.ts';
import type { EventWrite } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import type { CheckedPart } from './parts.ts';
import type { Random } from './random.ts';
import { unchanged, type Rule } from './rule.ts';

export const redactMessage: Rule<'message.redact'> = (state, command, random) => {
  const message_id = command.message_id.trim();
  const stored = isId(message_id) ? state.message(message_id) : undefined;
  // Whoever may redact only its own is not told which others there are.
  const about =
    stored && parseMemberId(stored.sender)
      ? { agent: canonicalMemberId(stored.sender, state.settings.id) }
      : {};
  requireAccess(state.settings, command.identity, 'message.redact', about);
  if (!stored) throw new MoltnetError('not_found', `no such message: ${message_id.slice(0, 160)}`);
  const answer = { redacted: true, message_id };
  const event = redactionOf(stored, command.at, random);
  return event ? { writes: { events: [event], rows: [] }, answer } : unchanged(answer);
};

/** The event that blanks a message; undefined when it is blank. */
export function redactionOf(stored: StoredMessage, at: string, random: Random): EventWrite | undefined {
  const message_id = stored.id;
  const { mentions: _mentions, ...message } = JSON.parse(stored.payload) as Message;
  if (message.redacted_at !== undefined) return undefined;
  const blanked: Omit<Message, 'parts'> & { parts: CheckedPart[] } = {
    ...message,
    parts: [{ kind: 'text', text: REDACTED }],
    redacted_at: at,
  };
  return {
    id: random.eventId(),
    type: 'message.redacted',
    created_at: at,
    payload: JSON.stringify({ message_id, target: message.target }),
    conversation: stored.conversation,
    ...(stored.room_id !== null && { room_id: stored.room_id }),
    ...(message.target.kind === 'dm' && {
      dm_id: message.target.dm_id!,
      participants: message.target.participant_ids ?? [],
    }),
    held: false,
    rows: [{ op: 'redact', message_id, payload: JSON.stringify(blanked) }],
  };
}

/** What stands in the place of what a message said. */
const REDACTED = '[redacted]';
