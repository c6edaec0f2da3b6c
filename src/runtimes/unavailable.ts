/** Kinds that can be configured, and that no node of this version runs. */
import type { RuntimeFields } from '../config/runtime-block.ts';
import type { RuntimeConfig } from '../config/types.ts';
import type { RuntimeDefinition } from './runtime.ts';
import { SetupError } from './setup-error.ts';

const HTTP = ['http', 'https'] as const;
const WS = ['ws', 'wss'] as const;

function unavailable(
  kind: string,
  about: string,
  fields: RuntimeFields,
  more: Pick<RuntimeDefinition, 'skill_paths' | 'refused' | 'complete'>,
): RuntimeDefinition {
  const reason = `the node of this version cannot run ${kind}`;
  return {
    kind,
    about,
    fields,
    unavailable: reason,
    ...more,
    create: () => {
      throw new SetupError(reason);
    },
  };
}

export const picoclaw: RuntimeDefinition = unavailable(
  'picoclaw',
  'PicoClaw',
  {
    command: { type: 'command', about: 'the program, which answers one message a run' },
    config_path: { type: 'path', about: 'the configuration of command' },
    events_url: { type: 'url', schemes: WS, about: 'the WebSocket of its pico channel' },
    control_url: { type: 'url', schemes: HTTP, about: 'an address that takes one message a POST' },
  },
  {
    skill_paths: ['skills'],
    complete: (runtime: RuntimeConfig, note) => {
      const { config_path, control_url } = runtime;
      if (config_path !== undefined) runtime['command'] ??= 'picoclaw';
      if (runtime['command'] !== undefined && config_path === undefined)
        note('config_path', 'is missing', 'command needs the path of its configuration');
      if (runtime['command'] === undefined && control_url === undefined)
        runtime['events_url'] ??= 'ws://127.0.0.1:18990/pico/ws';
    },
  },
);

export const tinyclaw: RuntimeDefinition = unavailable(
  'tinyclaw',
  'TinyClaw, now TinyAGI',
  {
    inbound_url: { type: 'url', schemes: HTTP, about: 'where messages go in' },
    outbound_url: { type: 'url', schemes: HTTP, about: 'where answers wait' },
    ack_url: { type: 'url', schemes: HTTP, about: 'where answers are acknowledged' },
    channel: { type: 'text', default: 'moltnet', about: 'its name of this way in' },
    control_url: { type: 'url', schemes: HTTP, about: 'an address that takes one message a POST' },
  },
  {
    skill_paths: [],
    complete: (runtime: RuntimeConfig) => {
      if (runtime['control_url'] !== undefined) return;
      const given = runtime['inbound_url'] ?? runtime['outbound_url'] ?? runtime['ack_url'];
      const base =
        typeof given === 'string' && URL.canParse(given) ? new URL(given).origin : 'http://127.0.0.1:3777';
      const channel = encodeURIComponent(String(runtime['channel']));
      runtime['inbound_url'] ??= `${base}/api/message`;
      runtime['outbound_url'] ??= `${base}/api/responses/pending?channel=${channel}`;
      runtime['ack_url'] ??= `${base}/api/responses`;
    },
  },
);

export const pi: RuntimeDefinition = unavailable(
  'pi',
  'pi, behind a control URL',
  {
    control_url: {
      type: 'url',
      schemes: HTTP,
      required: 'write the URL that pi is controlled by',
      about: 'an address that takes one message a POST',
    },
  },
  { skill_paths: [] },
);
