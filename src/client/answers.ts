/** What an HTTP answer says: a value, a refusal, or that no Moltnet server has spoken. */
import { ConnectionError, RefusedError } from './errors.ts';
import type { Answer } from './http-request.ts';

/** The value of an answer that is 2xx; throws RefusedError or ConnectionError otherwise. */
export function parseAnswer(answer: Answer, baseUrl: string, path: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(answer.text);
  } catch {
    throw notMoltnet(baseUrl, path, answer);
  }
  if (answer.status >= 200 && answer.status < 300) return value;
  const refusal = value as { code?: unknown; error?: unknown; request_id?: unknown } | null;
  if (answer.status < 400 || typeof refusal !== 'object' || typeof refusal?.code !== 'string')
    throw notMoltnet(baseUrl, path, answer);
  const error =
    typeof refusal.error === 'string' && refusal.error !== ''
      ? refusal.error
      : `${path} was refused with ${answer.status}`;
  throw new RefusedError(
    answer.status,
    {
      code: refusal.code,
      error,
      ...(typeof refusal.request_id === 'string' ? { request_id: refusal.request_id } : {}),
    },
    answer.retry_after,
  );
}

/** What answers is no Moltnet server, or something stands in between. */
export function notMoltnet(baseUrl: string, path: string, answer: Answer): Error {
  const { status, location } = answer;
  const where = `${baseUrl}${path}`;
  if (status >= 300 && status < 400 && location !== undefined) {
    return new ConnectionError(
      'bad_answer',
      `${where} redirects to ${shown(location)}, which is not followed; use the address that it leads to as base URL`,
      { maybe_done: false },
    );
  }
  // A proxy in front of a server that is away, or a plain-text refusal (405).
  if (status === 401 || status === 403 || status === 405 || status === 429 || status >= 500) {
    return new RefusedError(
      status,
      {
        code: '',
        error: `${where} answered ${status}${answer.text.trim() === '' ? '' : `: ${shown(answer.text)}`}`,
      },
      answer.retry_after,
    );
  }
  return new ConnectionError(
    'bad_answer',
    `what answers at ${where} (status ${status}, ${answer.content_type === '' ? 'no content type' : shown(answer.content_type)}) is not a Moltnet server; correct the address`,
    {
      maybe_done: status < 300,
    },
  );
}

/** One line of foreign text for an error message. */
const shown = (text: string): string =>
  JSON.stringify(text.trim().replace(/\s+/g, ' ').slice(0, 200)).slice(1, -1);
