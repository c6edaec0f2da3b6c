/** The real OpenClaw with our channel plugin, and no node: it attaches to the network by itself. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.ts';
import { processesOf } from '../contract/runtime.ts';
import { startMockModel, type MockModel, type ModelScript } from '../support/mock-model.ts';
import { freePort, startServerProcess, writeServerConfig, type ServerProcess } from '../support/process.ts';
import { until } from '../support/runtime-lab.ts';
import { prepareGateway, startGateway, told, type GatewayHome, type RealGateway } from './real-openclaw.ts';

const plugin = fileURLToPath(new URL('../../packages/openclaw-moltnet', import.meta.url));

let folder: string;
let config: Awaited<ReturnType<typeof writeServerConfig>>;
let model: MockModel;
let server: ServerProcess;
let home: GatewayHome;
let gateway: RealGateway;

/** What a turn is asked to do stands in the words that woke it. */
const asked = (texts: readonly string[]): string => texts.findLast((text) => text.includes('> @alpha')) ?? '';
/** The call that the text of the wake tells the agent to make, with other words. */
const call = (
  text: string,
  words: string,
  target?: string,
): { tool: string; input: Record<string, unknown> } => {
  const line = /^ +(\{"action":"send".*\})$/m.exec(text)?.[1];
  if (line === undefined) throw new Error(`the wake tells no way to answer: ${text}`);
  const input = JSON.parse(line) as Record<string, unknown>;
  return { tool: 'message', input: { ...input, message: words, ...(target && { target }) } };
};
const script: ModelScript = ({ prompt, history, tool_results }) => {
  const text = asked([...history, told(prompt)]);
  const say = /say (\w+)/.exec(text)?.[1];
  if (text.includes('fail')) return { http: 500 };
  return tool_results.length > 0 || say === undefined
    ? { say: 'this is printed, and must reach nobody' }
    : call(text, `answer ${say}`);
};

const say = async (text: string, room = 'general'): Promise<string> => {
  const response = await fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      target: { kind: 'room', room_id: room },
      from: { type: 'human', id: 'me' },
      parts: [{ kind: 'text', text }],
    }),
  });
  expect(response.status).toBe(202);
  return ((await response.json()) as { message_id: string }).message_id;
};
const said = async (room = 'general'): Promise<string[]> => {
  const page = (await (await fetch(`${server.url}/v1/rooms/${room}/messages?limit=100`)).json()) as {
    messages: Message[];
  };
  return page.messages.filter(({ from }) => from.id === 'alpha').map(({ parts }) => parts[0]!.text!);
};
interface Receipt {
  agent_id: string;
  state: string;
  reason?: string;
}
const receipt = async (id: string): Promise<Receipt | undefined> => {
  const page = (await (await fetch(`${server.url}/v1/messages/${id}/receipts`)).json()) as {
    receipts: Receipt[];
  };
  return page.receipts.find(({ agent_id }) => agent_id === 'alpha');
};
const answered = (id: string, ms = 60_000): Promise<void> =>
  until(async () => (await receipt(id))?.state === 'answered', 'it is answered', ms);

const log = (): string => readFileSync(path.join(home.home, 'gateway.log'), 'utf8');
/** It has attached so often, over all its lives. */
const attached = (times: number): Promise<void> =>
  until(() => log().split('alpha: attached').length > times, 'alpha is attached', 120_000);

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'moltnet-openclaw-plugin-'));
  model = await startMockModel(script);
  const root = path.join(folder, 'network');
  mkdirSync(root);
  const port = await freePort();
  config = await writeServerConfig(root, `rooms:\n  - id: general\n  - id: side\n`);
  server = await startServerProcess(config);
  home = {
    home: path.join(folder, 'home'),
    workspace: path.join(folder, 'workspace'),
    bin: path.join(folder, 'bin'),
    port,
    token: 'the-gateway-token',
    model,
    more: {
      plugins: { load: { paths: [plugin] }, allow: ['moltnet'] },
      channels: {
        moltnet: {
          base_url: server.url,
          network_id: 'local',
          agent: { id: 'alpha', name: 'Alpha' },
          rooms: [{ id: 'general', wake: 'mentions' }],
        },
      },
    },
  };
  mkdirSync(home.bin);
  prepareGateway(home);
  gateway = startGateway(home);
  await attached(1);
}, 200_000);
afterAll(async () => {
  await gateway?.stop();
  await server?.stop();
  await model?.close();
  await until(() => processesOf(folder).length === 0, 'nothing that was started is left', 60_000);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
beforeEach(() => {
  model.requests.length = 0;
  model.script = script;
});
afterEach((context) => {
  if (context.task.result?.state === 'fail') console.log(log().slice(-6000));
});

describe('openclaw with the channel plugin (real)', () => {
  it('RT-110 a mention wakes it, it answers by its message tool, and the next message goes on in its session', async () => {
    const first = await say('@alpha say one');
    await answered(first);
    const second = await say('@alpha say two');
    await answered(second);
    expect(await said()).toEqual(['answer one', 'answer two']);
    expect(model.turns().at(-1)!.history.join('\n')).toContain('> @alpha say one');
    expect(model.turns()).toHaveLength(2);
  });
});
