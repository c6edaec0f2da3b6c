/** What kept Gemini CLI from a turn, as its failure is told. */
import { objectOf, parseObject } from '../json.ts';
import type { Failed, FailureCause } from '../runtime.ts';
import { oneLine } from '../turn-line.ts';
import { AcpGone, AcpRefused } from './acp-connection.ts';

/** Nobody has logged in: it asks for that where nobody is. */
export class GeminiLoggedOut extends Error {}

const AUTH_REQUIRED = -32_000;
const LOGIN = 'log in by running `gemini` once as the user of this node, or give the node GEMINI_API_KEY';

/** Anything that was thrown on the way to a turn, or in it; undefined for what is not Gemini CLI's. */
export function geminiFailure(error: unknown, args: readonly string[] = []): Failed | undefined {
  if (error instanceof GeminiLoggedOut) return failed(`${error.message}; ${LOGIN}`, 'not_logged_in', true);
  if (error instanceof AcpGone) return goneFailure(error, args);
  if (!(error instanceof AcpRefused)) return undefined;
  const { code } = error;
  const words = sentence(error.message);
  const reason = code >= 400 && code <= 599 && !words.includes(String(code)) ? `${words} (${code})` : words;
  if (
    code === AUTH_REQUIRED ||
    code === 401 ||
    code === 403 ||
    /api key (is )?(not valid|missing|expired)|API_KEY_INVALID|authentication required/i.test(words)
  )
    return failed(`${reason}; ${LOGIN}`, 'not_logged_in', true);
  if (/model .*not found|is not found for api version|\b404\b/i.test(words))
    return failed(
      `${reason}; name a model that this account has, by runtime.args ["--model", …]`,
      'model',
      true,
    );
  return failed(
    reason,
    code === 429 || /\bquota\b|rate limit/i.test(words) ? 'rate_limited' : 'model',
    false,
  );
}

function goneFailure({ message, words }: AcpGone, args: readonly string[]): Failed {
  if (/^Unknown argument.*\b(acp|skip-trust|policy)\b/.test(words))
    return failed(
      `${oneLine(words)}: this Gemini CLI is too old; install 0.61 or newer with \`npm install -g @google/gemini-cli\``,
      'config',
      true,
    );
  if (/^(Unknown argument|Invalid values|Not enough arguments)/.test(words))
    return failed(`${oneLine(words)} (${args.join(' ')}); correct runtime.args`, 'config', true);
  return failed(words === '' ? message : `${message}: ${words}`, 'crashed', false);
}

/** What a service has said in JSON of its own. */
function sentence(message: string): string {
  const { message: said } = objectOf(parseObject(message)?.['error']);
  return oneLine(typeof said === 'string' ? said : message);
}

export const failed = (reason: string, cause: FailureCause, permanent: boolean): Failed => ({
  state: 'failed',
  permanent,
  cause,
  reason,
});
