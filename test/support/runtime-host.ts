/**
 * A process that runs one turn of a runtime, as a node does, and tells on stdout what became of it: to be killed.
 * Its one argument is JSON: { context, wake, hold }. With `hold` it does not close when the turn is over.
 */
import { createRuntime } from '../../src/runtimes/registry.ts';
import type { RuntimeContext, Wake } from '../../src/runtimes/runtime.ts';

const { context, wake, hold } = JSON.parse(process.argv[2]!) as {
  context: RuntimeContext;
  wake: Wake;
  hold?: boolean;
};
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const runtime = createRuntime({ ...context, log: (_level, message) => say(`log ${message}`) });
const outcome = await runtime.deliver(
  wake,
  { delivered: () => say('delivered') },
  new AbortController().signal,
);
say(`outcome ${outcome.state}`);
if (hold) setInterval(() => {}, 1 << 30);
else await runtime.close();
