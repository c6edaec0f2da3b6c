/** Every node and bridge file that the existing program accepts: taken as it is, or refused with what to write (CFG-23). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadBridgeConfig, loadNodeConfig } from '../config/node.ts';
import type { AttachmentConfig } from '../config/types.ts';
import { RUNTIMES } from './registry.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'moltnet-original-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
});

interface Block {
  [key: string]: unknown;
}
const MOLTNET = { base_url: 'http://127.0.0.1:8787', network_id: 'local' };

/** In a node file, as JSON, which is YAML; and as a bridge file. Both must agree. */
function load(attachment: Block, moltnet: Block = MOLTNET): AttachmentConfig {
  const one = { agent: { id: 'alpha', name: 'Alpha' }, ...attachment };
  const write = (name: string, value: unknown): void =>
    writeFileSync(path.join(cwd, name), JSON.stringify(value), { mode: 0o600 });
  write('MoltnetNode', { version: 'moltnet.node.v1', moltnet, attachments: [one] });
  write('bridge.json', { version: 'moltnet.bridge.v1', moltnet, ...one });
  const node = loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]!;
  if (!('moltnet' in attachment))
    expect(loadBridgeConfig('bridge.json', { cwd }, RUNTIMES).attachments[0]).toEqual(node);
  return node;
}

const WS = { workspace_path: '/ws' };
const accepted: [title: string, runtime: Block, expected: Block][] = [
  ['openclaw, nothing said', { kind: 'openclaw' }, { gateway_url: 'ws://127.0.0.1:18789' }],
  [
    'openclaw, a gateway',
    { kind: 'openclaw', gateway_url: 'wss://h:1/x', token: 't' },
    { gateway_url: 'wss://h:1/x', token: 't' },
  ],
  ['picoclaw, nothing said', { kind: 'picoclaw' }, { events_url: 'ws://127.0.0.1:18990/pico/ws' }],
  [
    'picoclaw, events',
    { kind: 'picoclaw', events_url: 'wss://h/pico/ws' },
    { events_url: 'wss://h/pico/ws' },
  ],
  ['picoclaw, control', { kind: 'picoclaw', control_url: 'http://h/c' }, { control_url: 'http://h/c' }],
  [
    'picoclaw, config alone',
    { kind: 'picoclaw', config_path: '/c.json' },
    { command: 'picoclaw', config_path: '/c.json' },
  ],
  [
    'picoclaw, command and config',
    { kind: 'picoclaw', command: 'pc', config_path: '/c.json' },
    { command: 'pc' },
  ],
  [
    'picoclaw, everything',
    { kind: 'picoclaw', command: 'pc', config_path: '/c', events_url: 'ws://h', control_url: 'http://h' },
    { command: 'pc', events_url: 'ws://h', control_url: 'http://h' },
  ],
  [
    'tinyclaw, nothing said',
    { kind: 'tinyclaw' },
    {
      inbound_url: 'http://127.0.0.1:3777/api/message',
      outbound_url: 'http://127.0.0.1:3777/api/responses/pending?channel=moltnet',
      ack_url: 'http://127.0.0.1:3777/api/responses',
      channel: 'moltnet',
    },
  ],
  [
    'tinyclaw, the rest from one URL',
    { kind: 'tinyclaw', inbound_url: 'https://t:9/in', channel: 'a b' },
    { outbound_url: 'https://t:9/api/responses/pending?channel=a%20b', ack_url: 'https://t:9/api/responses' },
  ],
  [
    'tinyclaw, all three',
    { kind: 'tinyclaw', inbound_url: 'http://a/1', outbound_url: 'http://b/2', ack_url: 'http://c/3' },
    { inbound_url: 'http://a/1', outbound_url: 'http://b/2', ack_url: 'http://c/3' },
  ],
  ['tinyclaw, control', { kind: 'tinyclaw', control_url: 'http://h' }, { control_url: 'http://h' }],
  ['pi', { kind: 'pi', control_url: 'https://h/pi', token: 't' }, { control_url: 'https://h/pi' }],
  [
    'codex, the least',
    { kind: 'codex', ...WS },
    { command: 'codex', session_store_path: '/ws/.moltnet/sessions.json' },
  ],
  [
    'codex, everything',
    {
      kind: 'codex',
      ...WS,
      command: '/bin/codex',
      home_path: '/h',
      session_store_path: '/s',
      session_prefix: 'p',
    },
    { command: '/bin/codex', home_path: '/h', session_store_path: '/s', session_prefix: 'p' },
  ],
  ['claude-code, the least', { kind: 'claude-code', ...WS }, { command: 'claude' }],
  [
    'claude-code, everything',
    {
      kind: 'claude-code',
      ...WS,
      command: 'cc',
      home_path: '/h',
      session_store_path: '/s',
      session_prefix: 'p',
    },
    { command: 'cc', home_path: '/h', session_store_path: '/s', session_prefix: 'p' },
  ],
];

describe('CFG-23 a runtime of the existing program', () => {
  it.each(accepted)('is taken: %s', (_title, runtime, expected) => {
    expect(load({ runtime }).runtime).toMatchObject(expected);
    const with_driver = { ...runtime, driver: 'anything', token: 't' };
    expect(load({ runtime: with_driver }).runtime).toMatchObject({ ...expected, token: 't' });
  });

  /** URL keys of other kinds are mistakes there too. */
  it.each([
    ['openclaw', 'control_url', 'http://h', /write gateway_url/],
    ['openclaw', 'events_url', 'ws://h', /remove it; openclaw takes gateway_url/],
    ['picoclaw', 'gateway_url', 'ws://h', /remove it; picoclaw takes/],
    ['picoclaw', 'inbound_url', 'http://h', /remove it; picoclaw takes/],
    ['tinyclaw', 'gateway_url', 'ws://h', /remove it; tinyclaw takes inbound_url/],
    ['tinyclaw', 'events_url', 'ws://h', /remove it; tinyclaw takes inbound_url/],
    ['pi', 'gateway_url', 'ws://h', /remove it; pi takes control_url/],
    ['codex', 'control_url', 'http://h', /remove it; codex takes command/],
    ['claude-code', 'gateway_url', 'ws://h', /remove it; claude-code takes command/],
    ['openclaw', 'gateway_url', 'http://h', /write ws:\/\/host:port or wss:\/\/host:port/],
    ['pi', 'control_url', 'ws://h', /write http:\/\/host:port or https:\/\/host:port/],
  ])('is refused with what to write: %s with %s', (kind, key, value, advice) => {
    const runtime = { kind, ...(kind === 'pi' ? { control_url: 'http://h' } : {}), ...WS, [key]: value };
    expect(() => load({ runtime })).toThrow(advice);
  });

  it.each([
    ['codex', {}, /workspace_path: is missing; write the folder/],
    ['claude-code', {}, /workspace_path: is missing; write the folder/],
    ['pi', {}, /control_url: is missing; write/],
    ['picoclaw', { command: 'pc' }, /config_path: is missing/],
  ])('says what it lacks: %s', (kind, more, text) => {
    expect(() => load({ runtime: { kind, ...more } })).toThrow(text);
  });
});

describe('CFG-23 the rest of an attachment of the existing program', () => {
  const runtime = { kind: 'codex', ...WS };
  it('has defaults that are not ours everywhere: rooms wake on all, DMs are off', () => {
    expect(load({ runtime, rooms: [{ id: 'general' }] })).toMatchObject({
      rooms: [{ id: 'general', wake: 'all' }],
      dms: { enabled: false, wake: 'all' },
      publish: 'explicit',
    });
  });

  it.each(['all', 'mentions', 'thread_only', 'never'])('wakes on %s', (wake) => {
    const room = { id: 'general', wake, visibility: 'public', write_policy: 'members', can_write: false };
    expect(load({ runtime, rooms: [room] }).rooms).toEqual([{ id: 'general', wake }]);
  });

  it.each(['all', 'mentions', 'never'])('has DMs that wake on %s', (wake) => {
    expect(load({ runtime, dms: { enabled: true, wake } }).dms).toEqual({ enabled: true, wake });
  });

  const auths: [Block, Block][] = [
    [{}, { mode: 'none' }],
    [{ token: 't' }, { mode: 'bearer', token: 't' }],
    [
      { auth_mode: 'bearer', token_env: 'T' },
      { mode: 'bearer', token_env: 'T' },
    ],
    [
      { auth_mode: 'none', token: 't' },
      { mode: 'none', token: 't' },
    ],
    [
      { auth_mode: 'open', token_path: '/t', registration: 'open', static_token: true },
      { mode: 'open', static_token: true },
    ],
    [{ registration: 'token', token: 't' }, { registration: 'token' }],
    [{ registration: 'disabled' }, { registration: 'disabled' }],
  ];
  it.each(auths)('is authorised by %j', (moltnet, expected) => {
    expect(load({ runtime }, { ...MOLTNET, ...moltnet }).auth).toMatchObject(expected);
  });

  it('replaces the shared token source by its own', () => {
    const auth = load({ runtime, moltnet: { token_env: 'MINE' } }, { ...MOLTNET, token: 't' }).auth;
    expect(auth).toEqual({ mode: 'bearer', static_token: false, token_env: 'MINE' });
  });
});
