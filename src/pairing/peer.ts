/**
 * One paired network as it is reached from here: its status, and when something may be sent to it. Checked when nothing
 * is known, after a failure (at growing distances) and when the last check is old.
 */
import { createClient, everyItem, type Client } from '../client/http.ts';
import { createTransport, type Transport } from '../client/http-request.ts';
import { ConnectionError, RefusedError } from '../client/errors.ts';
import type { AgentSummary } from '../protocol/agents.ts';
import type { Network } from '../protocol/network.ts';
import {
  RELAY_HEADER,
  type PairingDiagnostics,
  type PairingStatus,
  type RelayAnswer,
  type RelayResult,
} from '../protocol/pairings.ts';
import type { Room } from '../protocol/rooms.ts';
import { compatibilityOf, readDocument } from './compatibility.ts';
import { ending, shallow, shownOf } from './foreign-answers.ts';
import { outcomeOfAnswer, outcomeOfError, outcomeOfResult, type Outcome } from './outcome.ts';
import type { PairingSpec } from './spec.ts';
import { backoff, Pause } from './waiting.ts';
import type { RelayItem, SendRequest } from '../client/http.ts';

export interface PeerOptions {
  spec: PairingSpec;
  /** This network's id. */
  local: string;
  /** The open link to it, when there is one. */
  link?: () => Transport | undefined;
  /** Status, or what is known of it, has changed; not for a new time of the same. */
  onChange(): void;
  /** It has said which network it is. */
  onNetwork(network: string): void;
  /** Milliseconds since 1970. */
  clock?: () => number;
}

const NO_ANSWER = {
  kind: 'stuck',
  code: 'not_understood',
  message: 'its answer is not about what was sent',
  tries: 8,
} as const;
const NO_LINK = { kind: 'away', reason: 'no_link', message: 'it keeps no link open now' } as const;
const FRESH = 5 * 60_000;
/** Between two looks at one that does not take what waits. */
const LATER = 30_000;
/** Milliseconds that a peer's wish to wait is good for, before it is asked again. */
const LONGEST = 5 * 60_000;
/** For one request with its answer. */
const TIMEOUT = 10_000;
/** Of one answer. Ours are of 1 MiB. */
const BYTES = 8 * 1_048_576;

export class Peer {
  status: PairingStatus;
  diagnostics: PairingDiagnostics | undefined;
  /** What its document announces of relay between servers of ours; 0 for others. */
  #version = 0;
  readonly #options: PeerOptions;
  readonly #clock: () => number;
  readonly #pause = new Pause();
  readonly #direct: Transport | undefined;
  #checking: Promise<Network | undefined> | undefined;
  #checked = Number.NEGATIVE_INFINITY;
  #blocked = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #answered = false;
  #closed = false;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    const { spec } = options;
    this.status = spec.source === 'store' ? 'pending' : 'unknown';
    if (spec.needs_pairing)
      this.diagnostics = {
        checked_at: new Date(this.#clock()).toISOString(),
        remote_protocols: {},
        reason: 'needs_pairing',
        message:
          'this network has moved without the secrets of its pairings: make a code (moltnet pair invite), and let the other side accept it with --again',
      };
    this.#direct =
      spec.base_url === undefined || spec.needs_pairing
        ? undefined
        : createTransport({
            baseUrl: spec.base_url,
            timeoutMs: TIMEOUT,
            maxBytes: BYTES,
            keepAlive: true,
            headers: { [RELAY_HEADER]: '1' },
            ...(spec.token !== undefined && { token: spec.token }),
          });
  }

  /** By the link when it is open, else over a connection of its own; undefined while neither can be. */
  get client(): Client | undefined {
    return this.#client((transport) => transport);
  }
  /** The same, for one list in its pages. */
  get lister(): Client | undefined {
    return this.#client(ending);
  }
  #client(within: (transport: Transport) => Transport): Client | undefined {
    const { spec, link } = this.#options;
    const transport = link?.() ?? this.#direct;
    return (
      transport &&
      createClient({
        baseUrl: spec.base_url ?? `link://${spec.id}`,
        transport: within(shallow(transport)),
      })
    );
  }

  /** Resolves when something of this kind may be sent; false when the pairing has ended. */
  async ready(kind: 'room' | 'thread' | 'dm'): Promise<boolean> {
    while (!this.#closed) {
      const now = this.#clock();
      if (now < this.#blocked) await this.#pause.wait(Math.min(this.#blocked - now, 5_000));
      else if (this.#mayDo(kind) && now - this.#checked < FRESH) return true;
      // It answers and does not take this: no failure, and looked at again when something may have changed.
      else if (now - this.#checked < LATER) await this.#pause.wait(LATER);
      else if (!this.client) {
        if (this.status !== 'pending' && this.status !== 'error') this.#lost(NO_LINK);
        await this.#pause.wait(1_000);
      } else await this.check();
    }
    return false;
  }

  /** Asks for its network document, once for all who ask at the same time. Undefined when it cannot be had. */
  check(discovery = false): Promise<Network | undefined> {
    return (this.#checking ??= this.#check(discovery).finally(() => (this.#checking = undefined)));
  }

  /** It takes several at once, and redactions. */
  get takesItems(): boolean {
    return this.#version >= 2;
  }

  /** One message, as a server of the original takes it. */
  send(request: SendRequest): Promise<Outcome> {
    return this.#try(async (client) => outcomeOfAnswer(await client.send(request)));
  }

  /** Several, in their order: an outcome for each, or one for all of them, of which none was taken. */
  async relay(items: readonly RelayItem[]): Promise<Outcome | Outcome[]> {
    const outcomes: Outcome[] = [];
    const all = await this.#try(async (client) => {
      const answer = await client.relay(items).catch((error: unknown) => {
        // It was updated to a version that has not got this: its document says so when it is looked at.
        if (error instanceof RefusedError && error.status === 404)
          throw new ConnectionError('broken', error.message, { maybe_done: false });
        throw error;
      });
      const results: unknown = (answer as Partial<RelayAnswer> | null)?.results;
      if (!Array.isArray(results) || results.length !== items.length) return NO_ANSWER;
      outcomes.push(...(results as RelayResult[]).map(outcomeOfResult));
      return { kind: 'relayed' };
    });
    return all.kind === 'relayed' ? outcomes : all;
  }

  async #try(attempt: (client: Client) => Promise<Outcome>): Promise<Outcome> {
    const { client } = this;
    if (!client) return this.#lost(NO_LINK);
    try {
      const outcome = await attempt(client);
      this.#reached();
      return outcome;
    } catch (error) {
      const outcome = outcomeOfError(error);
      if (outcome.kind === 'away') return this.#lost(outcome);
      this.#reached();
      if (outcome.kind === 'later')
        this.#blocked = this.#clock() + Math.min(Math.max(1, outcome.after) * 1_000, LONGEST);
      return outcome;
    }
  }

  /** Every room that it lets us see, all pages. Rejects when it cannot be had: with RefusedError or ConnectionError. */
  rooms(): Promise<Room[]> {
    return this.#list((client) =>
      everyItem(
        (page) => client.rooms(page),
        (page) => page.rooms,
      ),
    );
  }
  agents(): Promise<AgentSummary[]> {
    return this.#list((client) =>
      everyItem(
        (page) => client.agents(page),
        (page) => page.agents,
      ),
    );
  }

  /** A link has opened, or something else says that it may be there again. */
  wake(): void {
    this.#blocked = Number.NEGATIVE_INFINITY;
    this.#checked = Number.NEGATIVE_INFINITY;
    this.#pause.wake();
  }

  close(): void {
    this.#closed = true;
    this.#pause.wake();
    this.#direct?.close();
  }

  #mayDo(kind: 'room' | 'thread' | 'dm'): boolean {
    if (this.status === 'connected') return true;
    return (
      this.status === 'degraded' && (kind !== 'dm' || this.diagnostics?.reason !== 'direct_messages_disabled')
    );
  }

  async #list<T extends { id: string }>(read: (client: Client) => Promise<T[]>): Promise<T[]> {
    const { lister } = this;
    if (!lister) throw new RefusedError(502, { code: 'bad_gateway', error: 'it keeps no link open now' });
    let list: T[];
    try {
      list = await read(lister);
    } catch (error) {
      if (error instanceof RefusedError || error instanceof ConnectionError) throw error;
      throw new RefusedError(502, { code: 'bad_gateway', error: 'its list is none' });
    }
    return list.filter((item) => typeof (item as T | null)?.id === 'string');
  }

  async #check(discovery: boolean): Promise<Network | undefined> {
    const { spec, local, onNetwork } = this.#options;
    const { client } = this;
    if (!client) return undefined;
    let document: Network;
    try {
      document = await client.network();
    } catch (error) {
      const outcome = outcomeOfError(error);
      if (outcome.kind === 'away') this.#lost(outcome);
      else
        this.#lost({
          kind: 'away',
          reason: 'remote_request_failed',
          message: 'reason' in outcome ? outcome.reason : (error as Error).message,
        });
      return undefined;
    }
    if (this.#closed) return undefined;
    this.#checked = this.#clock();
    this.#reached();
    const said = readDocument(document);
    const { status, reason, message } = compatibilityOf(said, spec.network, local, discovery);
    if (status !== 'incompatible' && spec.network === undefined && said.id !== undefined) {
      spec.network = said.id;
      onNetwork(said.id);
    }
    this.#version = said.capabilities.relay ?? 0;
    const { version, id, protocols } = said;
    this.#become(status, {
      checked_at: new Date(this.#checked).toISOString(),
      ...(version && { remote_version: shownOf(version, 100) }),
      ...(id && { remote_network_id: shownOf(id) }),
      remote_protocols: protocols,
      ...(reason !== undefined && { reason }),
      ...(message !== undefined && { message: shownOf(message) }),
    });
    return document;
  }

  #reached(): void {
    this.#answered = true;
    this.#failures = 0;
  }

  #lost(outcome: Extract<Outcome, { kind: 'away' }>): Outcome {
    if (this.#closed) return outcome;
    this.#checked = Number.NEGATIVE_INFINITY;
    this.#block(outcome.after);
    const { remote_version, remote_network_id, remote_protocols = {} } = this.diagnostics ?? {};
    // Before the first answer it has not joined yet.
    const pending =
      this.#options.spec.source === 'store' && !this.#answered && outcome.reason !== 'unauthorized';
    this.#become(pending ? 'pending' : 'error', {
      checked_at: new Date(this.#clock()).toISOString(),
      ...(remote_version !== undefined && { remote_version }),
      ...(remote_network_id !== undefined && { remote_network_id }),
      remote_protocols,
      reason: outcome.reason,
      message: shownOf(outcome.message),
    });
    return outcome;
  }

  /** Several that fail at once are one failure. */
  #block(seconds?: number): void {
    const now = this.#clock();
    if (now < this.#blocked) return;
    this.#failures++;
    this.#blocked =
      now + (seconds === undefined ? backoff(this.#failures) : Math.min(Math.max(1, seconds), 60) * 1_000);
  }

  #become(status: PairingStatus, diagnostics: PairingDiagnostics): void {
    const said = (all: PairingDiagnostics): string => JSON.stringify({ ...all, checked_at: '' });
    const same =
      this.status === status &&
      this.diagnostics !== undefined &&
      said(this.diagnostics) === said(diagnostics);
    this.status = status;
    this.diagnostics = diagnostics;
    if (!same) this.#options.onChange();
  }
}
