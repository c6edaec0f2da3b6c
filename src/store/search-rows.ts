/** What is searched for, and what is found. */
import type { ConversationKey } from '../protocol/conversation.ts';
import type { SnippetPiece } from '../protocol/search.ts';
import type { StoredMessage } from './log-rows.ts';
import type { SearchTerm } from './search-terms.ts';

/** A message that holds all terms and meets all filters. At least one of both is given. */
export interface SearchRequest {
  terms: readonly SearchTerm[];
  conversation?: ConversationKey;
  /** With its threads. */
  room_id?: string;
  /** FQID. */
  sender?: string;
  /** With a part that is more than text. */
  artifact?: boolean;
  /** Milliseconds since 1970, by the message's own time; `until` is exclusive. */
  since?: number;
  until?: number;
  /** Messages of these rooms and of the DMs of these participants (canonical ids), and no others. */
  readable: { rooms: 'all' | ReadonlySet<string>; participants: 'all' | readonly string[] };
  /** seq, exclusive. */
  before?: number;
  /** At most 100. */
  limit: number;
}

export interface FoundMessage {
  row: StoredMessage;
  /** Of a DM; else empty. */
  participants: string[];
  snippet: SnippetPiece[];
}

export interface SearchRows {
  /** Newest first. */
  rows: FoundMessage[];
  /** Id of the message that the next page is to begin before; absent at the end. A page may end before it is full. */
  next_before?: string;
  /** Events at the end of the log that the index does not hold yet. */
  unindexed: number;
}
