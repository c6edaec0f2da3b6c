/** What the ways in share: one object, made by startServer, handed to the routes and the upgrade. */
import type { IncomingMessage } from 'node:http';
import type { ServerConfig } from '../config/types.ts';
import type { Tail } from '../log/tail.ts';
import type { Identity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { Pairings } from '../pairing/pairings.ts';
import type { Store } from '../store/store.ts';
import type { ReloadResult } from '../protocol/identity.ts';
import type { AttachGateway } from './attach/gateway.ts';
import type { WakeReports } from './attach/wake-report.ts';
import type { Credentials } from './auth/credentials.ts';
import type { Peer } from './auth/peer.ts';
import type { Rates } from './auth/rates.ts';
import type { Sessions } from './auth/sessions.ts';
import type { BindingsBook } from './bindings.ts';
import type { OriginRules } from './http/origin.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Holds } from './holds.ts';
import type { Presence } from './presence.ts';
import type { Receipts } from './receipts.ts';
import type { EventStreams } from './sse.ts';
import type { Usage } from './usage.ts';

export interface ServerContext {
  /** One object for the life of the server: a reload changes what is in it. Read it when it is needed. */
  readonly config: ServerConfig;
  readonly version: string;
  readonly log: Logger;
  readonly store: Store;
  readonly tail: Tail;
  readonly network: Network;
  readonly presence: Presence;
  readonly wakes: WakeReports;
  readonly receipts: Receipts;
  readonly holds: Holds;
  readonly usage: Usage;
  readonly pairings: Pairings;
  readonly bindings: BindingsBook;
  readonly gateway: AttachGateway;
  readonly streams: EventStreams;
  readonly metrics: Metrics;
  /** Known once the port is; no request comes before. */
  readonly origins: OriginRules;
  /** `http://host:port` under which this machine itself reaches the server. */
  readonly url: string;
  /** Where it listens; an empty host for every interface. */
  readonly bound: { readonly host: string; readonly port: number };
  readonly credentials: Credentials;
  readonly sessions: Sessions;
  readonly rates: Rates;
  /** Where a request comes from, as far as that can be known. */
  peer(request: IncomingMessage): Peer;
  /** Who calls; throws `unauthorized` or `agent_removed` for a credential that is not known (any more). */
  identify(request: IncomingMessage): Identity;
  /** Ends attachments and streams whose identity does not hold any more. */
  revalidate(): void;
  /** Reads the configuration again. Throws `invalid_config` with every mistake, and then nothing has changed. */
  reload(): Promise<ReloadResult>;
  /** Set once stop() has begun: new work is refused with `stopping`. */
  readonly stopping: boolean;
}
