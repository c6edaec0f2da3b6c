/** Commands that look after a network: with which server they speak, and with which credential. */
import path from 'node:path';
import { discover, SERVER_FILES } from '../config/discover.ts';
import { loadClientConfig, selectAttachment } from '../config/client.ts';
import type { Client } from '../client/http.ts';
import { openClient, type ServerAddress } from './api.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure } from './failure.ts';
import { adminToken, localServer, type LocalServer } from './local-server.ts';
import { baseUrlFlag, clientToken, tokenOf } from './speaker.ts';

export const ADMIN_FLAGS: readonly Flag[] = [
  { name: 'base-url', value: 'URL', what: 'address of the server', fallback: "this machine's own" },
  { name: 'config', value: 'FILE', what: 'client configuration to take address and token from' },
  {
    name: 'network',
    value: 'ID',
    what: 'which network, of the server file here or the client configuration',
  },
  { name: 'member', value: 'ID', what: 'which agent of the client configuration' },
  { name: 'token', value: 'TOKEN', what: 'bearer token; better: --token-env or --token-path' },
  { name: 'token-env', value: 'NAME', what: 'environment variable that holds the token' },
  { name: 'token-path', value: 'FILE', what: 'file that holds the token' },
  { name: 'auth-mode', value: 'MODE', what: 'none, bearer or open; follows from the token' },
];

/** The same without flags that mean something else to a command. */
export const adminFlagsWithout = (...names: string[]): readonly Flag[] =>
  ADMIN_FLAGS.filter((flag) => !names.includes(flag.name));

export interface AdminOptions {
  /** `--member` and `--token-path` mean something else to the command. */
  member?: false;
  token_path?: false;
}

export interface FoundServer extends ServerAddress {
  /** The server's own configuration, where it is what said the address. */
  local?: LocalServer;
}

/**
 * `--base-url`, else the server of this machine where its file is, else the client configuration, else this machine's
 * default address. An agent that the node started, and who names `--config` or `--member`, means the client's.
 */
export async function findServer(args: Args, io: Io, options: AdminOptions = {}): Promise<FoundServer> {
  const token = tokenOf(args, io, options.token_path === false ? { path: false } : {});
  const withToken = token === undefined ? {} : { token };
  const base_url = baseUrlFlag(args);
  if (base_url !== undefined) return { base_url, ...withToken };
  const [config, network] = [args.text('config'), args.text('network')];
  const member = options.member === false ? undefined : args.text('member');
  const asClient = (config ?? member ?? (io.env['MOLTNET_CLIENT_CONFIG']?.trim() || undefined)) !== undefined;
  const hasFile = discover({ cwd: io.cwd, env: io.env }, 'MOLTNET_CONFIG', SERVER_FILES) !== undefined;
  const local = hasFile && !asClient ? await localServer(io) : undefined;
  if (local && (network === undefined || local.config.network.id === network))
    return { base_url: local.url, ...withToken, local };
  const client = loadClientConfig({
    cwd: io.cwd,
    env: io.env,
    ...(config === undefined ? {} : { path: config }),
  });
  if (client) {
    const attachment = selectAttachment(client, {
      ...(network === undefined ? {} : { network }),
      ...(member === undefined ? {} : { member }),
    });
    if ('problem' in attachment) throw new Failure(attachment.problem, { hint: attachment.fix });
    const known = token ?? clientToken(attachment, io.env, path.dirname(path.resolve(client.path)));
    return {
      base_url: attachment.base_url,
      ...(attachment.other_urls === undefined ? {} : { other_urls: attachment.other_urls }),
      network_id: attachment.network_id,
      ...(known === undefined ? {} : { token: known }),
    };
  }
  if (local)
    throw new Failure(`${local.shown} is network ${local.config.network.id}, not ${network}`, {
      hint: 'run this in the folder of that network, or name its address: --base-url URL',
    });
  const here = await localServer(io);
  return { base_url: here.url, ...withToken, local: here };
}

/** The same with the right to look after it: on the server's own machine its file has the token. */
export async function openAdminClient(args: Args, io: Io, options: AdminOptions = {}): Promise<Client> {
  return (await openAdmin(args, io, options)).client;
}

/** Also the address under which others reach the server, as far as it is known. */
export async function openAdmin(
  args: Args,
  io: Io,
  options: AdminOptions = {},
): Promise<{ client: Client; public_url: string }> {
  const { local, token, ...server } = await findServer(args, io, options);
  const known = token ?? (local && adminToken(local));
  return {
    client: openClient({ ...server, ...(known === undefined ? {} : { token: known }) }),
    public_url: local?.config.server.public_url ?? server.base_url,
  };
}
