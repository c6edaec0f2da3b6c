/** The pairings of a server: made of its configuration and its store, and told what it needs of the rest of the process. */
import { createTransport } from '../client/http-request.ts';
import { pairingOfToken } from '../config/pairings.ts';
import type { ServerConfig, StaticToken } from '../config/types.ts';
import type { Tail } from '../log/tail.ts';
import type { Network } from '../network/network.ts';
import { Pairings } from '../pairing/pairings.ts';
import type { NetworkWarning } from '../protocol/network.ts';
import { RELAY_HEADER } from '../protocol/pairings.ts';
import type { Store } from '../store/store.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface PairingsOptions {
  config: ServerConfig;
  network: Network;
  store: Store;
  tail: Tail;
  metrics: Metrics;
  log: Logger;
  /** `http://host:port` under which this machine reaches the server. */
  url(): string;
  clock?: () => number;
  membersEvery?: number;
  quota?: { messages: number; bytes: number };
}

export const createPairings = ({
  config,
  network,
  store,
  tail,
  metrics,
  log,
  url,
  clock,
  membersEvery,
  quota,
}: PairingsOptions): Pairings =>
  new Pairings({
    network,
    store,
    tail,
    file: () => config.pairings,
    ...(clock && { clock }),
    ...(membersEvery !== undefined && { membersEvery }),
    ...(quota && { quota }),
    serve: (token) =>
      createTransport({
        baseUrl: url(),
        token,
        timeoutMs: 10_000,
        maxBytes: 2 * 1_048_576,
        keepAlive: true,
        headers: { [RELAY_HEADER]: '1' },
      }),
    onResult: (result) => metrics.relay.inc({ result }),
    onFault: (error) =>
      log.error({ component: 'rooms.relay', err: error }, 'relay to a paired network failed here'),
  });

/** What the network document says of pairings that do not work (wire.md 8.3). */
export function pairingWarnings(pairings: Pairings, config: ServerConfig): NetworkWarning[] {
  // As the server that relays says, also at another one.
  const list = pairings.list();
  const count = (wanted: string): number => list.filter(({ status }) => status === wanted).length;
  const warning = (
    status: string,
    severity: NetworkWarning['severity'],
    what: string,
    action: string,
  ): NetworkWarning[] => {
    const number = count(status);
    return number === 0
      ? []
      : [{ severity, code: `pairings.${status}`, message: `${number} of the pairings ${what}`, action }];
  };
  const look = 'Look at moltnet pair list.';
  const loose =
    config.pairings.length > 1 ? config.auth.tokens.filter((token) => isLoose(config, token)) : [];
  return [
    ...(loose.length === 0
      ? []
      : [
          {
            severity: 'warning' as const,
            code: 'pairings.token',
            message: `${loose.length} of the tokens with the scope pair may speak for each of several pairings.`,
            action: 'Give each its pairing: auth.tokens[].pairing, or the id of the pairing as its id.',
          },
        ]),
    ...warning(
      'incompatible',
      'error',
      'cannot be spoken with: another network answers there, or one that speaks another protocol.',
      look,
    ),
    ...warning('error', 'warning', 'cannot be reached now; messages for it wait.', look),
    ...warning('degraded', 'warning', 'can do less than pairing needs.', look),
  ];
}

const isLoose = (config: ServerConfig, token: StaticToken): boolean =>
  config.auth.mode !== 'none' && token.scopes.includes('pair') && !pairingOfToken(config, token);
