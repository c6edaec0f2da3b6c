/**
 * Which messages wake an agent: one pure function, asked by the server (delivery protocol) and by the node (servers
 * without it), so that both always agree. wire.md 12.3, with the corrections of section 16: own messages are told
 * by FQID (W36), thread targets follow their room's binding on every runtime. No dependencies, no I/O.
 */
import type { Message } from './messages.ts';
import { fqid, parseMemberId } from './ids.ts';

export const WAKE_POLICIES = ['all', 'mentions', 'thread_only', 'never'] as const;
export type WakePolicy = (typeof WAKE_POLICIES)[number];
export const CATCH_UP_POLICIES = ['all', 'mentions', 'none'] as const;
export type CatchUpPolicy = (typeof CATCH_UP_POLICIES)[number];

/** What becomes of messages that came while the agent was away. */
export interface CatchUp {
  policy: CatchUpPolicy;
  /** Seconds: what is older wakes nobody any more. */
  max_age?: number | undefined;
  /** The same of mentions and DMs; `max_age` when left out. */
  max_age_mentions?: number | undefined;
  /** The newest of each conversation, mentions before others: at most what one wake may hold. */
  max_messages?: number | undefined;
  /** Conversations, which is wakes, after one absence: those with mentions and the DMs first. */
  max_wakes?: number | undefined;
}

const DAY = 86_400;
/**
 * Unless somebody says otherwise. A holiday costs 20 turns at most, however much was said: who was asked for something
 * in the last week is answered, and of what was merely said the last day is worth a turn. The 30 newest of a
 * conversation are what a wake shows anyway.
 */
export const DEFAULT_CATCH_UP: Readonly<CatchUp> = {
  policy: 'all',
  max_age: DAY,
  max_age_mentions: 7 * DAY,
  max_messages: 30,
  max_wakes: 20,
};

/** What an attachment is bound to: sent in IDENTIFY by clients of the delivery protocol. */
export interface Bindings {
  rooms: { id: string; wake: WakePolicy }[];
  dms: {
    enabled: boolean;
    wake: 'all' | 'mentions' | 'never';
    /** Only a DM of one of these agents and people wakes; empty or left out: of anybody. In any form of a member id. */
    allowed_wake_senders?: string[] | undefined;
  };
  catch_up: CatchUpPolicy | CatchUp;
}

export const catchUpOf = ({ catch_up }: Pick<Bindings, 'catch_up'>): CatchUp =>
  typeof catch_up === 'string' ? { policy: catch_up } : catch_up;

/** Whether everything that was missed is caught up with, whatever it costs. */
export const catchesUpAll = (bindings: Pick<Bindings, 'catch_up'>): boolean => {
  const { policy, ...limits } = catchUpOf(bindings);
  return policy === 'all' && Object.values(limits).every((limit) => limit === undefined);
};

/** Whether it names the agent: such messages are the last that catch_up passes over. */
export const isNamed = (reason: WakeReason): boolean => reason === 'mention' || reason === 'dm';

export interface WakeAgent {
  network_id: string;
  id: string;
}

export type WakeReason = 'mention' | 'dm' | 'room' | 'thread';

/** An acknowledgement, a notice of the system and what is taken in of history wake nobody, whoever they are for. */
export const mayWake = ({
  intent,
  from,
  backfilled,
}: Pick<Message, 'intent' | 'from' | 'backfilled'>): boolean =>
  intent !== 'ack' && from.type !== 'system' && backfilled === undefined;

/**
 * Why this message wakes the agent, or undefined when it does not.
 * @param posted the agent has posted in the message's thread before: then it follows it
 */
export function wakeReason(
  agent: WakeAgent,
  bindings: Bindings,
  message: Message,
  posted = false,
): WakeReason | undefined {
  const self = fqid(agent.network_id, 'agents', agent.id);
  if (message.network_id !== agent.network_id || message.redacted_at !== undefined) return undefined;
  if ((message.from.fqid ?? '') === self) return undefined;
  if (!mayWake(message)) return undefined;
  const target = message.target;
  if (target.kind === 'dm') {
    const { enabled, wake, allowed_wake_senders: allowed = [] } = bindings.dms;
    if (!enabled || wake === 'never') return undefined;
    if (allowed.length > 0 && !allowed.some((id) => isSender(message, id, agent.network_id)))
      return undefined;
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
      return mentioned ? 'mention' : posted && target.kind === 'thread' ? 'thread' : undefined;
    case 'thread_only':
      return target.kind === 'thread' ? (mentioned ? 'mention' : 'thread') : undefined;
    default:
      return undefined;
  }
}

function isSender({ from }: Message, memberId: string, networkId: string): boolean {
  const ref = parseMemberId(memberId);
  if (!ref) return false;
  const home = from.network_id || networkId;
  return (from.fqid || fqid(home, 'agents', from.id)) === fqid(ref.network ?? networkId, 'agents', ref.id);
}
