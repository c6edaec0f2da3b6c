/** Processes that hold one session each and stay for its next message: so long, and so many of them. */
import type { Child } from './child.ts';
import { idleTimer, type IdleTimer } from './idle-timer.ts';

export interface HoldableProcess {
  readonly child: Pick<Child, 'alive' | 'exited'>;
  /** Lets it finish and end. */
  end(): Promise<unknown>;
}

interface Held<P> {
  id: string;
  process: P;
  idle: IdleTimer;
  waiting: boolean;
}

export interface HeldProcesses<P> {
  /**
   * Runs `work` in the process of this key, which is opened when there is none that lives and has this id; keeps it
   * afterwards. One call for a key at a time.
   */
  use<T>(key: string, id: string, open: () => Promise<P>, work: (process: P) => Promise<T>): Promise<T>;
  /** Ends the process of a key; undefined when there is none. */
  drop(key: string): Promise<unknown> | undefined;
  close(): Promise<void>;
}

/** @param idleTimeout seconds @param max processes that wait at once */
export function heldProcesses<P extends HoldableProcess>(
  idleTimeout: number | undefined,
  max: number,
): HeldProcesses<P> {
  /** The longest unused first. */
  const held = new Map<string, Held<P>>();
  const ending = new Map<string, Promise<unknown>>();

  const drop = (key: string): Promise<unknown> | undefined => {
    const one = held.get(key);
    if (!one) return undefined;
    held.delete(key);
    one.idle.stop();
    const end = one.process.end().finally(() => ending.delete(key));
    ending.set(key, end);
    return end;
  };
  const keep = (key: string, one: Held<P>): void => {
    held.delete(key);
    held.set(key, one);
    one.waiting = true;
    one.idle.start();
    const waiting = [...held].filter(([, other]) => other.waiting);
    for (const [other] of waiting.slice(0, -max)) void drop(other);
  };
  return {
    use: async (key, id, open, work) => {
      const current = held.get(key);
      current?.idle.stop();
      if (current && current.id !== id) await drop(key);
      let one = current;
      if (one?.process.child.alive !== true || one.id !== id) {
        // As below; it may have been let go a moment ago.
        await ending.get(key);
        const process_ = await open();
        one = { id, process: process_, idle: idleTimer(idleTimeout, () => void drop(key)), waiting: false };
        held.set(key, one);
      }
      one.waiting = false;
      try {
        return await work(one.process);
      } finally {
        if (one.process.child.alive) keep(key, one);
        else {
          // Not before it is gone: the next one opens the same session.
          await one.process.child.exited;
          if (held.get(key) === one) held.delete(key);
        }
      }
    },
    drop,
    close: async () => {
      for (const key of [...held.keys()]) void drop(key);
      await Promise.all(ending.values());
    },
  };
}
