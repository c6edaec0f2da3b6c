/** A node with the Codex adapter, whose CLI is the stand-in: its turns run the real `moltnet`, as the messages say. */
import path from 'node:path';
import { startNode, type RunningNode } from '../../src/node/node.ts';
import { codex } from '../../src/runtimes/codex.ts';
import { attachmentConfig } from './node-lab-config.ts';
import { fakeCodex } from './runtime-lab.ts';

export interface CodexNodeOptions {
  url: string;
  agent: string;
  /** With `workspace`, `home`, and a `bin` that holds `moltnet`. */
  folder: string;
}

export function startCodexNode({ url, agent, folder }: CodexNodeOptions): Promise<RunningNode> {
  const runtime = {
    kind: 'codex',
    command: fakeCodex,
    workspace_path: path.join(folder, 'workspace'),
    home_path: path.join(folder, 'home'),
  };
  return startNode(
    { attachments: [attachmentConfig(url, { agent: { id: agent }, runtime })], max_turns: 4 },
    {
      runtime: codex.create,
      moltnetBin: path.join(folder, 'bin'),
      stateDir: path.join(folder, 'state'),
      times: { reconnect: 10, reconnect_max: 40, retry: 5, retry_max: 20 },
      log: () => {},
    },
  );
}
