/**
 * Who a command speaks as, and where. An agent by its client configuration or its token; a person only where no sign
 * of an agent is about: an agent that speaks as a person would unlock what only people may, the storm guard first of
 * all. Where the server has tokens, it says who a person is.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadClientConfig, selectAttachment } from '../config/client.ts';
import { CLIENT_FILES } from '../config/discover.ts';
import { resolveToken } from '../config/tokens.ts';
import type { ClientAttachment } from '../config/types.ts';
import type { CallerIdentity } from '../protocol/identity.ts';
import { callerIdentity } from './api.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure, usageFailure } from './failure.ts';
import { isThisMachine, localServer, localServerAt, personToken } from './local-server.ts';

export interface Speaker {
  base_url: string;
  other_urls?: readonly string[];
  token?: string;
  /** Undefined where nobody said it: the server knows. */
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
  {
    name: 'network',
    value: 'ID',
    what: 'which network, when the configuration has several, or none is there',
  },
  { name: 'member', value: 'ID', what: 'which agent, when the configuration has several' },
  { name: 'base-url', value: 'URL', what: 'address of the server, in place of the configured one' },
  {
    name: 'other-url',
    value: 'URL',
    many: true,
    what: 'another server of that network, for when --base-url does not answer; may be given again',
  },
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

/** Throws a Failure where an agent runs this, and no person sits there. */
export function personOnly(io: Io, what: string, hint: string): void {
  const sign = agentSign(io.env, io.cwd);
  if (sign !== undefined && !io.interactive)
    throw new Failure(`${sign}: an agent does not ${what}`, { hint });
}

/** `speaks`: the command says something, so that a person must be a person. */
export async function findSpeaker(args: Args, io: Io, options: { speaks: boolean }): Promise<Speaker> {
  const override = baseUrlFlag(args);
  const as = args.text('as');
  const [network, member, config] = [args.text('network'), args.text('member'), args.text('config')];
  const others = otherUrlsFlag(args);
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
      // Addresses of the command line stand for themselves.
      override === undefined ? attachment.other_urls : others,
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
    return asAgent(attachment, override, tokenOf(args, io), path.join(io.cwd, '.moltnet'), others);
  }
  const token = tokenOf(args, io);
  if (token === undefined)
    return person(args, io, override === undefined ? {} : { base_url: override }, options.speaks);
  const base_url = override ?? (await localServer(io)).url;
  const caller = await callerIdentity({ base_url, token });
  return caller?.credential === 'agent' && caller.agents?.[0] !== undefined
    ? asTokenAgent(caller.agents[0], base_url, token, args, io)
    : person(args, io, { base_url, token, caller }, options.speaks);
}

/** An agent whose token alone is known. */
function asTokenAgent(member_id: string, base_url: string, token: string, args: Args, io: Io): Speaker {
  if (args.text('as') !== undefined)
    throw new Failure(`--as speaks for a person, and this token is agent ${member_id}'s`);
  const attachment: ClientAttachment = {
    auth: { mode: 'bearer' },
    base_url,
    member_id,
    network_id: args.text('network') ?? '',
    rooms: [],
  };
  return asAgent(attachment, base_url, token, path.join(io.cwd, '.moltnet'));
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
  other_urls?: readonly string[],
): Speaker {
  const { member_id, network_id, agent_name } = attachment;
  return {
    base_url,
    ...(other_urls === undefined ? {} : { other_urls }),
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

/** What is known of a person's server and credential before anybody is asked. */
interface PersonAt {
  base_url?: string;
  token?: string;
  /** As the server has told already. */
  caller?: CallerIdentity | undefined;
}

async function person(args: Args, io: Io, at: PersonAt, speaks: boolean): Promise<Speaker> {
  const sign = agentSign(io.env, io.cwd);
  if (sign !== undefined) {
    throw new Failure(`no client configuration here, and ${sign}: an agent does not speak as a person`, {
      hint: "run this in the agent's workspace, or connect it first: moltnet connect AGENT --runtime RUNTIME",
    });
  }
  const as = args.text('as');
  const local = await (at.base_url === undefined ? localServer(io) : localServerAt(at.base_url, io));
  const base_url = at.base_url ?? local!.url;
  const token = at.token ?? (local && personToken(local, { as, speaks }));
  const caller =
    at.token !== undefined || token === undefined ? at.caller : await callerIdentity({ base_url, token });
  const human = caller?.human;
  // A token that was named says who speaks; one that was only found here does not.
  if (speaks && !io.interactive && as === undefined && !(human && at.token !== undefined)) {
    throw new Failure('no client configuration here, and no terminal: it is not known who speaks', {
      hint: 'an agent runs: moltnet connect AGENT …; a script that speaks for a person adds: --as NAME',
    });
  }
  if (!human && !local && !isThisMachine(base_url)) {
    throw new Failure(`a person speaks from the server's own machine; ${base_url} is another`, {
      hint: "open the console there, connect an agent, or name a person's own token (auth.tokens[].human): --token-env NAME",
    });
  }
  if (human && as !== undefined && personId(as) !== human.id && as !== human.name) {
    throw new Failure(`--as ${as}: this token is ${human.id}'s, and nobody signs as another`, {
      hint: `leave --as out, or use the token of ${as}`,
    });
  }
  if (speaks && caller && caller.mode !== 'none' && !caller.can_send_human) {
    const why = caller.scopes.includes('write')
      ? 'messages of people are switched off on this network'
      : `this token may only ${caller.scopes.join(', ') || 'read'}`;
    throw new Failure(`${why}: it does not write as a person`, {
      hint: 'use a token with the scope write',
    });
  }
  const id = human?.id ?? personId(as ?? 'operator');
  const network_id = args.text('network') ?? local?.config.network.id;
  if (local && network_id !== local.config.network.id)
    throw new Failure(`${local.shown} is network ${local.config.network.id}, not ${network_id}`, {
      hint: 'leave --network out, or name the address of that network: --base-url URL',
    });
  return {
    base_url,
    ...(token === undefined ? {} : { token }),
    ...(network_id === undefined ? {} : { network_id }),
    from: { type: 'human', id, ...(!human && as !== undefined && as !== id ? { name: as } : {}) },
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

export function baseUrlFlag(args: Args): string | undefined {
  const url = args.text('base-url');
  return url === undefined ? undefined : serverUrl('base-url', url);
}

/** Only an agent goes over, and only where it is known of which network those others must be (NODE-36). */
function otherUrlsFlag(args: Args): string[] | undefined {
  const urls = args.list('other-url');
  if (urls.length === 0) return undefined;
  if (['base-url', 'network', 'member'].some((name) => args.text(name) === undefined) || args.given('as'))
    throw usageFailure(
      '--other-url names more servers for an agent',
      'add --base-url, --network and --member',
    );
  return urls.map((url) => serverUrl('other-url', url));
}

function serverUrl(flag: string, url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageFailure(`--${flag} ${JSON.stringify(url)} is not a URL`, 'write http://host:port');
  return url.replace(/\/+$/, '');
}

/** A token named on the command line. `path: false`: `--token-path` says where one is to be written. */
export function tokenOf(args: Args, io: Io, from: { path?: false } = {}): string | undefined {
  const [token, token_env, token_path] = [
    args.text('token'),
    args.text('token-env'),
    from.path === false ? undefined : args.text('token-path'),
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
