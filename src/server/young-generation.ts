/**
 * V8's young generation: how large it may get. When attachments come in it would triple, and stay so, for nothing (24 KB
 * for each of 2,000 instead of 15). Under a load of messages a small one is emptied every few milliseconds, with all
 * requests that are under way still alive in it: a sixth of the main thread's time. So it grows under that load only.
 */
import { setFlagsFromString } from 'node:v8';

/** So many commands within so many milliseconds are a load: more than come with attachments, one or two each. */
const LOAD = { commands: 500, within: 100 };
/** Milliseconds after the last of it for which it counts. */
const LASTS = 10_000;

const mayGrow = (may: boolean): void => setFlagsFromString(`--semi-space-growth-factor=${may ? 2 : 1}`);

/** To be told the size of each batch; from now on the young generation grows only as they say. */
export function youngGeneration(): (commands: number) => void {
  let timer: NodeJS.Timeout | undefined;
  let since = 0;
  let counted = 0;
  const end = (): void => {
    timer = undefined;
    mayGrow(false);
  };
  mayGrow(false);
  return (commands) => {
    const now = performance.now();
    if (now - since > LOAD.within) {
      since = now;
      counted = 0;
    }
    counted += commands;
    if (counted < LOAD.commands) return;
    counted = 0;
    if (timer) return void timer.refresh();
    mayGrow(true);
    timer = setTimeout(end, LASTS).unref();
  };
}
