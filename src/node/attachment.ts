/**
 * One attachment: an agent, its runtime and its connection to a server. It waits for a server that is not there,
 * comes back after every hang-up, whatever the close code, and rests only where coming back is of no use.
 */
import { setMaxListeners } from 'node:events';
import { storeToken } from '../config/tokens.ts';
import type { AttachmentConfig } from '../config/types.ts';
import { openAttachment, type AttachmentEnd, type AttachmentSocket } from '../client/attachment-socket.ts';
import { createClient, type Client } from '../client/http.ts';
import type { ProbeResult, Runtime, RuntimeContext, TurnOutcome } from '../runtimes/runtime.ts';
import { backoffMs, pause } from './backoff.ts';
import { DeliveryLink, type LinkHost } from './delivery.ts';
import { LegacyLink } from './legacy.ts';
import { LegacyState, stateFile } from './legacy-state.ts';
import { attachmentToken, preflight } from './preflight.ts';
import { sessionKey } from './session-key.ts';
import type { NodeTimes } from './times.ts';
import type { Turns } from './turns.ts';
import type { RunningWake, WakeEnd } from './wake.ts';
import { wakeText } from './wake-text.ts';
import { prepareWorkspace, workspaceKey } from './workspace.ts';

export interface AttachmentOptions {
  config: AttachmentConfig;
  runtime: (context: RuntimeContext) => Runtime;
  moltnetBin: string;
  stateDir: string;
  env: NodeJS.ProcessEnv;
  turns: Turns;
  times: NodeTimes;
  /** Turns at once in this attachment's workspace. */
  workspaceMax: number;
  log: RuntimeContext['log'];
  /** Called when it cannot go on, and again when it can (undefined). */
  stuck: (problems: string[] | undefined) => void;
}

export class Attachment {
  readonly config: AttachmentConfig;
  readonly #options: AttachmentOptions;
  readonly #name: string;
  readonly #stop = new AbortController();
  readonly #bindings;
  #token: string | undefined;
  #runtime: Runtime | undefined;
  #probed = false;
  #client: Client | undefined;
  #socket: AttachmentSocket | undefined;
  #delivery: DeliveryLink | undefined;
  #legacy: LegacyLink | undefined;
  #turns = new Set<Promise<unknown>>();
  #done: Promise<void> | undefined;

  constructor(options: AttachmentOptions) {
    this.#options = options;
    this.config = options.config;
    this.#name = options.config.agent.id;
    // Every conversation listens.
    setMaxListeners(0, this.#stop.signal);
    const { rooms, dms, catch_up } = options.config;
    this.#bindings = {
      rooms: rooms.map(({ id, wake }) => ({ id, wake })),
      dms: { enabled: dms.enabled, wake: dms.wake },
      catch_up,
    };
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
    await Promise.race([Promise.allSettled(this.#turns), pause(this.#options.times.stop, late.signal)]);
    await Promise.race([this.#runtime?.close(), pause(this.#options.times.stop, late.signal)]);
    late.abort();
    this.#legacy?.close();
    await this.#socket?.close();
    await this.#done;
    this.#client?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { times } = this.#options;
    let told = '';
    let failed = 0;
    while (!signal.aborted) {
      let problem = await this.#prepare();
      if (signal.aborted) return;
      if (problem === undefined) {
        failed = 0;
        const end = await this.#serve();
        if (signal.aborted) return;
        if (end.was_ready) told = '';
        problem = { problems: [end.reason] };
      }
      // What only repeats itself is said once.
      const text =
        'reason' in problem ? `waits: ${problem.reason}` : `cannot attach: ${problem.problems.join('; ')}`;
      if (text !== told) this.#log('warn', text);
      told = text;
      if ('problems' in problem) {
        this.#options.stuck(problem.problems);
        await pause(times.recheck, signal);
        continue;
      }
      // It may come right by itself.
      this.#options.stuck(undefined);
      await pause(backoffMs(++failed, { first: times.reconnect, max: times.reconnect_max }), signal);
    }
  }

  /** Token, runtime and server: what keeps it from attaching, or undefined. */
  async #prepare(): Promise<{ reason: string } | { problems: string[] } | undefined> {
    const { config, env } = this.#options;
    const found = attachmentToken(config, env);
    const problems: string[] = 'problem' in found ? [found.problem] : [];
    if ('token' in found) this.#token = found.token;
    try {
      this.#runtime ??= this.#options.runtime({
        attachment: config,
        moltnet_bin: this.#options.moltnetBin,
        log: (level, message, fields) => this.#log(level, message, fields),
        ...(this.#token === undefined ? {} : { token: this.#token }),
      });
    } catch (error) {
      problems.push(messageOf(error));
    }
    if (problems.length > 0 || !this.#runtime) return { problems };
    const checked = await preflight(config, this.#token, () => this.#probe(), this.#stop.signal).catch(
      (error: unknown) => ({ state: 'wait' as const, reason: messageOf(error) }),
    );
    if (checked.state === 'blocked') return { problems: checked.problems };
    if (checked.state === 'wait') return { reason: checked.reason };
    for (const warning of checked.warnings) this.#log('warn', warning);
    return undefined;
  }

  /** A runtime that could run once is not asked again: that may mean a process each time. */
  async #probe(): Promise<ProbeResult> {
    if (this.#probed) return { ready: true };
    const over = new AbortController();
    const stopped = pause(Infinity, AbortSignal.any([this.#stop.signal, over.signal]));
    const none: ProbeResult = { ready: false, permanent: false, reason: 'the node stops' };
    const result = await Promise.race([this.#runtime!.probe(), stopped.then(() => none)]);
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
      const { end, readyAt } = await this.#connection();
      if (signal.aborted || isFinal(end)) return end;
      // A connection that held begins anew; one that breaks at once is as good as none (W23).
      if (readyAt !== undefined && performance.now() - readyAt >= times.stable) failed = 0;
      const inMs = backoffMs(++failed, { first: times.reconnect, max: times.reconnect_max });
      if (end.reason !== lastReason || end.was_ready)
        this.#log('warn', `connection ended: ${end.reason}; it is tried again`, {
          in_ms: Math.round(inMs),
          after_ms: Math.round(performance.now() - began),
        });
      lastReason = end.reason;
      await pause(inMs, signal);
      if (signal.aborted) return end;
    }
  }

  #connection(): Promise<{ end: AttachmentEnd; readyAt: number | undefined }> {
    const { config, times } = this.#options;
    const cursor = config.catch_up === 'all' ? this.#legacyState().cursor : undefined;
    let readyAt: number | undefined;
    let link: DeliveryLink | LegacyLink | undefined;
    return new Promise((resolve) => {
      const socket = openAttachment(
        {
          baseUrl: config.base_url,
          networkId: config.network_id,
          agent: config.agent,
          bindings: this.#bindings,
          times: times.attachment,
          ...(this.#token === undefined ? {} : { token: this.#token }),
          ...(cursor === undefined ? {} : { cursor }),
        },
        {
          ready: ({ delivery, agent_token }) => {
            readyAt = performance.now();
            this.#options.stuck(undefined);
            if (agent_token !== undefined) this.#keepToken(agent_token);
            this.#log('info', delivery ? 'attached' : 'attached to a server without the delivery protocol', {
              server: config.base_url,
              network: config.network_id,
            });
            link = this.#link(delivery, socket);
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
          ended: (end) => {
            link?.disconnected();
            if (this.#socket === socket) this.#socket = undefined;
            void socket.close().then(() => resolve({ end, readyAt }));
          },
        },
      );
      this.#socket = socket;
    });
  }

  #link(delivery: boolean, socket: AttachmentSocket): DeliveryLink | LegacyLink {
    const rooms = this.config.bootstrap
      ? this.#bindings.rooms.filter(({ wake }) => wake !== 'never').map(({ id }) => id)
      : [];
    if (delivery) {
      this.#delivery ??= new DeliveryLink(this.#host(), this.#options.times);
      this.#delivery.connected(socket);
      if (rooms.length > 0) socket.bootstrap(rooms);
      return this.#delivery;
    }
    this.#client ??= createClient({
      baseUrl: this.config.base_url,
      timeoutMs: 15_000,
      ...(this.#token === undefined ? {} : { token: this.#token }),
    });
    this.#legacy ??= new LegacyLink({
      ...this.#host(),
      client: this.#client,
      state: this.#legacyState(),
      warn: (message) => this.#log('warn', message),
    });
    this.#legacy.connected(socket, rooms);
    return this.#legacy;
  }

  #host(): LinkHost {
    const { config, times, turns, workspaceMax } = this.#options;
    const workspace = workspaceKey(config);
    return {
      agent: { network_id: config.network_id, id: config.agent.id },
      bindings: this.#bindings,
      retry: { first: times.retry, max: times.retry_max },
      signal: this.#stop.signal,
      turn: (urgent, signal) => turns.acquire({ workspace, workspaceMax, urgent, signal }),
      run: (wake) => this.#turn(wake),
      retrying: (wake, reason, inMs) =>
        this.#log('warn', `turn failed, it is tried again: ${reason}`, {
          ...fieldsOf(wake),
          in_ms: Math.round(inMs),
        }),
      ended: (wake, end) => this.#ended(wake, end),
    };
  }

  #turn(wake: RunningWake): Promise<TurnOutcome> {
    const turn = this.#runTurn(wake);
    this.#turns.add(turn);
    void turn.finally(() => this.#turns.delete(turn));
    return turn;
  }

  async #runTurn(wake: RunningWake): Promise<TurnOutcome> {
    const { config } = this.#options;
    const { wake_id, attempt, conversation } = wake;
    const began = performance.now();
    let outcome: TurnOutcome;
    try {
      const { flags } = prepareWorkspace(config);
      const text = wakeText(wake, {
        agent_id: config.agent.id,
        network_id: config.network_id,
        bindings: this.#bindings,
        flags,
      });
      this.#log('info', `woken in ${conversation}`, {
        ...fieldsOf(wake),
        messages: wake.entries.length + wake.earlier_count,
      });
      const session_key = sessionKey(config, conversation);
      outcome = await this.#runtime!.deliver(
        { wake_id, attempt, conversation, session_key, text },
        {},
        this.#stop.signal,
      );
    } catch (error) {
      // A workspace that cannot be written, or an adapter that broke its word.
      outcome = { state: 'failed', permanent: false, reason: messageOf(error) };
    }
    this.#log('debug', `turn ended: ${outcome.state}`, {
      ...fieldsOf(wake),
      took_ms: Math.round(performance.now() - began),
      ...('usage' in outcome && outcome.usage ? { ...outcome.usage } : {}),
    });
    return outcome;
  }

  #ended(wake: RunningWake, end: WakeEnd): void {
    if (end.outcome === 'ok') return this.#log('info', `turn done in ${wake.conversation}`, fieldsOf(wake));
    const tries = end.permanent ? 'it is not tried again' : `${end.attempts} attempts`;
    this.#log('warn', `wake FAILED in ${wake.conversation} (${tries}): ${end.error}`, fieldsOf(wake));
  }

  #keepToken(token: string): void {
    this.#token = token;
    const { token_path } = this.config.auth;
    try {
      if (token_path === undefined) throw new Error('the attachment has no token_path to store it in');
      storeToken(token_path, token);
      this.#log('info', `the agent's token was stored in ${token_path}`);
    } catch (error) {
      this.#log(
        'warn',
        `the server gave this agent a token, and it could not be stored: ${messageOf(error)}; it works until this node stops, then the agent must be removed and claimed again`,
      );
    }
  }

  #state: LegacyState | undefined;
  #legacyState(): LegacyState {
    let told = false;
    return (this.#state ??= new LegacyState(
      stateFile(this.#options.stateDir, this.config.network_id, this.config.agent.id),
      (error) => {
        if (!told) this.#log('warn', `the node's memory of this server cannot be kept: ${messageOf(error)}`);
        told = true;
      },
    ));
  }

  #log(level: 'debug' | 'info' | 'warn', message: string, fields: Record<string, unknown> = {}): void {
    this.#options.log(level, message, { agent: this.#name, ...fields });
  }
}

/** The server said not to come back, or will not let us in. A frame it did not like may be fine next time. */
const isFinal = (end: AttachmentEnd): boolean =>
  (end.permanent && end.code !== 'bad_frame') || end.http_status === 401 || end.http_status === 403;

const fieldsOf = ({ wake_id, attempt, conversation }: RunningWake): Record<string, unknown> => ({
  conversation,
  wake_id,
  attempt,
});
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
