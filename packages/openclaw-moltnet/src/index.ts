/** The plugin as OpenClaw loads it (`openclaw.extensions` of package.json). */
import { createChannel } from './channel.ts';
import type { PluginApi, PluginRuntime } from './openclaw-api.ts';

let runtime: PluginRuntime | undefined;
const channel = createChannel(() => {
  if (!runtime) throw new Error('OpenClaw has not registered the Moltnet channel');
  return runtime;
});

export default {
  id: 'moltnet',
  name: 'Moltnet',
  description: 'Rooms, threads and DMs of a Moltnet network',
  register(api: PluginApi): void {
    // In this mode OpenClaw asks for commands of its own shell, and hands in no runtime.
    if (api.registrationMode === 'cli-metadata') return;
    api.registerChannel({ plugin: channel });
    // Others only look at what there is.
    if (api.registrationMode === 'full' || !runtime) runtime = api.runtime;
  },
};
