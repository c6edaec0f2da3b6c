/** What can be asked of a network: one union. Every way in (HTTP, attach, CLI of the same process) makes these. */
import type { AgentInvite, AgentRegistration } from '../protocol/agents.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { GuardState } from '../protocol/events.ts';
import type { MessageAccepted, MessageRedacted, SendMessageRequest } from '../protocol/messages.ts';
import type { ApplyConfigRequest, ApplyConfigResult } from '../protocol/network.ts';
import type { PauseChange, PauseScope } from '../protocol/pauses.ts';
import type {
  CreateRoomRequest,
  JoinRoomRequest,
  RemoveResult,
  Room,
  UpdateRoomMembersRequest,
  UpdateRoomRequest,
} from '../protocol/rooms.ts';
import type { PairingExchanged, RelayAnswer, RelayItem } from '../protocol/pairings.ts';
import type { DeliveryWrite } from '../store/delivery-rows.ts';
import type { RelayWrite } from '../store/relay-rows.ts';
import type { ReadWrite, SessionWrite } from '../store/writes.ts';
import type { DeclarationNote } from './declaration.ts';
import type { Identity } from './identity.ts';
import type { NetworkSettings } from './settings.ts';

/** A code of `pair invite` before it is written out. */
export interface PairingInvited {
  id: string;
  secret: string;
  rooms: string[];
  fingerprint: string;
  expires_at: string;
}

/** Command kind → what it takes and what it answers. */
export interface CommandTypes {
  'message.send': [{ request: SendMessageRequest }, MessageAccepted];
  /** Of a paired network's history: stored as said_at says, and wakes nobody. */
  'message.backfill': [{ request: SendMessageRequest; said_at: string }, { known: boolean }];
  'message.redact': [{ message_id: string }, MessageRedacted];
  'room.create': [{ request: CreateRoomRequest }, Room];
  'room.update': [{ room_id: string; request: UpdateRoomRequest }, Room];
  'room.members': [{ room_id: string; request: UpdateRoomMembersRequest }, Room];
  'room.remove': [{ room_id: string }, RemoveResult];
  /** The agent makes itself a member with the room's credential. */
  'room.join': [{ room_id: string; request: JoinRoomRequest }, Room];
  /** `attach`: the attach handshake, which must not bring a removed agent back. `created` is 201 against 200. */
  'agent.register': [
    {
      requested_id?: string;
      name?: string;
      via: 'http' | 'attach';
      claim_key?: string;
      claim_code?: string;
      /** The caller is on the server's own machine, with no proxy between. */
      loopback?: boolean;
    },
    /** `agent_token` is in it when one was minted. */
    { registration: AgentRegistration; created: boolean },
  ];
  /** The first use of a minted token: from now on its claim key mints no other. */
  'agent.confirm': [{ agent_id: string }, { confirmed: boolean }];
  /** A new agent token in the place of whatever the agent is bound to; the answer carries it. */
  'agent.rotate': [{ agent_id: string }, AgentRegistration];
  'agent.invite': [{ agent_id: string; expires_in?: number }, AgentInvite];
  'agent.remove': [{ agent_id: string }, RemoveResult];
  /** `settings`: those that the same file gives, which count together with the declaration or not at all. */
  'config.apply': [
    { request: ApplyConfigRequest; source: 'api' | 'startup' | 'reload'; settings?: NetworkSettings },
    /** `notes` when a file was applied. */
    ApplyConfigResult & { notes?: DeclarationNote[] },
  ];
  'guard.resume': [{ conversation: ConversationKey }, GuardState];
  /** `until`: RFC 3339. `over`: it ends because its time is over. */
  'pause.set': [{ scope: PauseScope; paused: boolean; until?: string; over?: boolean }, PauseChange];
  /** Positions, wakes and bootstraps of the delivery protocol: written along with the batch. */
  'delivery.save': [{ writes: DeliveryWrite[] }, { saved: true }];
  'pairing.invite': [{ rooms: string[]; expires_in?: number }, PairingInvited];
  'pairing.invite.revoke': [{ id: string }, RemoveResult];
  /** From the server that was invited, with the secret of its code. */
  'pairing.exchange': [
    {
      secret: string;
      network_id: string;
      network_name?: string | undefined;
      /** What we send to it. */
      token: string;
      /** Where it is reached, unless it keeps a link. */
      base_url?: string | undefined;
      /** As PairingExchangeRequest. */
      proof?: string | undefined;
    },
    PairingExchanged,
  ];
  'pairing.accept': [
    {
      network_id: string;
      network_name?: string | undefined;
      base_url: string;
      token: string;
      token_hash: string;
      link: boolean;
      rooms: { id: string; name?: string | undefined }[];
    },
    { pairing_id: string },
  ];
  'pairing.revoke': [{ id: string }, RemoveResult];
  /** Bare ids of those whom the paired network lists in a shared room: the server's own bookkeeping. */
  'pairing.members': [
    { pairing_id: string; network_id: string; room_id: string; named: readonly string[] },
    { saved: true },
  ];
  /** From a paired network of ours: messages and redactions, in order. */
  'relay.take': [{ items: readonly RelayItem[] }, RelayAnswer];
  'relay.begin': [{ pairing_ids: string[] }, { saved: true }];
  'relay.save': [{ writes: RelayWrite[] }, { saved: true }];
  /** Messages that retention removes: the server's own bookkeeping, too. */
  'history.prune': [{ seqs: readonly number[] }, { saved: true }];
  /** Browser sessions: the server's own bookkeeping. */
  'session.save': [{ writes: SessionWrite[] }, { saved: true }];
  /** How far people have read: the server's own bookkeeping. */
  'read.save': [{ writes: ReadWrite[] }, { saved: true }];
}
export type CommandKind = keyof CommandTypes;
export type Command = {
  [K in CommandKind]: { kind: K; identity: Identity; at: string } & CommandTypes[K][0];
}[CommandKind];
export type CommandOf<K extends CommandKind> = Extract<Command, { kind: K }>;
export type Answer<K extends CommandKind = CommandKind> = CommandTypes[K][1];
