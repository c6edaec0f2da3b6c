/** `MoltnetNode`, the node's file, and the bridge file with its one attachment (wire.md 10.2 to 10.4). */
import path from 'node:path';
import { readAge } from './ages.ts';
import { limits as MOST } from '../protocol/limits.ts';
import { CATCH_UP_POLICIES, DEFAULT_CATCH_UP, WAKE_POLICIES, type WakePolicy } from '../protocol/wake.ts';
import {
  agentIdTest,
  defined,
  finish,
  idTest,
  memberTest,
  newCheck,
  note,
  openSection,
  type Check,
  type Section,
} from './check.ts';
import { discover, foundAt, NODE_FILES, type Found, type Where } from './discover.ts';
import { ConfigError, configError, type Path } from './issues.ts';
import { requirePrivate } from './private-files.ts';
import { readRuntime, runtimeKeys, secretKeys, type RuntimeKind } from './runtime-block.ts';
import { jsonSource, readText } from './source.ts';
import { hasTokenSource } from './tokens.ts';
import { readUrls } from './urls.ts';
import type { AttachmentConfig, NodeConfig, TokenSource } from './types.ts';
import { readSource } from './yaml-source.ts';

export const NODE_VERSION = 'moltnet.node.v1';
/** Turns that one node runs at once, over all its workspaces. */
export const DEFAULT_NODE_TURNS = 4;

const TOKEN_KEYS = ['token', 'token_env', 'token_path'] as const;
const NETWORK_KEYS = [
  'base_url',
  'other_urls',
  'network_id',
  'auth_mode',
  'registration',
  'static_token',
  ...TOKEN_KEYS,
];
const ATTACHMENT_KEYS = ['agent', 'runtime', 'rooms', 'dms', 'catch_up', 'bootstrap', 'publish'];
/** The last four are hints of a client's configuration; a node passes them over. */
const ROOM_KEYS = ['id', 'wake', 'visibility', 'write_policy', 'can_write', 'access'];
/** Seconds. */
const MAX_AGE = MOST.catch_up_age.value;
const PUBLISH = ['explicit', 'final'] as const;
const DM_WAKES = ['all', 'mentions', 'never'] as const;

/**
 * The node's configuration from the file named, `MOLTNET_NODE_CONFIG`, or the first of MoltnetNode,
 * moltnet-node.yaml, .yml, .json. Throws a ConfigError with every mistake, or when there is no file.
 * @param kinds the runtimes that it may name: the registry of the runtimes
 */
export function loadNodeConfig(where: Where, kinds: readonly RuntimeKind[]): NodeConfig {
  const found = discover(where, 'MOLTNET_NODE_CONFIG', NODE_FILES);
  if (!found)
    throw configError(
      where.cwd,
      `has no node file (${NODE_FILES.join(', ')})`,
      'make one with: moltnet connect … --node, or moltnet init; or name one: moltnet node start PATH',
    );
  const check = newCheck(readSource(found.file, found.shown));
  const root = openSection(check, [], check.source.value, ['version', 'moltnet', 'attachments', 'max_turns']);
  root.text('version', (v) =>
    v === NODE_VERSION ? undefined : { problem: `is ${JSON.stringify(v)}`, fix: `write ${NODE_VERSION}` },
  );
  const network = root.section('moltnet', NETWORK_KEYS);
  const blocks = root.sections('attachments', ['moltnet', ...ATTACHMENT_KEYS]);
  if (!network && blocks.length > 0)
    note(check, ['moltnet'], 'is missing', 'write moltnet: with base_url and network_id');
  const seen = new Map<string, number>();
  const attachments = blocks.map((block, index) => {
    const attachment = readAttachment(check, block, network, {
      found,
      cwd: where.cwd,
      kinds,
      own: TOKEN_KEYS,
    });
    const first = seen.get(attachment.agent.id);
    if (attachment.agent.id !== '' && first !== undefined)
      note(
        check,
        [...block.path, 'agent', 'id'],
        `${JSON.stringify(attachment.agent.id)} stands at attachments[${first}] too`,
        'an agent has one attachment in a node',
      );
    seen.set(attachment.agent.id, first ?? index);
    return attachment;
  });
  checkPrivacy(check, found, attachments, kinds);
  const max_turns = root.number('max_turns', 1, 64) ?? DEFAULT_NODE_TURNS;
  finish(check);
  return { path: found.file, attachments, max_turns };
}

/** A bridge file: JSON, `version` present, unknown keys passed over, one attachment without a list around it. */
export function loadBridgeConfig(
  file: string,
  where: { cwd: string },
  kinds: readonly RuntimeKind[],
): NodeConfig {
  const found = foundAt(where.cwd, file);
  const check = newCheck(jsonSource(found.shown, readText(found.file)));
  const root = openSection(check, [], check.source.value, 'any');
  root.required('version');
  const network = root.section('moltnet', 'any');
  if (!network) note(check, ['moltnet'], 'is missing', 'write "moltnet": {"base_url": …, "network_id": …}');
  const attachment = readAttachment(check, root, network, { found, cwd: where.cwd, kinds, own: 'any' });
  checkPrivacy(check, found, [attachment], kinds);
  finish(check);
  return { path: found.file, attachments: [attachment], max_turns: DEFAULT_NODE_TURNS };
}

/**
 * One attachment out of a block of keys of somebody else's configuration file, which holds those of the network and of
 * the attachment side by side, without an inline token. Throws a ConfigError with every mistake.
 * @param at where the block stands in that file, for the mistakes
 * @param own further keys that the block may have, which are not read here
 */
export function readFlatAttachment(
  value: unknown,
  { file, at, kinds, own }: { file: string; at: Path; kinds: readonly RuntimeKind[]; own: readonly string[] },
): AttachmentConfig {
  const cwd = path.dirname(file);
  const found = foundAt(cwd, file);
  const check = newCheck({ file: found.shown, value, locate: () => undefined });
  const block = openSection(check, at, value, [...NETWORK_KEYS, ...ATTACHMENT_KEYS, ...own]);
  if (block.has('token'))
    block.note(
      'token',
      'is not taken from this file',
      'put it into a file of its own (0600) and write token_path, or into a variable and write token_env',
    );
  const attachment = readAttachment(check, block, block, { found, cwd, kinds, own: [] });
  finish(check);
  return attachment;
}

interface Reading {
  found: Found;
  cwd: string;
  kinds: readonly RuntimeKind[];
  /** The keys an attachment's own `moltnet` block may have; 'any' for a bridge, where that block is the shared one. */
  own: readonly string[] | 'any';
}

function readAttachment(
  check: Check,
  block: Section,
  network: Section | undefined,
  { found, cwd, kinds, own }: Reading,
): AttachmentConfig {
  const bridge = own === 'any';
  const agent = block.section('agent', bridge ? 'any' : ['id', 'name']);
  if (!agent) block.note('agent', 'is missing', 'write agent: {id: …}');
  const id = agent?.required('id', agentIdTest) ?? '';
  const name = agent?.text('name');
  const runtime = readRuntime(
    block.section('runtime', bridge ? 'any' : runtimeKeys(kinds)),
    block,
    cwd,
    kinds,
  );
  const dms = block.section('dms', bridge ? 'any' : ['enabled', 'wake', 'allowed_wake_senders']);
  const allowed_wake_senders = dms?.texts('allowed_wake_senders', memberTest);
  return {
    agent: { id, ...(name === undefined ? {} : { name }) },
    ...readUrls(network),
    network_id: network?.required('network_id', idTest) ?? '',
    auth: readAuth(network, bridge ? undefined : block.section('moltnet', own), found),
    runtime,
    rooms: readRooms(check, block, bridge),
    dms: {
      enabled: dms?.flag('enabled') ?? false,
      wake: dms?.oneOf('wake', DM_WAKES) ?? 'all',
      ...(allowed_wake_senders === undefined ? {} : { allowed_wake_senders }),
    },
    catch_up: readCatchUp(block, bridge),
    bootstrap: block.flag('bootstrap') ?? false,
    publish: block.oneOf('publish', PUBLISH) ?? 'explicit',
  };
}

/** A word, which means it without limits, or a block. What a block leaves out is as by default, `off` takes it away. */
function readCatchUp(block: Section, bridge: boolean): AttachmentConfig['catch_up'] {
  const raw = block.raw('catch_up');
  if (typeof raw !== 'object' || raw === null)
    return block.oneOf('catch_up', CATCH_UP_POLICIES) ?? DEFAULT_CATCH_UP;
  const keys = ['policy', 'max_age', 'max_age_mentions', 'max_messages', 'max_wakes'];
  const given = block.section('catch_up', bridge ? 'any' : keys)!;
  const count = (key: 'max_messages' | 'max_wakes', most: number): number | undefined =>
    given.raw(key) === 'off' ? undefined : (given.number(key, 1, most) ?? DEFAULT_CATCH_UP[key]);
  const age = (key: string, otherwise: number | undefined): number | undefined =>
    given.raw(key) === 'off' ? undefined : (readAge(given, key, MAX_AGE) ?? otherwise);
  const { max_age, max_age_mentions } = DEFAULT_CATCH_UP;
  return {
    policy: given.oneOf('policy', CATCH_UP_POLICIES) ?? DEFAULT_CATCH_UP.policy,
    ...defined({
      max_age: age('max_age', max_age),
      // An age that is given alone is meant for all.
      max_age_mentions: age(
        'max_age_mentions',
        given.raw('max_age') === undefined ? max_age_mentions : age('max_age', undefined),
      ),
      max_messages: count('max_messages', MOST.outstanding_per_conversation.value),
      max_wakes: count('max_wakes', MOST.catch_up_wakes.value),
    }),
  };
}

function readRooms(check: Check, block: Section, bridge: boolean): { id: string; wake: WakePolicy }[] {
  const seen = new Set<string>();
  return block.sections('rooms', bridge ? 'any' : ROOM_KEYS).map((room) => {
    const id = room.required('id', idTest);
    if (id !== '' && seen.has(id))
      note(check, [...room.path, 'id'], `${JSON.stringify(id)} stands twice`, 'a room stands once');
    seen.add(id);
    return { id, wake: room.oneOf('wake', WAKE_POLICIES) ?? 'all' };
  });
}

function readTokenSource(section: Section | undefined, found: Found): TokenSource {
  const file = section?.text('token_path');
  return defined({
    token: section?.text('token'),
    token_env: section?.text('token_env'),
    token_path: file === undefined ? undefined : path.resolve(path.dirname(found.file), file),
  });
}

/** An attachment that names any token source of its own replaces all three shared ones. */
function readAuth(
  network: Section | undefined,
  own: Section | undefined,
  found: Found,
): AttachmentConfig['auth'] {
  const mine = readTokenSource(own, found);
  const shared = readTokenSource(network, found);
  const source = hasTokenSource(mine) ? mine : shared;
  const mode =
    network?.oneOf('auth_mode', ['none', 'bearer', 'open']) ?? (hasTokenSource(source) ? 'bearer' : 'none');
  const registration = network?.oneOf('registration', ['disabled', 'token', 'open']);
  const static_token = network?.flag('static_token') ?? false;
  if (mode !== 'none' && !hasTokenSource(source)) {
    const claims = mode === 'open' || registration === 'open';
    (own ?? network)?.note(
      undefined,
      `has no token in auth mode ${mode}`,
      claims
        ? 'write token_path: the token is put there when the agent claims its id'
        : 'write token_path, token_env or token',
    );
  }
  if (mode === 'none' && static_token) network?.note('static_token', 'is set in auth mode none', 'remove it');
  if (mode === 'open' && !hasTokenSource(mine) && hasTokenSource(shared) && !static_token) {
    network?.note(
      undefined,
      'shares one token among agents in auth mode open',
      'give each attachment its own token_path, or set static_token: true for an operator token',
    );
  }
  return { mode, ...(registration === undefined ? {} : { registration }), static_token, ...source };
}

function checkPrivacy(
  check: Check,
  found: Found,
  attachments: readonly AttachmentConfig[],
  kinds: readonly RuntimeKind[],
): void {
  const isSecret = ({ auth, runtime }: AttachmentConfig): boolean =>
    auth.token !== undefined || secretKeys(kinds, runtime.kind).some((key) => runtime[key] !== undefined);
  if (!attachments.some(isSecret)) return;
  try {
    requirePrivate(found.file, 'a token');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    check.issues.push(...error.issues);
  }
}
