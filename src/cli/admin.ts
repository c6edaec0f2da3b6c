/** Commands that look after a network: with which server they speak, and with which credential. */
import path from 'node:path';
import { loadClientConfig, selectAttachment } from '../config/client.ts';
import type { Client } from '../client/http.ts';
import { openClient } from './api.ts';
import type { Args, Flag, Io } from './command.ts';
import { Failure } from './failure.ts';
import { baseUrlFlag, clientToken, localServerUrl, tokenOf } from './speaker.ts';

export const ADMIN_FLAGS: readonly Flag[] = [
  { name: 'base-url', value: 'URL', what: 'address of the server', fallback: "this machine's own" },
  { name: 'config', value: 'FILE', what: 'client configuration to take address and token from' },
  { name: 'network', value: 'ID', what: 'which network of the client configuration' },
  { name: 'member', value: 'ID', what: 'which agent of the client configuration' },
  { name: 'token', value: 'TOKEN', what: 'bearer token; better: --token-env or --token-path' },
  { name: 'token-env', value: 'NAME', what: 'environment variable that holds the token' },
  { name: 'token-path', value: 'FILE', what: 'file that holds the token' },
  { name: 'auth-mode', value: 'MODE', what: 'none, bearer or open; follows from the token' },
];

/** The same without `member`, where that flag means something else. */
export const ADMIN_FLAGS_WITHOUT_MEMBER: readonly Flag[] = ADMIN_FLAGS.filter(
  (flag) => flag.name !== 'member',
);

/** `--base-url`, else the client configuration, else the server of this machine. */
export async function openAdminClient(args: Args, io: Io, options: { member?: false } = {}): Promise<Client> {
  const token = tokenOf(args, io);
  const base_url = baseUrlFlag(args);
  if (base_url !== undefined) return openClient({ base_url, ...(token === undefined ? {} : { token }) });
  const [config, network] = [args.text('config'), args.text('network')];
  const member = options.member === false ? undefined : args.text('member');
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
    return openClient({ base_url: attachment.base_url, ...(known === undefined ? {} : { token: known }) });
  }
  return openClient({ base_url: await localServerUrl(io), ...(token === undefined ? {} : { token }) });
}
