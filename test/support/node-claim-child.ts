/**
 * A node as a process of its own that claims an agent, and dies (SIGKILL) at one step of it. Arguments: base URL, agent
 * id, token_path, step.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { WebSocket } from 'ws';
import type { CLAIM_STEPS } from './node-claim-steps.ts';
import { attachmentConfig } from './node-lab-config.ts';

const [url = '', agent = '', file = '', step] = process.argv.slice(2) as [
  string?,
  string?,
  string?,
  (typeof CLAIM_STEPS)[number]?,
];
const dieAt = (here: typeof step): void => {
  if (here === step) process.kill(process.pid, 'SIGKILL');
};

const { linkSync, openSync, renameSync } = fs;
let keyed = false;
fs.linkSync = (from, to) => {
  if (to !== file) return linkSync(from, to);
  dieAt('before the key is there');
  linkSync(from, to);
  keyed = true;
  dieAt('before the key is sent');
};
fs.openSync = (name, ...rest) => {
  if (keyed && String(name).endsWith('.tmp')) dieAt('before the token is written');
  return openSync(name, ...rest);
};
fs.renameSync = (from, to) => {
  if (to !== file) return renameSync(from, to);
  dieAt('before the token is in its place');
  renameSync(from, to);
  dieAt('before the token is used');
};
syncBuiltinESMExports();

const send = WebSocket.prototype.send as (this: WebSocket, data: string, done?: () => void) => void;
WebSocket.prototype.send = function (this: WebSocket, data: unknown) {
  send.call(
    this,
    data as string,
    () => String(data).includes('"IDENTIFY"') && dieAt('after the key was sent'),
  );
} as typeof WebSocket.prototype.send;

const { startNode } = await import('../../src/node/node.ts');
const config = attachmentConfig(url, {
  agent: { id: agent },
  auth: { mode: 'open', static_token: false, token_path: file },
});
await startNode(
  { attachments: [config], max_turns: 1 },
  {
    stateDir: `${file}.state`,
    log: () => {},
    runtime: () => ({
      kind: 'fake-runtime',
      capabilities: {} as never,
      probe: () => Promise.resolve({ ready: true }),
      deliver: () => Promise.resolve({ state: 'ok' }),
      close: () => Promise.resolve(),
    }),
  },
);
