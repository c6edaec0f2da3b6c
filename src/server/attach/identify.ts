/** What a client says of itself in IDENTIFY, checked in the order of wire.md 6.2. */
import { MoltnetError } from '../../protocol/errors.ts';
import { BindingsSchema } from '../../protocol/frames.ts';
import { isId, isLocalAgentId } from '../../protocol/ids.ts';
import type { Bindings } from '../../protocol/wake.ts';
import { requireVersion, type ClientFrame } from './frames.ts';

export interface Identification {
  agent_id: string;
  name?: string;
  /** The event id to continue after; empty for live only. */
  cursor: string;
  /** Makes a claim repeatable until the minted token's first use (protocol/credentials.ts). */
  claim_key?: string;
  /** Present when the client speaks the delivery protocol. */
  bindings?: Bindings;
  /** It tells whether its runtime can be woken (STATUS). */
  status: boolean;
}

/** Whether the client announced the delivery protocol, whatever else is wrong with its frame. */
export const announcesDelivery = (frame: ClientFrame): boolean => announces(frame, 'delivery');

function announces(frame: ClientFrame, capability: 'delivery' | 'status'): boolean {
  const version = (frame['capabilities'] as Record<string, unknown> | null | undefined)?.[capability];
  return typeof version === 'number' && version >= 1;
}

/** Throws MoltnetError: bad_frame, network_mismatch, invalid_id or invalid_agent_id. */
export function readIdentify(frame: ClientFrame, networkId: string): Identification {
  if (frame.op !== 'IDENTIFY')
    throw new MoltnetError(
      'bad_frame',
      `${frame.op.slice(0, 40)} before IDENTIFY: the first frame must be IDENTIFY`,
    );
  requireVersion(frame, false);
  const network = text(frame['network_id'], 'network_id').trim();
  if (network !== networkId) {
    throw new MoltnetError(
      'network_mismatch',
      `network_id is ${JSON.stringify(network.slice(0, 128))}, this is ${JSON.stringify(networkId)}: correct network_id in the node's file`,
    );
  }
  const agent = frame['agent'] ?? {};
  if (typeof agent !== 'object' || Array.isArray(agent))
    throw new MoltnetError('bad_frame', 'agent: must be an object with an id');
  const { id, name } = agent as { id?: unknown; name?: unknown };
  const agent_id = text(id, 'agent.id');
  if (!isId(agent_id))
    throw new MoltnetError('invalid_id', `agent.id: not an id: ${JSON.stringify(agent_id.slice(0, 160))}`);
  if (!isLocalAgentId(agent_id)) {
    throw new MoltnetError(
      'invalid_agent_id',
      `agent.id: ${JSON.stringify(agent_id)} contains ":", which names an agent of another network: use a plain id`,
    );
  }
  return {
    agent_id,
    name: text(name, 'agent.name').trim() || undefined,
    cursor: text(frame['cursor'], 'cursor').trim(),
    claim_key: text(frame['claim_key'], 'claim_key').trim() || undefined,
    status: announces(frame, 'status'),
    ...(announcesDelivery(frame) && { bindings: readBindings(frame['bindings']) }),
  };
}

function readBindings(value: unknown): Bindings {
  const parsed = BindingsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new MoltnetError('bad_frame', `${['bindings', ...path].join('.')}: ${message}`);
}

function text(value: unknown, field: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new MoltnetError('bad_frame', `${field}: must be a string`);
  return value;
}
