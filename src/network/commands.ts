/** What can be asked of a network: one union. Every way in (HTTP, attach, CLI of the same process) makes these. */
import type { AgentRegistration } from '../protocol/agents.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { GuardState } from '../protocol/events.ts';
import type { MessageAccepted, MessageRedacted, SendMessageRequest } from '../protocol/messages.ts';
import type { ApplyConfigRequest, ApplyConfigResult } from '../protocol/network.ts';
import type {
  CreateRoomRequest,
  RemoveResult,
  Room,
  UpdateRoomMembersRequest,
  UpdateRoomRequest,
} from '../protocol/rooms.ts';
import type { DeliveryWrite } from '../store/store.ts';
import type { Identity } from './identity.ts';

/** Command kind → what it takes and what it answers. */
export interface CommandTypes {
  'message.send': [{ request: SendMessageRequest }, MessageAccepted];
  'message.redact': [{ message_id: string }, MessageRedacted];
  'room.create': [{ request: CreateRoomRequest }, Room];
  'room.update': [{ room_id: string; request: UpdateRoomRequest }, Room];
  'room.members': [{ room_id: string; request: UpdateRoomMembersRequest }, Room];
  'room.remove': [{ room_id: string }, RemoveResult];
  /** `attach`: the attach handshake, which must not bring a removed agent back. `created` is 201 against 200. */
  'agent.register': [
    { requested_id?: string; name?: string; via: 'http' | 'attach' },
    { registration: AgentRegistration; created: boolean },
  ];
  'agent.remove': [{ agent_id: string }, RemoveResult];
  'config.apply': [{ request: ApplyConfigRequest; source: 'api' | 'startup' }, ApplyConfigResult];
  'guard.resume': [{ conversation: ConversationKey }, GuardState];
  /** Positions, wakes and bootstraps of the delivery protocol: written along with the batch. */
  'delivery.save': [{ writes: DeliveryWrite[] }, { saved: true }];
}
export type CommandKind = keyof CommandTypes;
export type Command = {
  [K in CommandKind]: { kind: K; identity: Identity; at: string } & CommandTypes[K][0];
}[CommandKind];
export type CommandOf<K extends CommandKind> = Extract<Command, { kind: K }>;
export type Answer<K extends CommandKind = CommandKind> = CommandTypes[K][1];
