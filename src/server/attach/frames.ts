/**
 * Frames as they leave, with exactly the field order of wire.md Appendix A, and how those that come in are read. A
 * frame is one Buffer, WebSocket header included: an EVENT is prepared once and written to every socket as it is.
 */
import type { LogEntry } from '../../log/entry.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { encodeEvent } from '../../protocol/events.ts';
import { DELIVERY_VERSION, STATUS_VERSION } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import { ATTACH_PROTOCOL } from '../../protocol/network.ts';

const VERSION = JSON.stringify(ATTACH_PROTOCOL);

/** One unfragmented, unmasked WebSocket text frame (RFC 6455, 5.2). */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = 0x81;
  if (header === 2) frame[1] = length;
  else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(text, header);
  return frame;
}

export const HELLO = textFrame(
  `{"op":"HELLO","version":${VERSION},"heartbeat_interval_ms":${limits.heartbeat.value},"capabilities":{"delivery":${DELIVERY_VERSION},"status":${STATUS_VERSION}}}`,
);
export const PING = textFrame(`{"op":"PING","version":${VERSION},"capabilities":{}}`);
export const PONG = textFrame(`{"op":"PONG","version":${VERSION},"capabilities":{}}`);

export interface ReadyFields {
  network_id: string;
  agent_id: string;
  actor_uid: string;
  actor_uri: string;
  agent_token?: string;
}
export function readyFrame({ network_id, agent_id, actor_uid, actor_uri, agent_token }: ReadyFields): Buffer {
  return textFrame(
    JSON.stringify({
      op: 'READY',
      version: ATTACH_PROTOCOL,
      network_id,
      agent_id,
      actor_uid,
      actor_uri,
      agent_token,
      capabilities: {},
    }),
  );
}

/** A client that meets one of these comes back in vain. */
const PERMANENT: ReadonlySet<string> = new Set([
  'agent_removed',
  'agent_taken',
  'claim_reserved',
  'person_reserved',
  'network_mismatch',
  'invalid_id',
  'invalid_agent_id',
  'invalid_name',
  'forbidden',
  'unauthorized',
]);

/** `code` and `permanent` only for clients that announced the delivery protocol (`delivery`): others know `error` alone. */
export function errorFrame({ code, message: error }: MoltnetError, delivery: boolean): Buffer {
  const extra = delivery && { code, ...(PERMANENT.has(code) && { permanent: true }) };
  return textFrame(
    JSON.stringify({ op: 'ERROR', version: ATTACH_PROTOCOL, capabilities: {}, error, ...extra }),
  );
}

/** Any other frame of ours. `fields` follow the order op, version, capabilities. */
export function frameOf(op: string, fields: object): Buffer {
  return textFrame(JSON.stringify({ op, version: ATTACH_PROTOCOL, capabilities: {}, ...fields }));
}

/** The EVENT of an entry, made once. Never over limits.frame. */
export function eventFrame(entry: LogEntry, networkId: string): Buffer {
  return (entry.frame ??= buildEvent(entry, networkId));
}

function buildEvent(entry: LogEntry, networkId: string): Buffer {
  const frame = textFrame(eventText(networkId, entry.event.id, entry.json(networkId)));
  if (frame.length <= limits.frame.value) return frame;
  // Only a room with thousands of long member ids gets there; who needs its members asks GET /v1/rooms/{id}.
  const { id, type, created_at } = entry.event;
  const { members: _, ...room } = JSON.parse(entry.event.payload) as Record<string, unknown>;
  return textFrame(
    eventText(
      networkId,
      id,
      encodeEvent({ id, type, network_id: networkId, created_at, payload: JSON.stringify(room) }),
    ),
  );
}

export function eventText(networkId: string, cursor: string, event: string): string {
  return `{"op":"EVENT","version":${VERSION},"network_id":${JSON.stringify(networkId)},"capabilities":{},"cursor":${JSON.stringify(cursor)},"event":${event}}`;
}

/** A frame that came in, not yet checked but for `op`. */
export interface ClientFrame {
  op: string;
  version?: unknown;
  [key: string]: unknown;
}

/** An ACK as clients write it: there is one for every EVENT, and to take it apart as JSON costs three times as much. */
const ACK =
  /^\{"op":"ACK","version":"moltnet\.attach\.v1","capabilities":\{\},"cursor":"([A-Za-z0-9._:-]+)"\}\n?$/;
/** Of a longest cursor, with room to spare. */
const ACK_BYTES = 256;

/** Parses one frame. Throws bad_frame. */
export function parseFrame(data: Buffer): ClientFrame {
  const text = data.toString();
  if (data.length <= ACK_BYTES) {
    const cursor = ACK.exec(text)?.[1];
    if (cursor !== undefined) return { op: 'ACK', version: ATTACH_PROTOCOL, capabilities: {}, cursor };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MoltnetError('bad_frame', 'the frame is not JSON: send one JSON object per text frame');
  }
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    typeof (value as ClientFrame).op !== 'string'
  ) {
    throw new MoltnetError(
      'bad_frame',
      'the frame is not an object with an `op`: send one JSON object per text frame',
    );
  }
  return value as ClientFrame;
}

/** Throws bad_frame unless the version is ours, or missing where `optional`. */
export function requireVersion(frame: ClientFrame, optional: boolean): void {
  const { version } = frame;
  if (version === ATTACH_PROTOCOL) return;
  if (optional && (version === undefined || version === '')) return;
  throw new MoltnetError('bad_frame', `${frame.op.slice(0, 40)}: the version must be "${ATTACH_PROTOCOL}"`);
}
