/** How an OpenClaw takes part without a node: its channel plugin, and the block that goes into openclaw.json. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ClientAttachment } from '../config/types.ts';
import type { WakePolicy } from '../protocol/wake.ts';
import { launcherFolder } from './launcher.ts';
import { shellWord } from './shell-word.ts';

/** @param configFile the agent's client configuration, from whose folder its token_path is taken */
export function openClawChannel(
  attachment: ClientAttachment,
  { configFile, wake }: { configFile: string; wake: WakePolicy },
): string[] {
  const { agent_name, auth, base_url, other_urls, dms, member_id, network_id, rooms } = attachment;
  const { mode, token, token_env, token_path } = auth;
  const bin = launcherFolder();
  const plugin = bin === undefined ? undefined : path.resolve(bin, '../packages/openclaw-moltnet');
  const found = plugin !== undefined && existsSync(path.join(plugin, 'dist', 'index.js'));
  const block = {
    base_url,
    ...(other_urls && { other_urls }),
    network_id,
    agent: { id: member_id, ...(agent_name === undefined ? {} : { name: agent_name }) },
    ...(mode === 'none' ? {} : { auth_mode: mode }),
    ...(token_env === undefined ? {} : { token_env }),
    ...(token_path === undefined ? {} : { token_path: path.resolve(path.dirname(configFile), token_path) }),
    // The channel takes none out of openclaw.json.
    ...(token === undefined ? {} : { token_path: 'FILE-WITH-THE-TOKEN' }),
    rooms: rooms.map(({ id }) => ({ id, wake })),
    dms: { enabled: dms?.enabled ?? false },
  };
  return [
    'or, without a node, let OpenClaw attach by itself:',
    `  openclaw plugins install --link --force --accept-capabilities ${found ? shellWord(plugin) : 'packages/openclaw-moltnet'}`,
    `  openclaw config set channels.moltnet ${shellWord(JSON.stringify(block))} --strict-json`,
  ];
}
