/** What kept Codex from a turn, as its failure is told. */
import { CodexGone, CodexLoggedOut, CodexRefused, type CodexError } from './codex-server.ts';
import type { Failed, FailureCause } from './runtime.ts';

const LOGIN = 'log in with `codex login` as the user of this node';
const ARGS = 'correct runtime.args';

/** Failures that stay until a person does something, and what that is. */
const LASTING: readonly [RegExp, FailureCause, string][] = [
  [
    /\b401\b|unauthorized|not logged in|log out and sign in|token.*(expired|revoked)/i,
    'not_logged_in',
    LOGIN,
  ],
  [
    /Missing environment variable/i,
    'not_logged_in',
    'set that variable for the node, or name another provider in config.toml',
  ],
  [
    /Model provider `.*` not found|Error loading config|unknown configuration|invalid type|TOML parse error/i,
    'config',
    'correct config.toml or runtime.args',
  ],
  [/unexpected argument|a value is required|invalid value/i, 'config', ARGS],
];
const RATE = /\b429\b|rate.?limit|usage limit|quota/i;

/** A turn that Codex says has failed. */
export function turnFailure(error: CodexError): Failed {
  const { message, info } = error;
  const kind = typeof info === 'string' ? info : (Object.keys((info ?? {}) as object)[0] ?? '');
  const detail =
    typeof info === 'object' ? (info as Record<string, { httpStatusCode?: unknown }>)[kind] : undefined;
  const status = detail?.httpStatusCode;
  if (kind === 'unauthorized' || status === 401)
    return { state: 'failed', permanent: true, cause: 'not_logged_in', reason: `${message}; ${LOGIN}` };
  if (kind === 'usageLimitExceeded' || kind === 'rateLimitExceeded' || status === 429)
    return { state: 'failed', permanent: false, cause: 'rate_limited', reason: message };
  if (kind === 'modelNotFound')
    return {
      state: 'failed',
      permanent: true,
      cause: 'model',
      reason: `${message}; name a model that this account has, by runtime.args ["--model", …]`,
    };
  return (
    byWords(message) ?? {
      state: 'failed',
      permanent: false,
      cause: RATE.test(message) ? 'rate_limited' : 'model',
      reason: message,
    }
  );
}

/** Anything that was thrown on the way to a turn, or in it; undefined for what is not Codex's. */
export function thrownFailure(error: unknown): Failed | undefined {
  if (error instanceof CodexLoggedOut)
    return { state: 'failed', permanent: true, cause: 'not_logged_in', reason: `${error.message}; ${LOGIN}` };
  if (error instanceof CodexRefused)
    return (
      byWords(error.message) ?? {
        state: 'failed',
        permanent: false,
        cause: 'crashed',
        reason: `Codex refused ${error.message}`,
      }
    );
  if (!(error instanceof CodexGone)) return undefined;
  const reason = error.words ? `${error.message}: ${error.words}` : error.message;
  return byWords(reason) ?? { state: 'failed', permanent: false, cause: 'crashed', reason };
}

function byWords(reason: string): Failed | undefined {
  const found = LASTING.find(([pattern]) => pattern.test(reason));
  return found && { state: 'failed', permanent: true, cause: found[1], reason: `${reason}; ${found[2]}` };
}
