/** The parts of a server process, made of each other in the one order in which that is possible. */
import type { ServerConfig } from '../config/types.ts';
import { Tail } from '../log/tail.ts';
import { Network, tokenAgents } from '../network/network.ts';
import type { ForeignBatch } from '../store/peers.ts';
import type { Store } from '../store/store.ts';
import { createAttachGateway, type AttachGateway } from './attach/gateway.ts';
import { createWakeReports } from './attach/wake-report.ts';
import { createCredentials } from './auth/credentials.ts';
import { peerReader } from './auth/peer.ts';
import { createRates } from './auth/rates.ts';
import { endLapsed, endRevoked, type Revocables } from './auth/revocation.ts';
import { openSessions } from './auth/sessions.ts';
import { openBindings } from './bindings.ts';
import type { ServerContext } from './context.ts';
import { originRules, type OriginRules } from './http/origin.ts';
import type { Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { createHolds } from './holds.ts';
import type { Pairings } from '../pairing/pairings.ts';
import { createPairings } from './pairings.ts';
import { createPresence, type PresenceOptions } from './presence.ts';
import { createReceipts } from './receipts.ts';
import { createReload, logNotes } from './reload.ts';
import { runAgainSoon } from './retries.ts';
import { SentElsewhere } from './sent-elsewhere.ts';
import { joinPeers, takeOver, type Followers } from './several.ts';
import { settingsOf } from './settings.ts';
import { createEventStreams, type EventStreams } from './sse.ts';
import { NO_BUDGETS, openUsage } from './usage.ts';

export interface ServerOptions {
  /** Where it logs; stderr at level info when left out. */
  log?: Logger;
  /** Shown in /v1/network. */
  version?: string;
  /** Ends the waiting for a database that is not there yet. */
  signal?: AbortSignal;
  /** Reads the configuration again, for a reload; throws ConfigError. */
  reload?: () => ServerConfig;
  /** Milliseconds since 1970, for what is said and paired; for tests. */
  clock?: () => number;
  /** Milliseconds between two looks at who is in shared rooms on the other side of a pairing; for tests. */
  membersEvery?: number;
  /** What a pairing may bring, in the place of the limits. */
  pairingQuota?: { messages: number; bytes: number };
}

/** The context, with what only startServer may say to it. */
export interface StartingContext extends ServerContext {
  listening(bound: { host: string; port: number }, url: string): void;
  stop(): void;
}

/** Rejects with MoltnetError and StorageError; the store stays open. */
export async function assemble(
  config: ServerConfig,
  options: ServerOptions,
  log: Logger,
  store: Store,
): Promise<StartingContext> {
  const { peers } = store;
  // Made before what they count, which is made of them.
  const counted: { network?: Network; gateway?: AttachGateway; streams?: EventStreams; pairings?: Pairings } =
    {};
  const tail = new Tail({
    store,
    due: () => counted.network?.due === true,
    writing: () => counted.network?.writing === true,
    ...(peers && {
      onFact: (fact) => peers.tell(JSON.stringify(fact)),
      elsewhere: () => peers.others > 0,
    }),
    onFault: (error) => log.error({ component: 'events.broker', err: error }, 'a reader of the log failed'),
    onBehind: () => metrics.eventsDropped.inc(),
  });
  let revocables: Revocables | undefined;
  // What other servers store while this one still assembles itself waits for who keeps it.
  let followers: Followers | undefined;
  const early: ForeignBatch[] = [];
  const metrics = createMetrics({
    attachments: () => counted.gateway?.active ?? 0,
    streams: () => counted.streams?.active ?? 0,
    writerQueue: () => counted.network?.waiting ?? 0,
    otherServers: () => peers?.others ?? 0,
    head: () => tail.head,
    relayWaiting: () => counted.pairings?.waiting ?? 0,
  });
  const network = (counted.network = await Network.open({
    store,
    ...(options.clock && { clock: options.clock }),
    settings: settingsOf(config),
    onCommitted: (events) => {
      tail.publish(events);
      if (revocables) endLapsed(events, revocables);
    },
    onForeign: (batch) => {
      if (followers) takeOver(batch, followers);
      else early.push(batch);
    },
    onBatch: (commands) => metrics.batchSize.observe(commands),
  }));
  logNotes(log, await network.start(config.rooms, tokenAgents(config)));
  const onFault = (error: unknown): void =>
    log.error({ component: 'auth', err: error }, 'the storage did not take what became of a credential');
  const sessions = await openSessions({ network, store, onFault });
  const rates = createRates(config);
  let peer = peerReader(config.server);
  const credentials = createCredentials({
    config,
    network,
    sessions,
    onUnknown: (request) => rates.claim(peer(request)),
    onFault,
  });
  const usage = await openUsage({
    network,
    store,
    budgets: () => config.budgets ?? NO_BUDGETS,
    onChanged: () => counted.gateway?.holdsChanged(),
  });
  const holds = createHolds(network, usage);
  const activity: PresenceOptions['activity'] = (agent_id) => counted.gateway?.activity(agent_id);
  const presence = createPresence({ tail, network, activity, holds, ...(peers && { peers }) });
  const wakes = createWakeReports({ tail, network, store });
  await wakes.load();
  const bindings = await openBindings(network, store);
  const gateway = (counted.gateway = createAttachGateway({
    network,
    store,
    tail,
    presence,
    wakes,
    bindings,
    holds,
    usage,
    rates,
    identityOf: credentials.identityOf,
    log: log.child({ component: 'transport.attach' }),
  }));
  const sent = peers && new SentElsewhere(peers, gateway.isOut);
  const receipts = createReceipts({
    network,
    tail,
    store,
    bindings,
    isOut: gateway.isOut,
    ...(sent && { isOutElsewhere: (agent_ids, cursor) => sent.isOut(agent_ids, cursor) }),
    holdOf: holds.of,
  });
  let url = '';
  const pairings = (counted.pairings = createPairings({
    config,
    network,
    store,
    tail,
    metrics,
    log,
    url: () => url,
    ...(options.clock && { clock: options.clock }),
    ...(options.membersEvery !== undefined && { membersEvery: options.membersEvery }),
    ...(options.pairingQuota && { quota: options.pairingQuota }),
  }));
  const streams = (counted.streams = createEventStreams({ network, store, tail }));
  const open = (revocables = { credentials, gateway, streams });
  const retried = (wake_id: string): void =>
    void runAgainSoon({ store, gateway }, wake_id).catch((error: unknown) =>
      log.error({ component: 'transport.attach', err: error }, 'a wake is not run again'),
    );
  followers = { sessions, bindings, usage, retried };
  for (const batch of early.splice(0)) takeOver(batch, followers);
  if (peers && sent) await joinPeers(peers, { tail, presence, gateway, pairings, sent });

  let bound = { host: '', port: 0 };
  let origins: OriginRules | undefined;
  let stopping = false;
  const reload = createReload({
    config,
    read: options.reload,
    network,
    log,
    takeOver() {
      peer = peerReader(config.server);
      origins = originRules(config, bound);
      credentials.reload();
      endRevoked(open);
      gateway.holdsChanged();
      pairings.settle().catch(onFault);
    },
  });
  return {
    config,
    version: options.version ?? 'dev',
    log,
    store,
    tail,
    network,
    presence,
    wakes,
    receipts,
    holds,
    bindings,
    usage,
    pairings,
    gateway,
    streams,
    metrics,
    credentials,
    sessions,
    rates,
    get origins() {
      return origins!;
    },
    get url() {
      return url;
    },
    get bound() {
      return bound;
    },
    get stopping() {
      return stopping;
    },
    peer: (request) => peer(request),
    identify: credentials.identify,
    revalidate: () => endRevoked(open),
    reload,
    listening(at, as) {
      bound = at;
      origins = originRules(config, bound);
      url = as;
    },
    stop() {
      stopping = true;
    },
  };
}
