/** Several servers on one database: what they keep of each other, and what another one has committed. */
import type { LogEvent } from './log-rows.ts';
import type { RowWrite } from './writes.ts';

/** A row that another server committed, of those that servers hold in memory. */
export interface ForeignRow {
  /** A whole conversation row too; then the three below say what a first row would take. */
  row: RowWrite;
  /** seq of its event, or of the newest before it. */
  seq: number;
  /** Of a conversation that is new to us. */
  first_seq?: number;
  /** seq at which a hold began; `keep_hold`: unless one stands already. */
  held_seq?: number;
  keep_hold?: boolean;
}

/** One batch that another server committed. */
export interface ForeignBatch {
  /** Store.position once it is taken over. */
  position: number;
  /** In order of seq. */
  events: LogEvent[];
  /** In their order. */
  rows: ForeignRow[];
}

export interface PeersFollower {
  /** Something volatile that another server told. */
  told(text: string): void;
  /** An agent is attached at no other server any more. */
  gone(agent_id: string): void;
  /** The others may have taken what this server had leased: it stood still, or the database was away. */
  lapsed(): void;
}

/** What logs one browser in, once: by the hash of its secret, for a token of the configuration. */
export interface TicketRow {
  id_hash: string;
  token_id: string;
  token_hash: string;
}

/** What servers on one database keep of each other. What one has lapses by the database's clock within 5 s of its death. */
export interface Peers {
  /** Rejects with nothing: what cannot be said now is said later. One follower. */
  follow(follower: PeersFollower): Promise<void>;
  /**
   * Takes what one server at a time does (delivery to an agent by its id, else `KIND:…`), or keeps it; false while
   * another living server has it. Good for as long as `alive` says so without a break: see PeersFollower.lapsed.
   */
  lease(name: string): Promise<boolean>;
  release(name: string): Promise<void>;
  /** Who has what is leased now, for `fence` rows: what is written after that was lost is refused with its commit. */
  readonly holder: number;
  /** This server's leases stand. False in good time before another may take them. */
  readonly alive: boolean;
  /** Other servers that live. */
  readonly others: number;
  /** An agent is attached here, and what its presence says; undefined: it is not any more. */
  present(agent_id: string, state: string | undefined): void;
  /** The same of the other servers' agents, as known a second ago. */
  elsewhere(): ReadonlyMap<string, string>;
  /** What this server says of something that it does (a name with a colon); undefined: nothing any more. */
  note(name: string, text: string | undefined): void;
  /** What another living server says of it, as known a second ago. */
  noted(name: string): string | undefined;
  /** Keeps a ticket for so many milliseconds; of all that are kept only the newest `most` stay. Rejects with StorageError. */
  keepTicket(ticket: TicketRow, lives: number, most: number): Promise<void>;
  /** Takes it, whichever server kept it: undefined when it is used up, too old or none. Of two who ask one gets it. */
  takeTicket(id_hash: string): Promise<TicketRow | undefined>;
  /** What the others tell comes here. */
  readonly hears: boolean;
  /** Tells the other servers something volatile, of at most 7,000 bytes and without line breaks. It may be lost. */
  tell(text: string): void;
}
