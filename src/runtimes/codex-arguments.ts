/** The command line of `codex app-server`, and what of it belongs into the thread. */
import { LASTING_FIELDS, type CliTurn } from './cli-runtime.ts';
import type { RuntimeConfigOf, RuntimeFields } from '../config/runtime-block.ts';

export const CODEX_FIELDS = {
  ...LASTING_FIELDS,
  network: {
    type: 'flag',
    about:
      'its shell may use the network, and runs `moltnet` itself; else it has none, and its agent speaks by a tool that the node runs (false)',
  },
} as const satisfies RuntimeFields;
export type CodexConfig = RuntimeConfigOf<typeof CODEX_FIELDS>;

export interface CodexArguments {
  args: string[];
  /** For `thread/start` and `thread/resume`. */
  thread: Record<string, string>;
}

const toml = (value: string): string => JSON.stringify(value);
const set = (name: string, value: string): string => `shell_environment_policy.set.${name}=${toml(value)}`;

/** The arguments by which the process of this agent is known. */
export const mark = ({ context: { attachment }, env }: CliTurn): string[] => [
  set('MOLTNET_AGENT', `${attachment.network_id}/${attachment.agent.id}`),
  set('MOLTNET_CLIENT_CONFIG', env['MOLTNET_CLIENT_CONFIG'] ?? ''),
];

/**
 * Whether its agent speaks by the tool: then the sandbox is `workspace-write` as Codex has it, without a network. With
 * `runtime.network` the network is open and `moltnet` is a command of the shell; so it is in a sandbox of the user's.
 */
export const speaksByTool = ({ args = [], network = false }: CodexConfig): boolean =>
  !network && !hasOwnSandbox(forServer(args));

/**
 * `runtime.args` may name another sandbox. Those of `codex exec` that the app server takes
 * another way are passed on so; the rest goes on the command line, and Codex says what it does not know.
 */
export function codexArguments(turn: CliTurn): CodexArguments {
  const config: CodexConfig = turn.context.attachment.runtime;
  const own = forServer(config.args ?? []);
  return {
    args: [
      '-c',
      `sandbox_workspace_write.network_access=${!speaksByTool(config)}`,
      // A login shell's profile sets PATH anew: then `moltnet` is found or not as Codex's snapshot of that shell is
      // ready or not. The environment that it gets from us is the user's already.
      '-c',
      'allow_login_shell=false',
      '-c',
      set('PATH', turn.env.PATH),
      ...mark(turn).flatMap((setting) => ['-c', setting]),
      ...own.args,
    ],
    thread: {
      approvalPolicy: 'never',
      ...(hasOwnSandbox(own) ? {} : { sandbox: 'workspace-write' }),
      ...own.thread,
    },
  };
}

const hasOwnSandbox = ({ args, thread }: CodexArguments): boolean =>
  'sandbox' in thread || args.some((arg) => /sandbox_mode|^profile=/.test(arg));

/** What the sandbox leaves open, for `validate`. */
export function opening(config: CodexConfig): string {
  if (hasOwnSandbox(forServer(config.args ?? [])))
    return 'runs in the sandbox that runtime.args names; `moltnet` needs the network in it';
  const writes = 'writes in its workspace and the temporary folders only';
  return config.network
    ? `${writes}, and its shell may use the network (runtime.network)`
    : `${writes}, and its shell has no network: it speaks by the tool \`moltnet\`, which the node runs`;
}

function forServer(given: readonly string[]): CodexArguments {
  const args: string[] = [];
  const thread: Record<string, string> = {};
  const rest = [...given];
  const roots: string[] = [];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [flag, inline] = split(word);
    const value = (): string => inline ?? rest.shift() ?? '';
    switch (flag) {
      case '-m':
      case '--model':
        thread['model'] = value();
        break;
      case '-s':
      case '--sandbox':
        thread['sandbox'] = value();
        break;
      case '--dangerously-bypass-approvals-and-sandbox':
        thread['sandbox'] = 'danger-full-access';
        break;
      case '-p':
      case '--profile':
        args.push('-c', `profile=${toml(value())}`);
        break;
      case '--add-dir':
        roots.push(value());
        break;
      default:
        args.push(word);
    }
  }
  if (roots.length > 0) args.push('-c', `sandbox_workspace_write.writable_roots=${JSON.stringify(roots)}`);
  return { args, thread };
}

function split(word: string): [flag: string, value: string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}
