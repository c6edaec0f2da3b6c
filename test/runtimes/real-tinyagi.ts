/** TinyAGI out of a folder of one's own, as a process with an empty home: it is in no registry. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { tinyclaw } from '../../src/runtimes/tinyclaw/tinyclaw.ts';
import { processesOf } from '../contract/runtime.ts';
import { freePort } from '../support/process.ts';
import { runtimeLab, until, type RuntimeLab } from '../support/runtime-lab.ts';

export interface TinyAgi {
  /** A built checkout: `packages/main/dist/index.js` is run. */
  dir: string;
  /** The Node that its native modules were built for; a path, or a name on PATH. */
  node: string;
  /** The agents' program, which it finds on its PATH as `claude`. */
  claude: string;
  /** Where that finds its model. */
  model_url: string;
  env: Record<string, string>;
}

const TERM_MS = 5000;

/** A lab whose runtime is a TinyAGI of its own, started from that folder; closed, nothing of it runs any more. */
export async function tinyAgiLab({ dir, node, claude, model_url, env }: TinyAgi): Promise<RuntimeLab> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const lab = runtimeLab(tinyclaw, {
    inbound_url: `${url}/api/message`,
    outbound_url: `${url}/api/responses/pending?channel=moltnet`,
    ack_url: `${url}/api/responses`,
    channel: 'moltnet',
  });
  const state = path.join(lab.folder, 'tinyagi');
  const bin = path.join(lab.folder, 'tinyagi-bin');
  for (const made of [state, bin]) mkdirSync(made);
  symlinkSync(claude, path.join(bin, 'claude'));
  writeFileSync(path.join(state, 'settings.json'), JSON.stringify(settings(lab, model_url)), { mode: 0o600 });
  const logFile = path.join(state, 'output.log');
  const log = openSync(logFile, 'a');
  const child = spawn(node, [path.join(dir, 'packages', 'main', 'dist', 'index.js')], {
    cwd: dir,
    env: {
      ...env,
      PATH: [bin, lab.bin, process.env['PATH']].join(path.delimiter),
      HOME: lab.home,
      TINYAGI_HOME: state,
      TINYAGI_API_PORT: String(port),
      // It runs `claude` with all permissions, which that refuses to root elsewhere.
      IS_SANDBOX: '1',
    },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  let ended: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => resolve(void (ended = error.message)));
    child.once('exit', (code, signal) => resolve(void (ended = `it ended with ${signal ?? code}`)));
  });
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), TERM_MS);
    await gone;
    clearTimeout(late);
    // Its agents outlive it.
    for (const pid of processesOf(lab.folder)) kill(pid);
    await lab.close();
  };
  try {
    await until(async () => {
      if (ended !== undefined) throw new Error(`${ended}: ${readFileSync(logFile, 'utf8').slice(-2000)}`);
      return fetch(`${url}/api/queue/status`).then(
        ({ ok }) => ok,
        () => false,
      );
    }, `TinyAGI of ${dir} answers`);
  } catch (error) {
    await close();
    throw error;
  }
  return { ...lab, close };
}

/** One agent, the lab's, on a provider of its own; no channels and no heartbeat. */
const settings = (lab: RuntimeLab, model_url: string): object => ({
  workspace: { path: path.join(lab.folder, 'tinyagi-workspace') },
  channels: { enabled: [] },
  agents: {
    alpha: {
      name: 'Alpha',
      provider: 'custom:mock',
      model: 'mock-model',
      working_directory: lab.workspace,
      heartbeat: { enabled: false },
    },
  },
  custom_providers: {
    mock: { name: 'Mock', harness: 'claude', base_url: model_url, api_key: 'mock', model: 'mock-model' },
  },
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
