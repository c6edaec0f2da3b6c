import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { loadNodeConfig } from '../../config/node.ts';
import { RUNTIMES } from '../registry.ts';
import { webhook } from './webhook.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(os.tmpdir(), 'moltnet-webhook-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
});
const runtime = (more: object) => {
  const file = {
    moltnet: { base_url: 'http://127.0.0.1:8787', network_id: 'local' },
    attachments: [
      {
        agent: { id: 'alpha' },
        runtime: { kind: 'webhook', url: 'http://127.0.0.1:1/', secret_env: 'S', ...more },
      },
    ],
  };
  writeFileSync(path.join(cwd, 'MoltnetNode'), JSON.stringify(file));
  return loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]!.runtime;
};

it('RT-148 the callback listens where the file says; what cannot be meant is told with what to write', () => {
  expect(webhook.opens!(runtime({}))).toBeUndefined();
  expect(webhook.opens!(runtime({ callback_port: 8790 }))).toBe('listens for callbacks at 127.0.0.1:8790');
  expect(webhook.opens!(runtime({ callback_port: 8790, callback_host: '10.0.0.7' }))).toBe(
    'listens for callbacks at 10.0.0.7:8790, which other machines may reach',
  );
  const everywhere = { callback_port: 8790, callback_host: '0.0.0.0' };
  expect(runtime({ ...everywhere, callback_url: 'https://node.example/' })).toMatchObject(everywhere);
  expect(() => runtime(everywhere)).toThrow(/callback_url: is missing.*0\.0\.0\.0 is every address/);
  expect(() => runtime({ callback_url: 'https://node.example/' })).toThrow(
    /callback_url: is of no use without callback_port/,
  );
  expect(() => runtime({ callback_host: '10.0.0.7' })).toThrow(/callback_host: is of no use/);
  for (const callback_port of [0, 65_536, 'http', 1.5])
    expect(() => runtime({ callback_port })).toThrow(/callback_port/);
  expect(() => runtime({ callback_port: 8790, callback_url: 'node.example' })).toThrow(/callback_url/);
});
