/** The node: every attachment of its configuration, side by side. What ends one does not end the others (W47). */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { changedAttachments } from '../config/changes.ts';
import type { AttachmentConfig, NodeConfig } from '../config/types.ts';
import { createRuntime } from '../runtimes/registry.ts';
import type { RuntimeContext, RuntimeFactory } from '../runtimes/runtime.ts';
import { Attachment } from './attachment.ts';
import { openControl, type NodeControl } from './control.ts';
import { logLine } from './log-line.ts';
import type { NodeSession } from './sessions.ts';
import { nodeTimes, type NodeTimes } from './times.ts';
import { Turns } from './turns.ts';
import { workspaceKey } from './workspace.ts';

export type NodeLog = RuntimeContext['log'];

export interface NodeOptions {
  /** Where it tells what happens; stderr, one line each, when left out. */
  log?: NodeLog;
  /** Makes an attachment's runtime; `createRuntime` of the runtimes when left out. */
  runtime?: RuntimeFactory;
  /** Absolute folder that holds the `moltnet` launcher; this program's own when left out. */
  moltnetBin?: string;
  /** Where what servers of the original cannot remember is kept; `.moltnet/node` beside the configuration when left out. */
  stateDir?: string;
  /** Reads the node's file again; throws a ConfigError. With it, and with a file, `moltnet reload` reaches this node. */
  read?: () => NodeConfig;
  env?: NodeJS.ProcessEnv;
  times?: Partial<NodeTimes>;
}

/** An attachment that cannot go on, and why. */
export interface EndedAttachment {
  agent_id: string;
  network_id: string;
  problems: string[];
}

/** Agent ids by what a reload did to them. The attachments it does not name were left alone. */
export interface NodeReload {
  started: string[];
  stopped: string[];
  restarted: string[];
}

export interface RunningNode {
  /**
   * Takes over a configuration, read again when none is given: new attachments start, those that are gone stop, changed
   * ones restart, the others go on with their turns. Throws a ConfigError, and then nothing has changed.
   */
  reload(config?: NodeConfig): Promise<NodeReload>;
  /** Ends turns (their wakes stay open and come again), closes attachments and runtimes. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the node has stopped: after stop(), or when no attachment can go on (then `ended` says why). */
  readonly done: Promise<{ ended: EndedAttachment[] }>;
}

/** Starts every attachment and resolves at once: a server that is not there yet is waited for. */
export async function startNode(config: NodeConfig, options: NodeOptions = {}): Promise<RunningNode> {
  const node = new Node(config, options);
  await node.start();
  return node;
}

class Node implements RunningNode {
  readonly #options: NodeOptions;
  readonly #log: NodeLog;
  readonly #turns: Turns;
  readonly #stuck = new Map<Attachment, string[]>();
  readonly #finished = Promise.withResolvers<{ ended: EndedAttachment[] }>();
  readonly #attachments = new Map<string, Attachment>();
  #config: NodeConfig;
  /** Variables that hold secrets, also of what a reload took out of the file: they are as secret as before. */
  readonly #secrets = new Set<string>();
  #workspaceMax: Map<string, number>;
  #control: NodeControl | undefined;
  #stopping: Promise<void> | undefined;
  #reloading: Promise<unknown> = Promise.resolve();

  constructor(config: NodeConfig, options: NodeOptions) {
    this.#options = options;
    this.#log = options.log ?? stderrLog;
    this.#config = config;
    this.#keepSecrets(config);
    this.#turns = new Turns(config.max_turns);
    this.#workspaceMax = sharedLimits(config.attachments);
  }

  get done(): Promise<{ ended: EndedAttachment[] }> {
    return this.#finished.promise;
  }

  async start(): Promise<void> {
    const { attachments, path: file } = this.#config;
    if (this.#options.read && file !== undefined) await this.#listen(file);
    if (attachments.length === 0)
      this.#log('info', `no attachments in ${file ?? 'the configuration'}; add one with: moltnet connect`);
    for (const one of attachments.map((config) => this.#attachment(config))) one.start();
  }

  /** Without it everything but `moltnet reload` works. */
  async #listen(file: string): Promise<void> {
    try {
      this.#control = await openControl(file, async (request) => {
        switch (request.op) {
          case 'reload':
            return this.reload();
          case 'sessions':
            return this.#sessions(request.agent);
          case 'reset':
            return this.#resetSession(request.agent ?? '', request.conversation ?? '');
          default:
            throw new Error(`a node does not know ${JSON.stringify(request.op)}`);
        }
      });
      this.#log('debug', `commands reach this node at ${this.#control.path}`);
    } catch (error) {
      this.#log('warn', `moltnet reload will not reach this node: ${messageOf(error)}`);
    }
  }

  async #sessions(agent: string | undefined): Promise<Record<string, NodeSession[]>> {
    const those = [...this.#attachments].filter(([id]) => agent === undefined || id === agent);
    return Object.fromEntries(await Promise.all(those.map(async ([id, one]) => [id, await one.sessions()])));
  }

  async #resetSession(agent: string, conversation: string): Promise<boolean> {
    const one = this.#attachments.get(agent);
    if (!one) throw new Error(`the node has no attachment of ${JSON.stringify(agent)}`);
    return one.resetSession(conversation);
  }

  /** Made and known, not started. */
  #attachment(config: AttachmentConfig): Attachment {
    const { runtime, moltnetBin, stateDir, env, times } = this.#options;
    const { path: file } = this.#config;
    const base = file === undefined ? process.cwd() : path.dirname(path.resolve(file));
    const one: Attachment = new Attachment({
      config,
      runtime: runtime ?? createRuntime,
      moltnetBin: moltnetBin ?? launcherFolder(),
      stateDir: stateDir ?? path.join(base, '.moltnet', 'node'),
      env: env ?? process.env,
      turns: this.#turns,
      times: { ...nodeTimes, ...times },
      workspaceMax: () => this.#workspaceMax.get(workspaceKey(config)) ?? 1,
      sharesToken: () => this.#sharesToken(config),
      withheld: () => this.#secretsOfOthers(config),
      log: this.#log,
      stuck: (problems) => {
        if (this.#attachments.get(config.agent.id) !== one) return;
        if (problems) this.#stuck.set(one, problems);
        else this.#stuck.delete(one);
        // Nobody is left who could do anything: say so and leave, instead of sitting there (W20).
        if (this.#stuck.size === this.#attachments.size) void this.stop();
      },
    });
    this.#attachments.set(config.agent.id, one);
    return one;
  }

  #sharesToken({ agent, auth }: AttachmentConfig): boolean {
    return this.#config.attachments.some(
      (other) => other.agent.id !== agent.id && other.auth.token_path === auth.token_path,
    );
  }

  #keepSecrets({ attachments }: NodeConfig): void {
    for (const name of attachments.flatMap(secretVariables)) this.#secrets.add(name);
  }

  #secretsOfOthers(config: AttachmentConfig): string[] {
    const own = new Set(secretVariables(config));
    return [...this.#secrets].filter((name) => !own.has(name));
  }

  /** One after the other: each finds what the one before it left. */
  reload(config?: NodeConfig): Promise<NodeReload> {
    const turn = this.#reloading.then(() => this.#reload(config));
    this.#reloading = turn.catch((error: unknown) =>
      this.#log('warn', `not reloaded, nothing was changed: ${messageOf(error)}`),
    );
    return turn;
  }

  async #reload(given: NodeConfig | undefined): Promise<NodeReload> {
    if (this.#stopping) throw new Error('the node stops');
    const next = given ?? this.#options.read?.();
    if (!next) throw new Error('this node has no file to read again');
    // A file that was emptied, or is being written; whoever means it stops the node.
    if (next.attachments.length === 0 && this.#config.attachments.length > 0)
      throw new Error('the file names no attachment any more: stop the node if that is meant');
    const { added, removed, changed } = changedAttachments(this.#config, next);
    this.#config = { ...next, ...(this.#config.path === undefined ? {} : { path: this.#config.path }) };
    this.#keepSecrets(next);
    this.#workspaceMax = sharedLimits(next.attachments);
    this.#turns.max = next.max_turns;

    const ends = [...removed, ...changed].map(({ agent }) => this.#forget(agent.id));
    const begins = [...changed, ...added].map((attachment) => this.#attachment(attachment));
    // Whoever rests may find what it lacked.
    for (const one of this.#attachments.values()) one.recheck();
    await Promise.all(ends.map((one) => one.stop()));
    // A stop in between stopped them before they began.
    for (const one of begins) one.start();
    const ids = (list: readonly AttachmentConfig[]): string[] => list.map(({ agent }) => agent.id);
    const result = { started: ids(added), stopped: ids(removed), restarted: ids(changed) };
    this.#log('info', 'configuration reloaded', { ...result });
    return result;
  }

  #forget(agentId: string): Attachment {
    const one = this.#attachments.get(agentId)!;
    this.#attachments.delete(agentId);
    this.#stuck.delete(one);
    return one;
  }

  stop(): Promise<void> {
    return (this.#stopping ??= (async () => {
      const ended = [...this.#stuck].map(([{ config }, problems]) => ({
        agent_id: config.agent.id,
        network_id: config.network_id,
        problems,
      }));
      await this.#control?.close();
      await Promise.all([...this.#attachments.values()].map((one) => one.stop()));
      await this.#reloading;
      this.#finished.resolve({ ended });
    })());
  }
}

/** Turns at once by workspace: what its attachments say, and the smallest when they differ. */
function sharedLimits(attachments: readonly AttachmentConfig[]): Map<string, number> {
  const limits = new Map<string, number>();
  for (const attachment of attachments) {
    const key = workspaceKey(attachment);
    const max = attachment.runtime.max_turns ?? 1;
    limits.set(key, Math.min(limits.get(key) ?? max, max));
  }
  return limits;
}

/** `bin` of this package, from source and from the bundle. */
function launcherFolder(): string {
  for (let dir = path.dirname(fileURLToPath(import.meta.url)); ; dir = path.dirname(dir)) {
    const bin = path.join(dir, 'bin');
    if (existsSync(path.join(bin, 'moltnet'))) return bin;
    if (path.dirname(dir) === dir) return path.dirname(process.execPath);
  }
}

const stderrLog: NodeLog = (level, message, fields) => {
  if (level === 'debug') return;
  process.stderr.write(
    `${new Date().toISOString()} ${level === 'warn' ? 'WARN ' : ''}${logLine(message, fields)}\n`,
  );
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Environment variables in which its token and the secrets of its runtime stand. */
const secretVariables = ({ auth, runtime }: AttachmentConfig): string[] => [
  ...[['token_env', auth.token_env] as const, ...Object.entries(runtime)].flatMap(([name, value]) =>
    name.endsWith('_env') && typeof value === 'string' ? [value] : [],
  ),
  // Read by it where the file says no other.
  ...(runtime.kind === 'openclaw' ? ['OPENCLAW_GATEWAY_TOKEN'] : []),
];
