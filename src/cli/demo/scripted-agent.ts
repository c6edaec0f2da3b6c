/**
 * An agent without a model: a program of its own, or one that stands in the place of `claude` and speaks its protocol
 * with the node. It talks on the network as agents do, by running `moltnet read` and `moltnet send`. What it says is a script.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Message } from '../../protocol/messages.ts';
import type { MessagePage } from '../../protocol/pages.ts';
import { linesOf as linesOfStream } from '../../runtimes/line-splitter.ts';
import type { Command } from '../command.ts';
import { ADA, BOB, linesOf } from './script.ts';

const run = promisify(execFile);

export const command: Command = {
  usage: 'demo-agent command|claude <pace in ms> -- <arguments of that CLI>',
  summary: 'the scripted agent of moltnet demo',
  flags: [],
  positionals: 1_000,
  async run({ positionals }) {
    const [kind, pace, ...args] = positionals;
    if (args.includes('--version')) process.stdout.write('scripted agent of moltnet demo\n');
    else if (kind === 'command') await asCommand(Number(pace));
    else await asClaude(Number(pace), args);
  },
};

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

/** As the runtime `command` runs a program: one turn a process, the prompt on stdin, the outcome by the exit code. */
async function asCommand(pace: number): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  await takeTurn(ADA, Buffer.concat(chunks).toString(), pace);
}

/** `claude -p --input-format stream-json --output-format stream-json`: one message a line, until stdin ends. */
async function asClaude(pace: number, args: readonly string[]): Promise<void> {
  const session_id = args.findLast((arg) => /^[0-9a-f-]{36}$/.test(arg)) ?? randomUUID();
  const known = new Set<string>();
  for await (const line of linesOfStream(process.stdin, 16 * 1_048_576)) {
    const input = JSON.parse(line) as {
      type: string;
      uuid: string;
      request_id?: string;
      message?: { role: string; content: unknown };
    };
    if (input.type === 'control_request')
      say({
        type: 'control_response',
        response: { subtype: 'success', request_id: input.request_id, response: {} },
      });
    if (input.type !== 'user') continue;
    const lifecycle = (state: string): void =>
      say({ type: 'command_lifecycle', command_uuid: input.uuid, state });
    const replay = (): void => say({ ...input, session_id, isReplay: true });
    if (known.has(input.uuid)) {
      replay();
      lifecycle('completed');
      continue;
    }
    known.add(input.uuid);
    lifecycle('queued');
    lifecycle('started');
    replay();
    let error: string | undefined;
    await takeTurn(BOB, String(input.message?.content), pace).catch(
      (reason: unknown) => (error = (reason as Error).message),
    );
    say({
      type: 'result',
      subtype: 'success',
      is_error: error !== undefined,
      result: error ?? '',
      session_id,
      total_cost_usd: 0,
      usage: { input_tokens: 0, output_tokens: 0 },
    });
    lifecycle('completed');
  }
}

/** Reads before it speaks, and says nothing when it has nothing to say. */
async function takeTurn(self: string, wake: string, pace: number): Promise<void> {
  const target = /^ {4}moltnet send (\S+)/m.exec(wake)?.[1] ?? 'room:general';
  const { stdout } = await run('moltnet', ['read', target, '--limit', '100', '--json']);
  const text = answer(self, (JSON.parse(stdout) as MessagePage).messages);
  if (text === undefined) return;
  await sleep(pace);
  await run('moltnet', ['send', target, text]);
}

/** What the agent says next in this history; undefined for silence. */
export function answer(self: string, history: readonly Message[]): string | undefined {
  const spoken = history.filter(({ from }) => from.id === self).length;
  const people = history.filter(({ from }) => from.type === 'human');
  const isFirstTask = people.length === 1;
  const sincePerson = history.slice(history.findLastIndex(({ from }) => from.type === 'human') + 1);
  const person = people.at(-1);
  if (isFirstTask) return linesOf(self)[spoken];
  // A person spoke again: their words go before what the other agent still wanted to say.
  const asked =
    person?.mentions?.some((fqid) => fqid.endsWith(`/agents/${self}`)) || person?.target.kind === 'dm';
  const answered = sincePerson.some(({ from }) => from.id === self);
  return asked && !answered
    ? `I am ${self}, and I only know my lines. Attach a real agent to this network: moltnet connect --help`
    : undefined;
}
