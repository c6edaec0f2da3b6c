/** What `moltnet connect` is to do: its words, what an earlier connect stored, and this machine's server. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { defined } from '../config/check.ts';
import { readClientFile } from '../config/client.ts';
import { didYouMean } from '../config/issues.ts';
import { hasTokenSource } from '../config/tokens.ts';
import { OPEN_FIX, openAmongSecure } from '../config/urls.ts';
import type { ClientAttachment, TokenSource } from '../config/types.ts';
import { isId, isLocalAgentId, isNetworkId, parseMemberId } from '../protocol/ids.ts';
import { RUNTIME_KINDS } from '../runtimes/registry.ts';
import { CATCH_UP_POLICIES, WAKE_POLICIES, type CatchUpPolicy, type WakePolicy } from '../protocol/wake.ts';
import { claimCode } from './claim.ts';
import type { Args, Io } from './command.ts';
import { usageFailure } from './failure.ts';
import { localServer } from './local-server.ts';
import { baseUrlFlag } from './speaker.ts';

export const AUTH_MODES = ['none', 'bearer', 'open'] as const;
export const REGISTRATIONS = ['disabled', 'token', 'open'] as const;

export interface ConnectPlan {
  attachment: ClientAttachment;
  workspace: string;
  runtime: string;
  wake: WakePolicy;
  /** Undefined, or none: as the node file has it. */
  catch_up: CatchUpPolicy | undefined;
  dms_from: string[];
  /** Whether the network was named, so that the server need not be asked for it. */
  network_given: boolean;
  /** Neither said now nor stored: the server tells which auth mode it has. */
  auth_unknown: boolean;
  /** Admits the agent to its id. */
  claim_code?: string | undefined;
}

/** Throws a usage Failure for a command line that cannot be meant. */
export async function planConnect(args: Args, io: Io): Promise<ConnectPlan> {
  const words = [...args.positionals];
  const isUrl = (word: string): boolean => /^https?:\/\//.test(word);
  const urls = words.filter(isUrl).map((word) => word.replace(/\/+$/, ''));
  words.splice(0, words.length, ...words.filter((word) => !isUrl(word)));
  for (const url of urls)
    if (!URL.canParse(url))
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

  const wake = oneOf('wake', args.text('wake') ?? 'mentions', WAKE_POLICIES);
  const catch_up = args.text('catch-up');
  const dms_from = args.list('dms-from').map((id) => id.replace(/^@/, ''));
  for (const id of dms_from)
    if (!parseMemberId(id)) throw usageFailure(`--dms-from ${JSON.stringify(id)} is not an agent or person`);
  const workspace = path.resolve(io.cwd, args.text('workspace') ?? '.');
  const base_url = baseUrlFlag(args) ?? urls[0] ?? (await localServer(io)).url;
  const others = [...new Set(urls)].filter((url) => url !== base_url);
  const open = openAmongSecure([base_url, ...others]);
  if (open !== undefined)
    throw usageFailure(`${open} is without TLS, and others of this network are with it`, OPEN_FIX);
  const network_id = args.text('network-id') ?? '';
  if (network_id !== '' && !isNetworkId(network_id))
    throw usageFailure(
      `${JSON.stringify(network_id)} is not the id of a network`,
      "leave --network-id out, and the server's is taken",
    );
  const stored = storedEntry(workspace, base_url, member_id, network_id);
  const runtime = runtimeOf(args, stored?.runtime);
  const rooms = args.list('rooms');
  for (const id of rooms)
    if (!isId(id))
      throw usageFailure(
        `--rooms ${JSON.stringify(id)} is not the id of a room`,
        'write ids, as a comma list',
      );
  const claim_code = claimCode(args, io);
  const auth = authOf(args, stored, claim_code !== undefined);
  return {
    attachment: {
      ...defined({ agent_name: args.text('agent-name') ?? stored?.agent_name }),
      auth,
      base_url,
      ...defined({ other_urls: others.length > 0 ? others : stored?.other_urls }),
      dms: { enabled: args.on('enable-dms') ?? stored?.dms?.enabled ?? true },
      member_id,
      network_id,
      rooms: rooms.length > 0 ? rooms.map((id) => ({ id, wake: 'never' })) : (stored?.rooms ?? []),
      runtime,
    },
    workspace,
    runtime,
    wake,
    catch_up: catch_up === undefined ? undefined : oneOf('catch-up', catch_up, CATCH_UP_POLICIES),
    dms_from,
    network_given: network_id !== '',
    auth_unknown:
      auth.mode === 'none' &&
      auth.registration === undefined &&
      !hasTokenSource(auth) &&
      args.text('auth-mode') === undefined,
    claim_code,
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

/** What is said now goes before what is stored; a token source that is named replaces the stored one. */
function authOf(
  args: Args,
  stored: ClientAttachment | undefined,
  hasCode: boolean,
): ClientAttachment['auth'] {
  const given: TokenSource = defined({
    token: args.text('token'),
    token_env: args.text('token-env'),
    token_path: args.text('token-path'),
  });
  const kept = stored?.auth;
  const modeFlag = args.text('auth-mode');
  const mode = modeFlag === undefined ? undefined : oneOf('auth-mode', modeFlag, AUTH_MODES);
  const registrationFlag = args.text('registration');
  const registration =
    registrationFlag === undefined
      ? mode === 'open'
        ? 'open'
        : kept?.registration
      : oneOf('registration', registrationFlag, REGISTRATIONS);
  const source: TokenSource = hasTokenSource(given)
    ? given
    : defined({ token: kept?.token, token_env: kept?.token_env, token_path: kept?.token_path });
  const implied =
    registrationFlag === 'open' || hasTokenSource(given) || hasCode ? 'bearer' : (kept?.mode ?? 'none');
  const effective = mode ?? implied;
  if (effective === 'bearer' && !hasTokenSource(source) && registration !== 'open' && !hasCode)
    throw usageFailure(
      'auth mode bearer needs a token',
      "add --claim-code CODE, --token-path FILE or --token-env NAME; on the server's own machine leave --auth-mode out",
    );
  return { mode: effective, ...defined({ registration }), ...source };
}

function runtimeOf(args: Args, stored: string | undefined): string {
  const given = args.text('runtime') ?? stored ?? 'openclaw';
  const runtime = given === 'claude' ? 'claude-code' : given;
  if (RUNTIME_KINDS.includes(runtime)) return runtime;
  const near = didYouMean(runtime, RUNTIME_KINDS);
  if (near !== undefined || args.given('node') || !/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(runtime))
    throw usageFailure(
      `${JSON.stringify(given)} is not a runtime${near ? `; did you mean ${near}?` : ''}`,
      `known: ${RUNTIME_KINDS.join(', ')}`,
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
