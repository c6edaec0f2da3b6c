/** `send --wait`: until an agent has answered, or taken the message up, or nobody will any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WAKE_ENV } from '../config/wake-folder.ts';
import { ConnectionError, RefusedError } from '../client/http.ts';
import type { MessageReceipts, Receipt } from '../protocol/receipts.ts';
import { openClient, type ServerAddress } from './api.ts';
import type { Args, Flag } from './command.ts';
import { Failure, usageFailure } from './failure.ts';
import { secondsOf } from './scope.ts';

const GOALS = ['answered', 'started'] as const;
type Goal = (typeof GOALS)[number];
const FALLBACK = '5m';

export const WAIT_FLAGS: readonly Flag[] = [
  {
    name: 'wait',
    value: '[answered|started]',
    takes: (next) => (GOALS as readonly string[]).includes(next),
    what: 'until an agent has answered it, or started on it; exit code 1 when none does',
  },
  { name: 'timeout', value: 'TIME', what: 'how long --wait waits: 90s, 30m, 2h', fallback: FALLBACK },
];

export interface Wait {
  goal: Goal;
  /** Milliseconds. */
  ms: number;
}

/** Undefined without `--wait`. Throws a usage Failure; also in a turn, which would hold up the agents behind it. */
export function waitOf(args: Args, env: NodeJS.ProcessEnv): Wait | undefined {
  const timeout = args.text('timeout');
  if (!args.given('wait')) {
    if (timeout !== undefined) throw usageFailure('--timeout belongs to --wait');
    return undefined;
  }
  if (env[WAKE_ENV])
    throw usageFailure(
      '--wait is not for a turn: an answer wakes you',
      'send it without --wait, and end your turn',
    );
  const text = args.text('wait') ?? 'answered';
  const goal = GOALS.find((one) => one === text);
  if (goal === undefined)
    throw usageFailure(
      `--wait ${JSON.stringify(text)} is not something to wait for`,
      'write answered or started',
    );
  return { goal, ms: secondsOf('timeout', timeout ?? FALLBACK) * 1_000 };
}

const OVER: readonly Receipt['state'][] = ['answered', 'silent', 'failed', 'expired', 'ignored'];
const REACHED: Readonly<Record<Goal, readonly Receipt['state'][]>> = {
  answered: ['answered'],
  started: ['started', 'answered', 'silent'],
};
/** Milliseconds between two looks. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;

/** The receipts at the end of the wait, and whether one of them is what was waited for. Throws a Failure. */
export async function waitFor(
  server: ServerAddress,
  messageId: string,
  { goal, ms }: Wait,
): Promise<Pick<MessageReceipts, 'receipts'> & { reached: boolean }> {
  const client = openClient(server);
  const deadline = performance.now() + ms;
  let receipts: Receipt[] | undefined;
  try {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
      try {
        ({ receipts } = await client.receipts(messageId));
      } catch (error) {
        // A server that restarts is waited for, too.
        if (!(error instanceof ConnectionError || (error instanceof RefusedError && error.retry)))
          throw new Failure(
            `${messageId} is stored; what becomes of it cannot be told: ${messageOf(error)}`,
            {
              hint: 'do not send it again',
              cause: error,
            },
          );
      }
      const reached = receipts?.some(({ state }) => REACHED[goal].includes(state)) ?? false;
      const over = receipts?.every(({ state }) => OVER.includes(state)) ?? false;
      const left = deadline - performance.now();
      if (reached || over || left <= 0) return { receipts: receipts ?? [], reached };
      await sleep(Math.min(pause, left));
    }
  } finally {
    client.close();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
