/**
 * One attachment: an agent, its runtime and its connection to a server. It waits for a server that is not there,
 * comes back after every hang-up, whatever the close code, and rests only where coming back is of no use.
 */
import { setMaxListeners } from 'node:events';
import type { AttachmentConfig } from '../config/types.ts';
import type { AttachmentEnd, AttachmentSocket } from '../client/attachment.ts';
import { openAttachment } from '../client/attachment-socket.ts';
import { createClient, type Client } from '../client/http.ts';
import type { ProbeResult, Runtime, RuntimeContext } from '../runtimes/runtime.ts';
import { catchesUpAll, type Bindings } from '../protocol/wake.ts';
import { backoffMs, pause } from './backoff.ts';
import { AttachmentTurns } from './attachment-turns.ts';
import { DeliveryLink } from './delivery.ts';
import { LegacyLink } from './legacy.ts';
import { Links } from './links.ts';
import { AttachmentCredential, type Claim } from './credential.ts';
import { preflight } from './preflight.ts';
import { Readiness } from './readiness.ts';
import { isFinalCode, withAdvice } from './refusals.ts';
import { Servers, type Obstacle } from './servers.ts';
import type { NodeSession } from './sessions.ts';
import type { NodeTimes } from './times.ts';
import type { Turns } from './turns.ts';

export interface AttachmentOptions {
  config: AttachmentConfig;
  runtime: (context: RuntimeContext) => Runtime;
  moltnetBin: string;
  stateDir: string;
  env: NodeJS.ProcessEnv;
  turns: Turns;
  times: NodeTimes;
  /** Turns at once in this attachment's workspace; asked for each turn, because a reload may change it. */
  workspaceMax: () => number;
  /** Another attachment of the node has the same token_path. */
  sharesToken: () => boolean;
  /** Environment variables with secrets of the node's other attachments; asked for each turn. */
  withheld: () => readonly string[];
  log: RuntimeContext['log'];
  /** Called when it cannot go on, and again when it can (undefined). */
  stuck: (problems: string[] | undefined) => void;
  /** Told when it is attached, and when it is not any more. */
  attached?: (is: boolean) => void;
}

export class Attachment {
  readonly config: AttachmentConfig;
  readonly #options: AttachmentOptions;
  readonly #name: string;
  readonly #stop = new AbortController();
  readonly #bindings: Bindings;
  readonly #credential: AttachmentCredential;
  readonly #servers: Servers;
  /** Ends a rest before its time. */
  #rest = new AbortController();
  #runtime: Runtime | undefined;
  /** Whether its turns could run; the server is told whenever that changes. */
  readonly #readiness: Readiness;
  #probed = false;
  #client: { client: Client; token: string | undefined; url: string } | undefined;
  #socket: AttachmentSocket | undefined;
  readonly #turns: AttachmentTurns;
  readonly #links: Links;
  #done: Promise<void> | undefined;

  constructor(options: AttachmentOptions) {
    this.#options = options;
    this.config = options.config;
    this.#credential = new AttachmentCredential({
      config: options.config,
      env: options.env,
      shared: options.sharesToken,
    });
    this.#name = options.config.agent.id;
    this.#servers = new Servers({
      config: options.config,
      look: (at) =>
        preflight(at, this.#credential, () => this.#probe(), {
          signal: this.#stop.signal,
          gone_over: at.base_url !== options.config.base_url,
        }).catch((error: unknown) => ({ state: 'wait', reason: messageOf(error) })),
      log: (level, message, fields) => this.#log(level, message, fields),
    });
    // Every conversation listens.
    setMaxListeners(0, this.#stop.signal);
    const { rooms, dms, catch_up } = options.config;
    this.#bindings = {
      rooms: rooms.map(({ id, wake }) => ({ id, wake })),
      dms,
      catch_up,
    };
    this.#readiness = new Readiness({
      runtime: () => this.#runtime!,
      changed: () => this.#tellStatus(),
      times: options.times,
      signal: this.#stop.signal,
    });
    this.#turns = new AttachmentTurns({
      config: options.config,
      bindings: this.#bindings,
      turns: options.turns,
      times: options.times,
      workspaceMax: options.workspaceMax,
      signal: this.#stop.signal,
      runtime: () => this.#runtime!,
      readiness: this.#readiness,
      client: () => this.#http(),
      servers: () => this.#servers.urls,
      log: (level, message, fields) => this.#log(level, message, fields),
    });
    this.#links = new Links({
      config: options.config,
      stateDir: options.stateDir,
      times: options.times,
      host: this.#turns.host,
      client: () => this.#http(),
      warn: (message) => this.#log('warn', message),
    });
  }

  start(): void {
    this.#done ??= this.#run().catch((error: unknown) => {
      const problem = `a fault of the node: ${messageOf(error)}`;
      this.#log('warn', problem);
      this.#options.stuck([problem]);
    });
  }

  /** Ends turns, then the connection, then the runtime. What was begun stays open at the server. Idempotent. */
  async stop(): Promise<void> {
    this.#stop.abort();
    const late = new AbortController();
    await Promise.race([this.#turns.ended(), pause(this.#options.times.stop, late.signal)]);
    await Promise.race([this.#runtime?.close(), pause(this.#options.times.stop, late.signal)]);
    late.abort();
    this.#links.close();
    await this.#socket?.close();
    await this.#done;
    this.#client?.client.close();
  }

  /** Empty before the runtime could be made. */
  async sessions(): Promise<NodeSession[]> {
    return this.#runtime ? this.#turns.sessions() : [];
  }

  async resetSession(conversation: string): Promise<boolean> {
    return this.#runtime ? this.#turns.resetSession(conversation) : false;
  }

  /** Something was put right, perhaps: a rest ends now. */
  recheck(): void {
    this.#rest.abort();
    this.#readiness.lookNow();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { times } = this.#options;
    let told = '';
    let failed = 0;
    while (!signal.aborted) {
      let obstacle = await this.#prepare();
      if (signal.aborted) return;
      if (obstacle === undefined) {
        failed = 0;
        const end = await this.#serve();
        if (signal.aborted) return;
        if (end.was_ready) told = '';
        // Its token was made anew while it was connected; the server ends the old one before the new one is written.
        if (await this.#renewed(end.was_ready && end.code === 'unauthorized' ? times.renewal : 0)) continue;
        obstacle = { problems: [withAdvice(end.reason, end.code, this.config)], code: end.code };
      }
      const text =
        'reason' in obstacle ? `waits: ${obstacle.reason}` : `cannot attach: ${obstacle.problems.join('; ')}`;
      // What only repeats itself is said once.
      const about = ('problems' in obstacle && obstacle.code) || text;
      if (about !== told) this.#log('warn', text);
      told = about;
      if ('problems' in obstacle) {
        this.#rest = new AbortController();
        this.#options.stuck(obstacle.problems);
        await pause(times.recheck, AbortSignal.any([signal, this.#rest.signal]));
        continue;
      }
      // It may come right by itself.
      this.#options.stuck(undefined);
      await pause(this.#waitMs(++failed, obstacle.retry_after), signal);
    }
  }

  /** Whether its source holds another token, or does so within these milliseconds. */
  async #renewed(within: number): Promise<boolean> {
    const until = performance.now() + within;
    while (!this.#credential.renewed()) {
      if (performance.now() >= until || this.#stop.signal.aborted) return false;
      await pause(Math.min(100, within), this.#stop.signal);
    }
    return true;
  }

  /** Milliseconds before the next try: longer each time, and as long as the server asks, within reason. */
  #waitMs(failed: number, retryAfter = 0): number {
    const { reconnect, reconnect_max, recheck } = this.#options.times;
    return Math.max(
      backoffMs(failed, { first: reconnect, max: reconnect_max }),
      Math.min(retryAfter * 1_000, recheck),
    );
  }

  /** Credential, runtime and server: what keeps it from attaching, or undefined. */
  async #prepare(): Promise<Obstacle | undefined> {
    const problem = this.#credential.read();
    const problems: string[] = problem === undefined ? [] : [problem];
    try {
      this.#runtime ??= this.#options.runtime({
        attachment: this.config,
        moltnet_bin: this.#options.moltnetBin,
        withheld: this.#options.withheld,
        log: (level, message, fields) => this.#log(level, message, fields),
      });
    } catch (error) {
      problems.push(messageOf(error));
    }
    if (problems.length > 0 || !this.#runtime) return { problems };
    return this.#servers.find();
  }

  /** A runtime that could run once is not asked again: that may mean a process each time. */
  async #probe(): Promise<ProbeResult> {
    if (this.#probed) return { ready: true };
    const over = new AbortController();
    const stopped = pause(Infinity, AbortSignal.any([this.#stop.signal, over.signal]));
    const none: ProbeResult = { ready: false, permanent: false, reason: 'the node stops' };
    const result = await Promise.race([this.#readiness.look(), stopped.then(() => none)]);
    over.abort();
    this.#probed = result.ready;
    return result;
  }

  /** Connects, again and again; resolves with the end after which coming back is of no use. */
  async #serve(): Promise<AttachmentEnd> {
    const { times } = this.#options;
    const { signal } = this.#stop;
    let failed = 0;
    let lastReason = '';
    for (;;) {
      const began = performance.now();
      const { end, readyAt } = await this.#connect();
      if (signal.aborted || isFinal(end)) return end;
      // A connection that held begins anew; one that breaks at once is as good as none (W23).
      if (readyAt !== undefined && performance.now() - readyAt >= times.stable) failed = 0;
      const inMs = this.#waitMs(++failed, end.retry_after);
      if (end.reason !== lastReason || end.was_ready)
        this.#log('warn', `connection ended: ${end.reason}; it is tried again`, {
          in_ms: Math.round(inMs),
          after_ms: Math.round(performance.now() - began),
        });
      lastReason = end.reason;
      await pause(inMs, signal);
      if (signal.aborted) return end;
      await this.#servers.goOver();
    }
  }

  /** One connection; with the claim of a token where there is none. */
  async #connect(): Promise<{ end: AttachmentEnd; readyAt?: number | undefined }> {
    let claim: Claim | undefined;
    try {
      claim = await this.#credential.begin(this.#stop.signal, (lock) =>
        this.#log('info', 'waits for another process that claims this agent', { lock }),
      );
    } catch (error) {
      return { end: { reason: messageOf(error), was_ready: false, permanent: true } };
    }
    try {
      return await this.#connection(claim);
    } finally {
      claim?.release();
    }
  }

  #connection(claim: Claim | undefined): Promise<{ end: AttachmentEnd; readyAt: number | undefined }> {
    const { config, times } = this.#options;
    const { token } = this.#credential;
    const cursor = catchesUpAll(config) ? this.#links.cursor : undefined;
    let readyAt: number | undefined;
    let link: DeliveryLink | LegacyLink | undefined;
    let unkept = false;
    return new Promise((resolve) => {
      const socket = openAttachment(
        {
          baseUrl: this.#servers.url,
          networkId: config.network_id,
          agent: config.agent,
          bindings: this.#bindings,
          times: times.attachment,
          ...(token === undefined ? {} : { token }),
          ...(claim === undefined ? {} : { claimKey: claim.key }),
          ...(cursor === undefined ? {} : { cursor }),
        },
        {
          ready: ({ delivery, agent_token }) => {
            readyAt = performance.now();
            try {
              this.#claimed(claim, agent_token);
            } catch (error) {
              // It was not used yet: the same key brings another when it can be stored.
              unkept = true;
              return void socket.close(`the agent's token could not be stored: ${messageOf(error)}`);
            }
            this.#options.stuck(undefined);
            this.#options.attached?.(true);
            this.#log('info', delivery ? 'attached' : 'attached to a server without the delivery protocol', {
              server: this.#servers.url,
              network: config.network_id,
            });
            this.#tellStatus();
            link = this.#links.connected(delivery, socket);
          },
          event: (at, event) => {
            this.#log('debug', `received ${event.type}`, {
              event: event.id,
              ...(event.message ? { message: event.message.id } : {}),
            });
            if (link instanceof LegacyLink) link.event(at, event, socket);
            else link?.event(at, event);
          },
          wake: (wake) => link instanceof DeliveryLink && link.wake(wake),
          bootstrap: (rooms) => link instanceof DeliveryLink && link.bootstrap(rooms),
          probe: (id) =>
            void this.#readiness.look().then(() => socket.status({ ...this.#readiness.status, probe: id })),
          ended: (end) => {
            if (readyAt !== undefined) this.#options.attached?.(false);
            link?.disconnected();
            if (this.#socket === socket) this.#socket = undefined;
            const told = unkept ? { ...end, was_ready: false, permanent: true } : end;
            void socket.close().then(() => resolve({ end: told, readyAt }));
          },
        },
      );
      this.#socket = socket;
    });
  }

  #tellStatus(): void {
    if (!this.#socket?.live) return;
    this.#socket.status(this.#readiness.status);
    void this.#readiness.watch(() => this.#socket !== undefined);
  }

  /** With the token of now: a claim, or an operator, may have brought another. */
  #http(): Client {
    const { token } = this.#credential;
    const { url, others: otherUrls } = this.#servers;
    const known = this.#client;
    if (known && known.token === token && known.url === url) return known.client;
    known?.client.close();
    const client = createClient({
      baseUrl: url,
      otherUrls,
      networkId: this.config.network_id,
      timeoutMs: 15_000,
      ...(token === undefined ? {} : { token }),
    });
    this.#client = { client, token, url };
    return client;
  }

  /** Throws when the token cannot be stored. */
  #claimed(claim: Claim | undefined, token: string | undefined): void {
    if (claim !== undefined) {
      this.#credential.settle(token);
      claim.release();
      if (token !== undefined)
        this.#log('info', `claimed; the agent's token was stored in ${this.config.auth.token_path}`);
    } else if (token !== undefined)
      this.#log(
        'warn',
        `the server gave this agent a token, and there is no token_path to store it in: set one, and have an operator make a new token (moltnet admin agent rotate-token ${this.#name})`,
      );
  }

  #log(level: 'debug' | 'info' | 'warn', message: string, fields: Record<string, unknown> = {}): void {
    this.#options.log(level, message, { agent: this.#name, ...fields });
  }
}

/** The server said not to come back, or will not let us in. A frame it did not like may be fine next time. */
const isFinal = ({ code, permanent }: AttachmentEnd): boolean =>
  (permanent && code !== 'bad_frame') || isFinalCode(code);

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
