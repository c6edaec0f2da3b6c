import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { WAKE_POLICIES } from '../../protocol/wake.ts';
import { upsertClientConfig } from '../../config/client-write.ts';
import { ensurePrivateDir, writeFileAtomic } from '../../config/private-files.ts';
import { resolveToken, storeToken } from '../../config/tokens.ts';
import { RefusedError, type Client } from '../../client/http.ts';
import { allRooms, explain, explained, openClient } from '../api.ts';
import { commandName } from '../command-name.ts';
import type { Command, Io } from '../command.ts';
import { AUTH_MODES, planConnect, REGISTRATIONS, RUNTIMES, type ConnectPlan } from '../connect-plan.ts';
import { Failure, usageFailure } from '../failure.ts';
import { writeIdentity } from '../identity-file.ts';
import { installSkill, skillOf } from '../skill-files.ts';

export const command: Command = {
  usage: 'connect <agent-id> [server-url]',
  summary: 'let an agent take part: its configuration, its identity and the skill',
  positionals: 2,
  flags: [
    { name: 'runtime', value: 'RUNTIME', what: RUNTIMES.join(', '), fallback: 'as before, else openclaw' },
    { name: 'workspace', value: 'DIR', what: "the agent's folder", fallback: '.' },
    {
      name: 'rooms',
      value: 'ID',
      many: true,
      what: 'its rooms, as a comma list',
      fallback: 'general, if there is one',
    },
    {
      name: 'node',
      value: 'FILE',
      takes: looksLikeNodeFile,
      what: 'also add it to a node file, so that messages wake it',
      fallback: 'MoltnetNode',
    },
    { name: 'wake', value: 'POLICY', what: `with --node: ${WAKE_POLICIES.join(', ')}`, fallback: 'mentions' },
    { name: 'enable-dms', what: 'direct messages', fallback: 'true' },
    { name: 'install-skill', what: 'write the skill into the workspace', fallback: 'true' },
    { name: 'member-id', value: 'ID', what: "the agent's id, in place of the first word" },
    { name: 'agent-name', value: 'NAME', what: 'display name', fallback: 'the id' },
    { name: 'base-url', value: 'URL', what: 'address of the server', fallback: "this machine's own" },
    { name: 'network-id', value: 'ID', what: 'the network', fallback: "the server's" },
    { name: 'auth-mode', value: 'MODE', what: AUTH_MODES.join(', '), fallback: 'none' },
    {
      name: 'registration',
      value: 'R',
      what: `${REGISTRATIONS.join(', ')}: open claims the id and keeps the token`,
    },
    { name: 'token', value: 'TOKEN', what: 'bearer token; better: --token-env or --token-path' },
    { name: 'token-env', value: 'NAME', what: 'environment variable that holds the token' },
    {
      name: 'token-path',
      value: 'FILE',
      what: "file that holds the token, from the workspace's .moltnet folder",
    },
  ],
  details: `moltnet connect alpha --runtime codex --workspace ~/project --node
moltnet node start

In auth mode none the agent is registered as well, so that @alpha means it from now on; without that, a message
would find nobody of that name until the agent first attached.`,
  async run(args, io) {
    const plan = await planConnect(args, io);
    const { attachment, workspace, runtime } = plan;
    if (args.given('node')) await requireRunnable(runtime);
    const client = openClient({ base_url: attachment.base_url });
    const say = (line: string): Promise<void> => io.out(`${line}\n`);

    const server = await lookAtServer(client, plan, io);
    prepareWorkspace(workspace);
    if (attachment.rooms.length === 0 && server?.rooms.includes('general'))
      attachment.rooms = [{ id: 'general', wake: 'never' }];
    if (server)
      for (const { id } of attachment.rooms)
        if (!server.rooms.includes(id))
          io.err(`moltnet: network ${attachment.network_id} has no room ${id} yet\n`);

    const registered = await register(plan, server !== undefined, io);
    const file = path.join(workspace, '.moltnet', 'config.json');
    upsertClientConfig(file, attachment, { name: attachment.agent_name ?? attachment.member_id, runtime });
    if (registered) {
      writeIdentity(workspace, registered);
      await say(
        `registered agent ${attachment.member_id} on network ${attachment.network_id}: @${attachment.member_id} means it from now on`,
      );
    }
    if (args.on('install-skill') !== false) {
      const skill = await skillOf(server && { base_url: attachment.base_url });
      await say(`installed skill ${installSkill(workspace, runtime, skill).join(', ')}`);
    }
    await say(`wrote Moltnet client config ${file}`);
    if (!args.given('node')) return say(`next: to have messages wake it, run this again with --node`);

    const { nodeFilePath, upsertNodeFile } = await import('../node-file.ts');
    const nodeFile = nodeFilePath(io.cwd, args.text('node'));
    const { token_env, token_path, mode } = attachment.auth;
    const entry = {
      base_url: attachment.base_url,
      network_id: attachment.network_id,
      agent: {
        id: attachment.member_id,
        ...(attachment.agent_name === undefined ? {} : { name: attachment.agent_name }),
      },
      auth: {
        mode,
        ...(token_env === undefined ? {} : { token_env }),
        ...(token_path === undefined ? {} : { token_path: path.resolve(path.dirname(file), token_path) }),
      },
      runtime: { kind: runtime, workspace_path: workspace },
      rooms: attachment.rooms.map(({ id }) => ({ id, wake: plan.wake })),
      rebind: args.given('wake'),
      dms: { enabled: attachment.dms?.enabled ?? false },
    };
    const outcome = upsertNodeFile(nodeFile, entry, { cwd: io.cwd, env: io.env });
    await say(`${outcome === 'unchanged' ? 'kept' : 'wrote'} ${nodeFile}`);
    const inPlace = path.dirname(nodeFile) === path.resolve(io.cwd) && !args.text('node');
    await say(`next: ${commandName(io.env)} node start${inPlace ? '' : ` ${nodeFile}`}`);
  },
};

/** Said here, and not only when the node starts. */
async function requireRunnable(runtime: string): Promise<void> {
  const { RUNTIME_KINDS } = await import('../../runtimes/registry.ts');
  if (!RUNTIME_KINDS.includes(runtime))
    throw usageFailure(
      `the node of this version cannot run ${runtime}`,
      `say what the agent is: ${RUNTIME_KINDS.map((kind) => `--runtime ${kind}`).join(' or ')}; without --node it is connected all the same`,
    );
}

/** Nothing is registered before it is certain that the answer can be kept. */
function prepareWorkspace(workspace: string): void {
  if (existsSync(workspace) && !statSync(workspace).isDirectory())
    throw new Failure(`${workspace} is not a folder`);
  mkdirSync(workspace, { recursive: true });
  const dir = path.join(workspace, '.moltnet');
  ensurePrivateDir(dir);
  // What stands there is for this machine only, and may be a token.
  const ignore = path.join(dir, '.gitignore');
  if (!existsSync(ignore)) writeFileAtomic(ignore, '*\n', 0o644);
}

/** Undefined when the server cannot be asked and need not be. Fills in the network's id. */
async function lookAtServer(
  client: Client,
  plan: ConnectPlan,
  io: Io,
): Promise<{ rooms: string[] } | undefined> {
  const { attachment } = plan;
  try {
    const network = await client.network();
    if (!plan.network_given) attachment.network_id = network.id;
    else if (network.id !== attachment.network_id)
      throw new Failure(
        `the server at ${client.baseUrl} is network ${network.id}, not ${attachment.network_id}`,
        { hint: `leave --network-id out, or write ${network.id}` },
      );
    const rooms = await allRooms(client).catch(() => []);
    return { rooms: rooms.map(({ id }) => id) };
  } catch (error) {
    const failure = explain(error);
    if (!(failure instanceof Failure) || error instanceof Failure) throw error;
    // A server that wants a token may still let the agent claim its id.
    if (plan.network_given && error instanceof RefusedError && (error.status === 401 || error.status === 403))
      return { rooms: attachment.rooms.map(({ id }) => id) };
    if (!plan.network_given || attachment.auth.registration === 'open') throw failure;
    io.err(`moltnet: ${failure.message}; the agent will be registered when it first attaches\n`);
    return undefined;
  }
}

/** Mode none: so that mentions find the agent at once. Registration open: to claim the id, and keep the token. */
async function register(plan: ConnectPlan, reachable: boolean, io: Io) {
  const { attachment, workspace } = plan;
  const { auth } = attachment;
  const open = auth.registration === 'open';
  if (!reachable || (auth.mode !== 'none' && !open)) return undefined;
  const dir = path.join(workspace, '.moltnet');
  const token =
    auth.mode === 'none' && !open
      ? undefined
      : resolveToken(auth, { env: io.env, base: dir, missing_file: 'none' });
  const client = openClient({ base_url: attachment.base_url, ...(token === undefined ? {} : { token }) });
  const name = attachment.agent_name;
  const registration = await explained(() =>
    client.registerAgent({
      requested_agent_id: attachment.member_id,
      ...(name === undefined ? {} : { name }),
    }),
  );
  if (registration.agent_token !== undefined) {
    if (auth.token_path !== undefined)
      storeToken(path.resolve(dir, auth.token_path), registration.agent_token);
    else if (auth.token_env === undefined) auth.token = registration.agent_token;
  }
  return registration;
}

/** `--node other/MoltnetNode` against `--node alpha`: only what looks like a node file is taken as the flag's value. */
function looksLikeNodeFile(next: string): boolean {
  return (
    !next.startsWith('-') &&
    !next.includes('://') &&
    (/MoltnetNode$|\.(ya?ml|json)$/.test(next) || next.endsWith('/'))
  );
}
