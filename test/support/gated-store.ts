/** A real store whose calls can be looked at, held up or made to fail, so that a test decides what happens meanwhile. */
import type { Lab } from './network-lab.ts';
import type { Store } from '../../src/store/store.ts';

/** The store, of which `before` is called before each method, with its name: the call waits for it, or fails with it. */
export const calling =
  (before: (method: string) => Promise<void> | void) =>
  (store: Store): Store =>
    new Proxy(store, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          const call = (): unknown => (value as (...all: unknown[]) => unknown).apply(target, args);
          const waits = before(String(key));
          return waits ? waits.then(call) : call();
        };
      },
    });

export interface GatedStore {
  lab: Lab;
  store: Store;
  /** The answers of reads that begin from now on wait. */
  close(): void;
  open(): void;
  /** Resolves when a read waits. */
  waiting(): Promise<void>;
}

export function gated(lab: Lab, read: keyof Store): GatedStore {
  let gate: PromiseWithResolvers<void> | undefined;
  let arrived = Promise.withResolvers<void>();
  const store = new Proxy(lab.store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const answer: unknown = await (value as (...all: unknown[]) => unknown).apply(target, args);
        if (key === read && gate) {
          arrived.resolve();
          await gate.promise;
        }
        return answer;
      };
    },
  });
  return {
    lab,
    store,
    close() {
      gate = Promise.withResolvers();
      arrived = Promise.withResolvers();
    },
    open() {
      gate?.resolve();
      gate = undefined;
    },
    waiting: () => arrived.promise,
  };
}
