/** The node: every attachment of its configuration, side by side. What ends one does not end the others (W47). */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AttachmentConfig, NodeConfig } from '../config/types.ts';
import { createRuntime } from '../runtimes/registry.ts';
import type { RuntimeContext, RuntimeFactory } from '../runtimes/runtime.ts';
import { Attachment } from './attachment.ts';
import { nodeTimes, type NodeTimes } from './times.ts';
import { Turns } from './turns.ts';
import { visibleLine } from './visible-text.ts';
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
  env?: NodeJS.ProcessEnv;
  times?: Partial<NodeTimes>;
}

/** An attachment that cannot go on, and why. */
export interface EndedAttachment {
  agent_id: string;
  network_id: string;
  problems: string[];
}

export interface RunningNode {
  /** Ends turns (their wakes stay open and come again), closes attachments and runtimes. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when the node has stopped: after stop(), or when no attachment can go on (then `ended` says why). */
  readonly done: Promise<{ ended: EndedAttachment[] }>;
}

/** Starts every attachment and resolves at once: a server that is not there yet is waited for. */
export async function startNode(config: NodeConfig, options: NodeOptions = {}): Promise<RunningNode> {
  const log = options.log ?? stderrLog;
  const turns = new Turns(config.max_turns);
  const stuck = new Map<Attachment, string[]>();
  const finished = Promise.withResolvers<{ ended: EndedAttachment[] }>();
  const base = config.path === undefined ? process.cwd() : path.dirname(path.resolve(config.path));
  const stateDir = options.stateDir ?? path.join(base, '.moltnet', 'node');
  const workspaceMax = sharedLimits(config.attachments);

  const attachments = config.attachments.map((attachment): Attachment => {
    const one: Attachment = new Attachment({
      config: attachment,
      runtime: options.runtime ?? createRuntime,
      moltnetBin: options.moltnetBin ?? launcherFolder(),
      stateDir,
      env: options.env ?? process.env,
      turns,
      times: { ...nodeTimes, ...options.times },
      workspaceMax: workspaceMax.get(workspaceKey(attachment)) ?? 1,
      log,
      stuck: (problems) => {
        if (problems) stuck.set(one, problems);
        else stuck.delete(one);
        // Nobody is left who could do anything: say so and leave, instead of sitting there (W20).
        if (stuck.size === attachments.length) void stop();
      },
    });
    return one;
  });

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      const ended = [...stuck].map(
        ([
          {
            config: { agent, network_id },
          },
          problems,
        ]) => ({ agent_id: agent.id, network_id, problems }),
      );
      await Promise.all(attachments.map((one) => one.stop()));
      finished.resolve({ ended });
    })());

  if (attachments.length === 0)
    log('info', `no attachments in ${config.path ?? 'the configuration'}; add one with: moltnet connect`);
  for (const one of attachments) one.start();
  return { stop, done: finished.promise };
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

const stderrLog: NodeLog = (level, message, { agent, ...fields } = {}) => {
  if (level === 'debug') return;
  const more = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  // Reasons are words of runtimes and servers: they stay on their line, and steer no terminal.
  const line = `${agent === undefined ? '' : `${String(agent)}: `}${message}${more.join('')}`.replace(
    /\s+/g,
    ' ',
  );
  process.stderr.write(
    `${new Date().toISOString()} ${level === 'warn' ? 'WARN ' : ''}${visibleLine(line)}\n`,
  );
};
