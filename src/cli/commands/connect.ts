import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { isLocalAgentId } from '../../protocol/ids.ts';
import { WAKE_POLICIES, type WakePolicy } from '../../protocol/wake.ts';
import { readClientFile } from '../../config/client.ts';
import { upsertClientConfig } from '../../config/client-write.ts';
import { didYouMean } from '../../config/issues.ts';
import { ensurePrivateDir, writeFileAtomic } from '../../config/private-files.ts';
import { hasTokenSource, resolveToken, storeToken } from '../../config/tokens.ts';
import type { ClientAttachment, TokenSource } from '../../config/types.ts';
import { RefusedError, type Client } from '../../client/http.ts';
import { allRooms, explain, explained, openClient } from '../api.ts';
import { commandName } from '../command-name.ts';
import type { Args, Command, Io } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { writeIdentity } from '../identity-file.ts';
import { installSkill, skillOf } from '../skill-files.ts';
import { baseUrlFlag, localServerUrl } from '../speaker.ts';

const AUTH_MODES = ['none', 'bearer', 'open'] as const;
const REGISTRATIONS = ['disabled', 'token', 'open'] as const;
const RUNTIMES = ['codex', 'claude-code', 'openclaw', 'picoclaw', 'tinyclaw', 'pi'];

export const command: Command = {
  usage: 'connect <agent-id> [server-url]',
  summary: 'let an agent take part: its configuration, its identity and the skill',
  positionals: 2,
  flags: [
    { name: 'runtime', value: 'RUNTIME', what: RUNTIMES.join(', '), fallback: 'openclaw' },
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
    const plan = await makePlan(args, io);
    const { attachment, workspace, runtime } = plan;
    const client = openClient({ base_url: attachment.base_url });
    const say = (line: string): Promise<void> => io.out(`${line}\n`);

    prepareWorkspace(workspace);
    const server = await lookAtServer(client, plan, io);
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
      await say(`registered agent ${attachment.member_id} on network ${attachment.network_id}`);
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

interface Plan {
  attachment: ClientAttachment;
  workspace: string;
  runtime: string;
  wake: WakePolicy;
  /** Whether the network was named, so that the server need not be asked for it. */
  network_given: boolean;
}

async function makePlan(args: Args, io: Io): Promise<Plan> {
  const words = [...args.positionals];
  const urlAt = words.findIndex((word) => /^https?:\/\//.test(word));
  const url = urlAt < 0 ? undefined : words.splice(urlAt, 1)[0]!.replace(/\/+$/, '');
  if (url !== undefined && !URL.canParse(url))
    throw usageFailure(`${JSON.stringify(url)} is not a URL`, 'write http://host:port');
  const member_id = args.text('member-id') ?? words.shift();
  if (words.length > 0) throw usageFailure(`too much on the command line: ${JSON.stringify(words[0])}`);
  if (member_id === undefined)
    throw usageFailure('the id of the agent is missing', 'write: moltnet connect my-agent --runtime codex');
  if (!isLocalAgentId(member_id))
    throw usageFailure(
      `${JSON.stringify(member_id)} is not an agent id`,
      'use 1 to 128 letters, digits, . _ - and begin with a letter or digit',
    );

  const runtime = runtimeOf(args);
  const wake = oneOf('wake', args.text('wake') ?? 'mentions', WAKE_POLICIES);
  const workspace = path.resolve(io.cwd, args.text('workspace') ?? '.');
  const base_url = baseUrlFlag(args) ?? url ?? (await localServerUrl(io));
  const network_id = args.text('network-id') ?? '';
  const stored = storedEntry(workspace, base_url, member_id, network_id);
  const rooms = args.list('rooms');
  return {
    attachment: {
      ...(args.text('agent-name') === undefined
        ? stored?.agent_name === undefined
          ? {}
          : { agent_name: stored.agent_name }
        : { agent_name: args.text('agent-name')! }),
      auth: authOf(args, stored),
      base_url,
      dms: { enabled: args.on('enable-dms') ?? stored?.dms?.enabled ?? true },
      member_id,
      network_id,
      rooms: rooms.length > 0 ? rooms.map((id) => ({ id, wake: 'never' })) : (stored?.rooms ?? []),
      runtime,
    },
    workspace,
    runtime,
    wake,
    network_given: network_id !== '',
  };
}

/** What an earlier connect of this agent stored; a token that it holds is worth keeping. */
function storedEntry(
  workspace: string,
  base_url: string,
  member_id: string,
  network_id: string,
): ClientAttachment | undefined {
  const file = path.join(workspace, '.moltnet', 'config.json');
  if (!existsSync(file)) return undefined;
  return readClientFile(file).attachments.find(
    (a) =>
      a.member_id === member_id &&
      (network_id === '' ? a.base_url === base_url : a.network_id === network_id),
  );
}

function authOf(args: Args, stored: ClientAttachment | undefined): ClientAttachment['auth'] {
  const [token, token_env, token_path] = [
    args.text('token'),
    args.text('token-env'),
    args.text('token-path'),
  ];
  const given: TokenSource = {
    ...(token === undefined ? {} : { token }),
    ...(token_env === undefined ? {} : { token_env }),
    ...(token_path === undefined ? {} : { token_path }),
  };
  const modeFlag = args.text('auth-mode');
  const mode = modeFlag === undefined ? undefined : oneOf('auth-mode', modeFlag, AUTH_MODES);
  const registrationFlag = args.text('registration');
  const registration =
    registrationFlag === undefined
      ? mode === 'open'
        ? 'open'
        : stored?.auth.registration
      : oneOf('registration', registrationFlag, REGISTRATIONS);
  const kept = stored?.auth;
  const source: TokenSource = hasTokenSource(given)
    ? given
    : {
        ...(kept?.token === undefined ? {} : { token: kept.token }),
        ...(kept?.token_env === undefined ? {} : { token_env: kept.token_env }),
        ...(kept?.token_path === undefined ? {} : { token_path: kept.token_path }),
      };
  const effective =
    mode ??
    (registrationFlag === 'open' ? 'bearer' : hasTokenSource(given) ? 'bearer' : (kept?.mode ?? 'none'));
  if (effective === 'bearer' && !hasTokenSource(source) && registration !== 'open')
    throw usageFailure('auth mode bearer needs a token', 'add --token-path FILE, or --token-env NAME');
  return { mode: effective, ...(registration === undefined ? {} : { registration }), ...source };
}

function runtimeOf(args: Args): string {
  const given = args.text('runtime') ?? 'openclaw';
  const runtime = given === 'claude' ? 'claude-code' : given;
  if (RUNTIMES.includes(runtime)) return runtime;
  const near = didYouMean(runtime, RUNTIMES);
  if (near !== undefined || args.given('node') || !/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(runtime))
    throw usageFailure(
      `${JSON.stringify(given)} is not a runtime${near ? `; did you mean ${near}?` : ''}`,
      `known: ${RUNTIMES.join(', ')}`,
    );
  return runtime;
}

function oneOf<const T extends string>(flag: string, value: string, values: readonly T[]): T {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined)
    throw usageFailure(
      `--${flag} ${JSON.stringify(value)} is not one of its values`,
      `write ${values.join(', ')}`,
    );
  return found;
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
async function lookAtServer(client: Client, plan: Plan, io: Io): Promise<{ rooms: string[] } | undefined> {
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
async function register(plan: Plan, reachable: boolean, io: Io) {
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
