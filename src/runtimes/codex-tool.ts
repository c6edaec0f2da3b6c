/**
 * How an agent of Codex speaks while the sandbox of its shell has no network: by a tool that Codex passes on to us. It
 * is the `moltnet` command, run here, outside the sandbox, and held to what the agent is for: five commands, their own
 * flags, and the server and agent of this attachment, whatever stands in the workspace.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { AttachmentConfig } from '../config/types.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import { objectOf } from './json.ts';
import type { WakeCommands } from './runtime.ts';

export const TOOL = 'moltnet';

/** `dynamicTools` of `thread/start`; the thread keeps it over restarts. */
export const toolSpec = {
  type: 'function',
  name: TOOL,
  description:
    'The `moltnet` command: talks with people and other agents. Commands that you are told to run as `moltnet …` go through this tool, each word after `moltnet` as one of args; your shell has no network. send, read, conversations, participants and search.',
  inputSchema: {
    type: 'object',
    properties: {
      args: {
        type: 'array',
        items: { type: 'string' },
        description: 'for example ["send", "room:general", "The build is green."]',
      },
      stdin: { type: 'string', description: 'what it reads where an argument is -' },
    },
    required: ['args'],
    additionalProperties: false,
  },
} as const;

export interface ToolAnswer {
  text: string;
  success: boolean;
}

const COMMANDS: ReadonlySet<string> = new Set(['send', 'read', 'conversations', 'participants', 'search']);
/** None that names another server, agent, file or variable. */
const FLAGS: ReadonlySet<string> = new Set(
  'target text room parent id intent wait timeout again limit since-last before after all in from since until has json plain help'
    .split(' ')
    .map((name) => `--${name}`),
);
const MAX_ARGS = 64;
/** Characters of what it printed that the agent is given. */
const MAX_OUTPUT = 64 * 1024;

/** Runs it; resolves with what it printed. Never rejects. */
export async function runTool(
  { base_url, other_urls = [], network_id, agent }: AttachmentConfig,
  place: { bin: string; cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal },
  input: unknown,
): Promise<ToolAnswer> {
  const { args, stdin } = objectOf(input);
  const problem = refusal(args, stdin);
  if (problem !== undefined) return { text: `moltnet: ${problem}`, success: false };
  const [command = '', ...rest] = args as string[];
  const ours = ['--network', network_id, '--member', agent.id, '--base-url', base_url];
  const others = other_urls.flatMap((url) => ['--other-url', url]);
  return run(place, [command, ...ours, ...others, ...rest], (stdin as string | undefined) ?? '');
}

function refusal(args: unknown, stdin: unknown): string | undefined {
  const words = Array.isArray(args) && args.every((word) => typeof word === 'string') ? args : undefined;
  if (words === undefined || words.length === 0 || words.length > MAX_ARGS)
    return 'args is to be a list of texts, such as ["send", "room:general", "hello"]';
  if (stdin !== undefined && typeof stdin !== 'string') return 'stdin is to be a text';
  if (words.some((word) => word.includes('\0'))) return 'an argument holds U+0000';
  const [command = '', ...rest] = words as string[];
  if (!COMMANDS.has(command))
    return `this tool takes ${[...COMMANDS].join(', ')}, not ${JSON.stringify(command)}`;
  const end = rest.indexOf('--');
  const flag = (end < 0 ? rest : rest.slice(0, end)).find(
    (word) => word.length > 1 && word.startsWith('-') && !FLAGS.has(word.split('=')[0]!),
  );
  return flag === undefined
    ? undefined
    : `this tool does not take ${flag.split('=')[0]}; a text that begins with - goes on stdin`;
}

function run(
  { bin, cwd, env, signal }: { bin: string; cwd: string; env: NodeJS.ProcessEnv; signal: AbortSignal },
  args: string[],
  stdin: string,
): Promise<ToolAnswer> {
  return new Promise((resolve) => {
    const child = spawn(path.join(bin, 'moltnet'), args, { cwd, env, signal, killSignal: 'SIGKILL' });
    let text = '';
    const add = (chunk: string): void => {
      if (text.length <= MAX_OUTPUT) text += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', add);
    child.stderr.setEncoding('utf8').on('data', add);
    // It may end without having read.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    child.once('error', (error) => resolve({ text: `moltnet: ${error.message}`, success: false }));
    child.once('close', (code) => {
      const cut = text.length > MAX_OUTPUT ? `${text.slice(0, MAX_OUTPUT)}\n(cut here; use --limit)` : text;
      resolve({ text: code === 0 ? cut : `${cut}\n(exit code ${code})`, success: code === 0 });
    });
  });
}

/** What a wake says of how to answer. */
export function toolCommands(conversation: ConversationKey, roomId: string | undefined): WakeCommands {
  const call = (...args: string[]): string => JSON.stringify({ args });
  const room = roomId === undefined ? [] : ['--room', roomId];
  return {
    how: `call your tool ${TOOL} with`,
    send: call('send', conversation, 'YOUR TEXT', ...room),
    hint: `Your shell has no network: \`moltnet\` works by this tool alone.`,
    participants: `tool ${TOOL}, ${call('participants', conversation)}`,
    read: (limit) =>
      `tool ${TOOL}, ${call('read', conversation, '--plain', ...(limit > 20 ? ['--limit', String(limit)] : []))}`,
  };
}
