/**
 * A node as a process of its own, with a FAKE runtime that appends every wake to a file and never ends its turn: it is
 * there to be killed. Arguments: base URL, agent id, file.
 */
import { appendFileSync } from 'node:fs';
import { startNode } from '../../src/node/node.ts';
import type { Runtime } from '../../src/runtimes/runtime.ts';
import { attachmentConfig } from './node-lab-config.ts';

const [url = '', agent = '', file = ''] = process.argv.slice(2);
const runtime: Runtime = {
  kind: 'fake-runtime',
  capabilities: {
    wake_idle: true,
    wake_busy: false,
    headless: true,
    dedupes: false,
    reports_usage: false,
    cancels: true,
  },
  probe: () => Promise.resolve({ ready: true }),
  deliver: ({ wake_id, attempt, conversation, text }) => {
    appendFileSync(file, `${JSON.stringify({ wake_id, attempt, conversation, text })}\n`);
    return new Promise(() => {});
  },
  close: () => Promise.resolve(),
};
await startNode(
  { attachments: [attachmentConfig(url, { agent: { id: agent } })], max_turns: 4 },
  { runtime: () => runtime, stateDir: `${file}.state`, log: () => {} },
);
