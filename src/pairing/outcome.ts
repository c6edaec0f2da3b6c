/** What an attempt to relay one message came to. */
import { ConnectionError, RefusedError } from '../client/errors.ts';
import type { MessageAccepted } from '../protocol/messages.ts';
import type { RelayResult } from '../protocol/pairings.ts';
import { shownOf } from './foreign-answers.ts';

export type Outcome =
  | { kind: 'relayed' }
  /** The other side will not take this message, ever. The next one goes on. */
  | { kind: 'refused'; code: string; reason: string }
  /** Nothing gets through to the other side: all its messages wait. */
  | { kind: 'away'; reason: string; message: string; after?: number }
  /** It takes none now, and has said when: all its messages wait. */
  | { kind: 'later'; code: string; message: string; after: number }
  /** This message failed there in a way that may pass; `tries` at most, then it counts as refused. */
  | { kind: 'stuck'; code: string; message: string; tries: number };

/** Seconds, for a peer that asks to wait and does not say how long. */
const WAIT = 5;
/** They say something of the whole pairing, not of this message. */
const OF_THE_PAIRING = new Set(['pairing_mismatch', 'foreign_host', 'foreign_origin', 'method_not_allowed']);

/** What it says is its own: it may be anything. */
export function outcomeOfAnswer(answer: Partial<MessageAccepted> | null): Outcome {
  return answer?.accepted === true
    ? { kind: 'relayed' }
    : { kind: 'refused', code: 'not_accepted', reason: 'the other side answered that it does not take it' };
}

export function outcomeOfResult(result: Partial<Record<keyof RelayResult, unknown>> | null): Outcome {
  const { accepted, code, error } = result ?? {};
  if (accepted === true) return { kind: 'relayed' };
  return {
    kind: 'refused',
    code: typeof code === 'string' && code !== '' ? shownOf(code) : 'not_accepted',
    reason: typeof error === 'string' ? shownOf(error) : 'the other side does not take it',
  };
}

/** Anything that is thrown and is no failure to reach the other side is a fault of ours, and thrown again. */
export function outcomeOfError(error: unknown): Outcome {
  if (error instanceof ConnectionError)
    return { kind: 'away', reason: 'remote_request_failed', message: shownOf(error.message) };
  if (!(error instanceof RefusedError)) throw error;
  const { status, retry_after } = error;
  const code = shownOf(error.wire_code);
  const message = shownOf(error.message);
  if (status === 429)
    return { kind: 'later', code: code || 'rate_limited', message, after: retry_after ?? WAIT };
  // An answer of something in between, or of a server that is stopping, starting or without its database.
  if (
    code === '' ||
    status === 401 ||
    status === 502 ||
    status === 503 ||
    status === 504 ||
    OF_THE_PAIRING.has(code)
  )
    return {
      kind: 'away',
      reason: status === 401 ? 'unauthorized' : 'remote_request_failed',
      message,
      ...(retry_after !== undefined && { after: retry_after }),
    };
  if (status >= 500) return { kind: 'stuck', code, message, tries: 8 };
  // Somebody took the id at the same moment: decided by now.
  if (code === 'conflict') return { kind: 'stuck', code, message, tries: 3 };
  return { kind: 'refused', code, reason: message };
}
