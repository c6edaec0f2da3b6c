/**
 * Which messages wake an agent: one pure function, asked by the server (delivery protocol) and by the node (servers
 * without it), so that both always agree. wire.md 12.3, with the corrections of section 16: own messages are told
 * by FQID (W36), thread targets follow their room's binding on every runtime. No dependencies, no I/O.
 */
import type { Message } from './messages.ts';
import { fqid } from './ids.ts';

export const WAKE_POLICIES = ['all', 'mentions', 'thread_only', 'never'] as const;
export type WakePolicy = (typeof WAKE_POLICIES)[number];
export const CATCH_UP_POLICIES = ['all', 'mentions', 'none'] as const;
export type CatchUpPolicy = (typeof CATCH_UP_POLICIES)[number];

/** What an attachment is bound to: sent in IDENTIFY by clients of the delivery protocol. */
export interface Bindings {
  rooms: { id: string; wake: WakePolicy }[];
  dms: { enabled: boolean; wake: 'all' | 'mentions' | 'never' };
  catch_up: CatchUpPolicy;
}

export interface WakeAgent {
  network_id: string;
  id: string;
}

export type WakeReason = 'mention' | 'dm' | 'room' | 'thread';

/** Why this message wakes the agent, or undefined when it does not. */
export function wakeReason(agent: WakeAgent, bindings: Bindings, message: Message): WakeReason | undefined {
  const self = fqid(agent.network_id, 'agents', agent.id);
  if (message.network_id !== agent.network_id || message.redacted_at !== undefined) return undefined;
  if ((message.from.fqid ?? '') === self) return undefined;
  const target = message.target;
  if (target.kind === 'dm') {
    if (!bindings.dms.enabled || bindings.dms.wake === 'never') return undefined;
    const scoped = `${agent.network_id}:${agent.id}`;
    return target.participant_ids?.some((p) => p === agent.id || p === scoped || p === self)
      ? 'dm'
      : undefined;
  }
  const binding = bindings.rooms.find((room) => room.id === target.room_id);
  if (!binding) return undefined;
  const mentioned = message.mentions?.includes(self) ?? false;
  switch (binding.wake) {
    case 'all':
      return mentioned ? 'mention' : target.kind === 'thread' ? 'thread' : 'room';
    case 'mentions':
      return mentioned ? 'mention' : undefined;
    case 'thread_only':
      return target.kind === 'thread' ? (mentioned ? 'mention' : 'thread') : undefined;
    default:
      return undefined;
  }
}
