/**
 * Where several servers share a database: what another one has stored is taken over here too, and a request that may
 * depend on it waits for that. Nothing of this happens where there is one server.
 */
import type { IncomingMessage, RequestListener } from 'node:http';
import type { Tail, VolatileFact } from '../log/tail.ts';
import { MoltnetError } from '../protocol/errors.ts';
import type { Pairings } from '../pairing/pairings.ts';
import { limits } from '../protocol/limits.ts';
import type { ForeignBatch, Peers } from '../store/peers.ts';
import type { Store } from '../store/store.ts';
import type { AttachGateway } from './attach/gateway.ts';
import type { Credentials } from './auth/credentials.ts';
import type { Sessions } from './auth/sessions.ts';
import type { BindingsBook } from './bindings.ts';
import type { Presence } from './presence.ts';
import type { SentElsewhere } from './sent-elsewhere.ts';
import type { Usage } from './usage.ts';

/** What keeps something in memory that another server may store. */
export interface Followers {
  sessions: Pick<Sessions, 'foreign'>;
  bindings: Pick<BindingsBook, 'foreign'>;
  usage: Pick<Usage, 'foreign'>;
  /** A failed wake is open again. */
  retried: (wake_id: string) => void;
}

export function takeOver({ rows }: ForeignBatch, { sessions, bindings, usage, retried }: Followers): void {
  for (const { row } of rows) {
    if (row.op === 'session' || row.op === 'session.remove') sessions.foreign(row);
    else if (row.op === 'bindings') bindings.foreign(row);
    else if (row.op === 'usage') usage.foreign(row.row);
    else if (row.op === 'wake.retry') retried(row.wake_id);
  }
}

/** Tells volatile facts to the other servers, and theirs here. */
export async function joinPeers(
  peers: Peers,
  {
    tail,
    presence,
    gateway,
    pairings,
    sent,
  }: {
    tail: Tail;
    presence: Presence;
    gateway: AttachGateway;
    pairings: Pick<Pairings, 'lapsed'>;
    sent: SentElsewhere;
  },
): Promise<void> {
  await peers.follow({
    told(text) {
      const told = JSON.parse(text) as object;
      if (!sent.heard(told)) tail.announceHere(told as VolatileFact);
    },
    gone: (agent_id) => presence.gone(agent_id),
    lapsed() {
      gateway.lapsed();
      pairings.lapsed();
    },
  });
}

interface Knowing {
  store: Store;
  credentials: Pick<Credentials, 'knows'>;
}

/** Whether a request may depend on what another server did a moment ago: a read, or a credential that is new here. */
function asks({ store, credentials }: Knowing, request: IncomingMessage): boolean {
  if (!store.peers || store.peers.others === 0 || !request.url?.startsWith('/v1/')) return false;
  return request.method === 'GET' || request.method === 'HEAD' || !credentials.knows(request);
}

/** Lets such a request wait until this server has what all had committed when it came (STO-56). */
export const upToDate =
  (context: Knowing, handler: RequestListener): RequestListener =>
  (request, response) => {
    if (asks(context, request)) caughtUp(context, () => handler(request, response));
    else handler(request, response);
  };

/** Runs it once this server is up to date, or cannot be. */
export function caughtUp({ store }: Pick<Knowing, 'store'>, run: () => void): void {
  const caught = store.catchUp();
  if (caught) void caught.then(run, run);
  else run();
}

/** Throws `service_unavailable` when this server does not know what the others have committed for too long (STO-56). */
export function requireCurrent(store: Store): void {
  if (store.behind > limits.behind.value)
    throw new MoltnetError(
      'service_unavailable',
      'this server does not follow the others now; ask again, or another one',
    );
}
