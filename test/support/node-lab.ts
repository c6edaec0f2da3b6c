/** A node in this process with runtimes that a test scripts, against any server. */
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createClient, type Client } from '../../src/client/http.ts';
import { startNode, type NodeOptions, type RunningNode } from '../../src/node/node.ts';
import type { NodeTimes } from '../../src/node/times.ts';
import type { ProbeResult, Runtime, TurnOutcome, Wake } from '../../src/runtimes/runtime.ts';
import { attachmentConfig, type AgentConfig } from './node-lab-config.ts';
import { temporaryFolder } from './server.ts';

/** Resolves when the condition is true; conditions are looked at whenever something was noted. */
export class Facts {
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];
  noted(): void {
    this.#waiting = this.#waiting.filter(({ holds, resolve }) => (holds() ? (resolve(), false) : true));
  }
  until(holds: () => boolean): Promise<void> {
    return holds() ? Promise.resolve() : new Promise((resolve) => this.#waiting.push({ holds, resolve }));
  }
}

export interface FakeTurn {
  wake: Wake;
  signal: AbortSignal;
  /** Set when it has ended. */
  outcome?: TurnOutcome;
  end(outcome?: TurnOutcome): void;
}
export const ok: TurnOutcome = { state: 'ok' };
export const failed = (reason: string, permanent = false): TurnOutcome & { state: 'failed' } => ({
  state: 'failed',
  permanent,
  reason,
});

/**
 * A FAKE of an agent runtime: it keeps every wake it is given, and ends turns as the script says; `hold` until the
 * test ends them. Like a real one it ends as cancelled when the signal is aborted.
 */
export class FakeRuntime implements Runtime {
  readonly kind = 'fake-runtime';
  readonly capabilities = {
    wake_idle: true,
    wake_busy: false,
    headless: true,
    dedupes: false,
    reports_usage: false,
    cancels: true,
  };
  readonly turns: FakeTurn[] = [];
  script: (wake: Wake, number: number) => TurnOutcome | 'hold' = () => ok;
  probeResult: ProbeResult = { ready: true };
  probes = 0;
  closed = 0;
  running = 0;
  mostRunning = 0;
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** Texts of the wakes, in order. */
  get texts(): string[] {
    return this.turns.map(({ wake }) => wake.text);
  }

  probe(): Promise<ProbeResult> {
    this.probes++;
    this.#facts.noted();
    return Promise.resolve(this.probeResult);
  }

  deliver(wake: Wake, _events: unknown, signal: AbortSignal): Promise<TurnOutcome> {
    return new Promise((resolve) => {
      const turn: FakeTurn = {
        wake,
        signal,
        end: (outcome = ok) => {
          if (turn.outcome) return;
          turn.outcome = outcome;
          this.running--;
          resolve(outcome);
          this.#facts.noted();
        },
      };
      this.turns.push(turn);
      this.mostRunning = Math.max(this.mostRunning, ++this.running);
      signal.addEventListener('abort', () => turn.end({ state: 'cancelled', reason: 'told to end' }), {
        once: true,
      });
      const outcome = this.script(wake, this.turns.length);
      if (outcome !== 'hold') turn.end(outcome);
      this.#facts.noted();
    });
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

export interface LogLine {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

export interface NodeLab {
  node: RunningNode;
  runtime(agent: string): FakeRuntime;
  log: LogLine[];
  facts: Facts;
  until(holds: () => boolean): Promise<void>;
  /** A log line whose message contains the text. */
  logged(text: string, agent?: string): Promise<LogLine>;
  /** The node has the message in a queue. */
  received(messageId: string): Promise<void>;
  stateDir: string;
}

/** Milliseconds as short as a test wants them. */
export const quick: Partial<NodeTimes> = {
  reconnect: 10,
  reconnect_max: 40,
  stable: 60_000,
  recheck: 30,
  retry: 5,
  retry_max: 20,
  stop: 2_000,
};

export { attachmentConfig, type AgentConfig } from './node-lab-config.ts';

/** Starts a node; it is stopped when the test ends. `runtimes` from an earlier node go on being used. */
export async function startLabNode(
  url: string,
  agents: AgentConfig[],
  options: {
    max_turns?: number;
    times?: Partial<NodeTimes>;
    stateDir?: string;
    runtimes?: Map<string, FakeRuntime>;
    facts?: Facts;
    prepare?: (runtime: FakeRuntime, agent: string) => void;
  } & Pick<NodeOptions, 'runtime'> = {},
): Promise<NodeLab> {
  const facts = options.facts ?? new Facts();
  const runtimes = options.runtimes ?? new Map<string, FakeRuntime>();
  const runtimeOf = (agent: string): FakeRuntime => {
    let runtime = runtimes.get(agent);
    if (!runtime) {
      runtimes.set(agent, (runtime = new FakeRuntime(facts)));
      options.prepare?.(runtime, agent);
    }
    return runtime;
  };
  for (const { agent } of agents) runtimeOf(agent.id);
  const stateDir = options.stateDir ?? path.join(await temporaryFolder(), 'state');
  const log: LogLine[] = [];
  const node = await startNode(
    { attachments: agents.map((agent) => attachmentConfig(url, agent)), max_turns: options.max_turns ?? 4 },
    {
      runtime: options.runtime ?? (({ attachment }) => runtimeOf(attachment.agent.id)),
      stateDir,
      times: { ...quick, ...options.times },
      log: (level, message, fields = {}) => {
        log.push({ level, message, fields });
        if (process.env['MOLTNET_TEST_LOG']) console.error(level, message, fields);
        facts.noted();
      },
    },
  );
  onTestFinished(() => node.stop());
  const until = (holds: () => boolean): Promise<void> => facts.until(holds);
  return {
    node,
    runtime: runtimeOf,
    log,
    facts,
    until,
    stateDir,
    received: (messageId) => until(() => log.some(({ fields }) => fields['message'] === messageId)),
    async logged(text, agent) {
      const find = (): LogLine | undefined =>
        log.find(
          ({ message, fields }) =>
            message.includes(text) && (agent === undefined || fields['agent'] === agent),
        );
      await until(() => find() !== undefined);
      return find()!;
    },
  };
}

/** Says things as people and agents. */
export function speaker(url: string): {
  client: Client;
  say: (
    target: string,
    text: string,
    more?: { as?: string; id?: string; participants?: string[]; room?: string },
  ) => Promise<string>;
} {
  const client = createClient({ baseUrl: url, keepAlive: true });
  onTestFinished(() => client.close());
  return {
    client,
    async say(target, text, { as = 'human:ann', id, participants, room } = {}) {
      const [kind, key] = [target.slice(0, target.indexOf(':')), target.slice(target.indexOf(':') + 1)];
      const [type, from] = as.split(':') as [string, string];
      const accepted = await client.send({
        ...(id === undefined ? {} : { id }),
        target:
          kind === 'room'
            ? { kind, room_id: key }
            : kind === 'thread'
              ? { kind, thread_id: key, room_id: room ?? 'general' }
              : { kind, dm_id: key, ...(participants ? { participant_ids: participants } : {}) },
        from: { type, id: from },
        parts: [{ kind: 'text', text }],
      });
      return accepted.message_id;
    },
  };
}
