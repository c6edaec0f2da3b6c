/** (h) From POST to an agent's process having its prompt, through server and node, against the bare spawn of that process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { createClient } from '../../src/client/http.ts';
import { moltnetMain, root, scratch, startMoltnet } from '../lib/process.ts';
import { alternate, median, quantile, round, type Row } from '../lib/stats.ts';

/** What a wake text of one short message has, so that the bare process reads as much. */
const PROMPT = 'x'.repeat(900);

/** Tells when a process has its prompt. */
async function prompts(file: string): Promise<{ next(): Promise<number>; close(): void }> {
  let waiting: ((at: number) => void) | undefined;
  const server = createServer((socket) => {
    socket.once('data', () => {
      waiting?.(performance.now());
      waiting = undefined;
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(file, resolve));
  return { next: () => new Promise((resolve) => (waiting = resolve)), close: () => void server.close() };
}

const gone = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => (child.exitCode === null ? child.once('exit', () => resolve()) : resolve()));

export async function wake({ pairs }: { pairs: number }): Promise<Row[]> {
  const folder = scratch();
  const server = await startMoltnet(folder.path);
  const socket = path.join(folder.path, 'prompt.sock');
  const program = path.join(folder.path, 'agent');
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${path.join(root, 'bench/baseline/prompt.mjs')}'\n`,
  );
  chmodSync(program, 0o755);
  const workspace = path.join(folder.path, 'workspace');
  mkdirSync(workspace);
  const config = path.join(folder.path, 'MoltnetNode');
  writeFileSync(
    config,
    `version: moltnet.node.v1\nmoltnet: { base_url: "${server.url}", network_id: bench }\nattachments:\n  - agent: { id: alpha }\n    runtime: { kind: command, command: "${program}", workspace_path: "${workspace}" }\n    rooms: [{ id: general, wake: all }]\n`,
    { mode: 0o600 },
  );
  const env = { ...process.env, BENCH_PROMPT_SOCKET: socket };
  const node = spawn(process.execPath, [moltnetMain, 'node', 'start', config], {
    cwd: folder.path,
    env,
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const prompt = await prompts(socket);
  const client = createClient({ baseUrl: server.url, keepAlive: true });
  try {
    for (;;) {
      const attached = await client.agent('alpha').catch(() => undefined);
      if (attached?.connected) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const bare = async (): Promise<number> => {
      const has = prompt.next();
      const began = performance.now();
      const child = spawn(program, [], { cwd: workspace, env, stdio: ['pipe', 'pipe', 'inherit'] });
      child.stdin!.end(PROMPT);
      child.stdout!.resume();
      const took = (await has) - began;
      await gone(child);
      return took;
    };
    const ours = async (): Promise<number> => {
      const has = prompt.next();
      const began = performance.now();
      const { message_id } = await client.send({
        target: { kind: 'room', room_id: 'general' },
        from: { type: 'human', id: 'bench' },
        parts: [{ kind: 'text', text: 'are you there?' }],
      });
      const took = (await has) - began;
      // The next one begins when this turn is over.
      for (;;) {
        const { receipts } = await client.receipts(message_id);
        if (receipts.some(({ state }) => state === 'silent')) return took;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await bare();
    await ours();
    const { a, b } = await alternate(pairs * 20, bare, ours);
    const ratio = median(b) / median(a);
    const tail = quantile(b, 0.99) / quantile(a, 0.99);
    const ms = (value: number): string => `${Math.round(value)} ms`;
    return [
      {
        case: '(h) POST to the process having its prompt, p50',
        ours: ms(median(b)),
        baseline: `${ms(median(a))} bare spawn`,
        ratio: round(ratio),
        aim: '<= 1.5',
        met: ratio <= 1.5,
      },
      {
        case: '    p99',
        ours: ms(quantile(b, 0.99)),
        baseline: `${ms(quantile(a, 0.99))} bare spawn`,
        ratio: round(tail),
        aim: '<= 1.5',
        met: tail <= 1.5,
      },
    ];
  } finally {
    prompt.close();
    client.close();
    node.kill('SIGTERM');
    await gone(node);
    await server.stop();
    folder.remove();
  }
}
