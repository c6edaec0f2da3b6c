import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { CATCH_UP_POLICIES, WAKE_POLICIES } from '../../protocol/wake.ts';
import { upsertClientConfig } from '../../config/client-write.ts';
import { ensurePrivateDir, writeFileAtomic } from '../../config/private-files.ts';
import { storeToken } from '../../config/tokens.ts';
import { RUNTIME_KINDS } from '../../runtimes/registry.ts';
import { allRooms, openClient } from '../api.ts';
import { CLAIM_FLAGS } from '../claim.ts';
import { commandName } from '../command-name.ts';
import type { Command } from '../command.ts';
import { joinNetwork, lookAtServer } from '../connect-join.ts';
import { AUTH_MODES, planConnect, REGISTRATIONS, type ConnectPlan } from '../connect-plan.ts';
import { Failure } from '../failure.ts';
import { writeIdentity } from '../identity-file.ts';
import { openClawChannel } from '../openclaw-channel.ts';
import { requireRunnable } from '../runnable-runtime.ts';
import { installSkill, skillOf } from '../skill-files.ts';

export const command: Command = {
  usage: 'connect <agent-id> [server-url…]',
  summary: 'let an agent take part: its configuration, its identity and the skill',
  positionals: 9,
  flags: [
    {
      name: 'runtime',
      value: 'RUNTIME',
      what: RUNTIME_KINDS.join(', '),
      fallback: 'as before, else openclaw',
    },
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
    {
      name: 'catch-up',
      value: 'POLICY',
      what: `with --node: ${CATCH_UP_POLICIES.join(', ')} of what was said while it was away wakes it`,
    },
    {
      name: 'dms-from',
      value: 'ID',
      many: true,
      what: 'with --node: only DMs of these people and agents wake it',
    },
    { name: 'enable-dms', what: 'direct messages', fallback: 'true' },
    { name: 'install-skill', what: 'write the skill into the workspace', fallback: 'true' },
    { name: 'member-id', value: 'ID', what: "the agent's id, in place of the first word" },
    { name: 'agent-name', value: 'NAME', what: 'display name', fallback: 'the id' },
    { name: 'base-url', value: 'URL', what: 'address of the server', fallback: "this machine's own" },
    { name: 'network-id', value: 'ID', what: 'the network', fallback: "the server's" },
    { name: 'auth-mode', value: 'MODE', what: AUTH_MODES.join(', '), fallback: "the server's" },
    {
      name: 'registration',
      value: 'R',
      what: `${REGISTRATIONS.join(', ')}: open claims the id and keeps the token`,
    },
    ...CLAIM_FLAGS,
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

Several addresses are those of servers of one network: when one does not answer, the node and the agent's commands go
over to the next.

In auth mode none the agent is registered, so that @alpha means it from now on. On a server with tokens it claims its
id and keeps the token it is given in .moltnet/alpha.token: by itself where registration is open, on the server's own
machine from the folder of its Moltnet file, else with a code (moltnet admin agent invite alpha). Interrupted, the same
command goes on where it ended.`,
  async run(args, io) {
    const plan = await planConnect(args, io);
    const { attachment, workspace, runtime } = plan;
    if (args.given('node')) await requireRunnable(plan, args.text('node'), io);
    const say = (line: string): Promise<void> => io.out(`${line}\n`);

    const server = await lookAtServer(plan, io);
    if (prepareWorkspace(workspace)) await say(`made the folder ${workspace}: there was none`);
    const file = path.join(workspace, '.moltnet', 'config.json');
    const { registration, token } = await joinNetwork(plan, server, io);
    const access = { base_url: attachment.base_url, ...(token === undefined ? {} : { token }) };
    if (server) await settleRooms(plan, access, (text) => io.err(text));
    if (args.given('node')) toTokenFile(attachment, workspace);

    upsertClientConfig(file, attachment, { name: attachment.agent_name ?? attachment.member_id, runtime });
    if (registration) {
      writeIdentity(workspace, registration);
      await say(
        `registered agent ${attachment.member_id} on network ${attachment.network_id}: @${attachment.member_id} means it from now on`,
      );
    }
    if (args.on('install-skill') !== false) {
      const skill = await skillOf(server && access);
      await say(`installed skill ${installSkill(workspace, runtime, skill).join(', ')}`);
    }
    await say(`wrote Moltnet client config ${file}`);
    if (!args.given('node')) {
      await say(`next: to have messages wake it, run this again with --node`);
      if (runtime === 'openclaw')
        for (const line of openClawChannel(attachment, { configFile: file, wake: plan.wake }))
          await say(line);
      return;
    }

    const { nodeFilePath, upsertNodeFile } = await import('../node-file.ts');
    const nodeFile = nodeFilePath(io.cwd, args.text('node'));
    const { token_env, token_path, mode } = attachment.auth;
    const entry = {
      base_url: attachment.base_url,
      ...(attachment.other_urls === undefined ? {} : { other_urls: attachment.other_urls }),
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
      dms: {
        enabled: attachment.dms?.enabled ?? false,
        ...(plan.dms_from.length > 0 ? { allowed_wake_senders: plan.dms_from } : {}),
      },
      ...(plan.catch_up === undefined ? {} : { catch_up: plan.catch_up }),
    };
    const outcome = upsertNodeFile(nodeFile, entry, { cwd: io.cwd, env: io.env });
    await say(`${outcome === 'unchanged' ? 'kept' : 'wrote'} ${nodeFile}`);
    const inPlace = path.dirname(nodeFile) === path.resolve(io.cwd) && !args.text('node');
    await say(`next: ${commandName(io.env)} node start${inPlace ? '' : ` ${nodeFile}`}`);
  },
};

/** Nothing is registered before it is certain that the answer can be kept. True where the folder was not there. */
function prepareWorkspace(workspace: string): boolean {
  if (existsSync(workspace) && !statSync(workspace).isDirectory())
    throw new Failure(`${workspace} is not a folder`);
  const made = mkdirSync(workspace, { recursive: true }) !== undefined;
  const dir = path.join(workspace, '.moltnet');
  ensurePrivateDir(dir);
  // What stands there is for this machine only, and may be a token.
  const ignore = path.join(dir, '.gitignore');
  if (!existsSync(ignore)) writeFileAtomic(ignore, '*\n', 0o644);
  return made;
}

/** The room everybody begins in, when none is named; and a word about those that are not there, or not for it. */
async function settleRooms(
  { attachment }: ConnectPlan,
  access: { base_url: string; token?: string },
  warn: (text: string) => void,
): Promise<void> {
  const rooms = await allRooms(openClient(access)).catch(() => undefined);
  if (!rooms) return;
  const known = new Set(rooms.map(({ id }) => id));
  if (attachment.rooms.length === 0 && known.has('general'))
    attachment.rooms = [{ id: 'general', wake: 'never' }];
  const hidden = access.token === undefined ? '' : ` that ${attachment.member_id} may read`;
  for (const { id } of attachment.rooms)
    if (!known.has(id)) warn(`moltnet: network ${attachment.network_id} has no room ${id}${hidden} yet\n`);
}

/** A node takes its agents' tokens from files of their own: one given on the command line is put into one. */
function toTokenFile({ auth, member_id }: ConnectPlan['attachment'], workspace: string): void {
  if (auth.token === undefined) return;
  const token_path = `${member_id}.token`;
  storeToken(path.join(workspace, '.moltnet', token_path), auth.token);
  delete auth.token;
  auth.token_path = token_path;
}

/** `--node other/MoltnetNode` against `--node alpha`: only what looks like a node file is taken as the flag's value. */
function looksLikeNodeFile(next: string): boolean {
  return (
    !next.startsWith('-') &&
    !next.includes('://') &&
    (/MoltnetNode$|\.(ya?ml|json)$/.test(next) || next.endsWith('/'))
  );
}
