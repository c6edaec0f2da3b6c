import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Message } from '../../src/protocol/messages.ts';
import { processesOf } from '../contract/runtime.ts';
import { moltnet as speak, startMockModel, type MockModel, type ModelScript } from '../support/mock-model.ts';
import { freePort } from '../support/process.ts';
import { until } from '../support/runtime-lab.ts';
import {
  codexCommand,
  modelEnvironment,
  prepareCodexHome,
  prepareGeminiHome,
  prepareOpencodeHome,
} from './real-clis.ts';
import { prepareGateway, startGateway, type RealGateway } from './real-openclaw.ts';

/** Each answers the one before it, round and round. */
const RING = [
  ['alpha', 'codex'],
  ['beta', 'claude-code'],
  ['gamma', 'openclaw'],
  ['delta', 'gemini'],
  ['epsilon', 'opencode'],
] as const;
const agentOf = (turn: number): string => RING[(turn - 1) % RING.length]![0];
/** The agents answer each other until this one, which nobody answers. */
const LAST = 10;
/** The message in whose making the node is killed, with Codex in the middle of it. */
const CODEX_CUT = 6;
/** The one in whose making server and node are killed, with Claude in the middle of it. */
const CLAUDE_CUT = 7;
/** The one in whose making the node is killed, with OpenClaw in the middle of it. */
const OPENCLAW_CUT = 8;

const launcher = fileURLToPath(new URL('../../bin/moltnet', import.meta.url));
let folder: string;
let home: string;
let model: MockModel;
let env: Record<string, string>;
let gateway: RealGateway;
let gatewayPort: number;
const children = new Set<ChildProcess>();
const output: string[] = [];

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'moltnet-conversation-'));
  home = path.join(folder, 'home');
  mkdirSync(home);
  model = await startMockModel();
  prepareCodexHome(home, model);
  prepareGeminiHome(home);
  prepareOpencodeHome(home, model);
  const bin = path.join(folder, 'gateway-bin');
  mkdirSync(bin);
  symlinkSync(launcher, path.join(bin, 'moltnet'));
  gatewayPort = await freePort();
  const gatewayHome = {
    home: path.join(folder, 'gateway-home'),
    workspace: path.join(folder, 'gamma'),
    port: gatewayPort,
    token: 'the-gateway-token',
    model,
    bin,
  };
  mkdirSync(gatewayHome.home);
  prepareGateway(gatewayHome);
  gateway = startGateway(gatewayHome);
  const npm = path.dirname(codexCommand);
  env = {
    ...modelEnvironment(model),
    HOME: home,
    PATH: [npm, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':'),
  };
});
afterEach(async (context) => {
  for (const child of children) child.kill('SIGKILL');
  await gateway.stop();
  if (context.task.result?.state === 'fail') console.log(output.join(''));
  await until(() => processesOf(home).length === 0, 'nothing that was started is left', 60_000);
  await model.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

/** `./bin/moltnet …`, as the README says it. */
function moltnet(...args: string[]): {
  child: ChildProcess;
  ended: Promise<number | null>;
  seen: (text: string, ms?: number) => Promise<void>;
} {
  const child = spawn(launcher, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream!.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      output.push(chunk.replaceAll(/^/gm, `${args[0]} ${child.pid}| `));
    });
  const ended = new Promise<number | null>((resolve) =>
    child.once('close', (code) => {
      children.delete(child);
      resolve(code);
    }),
  );
  return {
    child,
    ended,
    seen: (wanted, ms = 60_000) =>
      until(() => text.includes(wanted), `${args.join(' ')} prints ${wanted}`, ms),
  };
}
async function run(...args: string[]): Promise<void> {
  expect(await moltnet(...args).ended, args.join(' ')).toBe(0);
}
async function kill(...running: ReturnType<typeof moltnet>[]): Promise<void> {
  for (const { child } of running) child.kill('SIGKILL');
  await Promise.all(running.map(({ ended }) => ended));
}

/** The number of the newest message that a wake shows; 0 for what the person says. */
const numberIn = (text: string): number =>
  Math.max(0, ...[...text.matchAll(/^> @\w+ turn (\d+)$/gm)].map((match) => Number(match[1])));

/** Whom a wake is for. */
const agentIn = (text: string): string | undefined => /for you, @(\w+), in/.exec(text)?.[1];

it('RT-60 a person wakes Codex, it, Claude Code, OpenClaw, Gemini CLI and opencode answer each other, and kill -9 of server and node loses nothing', async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  writeFileSync(
    path.join(folder, 'Moltnet'),
    `version: moltnet.v1\nserver:\n  listen_addr: 127.0.0.1:${port}\n`,
    { mode: 0o600 },
  );
  const start = async (): Promise<ReturnType<typeof moltnet>> => {
    const server = moltnet('start');
    await until(
      () =>
        fetch(`${url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        ),
      'the server is ready',
      60_000,
    );
    return server;
  };

  // What the models do: they read the number of the newest message, and send the next one to the next agent.
  const cuts: Record<number, PromiseWithResolvers<void>> = {
    [CODEX_CUT]: Promise.withResolvers<void>(),
    [CLAUDE_CUT]: Promise.withResolvers<void>(),
    [OPENCLAW_CUT]: Promise.withResolvers<void>(),
  };
  const script: ModelScript = ({ api, prompt, tool_results, body }) => {
    const number = numberIn(prompt) + 1;
    output.push(`model| ${api}, turn ${number}: ${JSON.stringify(tool_results.at(-1) ?? '')}\n`);
    if (number > LAST || tool_results.length > 0) return { say: 'this is printed, and must reach nobody' };
    const after = cuts[number]?.promise;
    // With an id: an agent that says a thing twice says it once.
    const text = `@${agentOf(number + 1)} turn ${number}`;
    const speaks = speak({ body }, ['send', 'room:general', text, '--id', `turn-${number}`]);
    return { ...speaks, ...(after ? { after } : {}) };
  };
  model.script = script;
  const turnsOf = (number: number) => model.turns().filter((turn) => numberIn(turn.prompt) + 1 === number);

  /** A gateway that has just started loads much in its first turn. */
  const begun = (number: number): Promise<void> =>
    until(() => turnsOf(number).length > 0, `turn ${number} runs`, 240_000);

  let server = await start();
  for (const [id, kind] of RING) {
    mkdirSync(path.join(folder, id), { recursive: true });
    await run(
      'connect',
      '--base-url',
      url,
      '--network-id',
      'local',
      '--member-id',
      id,
      '--runtime',
      kind,
      '--workspace',
      path.join(folder, id),
      '--rooms',
      'general',
      '--node',
    );
  }
  expect(existsSync(path.join(folder, 'alpha', '.agents', 'skills', 'moltnet', 'SKILL.md'))).toBe(true);
  expect(existsSync(path.join(folder, 'beta', '.claude', 'skills', 'moltnet', 'SKILL.md'))).toBe(true);
  const nodeFile = path.join(folder, 'MoltnetNode');
  const written = readFileSync(nodeFile, 'utf8');
  expect(written).toMatch(/wake: "?mentions/);
  const reached = `$1kind: openclaw\n$1gateway_url: ws://127.0.0.1:${gatewayPort}\n$1token: the-gateway-token\n`;
  writeFileSync(nodeFile, written.replace(/^( +)kind: "?openclaw"?\n/m, reached), { mode: 0o600 });
  const room = (await (await fetch(`${url}/v1/rooms/general`)).json()) as { members?: string[] };
  expect(room.members ?? []).toEqual([]);

  let node = moltnet('node', 'start');
  for (const [id] of RING) await node.seen(`${id}: attached`, 200_000);

  // As the console says it.
  const posted = await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: url },
    body: JSON.stringify({
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'human', id: 'me', name: 'Me' },
      parts: [{ kind: 'text', text: '@alpha hi' }],
    }),
  });
  expect(posted.status).toBe(202);

  // The node dies while Codex is in its turn. Codex breaks off; the wake comes again.
  await begun(CODEX_CUT);
  await kill(node);
  node = moltnet('node', 'start');
  await until(() => turnsOf(CODEX_CUT).length === 2, 'the wake that was cut off runs again', 60_000);
  cuts[CODEX_CUT]!.resolve();

  // Server and node die while Claude is in its turn. Claude goes on by itself, once the server is back to be told.
  await begun(CLAUDE_CUT);
  await kill(server, node);
  server = await start();
  node = moltnet('node', 'start');
  await node.seen('waiting for an earlier Claude Code process');
  cuts[CLAUDE_CUT]!.resolve();

  // The node dies while OpenClaw is in its turn, which is the gateway's: it goes on.
  await begun(OPENCLAW_CUT);
  await kill(node);
  node = moltnet('node', 'start');
  for (const [id] of RING) await node.seen(`${id}: attached`);
  cuts[OPENCLAW_CUT]!.resolve();

  const page = async (): Promise<Message[]> =>
    ((await (await fetch(`${url}/v1/rooms/general/messages?limit=100`)).json()) as { messages: Message[] })
      .messages;
  await until(
    async () => (await page()).some((message) => message.id === `turn-${LAST}`),
    'the last answer is there',
    240_000,
  );
  // Whoever is woken by the last one says nothing, and that turn ends too.
  await until(() => turnsOf(LAST + 1).length > 0, 'the last answer woke the other one', 60_000);
  const wakes = (text: string): string[] =>
    [...text.matchAll(/turn done in room:general .*wake_id=(\S+)/g)].map((match) => match[1]!);
  await until(() => wakes(output.join('')).length >= LAST + 1, 'every wake is settled', 60_000);

  // Nothing lost, nothing twice, in order, and nothing published but what was sent.
  const messages = await page();
  expect(messages.map((message) => message.parts[0]!.text)).toEqual([
    '@alpha hi',
    ...Array.from({ length: LAST }, (_, i) => `@${agentOf(i + 2)} turn ${i + 1}`),
  ]);
  expect(messages.map((message) => message.from.id)).toEqual([
    'me',
    ...Array.from({ length: LAST }, (_, i) => agentOf(i + 1)),
  ]);

  // Each turn was woken by the message of the other, and by that alone.
  for (let number = 1; number <= LAST + 1; number++) {
    const ran = turnsOf(number);
    expect(
      ran.map(({ prompt }) => agentIn(prompt)),
      `turn ${number}`,
    ).toEqual(ran.map(() => agentOf(number)));
    if (number > 1) expect(ran[0]!.prompt).toContain(`id turn-${number - 1}`);
    // A turn that came to its end runs once, and so does one that goes on while the node is away. Codex breaks off.
    expect(ran.length, `runs of turn ${number}`).toBe(number === CODEX_CUT ? 2 : 1);
  }

  const meters = (await (await fetch(`${url}/v1/guard/room:general`)).json()) as { meters?: object };
  const turns = model.turns().length;
  console.log(
    `turns per message: ${(turns / messages.length).toFixed(2)} (${turns} turns, ${messages.length} messages); guard: ${JSON.stringify(meters.meters)}`,
  );

  node.child.kill('SIGTERM');
  expect(await node.ended).toBe(0);
  expect(processesOf(home).filter((pid) => pid !== server.child.pid)).toEqual([]);
  server.child.kill('SIGTERM');
  expect(await server.ended).toBe(0);
});
