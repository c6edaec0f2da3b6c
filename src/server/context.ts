/** What the ways in share: one object, made by startServer, handed to the routes and the upgrade. */
import type { IncomingMessage } from 'node:http';
import type { ServerConfig } from '../config/types.ts';
import type { Tail } from '../log/tail.ts';
import type { Identity } from '../network/identity.ts';
import type { Network } from '../network/network.ts';
import type { Store } from '../store/store.ts';
import type { AttachGateway } from './attach/gateway.ts';
import type { WakeReports } from './attach/wake-report.ts';
import type { OriginRules } from './http/origin.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Presence } from './presence.ts';
import type { EventStreams } from './sse.ts';

export interface ServerContext {
  readonly config: ServerConfig;
  readonly version: string;
  readonly log: Logger;
  readonly store: Store;
  readonly tail: Tail;
  readonly network: Network;
  readonly presence: Presence;
  readonly wakes: WakeReports;
  readonly gateway: AttachGateway;
  readonly streams: EventStreams;
  readonly metrics: Metrics;
  /** Known once the port is; no request comes before. */
  readonly origins: OriginRules;
  /** `http://host:port` under which this machine itself reaches the server. */
  readonly url: string;
  /** Who calls; throws `unauthorized` for a credential that is not known. */
  identify(request: IncomingMessage): Identity;
  /** Set once stop() has begun: new work is refused with `stopping`. */
  readonly stopping: boolean;
}
