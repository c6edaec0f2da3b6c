/** `.moltnet/identity.json`: which registration this workspace's agent is (wire.md 11). */
import path from 'node:path';
import type { AgentRegistration } from '../protocol/agents.ts';
import { writePrivateFile } from '../config/private-files.ts';

/** Path of the file that was written. */
export function writeIdentity(workspace: string, registration: AgentRegistration): string {
  const file = path.join(workspace, '.moltnet', 'identity.json');
  const { network_id, agent_id, actor_uid, actor_uri, display_name } = registration;
  const identity = {
    version: 'moltnet.identity.v1',
    network_id,
    agent_id,
    actor_uid,
    actor_uri,
    ...(display_name ? { display_name } : {}),
  };
  writePrivateFile(file, `${JSON.stringify(identity, null, 2)}\n`);
  return file;
}
