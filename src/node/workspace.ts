/** The agent's workspace: where its own commands find their configuration, and which turns share it. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { readClientFile, selectAttachment } from '../config/client.ts';
import { upsertClientConfig } from '../config/client-write.ts';
import { hasTokenSource } from '../config/tokens.ts';
import type { AttachmentConfig, ClientAttachment } from '../config/types.ts';

/**
 * Writes the attachment into `<workspace>/.moltnet/config.json`, so that `moltnet send` works inside the turn, and
 * returns what the agent's commands need to choose it when the file has several: `--member alpha`, or nothing.
 * Throws a ConfigError when the file there is not a client configuration, and an Error when there is no such folder:
 * it is not made.
 */
export function prepareWorkspace(attachment: AttachmentConfig): { flags: string } {
  const { workspace_path } = attachment.runtime;
  if (workspace_path === undefined) return { flags: '' };
  const folder = path.resolve(workspace_path);
  // An agent in an empty folder of its workspace's name would not know that anything is wrong.
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`the workspace ${folder} is not a folder; make it, or correct runtime.workspace_path`);
  const file = path.join(folder, '.moltnet', 'config.json');
  const known = existsSync(file)
    ? readClientFile(file).attachments.find(
        (one) => one.network_id === attachment.network_id && one.member_id === attachment.agent.id,
      )
    : undefined;
  upsertClientConfig(file, keepingHandwork(clientAttachment(attachment), known), {
    name: attachment.agent.name ?? attachment.agent.id,
    runtime: attachment.runtime.kind,
  });
  const config = readClientFile(file);
  const member = attachment.agent.id;
  const network = attachment.network_id;
  const flags: { network?: string; member?: string }[] = [{}, { member }, { network, member }];
  const enough = flags.find((some) => !('problem' in selectAttachment(config, some))) ?? { network, member };
  return {
    flags: [
      enough.network === undefined ? '' : `--network ${network}`,
      enough.member === undefined ? '' : `--member ${member}`,
    ]
      .filter((flag) => flag !== '')
      .join(' '),
  };
}

function clientAttachment({
  agent,
  auth,
  base_url,
  other_urls,
  dms,
  network_id,
  rooms,
  runtime,
}: AttachmentConfig): ClientAttachment {
  const { mode, registration, token, token_env, token_path } = auth;
  return {
    ...(agent.name === undefined ? {} : { agent_name: agent.name }),
    auth: {
      mode,
      ...(registration === undefined ? {} : { registration }),
      ...(token === undefined ? {} : { token }),
      ...(token_env === undefined ? {} : { token_env }),
      ...(token_path === undefined ? {} : { token_path: path.resolve(token_path) }),
    },
    base_url,
    ...(other_urls && { other_urls }),
    dms: { enabled: dms.enabled, wake: dms.wake },
    member_id: agent.id,
    network_id,
    rooms: rooms.map(({ id, wake }) => ({ id, wake })),
    runtime: runtime.kind,
  };
}

/** What a person put into the entry and the node's file says nothing of stays: rooms, `can_write: false`, a token source. */
function keepingHandwork(next: ClientAttachment, known: ClientAttachment | undefined): ClientAttachment {
  if (!known) return next;
  const bound = new Set(next.rooms.map((room) => room.id));
  return {
    ...next,
    auth: hasTokenSource(next.auth) ? next.auth : { ...known.auth, mode: next.auth.mode },
    rooms: [
      ...next.rooms.map((room) => ({ ...known.rooms.find(({ id }) => id === room.id), ...room })),
      ...known.rooms.filter(({ id }) => !bound.has(id)),
    ],
  };
}

/** The real folder, so that two names of one workspace are one; an attachment without a folder is alone. */
export function workspaceKey({ agent, network_id, runtime }: AttachmentConfig): string {
  if (runtime.workspace_path === undefined) return `agent:${network_id}:${agent.id}`;
  const folder = path.resolve(runtime.workspace_path);
  try {
    return `folder:${realpathSync(folder)}`;
  } catch {
    // Not there yet: the runtime's probe says so.
    return `folder:${folder}`;
  }
}
