/**
 * Who a command speaks as, and where. An agent by its client configuration; a person only where no sign of an agent
 * is about: an agent that speaks as a person would unlock what only people may, the storm guard first of all.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadClientConfig, selectAttachment } from '../config/client.ts';
import { CLIENT_FILES } from '../config/discover.ts';
import { isLoopbackHost, loopbackUrl, parseListenAddress } from '../config/listen.ts';
import { resolveToken } from '../config/tokens.ts';
import type { ClientAttachment } from '../config/types.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure, usageFailure } from './failure.ts';

export interface Speaker {
  base_url: string;
  token?: string;
  /** Undefined for a person: the server knows. */
  network_id?: string;
  from: { type: 'agent' | 'human'; id: string; name?: string; network_id?: string };
  /** Of an agent. */
  attachment?: ClientAttachment;
  /** Folder for what the CLI remembers of this speaker (`.moltnet`). */
  state_dir: string;
}

/** Flags that choose an agent's attachment. */
export const SELECTION_FLAGS: readonly Flag[] = [
  {
    name: 'config',
    value: 'FILE',
    what: 'client configuration',
    fallback: '$MOLTNET_CLIENT_CONFIG, .moltnet/config.json',
  },
  { name: 'network', value: 'ID', what: 'which network, when the configuration has several' },
  { name: 'member', value: 'ID', what: 'which agent, when the configuration has several' },
  { name: 'base-url', value: 'URL', what: 'address of the server, in place of the configured one' },
  { name: 'token-env', value: 'NAME', what: 'environment variable that holds the token' },
];
export const AS_FLAG: Flag = {
  name: 'as',
  value: 'NAME',
  what: 'the name of the person who speaks, where there is no agent',
  fallback: 'operator',
};

/** What coding agents set for the commands they run. */
const AGENT_VARIABLES = [
  'CLAUDECODE',
  'CLAUDE_CODE_SESSION_ID',
  'CLAUDE_CODE_ENTRYPOINT',
  'CODEX_THREAD_ID',
  'CODEX_SANDBOX',
  'CODEX_SANDBOX_NETWORK_DISABLED',
  'GEMINI_CLI',
  'OPENCODE',
  'CURSOR_AGENT',
  'AI_AGENT',
];

/** Why this process looks like an agent's, or undefined. */
export function agentSign(env: NodeJS.ProcessEnv, cwd: string): string | undefined {
  if (env['MOLTNET_CLIENT_CONFIG']?.trim()) return 'MOLTNET_CLIENT_CONFIG is set';
  const variable = AGENT_VARIABLES.find((name) => (env[name] ?? '') !== '');
  if (variable !== undefined) return `${variable} is set`;
  for (let dir = cwd; ; dir = path.dirname(dir)) {
    const file = CLIENT_FILES.map((name) => path.join(dir, name)).find((candidate) => existsSync(candidate));
    if (file !== undefined) return `${file} belongs to an agent`;
    if (path.dirname(dir) === dir) return undefined;
  }
}

/** `speaks`: the command says something, so that a person must be a person. */
export async function findSpeaker(args: Args, io: Io, options: { speaks: boolean }): Promise<Speaker> {
  const override = baseUrlFlag(args);
  const as = args.text('as');
  const [network, member, config] = [args.text('network'), args.text('member'), args.text('config')];
  const client = loadClientConfig({
    cwd: io.cwd,
    env: io.env,
    ...(config === undefined ? {} : { path: config }),
  });
  if (client) {
    if (as !== undefined)
      throw new Failure(`--as speaks for a person, and ${client.path} belongs to an agent`, {
        hint: 'a person speaks from another folder, or in the console',
      });
    const attachment = selectAttachment(client, {
      ...(network === undefined ? {} : { network }),
      ...(member === undefined ? {} : { member }),
    });
    if ('problem' in attachment) throw new Failure(attachment.problem, { hint: attachment.fix });
    const dir = path.dirname(path.resolve(client.path));
    return asAgent(
      attachment,
      override ?? attachment.base_url,
      tokenOf(args, io) ?? clientToken(attachment, io.env, dir),
      dir,
    );
  }
  if (override !== undefined && member !== undefined && as === undefined) {
    const attachment: ClientAttachment = {
      auth: { mode: 'none' },
      base_url: override,
      member_id: member,
      network_id: network ?? '',
      rooms: [],
    };
    return asAgent(attachment, override, tokenOf(args, io), path.join(io.cwd, '.moltnet'));
  }
  return person(args, io, override, options.speaks);
}

/** In mode open without a token source, and before the first claim, there is none. */
export function clientToken(
  attachment: ClientAttachment,
  env: NodeJS.ProcessEnv,
  dir: string,
): string | undefined {
  return resolveToken(attachment.auth, { env, base: dir });
}

function asAgent(
  attachment: ClientAttachment,
  base_url: string,
  token: string | undefined,
  state_dir: string,
): Speaker {
  const { member_id, network_id, agent_name } = attachment;
  return {
    base_url,
    ...(token === undefined ? {} : { token }),
    ...(network_id === '' ? {} : { network_id }),
    from: {
      type: 'agent',
      id: member_id,
      ...(agent_name ? { name: agent_name } : {}),
      ...(network_id === '' ? {} : { network_id }),
    },
    attachment,
    state_dir,
  };
}

async function person(args: Args, io: Io, override: string | undefined, speaks: boolean): Promise<Speaker> {
  const sign = agentSign(io.env, io.cwd);
  if (sign !== undefined) {
    throw new Failure(`no client configuration here, and ${sign}: an agent does not speak as a person`, {
      hint: "run this in the agent's workspace, or connect it first: moltnet connect AGENT --runtime RUNTIME",
    });
  }
  const as = args.text('as');
  if (speaks && !io.interactive && as === undefined) {
    throw new Failure('no client configuration here, and no terminal: it is not known who speaks', {
      hint: 'an agent runs: moltnet connect AGENT …; a script that speaks for a person adds: --as NAME',
    });
  }
  const base_url = override ?? (await localServerUrl(io));
  if (!isLoopbackHost(new URL(base_url).hostname.replace(/^\[|\]$/g, ''))) {
    throw new Failure(`a person speaks from the server's own machine; ${base_url} is another`, {
      hint: 'open the console there, or connect an agent',
    });
  }
  const token = tokenOf(args, io);
  const id = personId(as ?? 'operator');
  return {
    base_url,
    ...(token === undefined ? {} : { token }),
    from: { type: 'human', id, ...(as !== undefined && as !== id ? { name: as } : {}) },
    state_dir: path.join(io.cwd, '.moltnet'),
  };
}

/** `Anna Lee` → `anna-lee`. */
function personId(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) return name;
  const slug = name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64);
  if (slug === '')
    throw usageFailure(
      `--as ${JSON.stringify(name)} has no letter or digit of an id`,
      'write a name such as anna',
    );
  return slug;
}

/** Where this machine's own server is, by its configuration and environment; the default address without any. */
export async function localServerUrl(io: Io): Promise<string> {
  const { loadServerConfig } = await import('../config/server.ts');
  const config = loadServerConfig({ cwd: io.cwd, env: io.env });
  const address = parseListenAddress(config.server.listen_addr);
  const url = address && loopbackUrl(address);
  if (url === undefined)
    throw new Failure(
      `the server of ${config.path ?? 'this folder'} listens on ${config.server.listen_addr}, not on this machine's loopback interface`,
      { hint: 'name its address: --base-url URL' },
    );
  return url;
}

export function baseUrlFlag(args: Args): string | undefined {
  const url = args.text('base-url');
  if (url === undefined) return undefined;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageFailure(`--base-url ${JSON.stringify(url)} is not a URL`, 'write http://host:port');
  return url.replace(/\/+$/, '');
}

/** A token named on the command line. */
export function tokenOf(args: Args, io: Io): string | undefined {
  const [token, token_env, token_path] = [
    args.text('token'),
    args.text('token-env'),
    args.text('token-path'),
  ];
  return resolveToken(
    {
      ...(token === undefined ? {} : { token }),
      ...(token_env === undefined ? {} : { token_env }),
      ...(token_path === undefined ? {} : { token_path }),
    },
    { env: io.env, base: io.cwd },
  );
}
