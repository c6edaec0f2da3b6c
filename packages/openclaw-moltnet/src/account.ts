/** `channels.moltnet` of openclaw.json: one account for each agent, with the keys of an attachment (docs/runtimes.md). */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { readFlatAttachment } from '../../../src/config/node.ts';
import { ConfigError } from '../../../src/config/issues.ts';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import type { RuntimeKind } from '../../../src/config/runtime-block.ts';
import type { ChannelAccount, OpenClawConfig } from './openclaw-api.ts';

export const CHANNEL = 'moltnet';
const DEFAULT = 'default';
/** An account has a folder of its name. */
const FOLDER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Of the block, beside those of an attachment: OpenClaw's for any channel. */
const OWN_KEYS = ['accounts', 'enabled', 'name', 'defaultAccount', 'configWrites', 'healthMonitor'];

/** The turns run inside of OpenClaw: `runtime` holds what every kind takes. */
const KINDS: readonly RuntimeKind[] = [{ kind: 'openclaw', fields: {} }];

const recordOf = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

function blockOf(cfg: OpenClawConfig): { shared: Record<string, unknown>; own: Record<string, unknown> } {
  const { accounts, ...shared } = recordOf(recordOf(cfg['channels'])[CHANNEL]);
  return { shared, own: recordOf(accounts) };
}

export function accountIds(cfg: OpenClawConfig): string[] {
  const ids = Object.keys(blockOf(cfg).own);
  return ids.length > 0 ? ids : [DEFAULT];
}

/** What OpenClaw wants to know of an account before it starts it. */
export function accountOf(cfg: OpenClawConfig, accountId: string | null | undefined): ChannelAccount {
  const id = idOf(cfg, accountId);
  if (id === undefined) return { accountId: String(accountId), enabled: false, configured: false };
  const { shared } = blockOf(cfg);
  const block = accountBlock(cfg, id);
  return {
    accountId: id,
    enabled: shared['enabled'] !== false && block['enabled'] !== false,
    configured: block['base_url'] !== undefined || block['agent'] !== undefined,
  };
}

/** The name as it is configured; undefined for one that is not. OpenClaw may have folded its case. */
function idOf(cfg: OpenClawConfig, accountId: string | null | undefined): string | undefined {
  const ids = accountIds(cfg);
  if (accountId === undefined || accountId === null) return ids.includes(DEFAULT) ? DEFAULT : ids[0];
  return ids.find((id) => id === accountId) ?? ids.find((id) => id.toLowerCase() === accountId.toLowerCase());
}

function accountBlock(cfg: OpenClawConfig, id: string): Record<string, unknown> {
  const { shared, own } = blockOf(cfg);
  return { ...shared, ...(Object.hasOwn(own, id) && recordOf(own[id])) };
}

/** What it is told of: OpenClaw's state folder, and the file in which the block stands. */
interface Place {
  stateDir: string;
  file?: string;
}

/**
 * The account's attachment. Its workspace is a folder of OpenClaw's state, in which stand the token of a claim, what
 * its turns have said, and a client configuration for the `moltnet` command. Throws a ConfigError with every mistake,
 * and for an account that is not configured: agents name accounts too.
 */
export function readAccount(
  cfg: OpenClawConfig,
  accountId: string | null | undefined,
  { stateDir, file = path.join(stateDir, 'openclaw.json') }: Place,
): AttachmentConfig {
  const id = idOf(cfg, accountId);
  const refuse = (key: string, problem: string, fix: string): never => {
    throw new ConfigError([{ file, key: `channels.${CHANNEL}${key}`, problem, fix }]);
  };
  if (id === undefined)
    return refuse('', `has no account ${JSON.stringify(accountId)}`, `it has ${accountIds(cfg).join(', ')}`);
  if (!FOLDER.test(id))
    return refuse(
      '.accounts',
      `${JSON.stringify(id)} is not a name for an account`,
      'use 1 to 64 letters, digits, . _ - and begin with a letter or digit',
    );
  const block = accountBlock(cfg, id);
  const workspace_path = path.join(stateDir, CHANNEL, id);
  mkdirSync(workspace_path, { recursive: true, mode: 0o700 });
  return readFlatAttachment(
    { ...block, runtime: { kind: 'openclaw', workspace_path, ...recordOf(block['runtime']) } },
    {
      file,
      at: ['channels', CHANNEL, ...(Object.hasOwn(blockOf(cfg).own, id) ? ['accounts', id] : [])],
      kinds: KINDS,
      own: OWN_KEYS,
    },
  );
}

/** Whether another account names the same file for its token: of two agents that claim, each needs one. */
export function sharesToken(cfg: OpenClawConfig, accountId: string, { stateDir }: Place): boolean {
  const fileOf = (id: string): string | undefined => {
    const file = accountBlock(cfg, id)['token_path'];
    return typeof file === 'string' ? path.resolve(stateDir, file) : undefined;
  };
  const mine = fileOf(accountId);
  return mine !== undefined && accountIds(cfg).some((id) => id !== accountId && fileOf(id) === mine);
}
