/** Where an adapter keeps what it has to know over a restart. */
import { createHash } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import type { AttachmentConfig } from '../config/types.ts';

/** `.moltnet` of the agent's home, else of its workspace, else a folder of its own below the user's `.moltnet`. */
export function stateFolder({ agent, network_id, runtime }: AttachmentConfig): string {
  const own = runtime.home_path ?? runtime.workspace_path;
  if (own !== undefined) return path.join(path.resolve(own), '.moltnet');
  const name = createHash('sha256')
    .update(`${runtime.kind}|${network_id}|${agent.id}`)
    .digest('hex')
    .slice(0, 16);
  return path.join(os.homedir(), '.moltnet', 'runtimes', name);
}
