/**
 * A node with any runtime, as a process of its own: it is there to be killed. Its one argument is JSON: { url, agent,
 * folder }, `agent` as of a node's file.
 */
import path from 'node:path';
import { startNode } from '../../src/node/node.ts';
import { createRuntime } from '../../src/runtimes/registry.ts';
import { attachmentConfig, type AgentConfig } from './node-lab-config.ts';

const { url, agent, folder } = JSON.parse(process.argv[2]!) as {
  url: string;
  agent: AgentConfig;
  folder: string;
};
await startNode(
  { attachments: [attachmentConfig(url, agent)], max_turns: 4 },
  {
    runtime: createRuntime,
    stateDir: path.join(folder, 'state'),
    times: { reconnect: 10, reconnect_max: 40, retry: 5, retry_max: 20 },
    log: () => {},
  },
);
