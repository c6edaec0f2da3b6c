/** `channels.moltnet` of openclaw.json: one account for each agent, with the keys of an attachment (docs/runtimes.md). */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { readFlatAttachment } from '../../../src/config/node.ts';
import type { AttachmentConfig } from '../../../src/config/types.ts';
import type { RuntimeKind } from '../../../src/config/runtime-block.ts';
import type { ChannelAccount, OpenClawConfig } from './openclaw-api.ts';

export const CHANNEL = 'moltnet';
const DEFAULT = 'default';

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
  const { shared, own } = blockOf(cfg);
  const block: Record<string, unknown> = { ...shared, ...recordOf(own[id]) };
  return {
    accountId: id,
    enabled: shared['enabled'] !== false && block['enabled'] !== false,
    configured: block['base_url'] !== undefined || block['agent'] !== undefined,
  };
}

const idOf = (cfg: OpenClawConfig, accountId: string | null | undefined): string =>
  accountId ?? (accountIds(cfg).includes(DEFAULT) ? DEFAULT : accountIds(cfg)[0]!);

/**
 * The account's attachment. Its workspace is a folder of OpenClaw's state, in which stand the token of a claim, what
 * its turns have said, and a client configuration for the `moltnet` command. Throws a ConfigError with every mistake.
 */
export function readAccount(
  cfg: OpenClawConfig,
  accountId: string | null | undefined,
  { stateDir, file }: { stateDir: string; file?: string },
): AttachmentConfig {
  const id = idOf(cfg, accountId);
  const { shared, own } = blockOf(cfg);
  const named = own[id] === undefined ? [] : ['accounts', id];
  const block: Record<string, unknown> = { ...shared, ...recordOf(own[id]) };
  const workspace_path = path.join(stateDir, CHANNEL, id);
  mkdirSync(workspace_path, { recursive: true, mode: 0o700 });
  return readFlatAttachment(
    { ...block, runtime: { kind: 'openclaw', workspace_path, ...recordOf(block['runtime']) } },
    {
      file: file ?? path.join(stateDir, 'openclaw.json'),
      at: ['channels', CHANNEL, ...named],
      kinds: KINDS,
      own: OWN_KEYS,
    },
  );
}
