/**
 * The callbacks for the wakes of one attachment. What is taken is on the disk before it is answered, and a wake that
 * comes again, because the node died, ends with it and is not posted again.
 */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { MoltnetError } from '../../protocol/errors.ts';
import { attemptKey, type Attempt, type RuntimeContext, type TurnOutcome } from '../runtime.ts';
import { stateFolder } from '../state-folder.ts';
import type { LineTurn } from '../turn-line.ts';
import { joinListener, type CallbackParty, type ListenAt } from './callback-listener.ts';
import { keptCallbacks } from './kept-callbacks.ts';

export interface Callbacks {
  /** Where the service posts them. */
  readonly url: string;
  /** Resolves when they are listened for; rejects as `joinListener`. */
  listen(): Promise<void>;
  /** The outcome that was told of a wake already. */
  told(wake: Attempt): TurnOutcome | undefined;
  /** Notes that the wake goes out; the promise resolves with the outcome when it is told. */
  expect(turn: LineTurn): { outcome: Promise<TurnOutcome>; end(): void };
  /** How the turn has ended, where it has; a callback that was taken in the last moment counts. */
  settle(wake: Attempt, outcome: TurnOutcome): TurnOutcome;
  close(): Promise<void>;
}

interface Expected {
  touch(): void;
  tell(outcome: TurnOutcome): void;
  /** Seconds; a sign of life that is sent again is none. */
  last: number;
}

export function openCallbacks(
  context: RuntimeContext,
  at: ListenAt & { url: string },
  secret: CallbackParty['secret'],
): Callbacks {
  const kept = keptCallbacks(path.join(stateFolder(context.attachment), 'callbacks'));
  const expected = new Map<string, Expected>();

  const party: CallbackParty = {
    secret,
    log: context.log,
    knows: (attempt) => kept.get(attempt) !== undefined,
    take: (callback, timestamp) => {
      const { wake_id, attempt } = callback;
      const before = kept.get(callback);
      const waits = expected.get(attemptKey(callback));
      if (before?.state === 'ended') throw new MoltnetError('wake_ended');
      if ('working' in callback) {
        if (before?.state === 'told') throw new MoltnetError('wake_ended');
        if (waits === undefined || timestamp <= waits.last) return;
        waits.last = timestamp;
        return waits.touch();
      }
      const { outcome } = callback;
      if (before?.state === 'told') {
        // As it was read back from the disk.
        if (isDeepStrictEqual(before.outcome, JSON.parse(JSON.stringify(outcome)))) return;
        throw new MoltnetError('wake_ended');
      }
      kept.set({ wake_id, attempt, state: 'told', outcome });
      waits?.tell(outcome);
    },
  };

  let joined: Promise<() => Promise<void>> | undefined;
  const told = (wake: Attempt): TurnOutcome | undefined => {
    const before = kept.get(wake);
    return before?.state === 'told' ? before.outcome : undefined;
  };
  return {
    url: at.url,
    listen: async () => {
      joined ??= joinListener(at, party).catch((error: unknown) => {
        joined = undefined;
        throw error;
      });
      await joined;
    },
    told,
    expect: ({ wake, touch }) => {
      const { wake_id, attempt } = wake;
      kept.set({ wake_id, attempt, state: 'out' });
      const { promise, resolve } = Promise.withResolvers<TurnOutcome>();
      expected.set(attemptKey(wake), { touch, tell: resolve, last: 0 });
      return { outcome: promise, end: () => void expected.delete(attemptKey(wake)) };
    },
    settle: (wake, outcome) => {
      const { wake_id, attempt } = wake;
      const before = kept.get(wake);
      if (before?.state === 'told') return before.outcome;
      // One that was cancelled comes again as it is: the node stopped, or lost its place.
      if (before === undefined || outcome.state === 'cancelled') return outcome;
      try {
        kept.set({ wake_id, attempt, state: 'ended' });
      } catch (error) {
        context.log('warn', 'that a turn has ended could not be noted for its callback', {
          wake_id,
          reason: error instanceof Error ? error.message : String(error),
        });
      }
      return outcome;
    },
    close: async () => {
      const leave = await joined?.catch(() => undefined);
      joined = undefined;
      await leave?.();
    },
  };
}
