/**
 * What a paired network of ours brings at once: its messages, and which of them were removed, in its order. Each item is
 * decided over those before it; one that is refused is told so, and the others are stored, all in one commit. RLY-74.
 */
import { MoltnetError } from '../protocol/errors.ts';
import { requireId } from '../protocol/ids.ts';
import type { RelayItem, RelayResult } from '../protocol/pairings.ts';
import type { Writes } from '../store/writes.ts';
import { requireAccess } from './access.ts';
import type { CommandOf } from './commands.ts';
import { slotOf } from './message-slot.ts';
import { Overlay } from './overlay.ts';
import type { Random } from './random.ts';
import { redactionOf } from './redact-message.ts';
import type { Rule } from './rule.ts';
import { sendMessage } from './send-message.ts';
import { pairingOfRelay } from './sharing.ts';
import type { State } from './state.ts';

export const takeRelay: Rule<'relay.take'> = (state, command, random) => {
  requireAccess(state.settings, command.identity, 'relay');
  const over = new Overlay(state);
  const writes: Writes = { events: [], rows: [] };
  const results: RelayResult[] = [];
  for (const item of command.items) {
    try {
      const decided = writesOf(over, command, item, random);
      over.apply(decided);
      writes.events.push(...decided.events);
      writes.rows.push(...decided.rows);
      results.push({ accepted: true });
    } catch (error) {
      if (!(error instanceof MoltnetError) || error.status >= 500) throw error;
      results.push({ accepted: false, code: error.code, error: error.message });
    }
  }
  return { writes, answer: { results } };
};

/** Throws MoltnetError. */
function writesOf(
  state: State,
  { identity, at }: Pick<CommandOf<'relay.take'>, 'identity' | 'at'>,
  item: RelayItem,
  random: Random,
): Writes {
  if ('redaction' in item) return redaction(state, identity, at, item.redaction, random);
  const request = item.message;
  const network = (request.origin?.network_id ?? '').trim();
  if (network === '' || network === state.settings.id)
    throw new MoltnetError('unprocessable_entity', 'origin: what is relayed came into the world elsewhere');
  return sendMessage(state, { kind: 'message.send', request, identity, at }, random).writes;
}

/** By the network on which the message came into the world, whatever it shares now. Of one that is not here nothing is to be done. */
function redaction(
  state: State,
  identity: CommandOf<'relay.take'>['identity'],
  at: string,
  { network_id, message_id }: { network_id: string; message_id: string },
  random: Random,
): Writes {
  const network = requireId(network_id, 'redaction.network_id');
  if (network === state.settings.id)
    throw new MoltnetError('forbidden', 'a network removes what was said on it, and nothing else');
  if (!pairingOfRelay(state, identity, network))
    throw new MoltnetError('pairing_mismatch', `${network} is not paired with this network`);
  const { stored } = slotOf(state, network, requireId(message_id, 'redaction.message_id'));
  const event = stored && redactionOf(stored, at, random);
  return { events: event ? [event] : [], rows: [] };
}
