/** PicoClaw: by its command where one is configured, else by the socket of its pico channel, else by a control URL. */
import type { RuntimeConfigOf, RuntimeFields } from '../../config/runtime-block.ts';
import { CONTROL_URL, controlRuntime } from '../control-url.ts';
import { defineRuntime, type Runtime, type RuntimeContext } from '../runtime.ts';
import { commandRuntime } from './picoclaw-command.ts';
import { eventsRuntime } from './picoclaw-events.ts';

const FIELDS = {
  command: { type: 'command', about: 'the program, which answers one message a run' },
  config_path: { type: 'path', about: 'the configuration of command' },
  events_url: { type: 'url', schemes: ['ws', 'wss'], about: 'the WebSocket of its pico channel' },
  control_url: CONTROL_URL,
} as const satisfies RuntimeFields;
export type PicoClawContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

const EVENTS_URL = 'ws://127.0.0.1:18990/pico/ws';

export const picoclaw = defineRuntime({
  kind: 'picoclaw',
  about: 'PicoClaw',
  fields: FIELDS,
  skill_paths: ['skills'],
  complete: (runtime, note) => {
    if (runtime.config_path !== undefined) runtime.command ??= 'picoclaw';
    if (runtime.command !== undefined && runtime.config_path === undefined)
      note('config_path', 'is missing', 'command needs the path of its configuration');
    if (runtime.command === undefined && runtime.control_url === undefined) runtime.events_url ??= EVENTS_URL;
  },
  create: createPicoClaw,
});

function createPicoClaw(context: PicoClawContext): Runtime {
  const { command, events_url, control_url } = context.attachment.runtime;
  if (command !== undefined) return commandRuntime(context, command);
  if (events_url === undefined && control_url !== undefined)
    return controlRuntime(context, 'picoclaw', control_url);
  return eventsRuntime(context, events_url ?? EVENTS_URL);
}
