/** The turns of one attachment: a place in the line, the text of the wake, the runtime, and the log of how it ended. */
import path from 'node:path';
import type { AttachmentConfig } from '../config/types.ts';
import type { Client } from '../client/http.ts';
import { keepWake, wakeFolder } from '../config/wake-folder.ts';
import type { Bindings } from '../protocol/wake.ts';
import type { Runtime, RuntimeContext, TurnOutcome } from '../runtimes/runtime.ts';
import type { LinkHost } from './delivery.ts';
import type { Readiness } from './readiness.ts';
import { publishFinal } from './publish.ts';
import type { ServerUrls } from './servers.ts';
import { sessionKey } from './session-key.ts';
import { listSessions, resetSession, type NodeSession } from './sessions.ts';
import type { NodeTimes } from './times.ts';
import type { Turns } from './turns.ts';
import type { RunningWake, WakeEnd } from './wake.ts';
import { wakeText } from './wake-text.ts';
import { prepareWorkspace, workspaceKey } from './workspace.ts';

export interface AttachmentTurnsOptions {
  config: AttachmentConfig;
  bindings: Bindings;
  turns: Turns;
  times: Pick<NodeTimes, 'retry' | 'retry_max'>;
  /** Asked for each turn, because a reload may change it. */
  workspaceMax: () => number;
  /** Ends every turn. */
  signal: AbortSignal;
  runtime: () => Runtime;
  /** Says when turns may begin, and is told how each ended. */
  readiness: Pick<Readiness, 'waits' | 'wait' | 'turned'>;
  /** To the attachment's server, with the token of now. */
  client: () => Client;
  /** The servers of now, for the agent's own commands. */
  servers: () => ServerUrls;
  log: RuntimeContext['log'];
}

export class AttachmentTurns {
  readonly #options: AttachmentTurnsOptions;
  readonly #running = new Set<Promise<unknown>>();
  /** Session keys. */
  readonly #inTurn = new Set<string>();
  /** What a link asks of its attachment. */
  readonly host: LinkHost;

  constructor(options: AttachmentTurnsOptions) {
    this.#options = options;
    const { config, bindings, turns, times, workspaceMax, signal, readiness, log } = options;
    const workspace = workspaceKey(config);
    this.host = {
      agent: { network_id: config.network_id, id: config.agent.id },
      bindings,
      retry: { first: times.retry, max: times.retry_max },
      signal,
      turn: async (urgent, given) => {
        if (readiness.waits) await readiness.wait(given);
        return turns.acquire({ workspace, workspaceMax: workspaceMax(), urgent, signal: given });
      },
      run: (wake) => this.#track(this.#run(wake)),
      retrying: (wake, reason, inMs) =>
        log('warn', `turn failed, it is tried again: ${reason}`, {
          ...fieldsOf(wake),
          in_ms: Math.round(inMs),
        }),
      ended: (wake, end) => this.#ended(wake, end),
    };
  }

  /** Resolves when none is running. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  #track(turn: Promise<TurnOutcome>): Promise<TurnOutcome> {
    this.#running.add(turn);
    void turn.finally(() => this.#running.delete(turn));
    return turn;
  }

  async #run(wake: RunningWake): Promise<TurnOutcome> {
    const { config, bindings, runtime, servers, signal, readiness, log } = this.#options;
    const { wake_id, attempt, conversation } = wake;
    const began = performance.now();
    let outcome: TurnOutcome;
    try {
      const { flags } = prepareWorkspace({ ...config, ...servers() });
      const text = wakeText(wake, {
        agent_id: config.agent.id,
        network_id: config.network_id,
        bindings,
        flags,
        publish: config.publish,
        commands: runtime().commands,
      });
      log('info', `woken in ${conversation}`, {
        ...fieldsOf(wake),
        messages: wake.entries.length + wake.earlier_count,
      });
      const session_key = sessionKey(config, conversation);
      this.#inTurn.add(session_key);
      try {
        const from = wake.entries.at(-1)?.message.from;
        outcome = await runtime().deliver(
          { wake_id, attempt, conversation, session_key, text, ...(from && { from }) },
          {},
          signal,
        );
        if (outcome.state === 'ok' && config.publish === 'final')
          await this.#publish(wake, outcome.final_text);
      } finally {
        this.#inTurn.delete(session_key);
      }
    } catch (error) {
      // A workspace that cannot be written, or an adapter that broke its word.
      outcome = {
        state: 'failed',
        permanent: false,
        reason: error instanceof Error ? error.message : String(error),
      };
    }
    void readiness.turned(outcome);
    log('debug', `turn ended: ${outcome.state}`, {
      ...fieldsOf(wake),
      took_ms: Math.round(performance.now() - began),
      ...('usage' in outcome && outcome.usage ? { ...outcome.usage } : {}),
    });
    return outcome;
  }

  /** Before the wake is settled: a node that dies in between comes back to it. */
  async #publish(wake: RunningWake, text: string | undefined): Promise<void> {
    const { config, client, signal, log } = this.#options;
    if (text === undefined)
      return log('debug', 'publish: final, and the turn had no final text', fieldsOf(wake));
    const published = await publishFinal(client, config, wake, text, signal);
    if (published.state === 'failed')
      log('warn', `what the agent said last could not be posted: ${published.reason}`, fieldsOf(wake));
    else log('debug', `publish: final: ${published.state}`, fieldsOf(wake));
  }

  sessions(): Promise<NodeSession[]> {
    const { config, runtime } = this.#options;
    return listSessions(config, runtime(), this.#inTurn);
  }

  resetSession(conversation: string): Promise<boolean> {
    const { config, runtime } = this.#options;
    return resetSession(config, runtime(), this.#inTurn, conversation);
  }

  #ended(wake: RunningWake, end: WakeEnd): void {
    const { config, log } = this.#options;
    if (end.outcome === 'ok') return log('info', `turn done in ${wake.conversation}`, fieldsOf(wake));
    const workspace = config.runtime.workspace_path;
    if (workspace !== undefined)
      keepWake(wakeFolder(path.resolve(workspace), sessionKey(config, wake.conversation)), wake.wake_id);
    const tries = end.permanent ? 'it is not tried again' : `${end.attempts} attempts`;
    log('warn', `wake FAILED in ${wake.conversation} (${tries}): ${end.error}`, fieldsOf(wake));
  }
}

const fieldsOf = ({ wake_id, attempt, conversation }: RunningWake): Record<string, unknown> => ({
  conversation,
  wake_id,
  attempt,
});
