/** Frames of the server as they are read: strict about what the client relies on, tolerant of what it does not know. */
import type { PresentedWake } from './attachment.ts';
import type { Event } from '../protocol/events.ts';
import { ATTACH_PROTOCOL } from '../protocol/network.ts';

/** The server broke the protocol: the connection is of no use. */
export class ProtocolError extends Error {}

export type ServerFrame =
  | { op: 'HELLO'; heartbeat_interval_ms: number; delivery: number; status: number }
  | {
      op: 'READY';
      network_id: string;
      agent_id?: string;
      actor_uid?: string;
      actor_uri?: string;
      agent_token?: string;
    }
  | { op: 'EVENT'; cursor: string; event: Event }
  | { op: 'WAKE'; wake: PresentedWake }
  | { op: 'BOOTSTRAP'; rooms: string[] }
  | { op: 'PROBE'; probe: string }
  | { op: 'ERROR'; error: string; code?: string; permanent: boolean }
  | { op: 'PING' }
  | { op: 'PONG' }
  | { op: 'UNKNOWN' };

/** The only op of a server that may leave its version out. */
const VERSIONLESS = new Set(['PONG']);

/** Throws ProtocolError. */
export function parseServerFrame(text: string): ServerFrame {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    throw new ProtocolError('a frame is not JSON');
  }
  if (!isRecord(frame) || typeof frame['op'] !== 'string')
    throw new ProtocolError('a frame is not an object with an op');
  const op = frame['op'];
  const version = frame['version'];
  if (version !== ATTACH_PROTOCOL && !(VERSIONLESS.has(op) && (version === undefined || version === '')))
    throw new ProtocolError(`${op.slice(0, 20)} has version ${JSON.stringify(version)?.slice(0, 60)}`);
  switch (op) {
    case 'HELLO': {
      const capabilities = isRecord(frame['capabilities']) ? frame['capabilities'] : {};
      return {
        op,
        heartbeat_interval_ms: numberOr(frame['heartbeat_interval_ms'], 0),
        delivery: numberOr(capabilities['delivery'], 0),
        status: numberOr(capabilities['status'], 0),
      };
    }
    case 'READY': {
      const ready: ServerFrame = { op, network_id: requireText(frame, 'network_id') };
      for (const key of ['agent_id', 'actor_uid', 'actor_uri', 'agent_token'] as const) {
        const value = frame[key];
        if (typeof value === 'string' && value !== '') ready[key] = value;
      }
      return ready;
    }
    case 'EVENT': {
      const event = frame['event'];
      if (!isRecord(event) || typeof event['type'] !== 'string' || typeof event['id'] !== 'string')
        throw new ProtocolError('EVENT without an event');
      return { op, cursor: requireText(frame, 'cursor'), event: event as unknown as Event };
    }
    case 'WAKE':
      return {
        op,
        wake: {
          wake_id: requireText(frame, 'wake_id'),
          conversation: requireText(frame, 'conversation'),
          cursor: requireText(frame, 'cursor'),
          attempt: Math.max(1, numberOr(frame['attempt'], 1)),
          ...earlierOf(frame['earlier']),
        },
      };
    case 'BOOTSTRAP': {
      const rooms = frame['rooms'];
      return {
        op,
        rooms: Array.isArray(rooms) ? rooms.filter((room): room is string => typeof room === 'string') : [],
      };
    }
    case 'PROBE':
      return { op, probe: requireText(frame, 'probe') };
    case 'ERROR': {
      const { error, code } = frame;
      return {
        op,
        error: typeof error === 'string' && error !== '' ? error : 'the server refused without saying why',
        permanent: frame['permanent'] === true,
        ...(typeof code === 'string' ? { code } : {}),
      };
    }
    case 'PING':
    case 'PONG':
      return { op };
    default:
      return { op: 'UNKNOWN' };
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function requireText(frame: Record<string, unknown>, key: string): string {
  const value = frame[key];
  if (typeof value !== 'string' || value === '')
    throw new ProtocolError(`${String(frame['op'])} without ${key}`);
  return value;
}

const earlierOf = (value: unknown): { earlier?: number } =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 ? { earlier: value } : {};
const numberOr = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
