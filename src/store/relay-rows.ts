/** How far relay to paired networks has come. */
import type { ConversationKey } from '../protocol/conversation.ts';

/** How far relay to a pairing has come: everything up to settled_seq is done with, but for conversations below it. */
export interface RelayState {
  settled_seq: number;
  positions: { conversation: ConversationKey; acked_seq: number }[];
}

/** A message that the paired network would not take. */
export interface RelayRefusalRow {
  pairing_id: string;
  seq: number;
  message_id: string;
  conversation: ConversationKey;
  code: string;
  reason: string;
  at: string;
}

/** A part of what may be had of something in a span of time (a number that grows), counted before it is used. */
export interface Reservation {
  name: string;
  span: number;
  amount: number;
  /** Of the span, for all. */
  most: number;
}
/** How many are kept, the newest: refusals of each pairing, and taken messages of each network that retention has removed. */
export interface RelayKept {
  refusals: number;
  taken: number;
}

/** What became of relayed messages: no event belongs to it. A lost one means that a message is sent again. */
export type RelayWrite =
  /** Nothing before now is relayed to it; one that has begun goes on. */
  | { op: 'relay.begin'; pairing_id: string }
  /** Positions that it covers are forgotten. */
  | { op: 'relay.settled'; pairing_id: string; settled_seq: number }
  | { op: 'relay.position'; pairing_id: string; conversation: ConversationKey; acked_seq: number }
  | { op: 'relay.refusal'; row: RelayRefusalRow };
