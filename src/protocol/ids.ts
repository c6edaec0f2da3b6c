/** Ids of the wire: their rules (wire.md 2.2, 2.3), forms and derivations (wire.md 2.1). No dependencies, no I/O. */
import { createHash, hash, randomBytes, randomUUID } from 'node:crypto';
import { MoltnetError } from './errors.ts';

const GENERIC = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;
const LOCAL_AGENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const HASHED_DM = /^dm_[0-9a-f]{32}$/;

/** The generic id rule: message, room, thread, DM ids and cursors. */
export const isId = (value: string): boolean => GENERIC.test(value);

/** An agent id that may be registered here: the generic rule without `:` (and `/`), so it cannot look remote (W3). */
export const isLocalAgentId = (value: string): boolean => LOCAL_AGENT.test(value);

/** The agent id that a name makes (wire.md 5): `Code Review` → `code-review`, nothing → `agent`. */
export const slugOf = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100) || 'agent';

/** The id of a network: without `:`, at which the scoped form `net:alpha` is split. */
export const isNetworkId = (value: string): boolean => LOCAL_AGENT.test(value);

/** An agent named in any of the three forms of wire.md 2.3. */
export interface AgentRef {
  /** Undefined for a bare id, which means the local network. */
  network?: string;
  id: string;
}

/**
 * Parses a member id: bare `alpha`, scoped `net:alpha`, or `molt://net/agents/alpha`. Surrounding space is
 * trimmed. Undefined when it is none of them.
 */
export function parseMemberId(value: string): AgentRef | undefined {
  const text = value.trim();
  if (text.startsWith('molt://')) {
    const at = text.indexOf('/agents/');
    if (at < 0) return undefined;
    const network = text.slice('molt://'.length, at);
    const id = text.slice(at + '/agents/'.length);
    return isNetworkId(network) && isId(id) ? { network, id } : undefined;
  }
  const colon = text.indexOf(':');
  if (colon >= 0) {
    const network = text.slice(0, colon);
    const id = text.slice(colon + 1);
    return isId(network) && isId(id) ? { network, id } : undefined;
  }
  return isId(text) ? { id: text } : undefined;
}

/**
 * The one form in which members and participants are stored and compared: the bare id for an agent of this
 * network, `net:id` for another's (W18). Throws `invalid_id`.
 */
export function canonicalMemberId(value: string, networkId: string): string {
  const ref = parseMemberId(value);
  if (!ref) throw new MoltnetError('invalid_id', `not a member id: ${JSON.stringify(value.slice(0, 160))}`);
  return ref.network === undefined || ref.network === networkId ? ref.id : `${ref.network}:${ref.id}`;
}

/** FQID of a member in canonical form. */
export function memberFqid(canonical: string, networkId: string): string {
  const colon = canonical.indexOf(':');
  return colon < 0
    ? fqid(networkId, 'agents', canonical)
    : fqid(canonical.slice(0, colon), 'agents', canonical.slice(colon + 1));
}

export type FqidKind = 'rooms' | 'threads' | 'dms' | 'agents' | 'artifacts';
export const fqid = (network: string, kind: FqidKind, id: string): string =>
  `molt://${network}/${kind}/${id}`;

/** Trims and checks an id by the generic rule; throws `invalid_id` naming the field. */
export function requireId(value: unknown, field: string): string {
  const id = typeof value === 'string' ? value.trim() : '';
  if (!isId(id))
    throw new MoltnetError(
      'invalid_id',
      `${field}: not an id: ${JSON.stringify(String(value ?? '').slice(0, 160))}`,
    );
  return id;
}

// In one call and as text: every message's event id is made so, and a Hash object or a Buffer costs twice as much.
const sha256 = (text: string): string => hash('sha256', text, 'hex');

/**
 * `msg_` + a UUID v7 (RFC 9562): in order of time, so that the index of message ids grows at its end instead of touching
 * a page of its own for every message of a batch. The original's are v4; clients take both for opaque.
 */
export function newMessageId(): string {
  const now = Date.now();
  if (now !== stamped) {
    stamped = now;
    const ms = now.toString(16).padStart(12, '0');
    stamp = `msg_${ms.slice(0, 8)}-${ms.slice(8)}-7`;
  }
  // A v4 from behind its version on: three random digits, the variant, the rest.
  return stamp + randomUUID().slice(15);
}
let stamped = -1;
let stamp = '';
export const newEventId = (): string => `evt_${randomUUID()}`;
export const newActorUid = (): string => `actor_${randomUUID()}`;
export const newRequestId = (): string => `req_${randomBytes(8).toString('hex')}`;
export const newWakeId = (): string => `wake_${randomUUID()}`;

/** `evt_` + the first 16 bytes of SHA-256(message id) with the bits of a UUID v4: the same on every network. */
export function messageEventId(messageId: string): string {
  const hex = sha256(messageId.trim());
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) & 3];
  return `evt_${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** `evt_gap_` + SHA-256 of the cursor that was asked for. */
export const gapEventId = (requested: string): string => `evt_gap_${sha256(requested)}`;

/** Artifact id; over-long message ids are hashed so that the id can always be a cursor (W29). */
export function artifactId(messageId: string, partIndex: number): string {
  const plain = `art_${messageId}_${partIndex}`;
  return plain.length <= 128 ? plain : `art_${sha256(messageId).slice(0, 32)}_${partIndex}`;
}

/** The id of the DM of exactly these participants (canonical ids): `dm_` + 32 hex of the sorted FQIDs. */
export function dmIdOf(participants: readonly string[], networkId: string): string {
  const fqids = [...new Set(participants.map((p) => memberFqid(p, networkId)))].sort();
  return `dm_${sha256(fqids.join('\n')).slice(0, 32)}`;
}
export const isHashedDmId = (id: string): boolean => HASHED_DM.test(id);

/** Where a message stands whose own id another network's message has: `msg_` + UUID v5 of its origin. */
export const derivedMessageId = (network: string, message_id: string): string =>
  `msg_${uuidV5(`${network}\n${message_id}`)}`;

/** The id of the n-th message, from 0, that a wake sends to a target (`room:ID`, `thread:ID`, `dm:ID`): CLI-21. */
export const wakeMessageId = (wakeId: string, target: string, n: number): string =>
  `msg_${uuidV5(`${wakeId}\n${target}\n${n}`)}`;

/** UUID v5 (RFC 9562) of a name in Moltnet's own namespace: stable ids for runtimes that want a UUID. */
export function uuidV5(name: string): string {
  const namespace = Buffer.from('6d6f6c746e6574008000000000000000', 'hex');
  const bytes = createHash('sha1').update(namespace).update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
