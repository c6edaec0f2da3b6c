import path from 'node:path';
import { resolveCredential } from '../../config/tokens.ts';
import { isLocalAgentId } from '../../protocol/ids.ts';
import { ADMIN_FLAGS, findServer, type FoundServer } from '../admin.ts';
import { explained, openClient } from '../api.ts';
import { claimAgent, claimCode, CLAIM_FLAGS, type Claimed } from '../claim.ts';
import type { Args, Command, Io } from '../command.ts';
import { serverMode } from '../connect-join.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { writeIdentity } from '../identity-file.ts';
import { localServerAt } from '../local-server.ts';

export const command: Command = {
  usage: 'register-agent [id]',
  summary: 'claim an agent id, and note the registration in the workspace',
  positionals: 1,
  flags: [
    { name: 'agent', value: 'ID', what: 'the id; without tokens made from the name when left out' },
    { name: 'name', value: 'NAME', what: 'display name' },
    { name: 'workspace', value: 'DIR', what: "the agent's folder", fallback: '.' },
    { name: 'write-identity', what: 'write .moltnet/identity.json', fallback: 'true' },
    ...CLAIM_FLAGS,
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `The token that a server gives the agent is put into --token-path, else .moltnet/ID.token in the workspace; it is
not printed. Interrupted, the same command goes on where it ended. With a token of your own the agent is bound to that.`,
  async run(args, io) {
    const workspace = path.resolve(io.cwd, args.text('workspace') ?? '.');
    const id = args.text('agent') ?? args.positionals[0];
    const server = await findServer(args, io, { token_path: false });
    const file = tokenFile(args, io, workspace, id);
    const { registration, token } = await explained(() => register(args, io, server, id, file));
    if (registration && args.on('write-identity') !== false) writeIdentity(workspace, registration);
    const { agent_token: _, ...shown } = registration ?? { agent_id: id };
    const kept = token !== undefined && server.token === undefined ? { token_path: file } : {};
    await print(args, io, { ...shown, ...kept }, (color) =>
      [
        registration
          ? `${color.green('registered')} ${registration.agent_id} on network ${registration.network_id}`
          : `${id} is registered already`,
        ...('token_path' in kept ? [`its token is in ${file}`] : []),
      ].join('\n'),
    );
  },
};

async function register(
  args: Args,
  io: Io,
  server: FoundServer,
  agent_id: string | undefined,
  file: string | undefined,
): Promise<Claimed> {
  const name = args.text('name');
  const code = claimCode(args, io);
  const held = file === undefined ? undefined : resolveCredential({ token_path: file });
  const token =
    server.token ?? (held && 'token' in held && args.given('token-path') ? held.token : undefined);
  const client = openClient({ base_url: server.base_url, ...(token === undefined ? {} : { token }) });
  if (token !== undefined || (code === undefined && (await serverMode(client)) === 'none'))
    return {
      registration: await client.registerAgent({
        ...(agent_id === undefined ? {} : { requested_agent_id: agent_id }),
        ...(name === undefined ? {} : { name }),
      }),
    };
  if (agent_id === undefined || file === undefined)
    throw usageFailure(
      agent_id === undefined
        ? 'the id of the agent is missing'
        : `${JSON.stringify(agent_id)} is not an agent id`,
      'this server gives each agent a token, and its file is named after the agent: moltnet register-agent ID',
    );
  const { base_url } = server;
  const local = server.local ?? (await localServerAt(base_url, io));
  return claimAgent({ base_url, agent_id, name, file, code, local });
}

/** Where the token will stand. */
function tokenFile(args: Args, io: Io, workspace: string, id: string | undefined): string | undefined {
  const named = args.text('token-path');
  if (named !== undefined) return path.resolve(io.cwd, named);
  return id === undefined || !isLocalAgentId(id)
    ? undefined
    : path.join(workspace, '.moltnet', `${id}.token`);
}
