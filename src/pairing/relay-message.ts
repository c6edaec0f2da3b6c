/** A message of this network as it is sent to a paired one (wire.md 8.1), and which messages are. */
import type { SendRequest } from '../client/http.ts';
import { sharedSince } from '../network/sharing.ts';
import type { Topology } from '../network/topology.ts';
import type { Message } from '../protocol/messages.ts';
import type { LogEvent } from '../store/log-rows.ts';

/** What is looked at to know whether an event is for a pairing. */
type Seen = Pick<LogEvent, 'seq' | 'type' | 'room_id' | 'participants' | 'payload'>;

/**
 * That a message was removed goes where messages of its place go. A message that came into the world here, in a room that is shared with the pairing since before it, or in a DM with
 * somebody of its network. What came from another network is never sent on: one hop.
 */
export function isRelayed(
  event: Seen,
  { id, network }: { id: string; network?: string },
  topology: Pick<Topology, 'room' | 'settings'>,
): boolean {
  const redaction = event.type === 'message.redacted';
  if (event.type !== 'message.created' && !redaction) return false;
  if (event.room_id !== undefined) {
    const since = sharedSince(topology.room(event.room_id)?.shares, id);
    if (since === undefined || event.seq <= since) return false;
  } else if (
    network === undefined ||
    !event.participants?.some((participant) => participant.startsWith(`${network}:`))
  ) {
    return false;
  }
  // Of whom the message of a redaction is, is looked up when it is its turn.
  return redaction || isOwn(event.payload, topology.settings.id);
}

/** Of a stored payload, whose origin stands before anything that its writer chose. */
function isOwn(payload: string, network: string): boolean {
  const at = payload.indexOf(ORIGIN);
  return at >= 0 && payload.startsWith(JSON.stringify(network), at + ORIGIN.length);
}
const ORIGIN = '"origin":{"network_id":';

/** Undefined for what nobody else is told: words of the server itself. What was redacted meanwhile is blank. */
export function relayRequest(payload: string, local: string): SendRequest | undefined {
  const message = JSON.parse(payload) as Message;
  const { from, target } = message;
  if (from.type !== 'agent' && from.type !== 'human') return undefined;
  const participants = target.participant_ids?.map((one) => (one.includes(':') ? one : `${local}:${one}`));
  return {
    id: message.id,
    origin: { network_id: local, message_id: message.id },
    target: { ...target, ...(participants && { participant_ids: participants }) },
    from: {
      type: from.type,
      id: from.id,
      ...(from.name !== undefined && { name: from.name }),
      network_id: from.network_id ?? local,
      ...(from.fqid !== undefined && { fqid: from.fqid }),
    },
    parts: message.parts.map((part) => part as SendRequest['parts'][number]),
    ...(message.mentions && { mentions: message.mentions }),
    ...(message.intent !== undefined && { intent: message.intent }),
  };
}
