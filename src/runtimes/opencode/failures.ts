/** What kept opencode from a turn, as its failure is told. */
import type { Failed } from '../runtime.ts';
import { oneLine } from '../turn-line.ts';
import type { OpencodeError } from './messages.ts';

/** Of the error that a turn ended with. */
export function errorFailure({ name, data }: OpencodeError): Failed {
  const message = data?.message ?? name ?? 'the turn failed';
  const after = Number(data?.responseHeaders?.['retry-after']);
  const failed = wordsFailure(name === 'ProviderAuthError' ? `${message} (401)` : message, data?.statusCode);
  return failed.cause === 'rate_limited' && after > 0
    ? { ...failed, retry_after_s: Math.ceil(after) }
    : failed;
}

/** Of what it says, and the status that its model answered with, where that is known. */
export function wordsFailure(message: string, status?: number): Failed {
  const reason = oneLine(message);
  if (
    status === 401 ||
    status === 403 ||
    /\b401\b|unauthorized|api key is missing|invalid api key/i.test(reason)
  )
    return {
      state: 'failed',
      permanent: true,
      cause: 'not_logged_in',
      reason: `${reason}; log in with \`opencode auth login\` as the user of this node, or give the node the key of the provider`,
    };
  if (status === 404 || /model not found|no such model|ProviderModelNotFound/i.test(reason))
    return {
      state: 'failed',
      permanent: true,
      cause: 'model',
      reason: `${reason}; name one of \`opencode models\` in runtime.model`,
    };
  const patience = status === 429 || /\b429\b|rate.?limit|too many requests|usage limit|quota/i.test(reason);
  return { state: 'failed', permanent: false, cause: patience ? 'rate_limited' : 'model', reason };
}
