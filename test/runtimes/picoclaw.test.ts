import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { guarded } from '../../src/runtimes/guarded-text.ts';
import { eventsRuntime } from '../../src/runtimes/picoclaw/picoclaw-events.ts';
import { picoclaw } from '../../src/runtimes/picoclaw/picoclaw.ts';
import { runtimeContract } from '../contract/runtime.ts';
import { directives, startMockModel, type MockModel, type ModelScript } from '../support/mock-model.ts';
import { freePort } from '../support/process.ts';
import { runtimeLab, until, type RuntimeLab } from '../support/runtime-lab.ts';

/** A `picoclaw` of one's own: there is no package of it. */
const program = process.env['PICOCLAW_BIN'];
const TOKEN = 'the-pico-token';
const script: ModelScript = (request) => {
  const http = /\[\[http: (\d+)\]\]/.exec(request.prompt);
  if (http) return { http: Number(http[1]) };
  return request.prompt.includes('[[hang]]') ? { hang: true } : directives(request);
};

let model: MockModel;
beforeAll(async () => {
  model = await startMockModel(script);
});
afterAll(() => model.close());
beforeEach(() => {
  model.requests.length = 0;
});

it('RT-80 the real PicoClaw is tried where PICOCLAW_BIN names it', () => {
  console.log(program === undefined ? 'PICOCLAW_BIN is not set: a stand-in alone' : `with ${program}`);
  expect(picoclaw.kind).toBe('picoclaw');
});

/** Writes its configuration: the mock model, no heartbeat, the pico channel at this port. */
function configure(folder: string, workspace: string, port: number): string {
  const config = path.join(folder, 'config.json');
  writeFileSync(
    config,
    JSON.stringify({
      version: 3,
      channel_list: { pico: { enabled: true, type: 'pico', settings: { token: TOKEN } } },
      gateway: { host: '127.0.0.1', port },
      agents: {
        defaults: {
          workspace,
          restrict_to_workspace: true,
          model_name: 'mock',
          max_tool_iterations: 10,
          max_llm_retries: 0,
        },
      },
      model_list: [
        {
          model_name: 'mock',
          model: 'anthropic-messages/mock-model',
          api_keys: ['k'],
          api_base: model.url,
        },
      ],
      heartbeat: { enabled: false },
    }),
  );
  return config;
}

function commandLab(): RuntimeLab {
  const lab = runtimeLab(picoclaw, { command: program! });
  const config_path = configure(lab.folder, lab.workspace, 1);
  return { ...lab, runtime: (more) => lab.runtime({ config_path, ...more }) };
}

/** By the socket of a gateway of its own. */
async function socketLab(): Promise<RuntimeLab> {
  const port = await freePort();
  const lab = runtimeLab(
    {
      kind: 'picoclaw',
      create: (context) => eventsRuntime(context, `ws://127.0.0.1:${port}/pico/ws`),
    },
    { token: TOKEN },
  );
  const config = configure(lab.folder, lab.workspace, port);
  const gateway = spawn(program!, ['gateway'], {
    env: {
      PATH: process.env['PATH'],
      HOME: lab.home,
      PICOCLAW_HOME: lab.home,
      PICOCLAW_CONFIG: config,
      PICOCLAW_LOG_FILE: path.join(lab.folder, 'gateway.log'),
    },
    stdio: 'ignore',
  });
  const gone = new Promise((resolve) => gateway.once('exit', resolve));
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'the gateway is ready',
  );
  return {
    ...lab,
    close: async () => {
      gateway.kill('SIGTERM');
      // It waits for what it has begun, in vain now and then.
      const late = setTimeout(() => gateway.kill('SIGKILL'), 3000);
      await gone;
      clearTimeout(late);
      await lab.close();
    },
  };
}

if (program !== undefined) {
  runtimeContract({
    name: 'picoclaw by its socket (real)',
    lab: socketLab,
    prompts: () => model.turns().map(({ prompt }) => prompt),
    arrives: guarded,
    shell: false,
    logins: true,
    claims: { dedupes: true, reports_usage: false, sessions: false },
    open: () => 0,
    broken: () => [[{ token: 'wrong' }, 'config', /correct runtime\.token/]],
  });
  runtimeContract({
    name: 'picoclaw by its command (real)',
    lab: commandLab,
    prompts: () => model.turns().map(({ prompt }) => prompt),
    arrives: guarded,
    shell: true,
    logins: true,
    claims: { dedupes: false, reports_usage: false, sessions: false },
    broken: (lab) => [
      [{ command: 'no-such-cli-anywhere' }, 'missing', /install PicoClaw/],
      [{ config_path: path.join(lab.folder, 'nowhere') }, 'config', /correct runtime\.config_path/],
    ],
  });
}
