import { actorName } from '../model/names.ts';
import type { State } from '../model/state.ts';
import { texts } from '../texts.ts';
import { remember } from './remember.ts';
import type { Store } from './store.ts';

/** Browsers have notifications on https and localhost only. */
export const mayNotify = (): boolean => 'Notification' in window && isSecureContext;
export const notifies = (): boolean =>
  mayNotify() && remember.notifies() && Notification.permission === 'granted';

/** Turns them on or off; resolves with what came of it, for the browser may refuse. */
export async function setNotifies(on: boolean): Promise<boolean> {
  if (on && Notification.permission !== 'granted') await Notification.requestPermission();
  remember.setNotifies(on && Notification.permission === 'granted');
  return notifies();
}

/** While the window is hidden, what newly waits for the person is told by the browser. */
export function notifyOf(store: Store<State>): void {
  let before = store.get();
  store.subscribe(() => {
    const state = store.get();
    const last = before;
    before = state;
    if (!document.hidden || state.boot !== 'ready' || last.boot !== 'ready' || !notifies()) return;
    if (state.mentions !== last.mentions) {
      const known = new Set(last.mentions.map(({ id }) => id));
      const [first, ...more] = state.mentions.filter(({ id }) => !known.has(id));
      if (first)
        tell(
          more.length > 0 ? texts.notifyMentions(more.length + 1) : actorName(first.from),
          (first.parts[0]?.text ?? '').slice(0, 200),
          'mention',
        );
    }
    if (Object.keys(state.held).length > Object.keys(last.held).length)
      tell(texts.needsHeld, texts.notifyHeld, 'held');
    if (state.failed.length > last.failed.length) tell(texts.failedTitle, texts.notifyFailed, 'failed');
  });
}

function tell(title: string, body: string, tag: string): void {
  try {
    const notification = new Notification(title, {
      body,
      tag: `moltnet-${tag}`,
      icon: '/console/favicon.svg',
    });
    notification.addEventListener('click', () => window.focus());
  } catch {
    // Some phones have the interface and refuse its use.
  }
}
