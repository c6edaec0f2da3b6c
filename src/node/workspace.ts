/** The agent's workspace: where its own commands find their configuration, and which turns share it. */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { readClientFile, selectAttachment } from '../config/client.ts';
import { upsertClientConfig } from '../config/client-write.ts';
import type { AttachmentConfig, ClientAttachment } from '../config/types.ts';

/**
 * Writes the attachment into `<workspace>/.moltnet/config.json`, so that `moltnet send` works inside the turn, and
 * returns what the agent's commands need to choose it when the file has several: `--member alpha`, or nothing.
 * Throws a ConfigError when the file there is not a client configuration.
 */
export function prepareWorkspace(attachment: AttachmentConfig): { flags: string } {
  const { workspace_path } = attachment.runtime;
  if (workspace_path === undefined) return { flags: '' };
  const file = path.join(path.resolve(workspace_path), '.moltnet', 'config.json');
  upsertClientConfig(file, clientAttachment(attachment), {
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
    dms: { enabled: dms.enabled, wake: dms.wake },
    member_id: agent.id,
    network_id,
    rooms: rooms.map(({ id, wake }) => ({ id, wake })),
    runtime: runtime.kind,
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
