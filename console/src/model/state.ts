import type { AgentSummary } from '../../../src/protocol/agents.ts';
import type { GuardState } from '../../../src/protocol/events.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import type { Network } from '../../../src/protocol/network.ts';
import type { DirectConversation, Room, Thread } from '../../../src/protocol/rooms.ts';
import type { CallerIdentity } from '../../../src/protocol/identity.ts';
import type { Pairing } from '../../../src/protocol/pairings.ts';
import type { Pause } from '../../../src/protocol/pauses.ts';
import type { DeliveryItem, Receipt } from '../../../src/protocol/receipts.ts';
import type { ConversationKey } from './conversation.ts';
import { chosenMe, type Me } from './me.ts';
import type { Timeline } from './timeline.ts';

/** The event stream: `lost` and `back` are what the person is told of. */
export type Connection = 'connecting' | 'live' | 'lost' | 'back';

/** A message of this window that is not in a timeline yet. */
export interface Outgoing {
  key: ConversationKey;
  /** As it will look. Its id was made here, so that a retry cannot store it twice. */
  message: Message;
  status: 'sending' | 'sent' | 'failed';
  /** Why it failed, in words for the person. */
  error?: string;
  /** Failed without an answer: worth another try by itself when the connection is back. */
  unanswered?: boolean;
}

export interface Unread {
  count: number;
  /** The first message not seen. */
  from: string;
}

export interface State {
  connection: Connection;
  /** `signed-out`: the server shows nothing without a credential, and this browser has none (any more). */
  boot: 'loading' | 'ready' | 'failed' | 'signed-out';
  bootError?: string;
  identity?: CallerIdentity;
  network?: Network;
  /** Sorted by id. */
  rooms: readonly Room[];
  /** Sorted by id. */
  agents: readonly AgentSummary[];
  /** When this window saw an agent leave, by agent key; the server does not say it. */
  offlineSince: Readonly<Record<string, string>>;
  /** Conversations that the guard holds, by key. */
  held: Readonly<Record<string, GuardState>>;
  /** What is paused, by scope. */
  pauses: Readonly<Record<string, Pause>>;
  /** Wakes that failed for good, newest first. */
  failed: readonly DeliveryItem[];
  /** What became of messages while this window looked on: by message, then by agent. */
  receipts: Readonly<Record<string, Readonly<Record<string, Receipt>>>>;
  /** By thread id. */
  threads: Readonly<Record<string, Thread>>;
  /** The direct conversations that the viewer may see, by id. */
  dms: Readonly<Record<string, DirectConversation>>;
  /** Messages that name the person at this screen and were not looked at, oldest first. */
  mentions: readonly Message[];
  /** Links to other networks, by id. */
  pairings: readonly Pairing[];
  timelines: Readonly<Record<string, Timeline>>;
  unread: Readonly<Record<string, Unread>>;
  outbox: readonly Outgoing[];
  /** The conversations on screen: a room, and a thread beside it. */
  onScreen: readonly ConversationKey[];
  me: Me;
}

export const initialState = (name: string): State => ({
  connection: 'connecting',
  boot: 'loading',
  rooms: [],
  agents: [],
  offlineSince: {},
  held: {},
  pauses: {},
  failed: [],
  receipts: {},
  threads: {},
  dms: {},
  mentions: [],
  pairings: [],
  timelines: {},
  unread: {},
  outbox: [],
  onScreen: [],
  me: chosenMe(name),
});
