/** The `runtime` block of an attachment: which keys each kind takes, and its defaults (wire.md 10.3). */
import path from 'node:path';
import { didYouMean } from './issues.ts';
import { defined, urlTest, type Section } from './check.ts';
import type { RuntimeConfig } from './types.ts';

const COMMON = ['kind', 'token', 'driver', 'inactivity_timeout', 'turn_timeout', 'max_turns'];
const CLI = ['command', 'workspace_path', 'home_path', 'session_store_path', 'session_prefix', 'args'];
const KEYS: Record<string, readonly string[]> = {
  'claude-code': CLI,
  codex: CLI,
  openclaw: ['gateway_url', 'home_path', 'workspace_path', 'session_prefix'],
  picoclaw: [
    'control_url',
    'events_url',
    'command',
    'config_path',
    'home_path',
    'workspace_path',
    'session_prefix',
  ],
  pi: ['control_url', 'workspace_path', 'session_prefix'],
  tinyclaw: [
    'inbound_url',
    'outbound_url',
    'ack_url',
    'channel',
    'control_url',
    'workspace_path',
    'session_prefix',
  ],
};
export const RUNTIME_KINDS: readonly string[] = Object.keys(KEYS);
/** Every key of any kind: what a `runtime` block may hold at all. */
export const RUNTIME_KEYS: readonly string[] = [...new Set([...COMMON, ...Object.values(KEYS).flat()])];

const PATHS = ['workspace_path', 'home_path', 'session_store_path', 'config_path'] as const;
const SCHEMES: Record<string, readonly string[]> = {
  gateway_url: ['ws', 'wss'],
  events_url: ['ws', 'wss'],
  control_url: ['http', 'https'],
  inbound_url: ['http', 'https'],
  outbound_url: ['http', 'https'],
  ack_url: ['http', 'https'],
};

/** Relative paths are taken from `cwd` and made absolute, because the runtime itself runs elsewhere. */
export function readRuntime(block: Section | undefined, parent: Section, cwd: string): RuntimeConfig {
  if (!block) {
    parent.note('runtime', 'is missing', `write runtime: {kind: …}, of ${RUNTIME_KINDS.join(', ')}`);
    return { kind: '' };
  }
  const kind = block.required('kind', (value) => {
    if (RUNTIME_KINDS.includes(value)) return undefined;
    const near = didYouMean(value, RUNTIME_KINDS);
    return {
      problem: `${JSON.stringify(value)} is not a runtime`,
      fix: `${near ? `did you mean ${near}? ` : ''}known: ${RUNTIME_KINDS.join(', ')}`,
    };
  });
  const allowed = KEYS[kind];
  if (allowed) {
    for (const key of RUNTIME_KEYS) {
      if (block.has(key) && !COMMON.includes(key) && !allowed.includes(key))
        block.note(key, `does not belong to kind ${kind}`, `remove it; ${kind} takes ${allowed.join(', ')}`);
    }
  }
  const text = (key: string): string | undefined =>
    block.text(key, SCHEMES[key] ? urlTest(...SCHEMES[key]) : undefined);
  const runtime: RuntimeConfig = {
    kind,
    ...defined({
      token: text('token'),
      driver: text('driver'),
      command: text('command'),
      session_prefix: text('session_prefix'),
      channel: text('channel'),
      gateway_url: text('gateway_url'),
      control_url: text('control_url'),
      events_url: text('events_url'),
      inbound_url: text('inbound_url'),
      outbound_url: text('outbound_url'),
      ack_url: text('ack_url'),
      args: readArgs(block),
      inactivity_timeout: block.number('inactivity_timeout', 1, 86_400),
      turn_timeout: block.number('turn_timeout', 1, 86_400),
      max_turns: block.number('max_turns', 1, 64),
    }),
  };
  for (const key of PATHS) {
    const value = text(key);
    if (value !== undefined) runtime[key] = path.resolve(cwd, value);
  }
  applyDefaults(block, runtime, cwd);
  return runtime;
}

/** Arguments are passed on as they stand: not trimmed, a repetition means something. */
function readArgs(block: Section): string[] | undefined {
  const raw = block.raw('args');
  if (raw === undefined) return undefined;
  if (Array.isArray(raw) && raw.every((item) => typeof item === 'string' && !item.includes('\0')))
    return raw as string[];
  block.note('args', 'is not a list of texts', 'write a list such as ["--model", "gpt-5"]');
  return undefined;
}

function applyDefaults(block: Section, runtime: RuntimeConfig, cwd: string): void {
  switch (runtime.kind) {
    case 'codex':
    case 'claude-code': {
      runtime.command ??= runtime.kind === 'codex' ? 'codex' : 'claude';
      if (runtime.workspace_path === undefined)
        block.note('workspace_path', 'is missing', `write the folder that ${runtime.kind} works in`);
      else runtime.session_store_path ??= path.join(runtime.workspace_path, '.moltnet', 'sessions.json');
      // A bare name is looked up on PATH; anything with a separator is a path from here.
      if (/[\\/]/.test(runtime.command)) runtime.command = path.resolve(cwd, runtime.command);
      break;
    }
    case 'openclaw':
      runtime.gateway_url ??= 'ws://127.0.0.1:18789';
      break;
    case 'picoclaw':
      if (runtime.config_path !== undefined) runtime.command ??= 'picoclaw';
      if (runtime.command !== undefined && runtime.config_path === undefined)
        block.note('config_path', 'is missing', 'command needs the path of its configuration');
      if (runtime.command === undefined && runtime.control_url === undefined)
        runtime.events_url ??= 'ws://127.0.0.1:18990/pico/ws';
      break;
    case 'tinyclaw': {
      runtime.channel ??= 'moltnet';
      if (runtime.control_url !== undefined) break;
      const given = runtime.inbound_url ?? runtime.outbound_url ?? runtime.ack_url;
      const base =
        given !== undefined && URL.canParse(given) ? new URL(given).origin : 'http://127.0.0.1:3777';
      runtime.inbound_url ??= `${base}/api/message`;
      runtime.outbound_url ??= `${base}/api/responses/pending?channel=${encodeURIComponent(runtime.channel)}`;
      runtime.ack_url ??= `${base}/api/responses`;
      break;
    }
    case 'pi':
      if (runtime.control_url === undefined)
        block.note('control_url', 'is missing', 'write the URL that pi is controlled by');
      break;
    default:
  }
}
