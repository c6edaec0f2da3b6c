/** The real OpenClaw gateway of this folder's own node_modules, with a mock model and an empty home. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MockModel } from '../support/mock-model.ts';

const program = fileURLToPath(new URL('node_modules/openclaw/openclaw.mjs', import.meta.url));

export interface GatewayHome {
  /** Holds its `.openclaw`, and the gateway's log. */
  home: string;
  workspace: string;
  port: number;
  token: string;
  model: MockModel;
  /** First on the PATH of its agents' commands. */
  bin: string;
  /** Merged into its openclaw.json. */
  more?: Record<string, unknown>;
}

/** Writes the configuration: the mock model, no heartbeat, no retries of its own, the loopback alone. */
export function prepareGateway({ home, workspace, port, token, model, more }: GatewayHome): void {
  const state = path.join(home, '.openclaw');
  mkdirSync(path.join(state, 'agents', 'main', 'agent'), { recursive: true });
  mkdirSync(workspace, { recursive: true });
  const config = {
    gateway: {
      mode: 'local',
      port,
      bind: 'loopback',
      auth: { mode: 'token', token },
      controlUi: { enabled: false },
    },
    agents: {
      defaults: {
        workspace,
        // Else it fills an empty workspace with files of its own, which then stand in every prompt.
        skipBootstrap: true,
        model: { primary: 'mock/mock-model' },
        heartbeat: { every: '0m' },
      },
    },
    models: {
      mode: 'replace',
      providers: {
        mock: {
          baseUrl: `${model.url}/v1`,
          apiKey: 'any',
          api: 'openai-responses',
          models: [
            {
              id: 'mock-model',
              name: 'Mock',
              reasoning: false,
              // It takes pictures: what the gateway would read from its disk would be seen.
              input: ['text', 'image'],
              cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
              contextWindow: 128_000,
              maxTokens: 4096,
            },
          ],
        },
      },
    },
    ...more,
  };
  writeFileSync(path.join(state, 'openclaw.json'), JSON.stringify(config), { mode: 0o600 });
  // A setting of its embedded sessions, not of openclaw.json: else a failing model takes minutes.
  writeFileSync(
    path.join(state, 'agents', 'main', 'agent', 'settings.json'),
    JSON.stringify({ retry: { provider: { maxRetries: 0 } } }),
  );
}

export interface RealGateway {
  child: ChildProcess;
  /** SIGTERM by default. Resolves when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts it, and does not wait until it is ready: that is the adapter's to do. */
export function startGateway({ home, bin }: GatewayHome): RealGateway {
  const log = openSync(path.join(home, 'gateway.log'), 'a');
  const child = spawn(process.execPath, [program, 'gateway', 'run'], {
    cwd: home,
    env: {
      HOME: home,
      PATH: [bin, path.dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin'].join(path.delimiter),
      OPENCLAW_DISABLE_BONJOUR: '1',
      OPENCLAW_NO_RESPAWN: '1',
      OPENCLAW_EXEC_SHELL_SNAPSHOT: '0',
    },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    child,
    stop: async (signal = 'SIGTERM') => {
      // The group: it has helpers, and children of its agents' shells.
      const kill = (how: NodeJS.Signals): void => {
        try {
          process.kill(-child.pid!, how);
        } catch {
          // Gone already.
        }
      };
      kill(signal);
      const late = setTimeout(kill, 15_000, 'SIGKILL');
      await gone;
      clearTimeout(late);
      kill('SIGKILL');
    },
  };
}

/**
 * What OpenClaw was told, without the time that it puts before it. A turn that was broken off stands before the next
 * one as context.
 */
export function told(prompt: string): string {
  const words = prompt.includes('[Queued user message from a previous active turn;')
    ? prompt.slice(prompt.lastIndexOf('\n\n') + 2)
    : prompt;
  return words.replace(/^\[\w{3} \d{4}-\d\d-\d\d \d\d:\d\d \w+\] /, '');
}

/** A red picture, of the smallest size that is not thrown away as one. */
export const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAF0lEQVR4nGP4z8BAEiJN9aiGUQ1DSgMAkPn/Afnh+ngAAAAASUVORK5CYII=',
  'base64',
);
