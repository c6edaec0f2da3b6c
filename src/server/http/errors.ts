/** Whatever is thrown → one refusal with a code of the table, as the error envelope (HTTP-2). */
import { STATUS_CODES } from 'node:http';
import { limits } from '../../protocol/limits.ts';
import { errors, MoltnetError, type ErrorCode } from '../../protocol/errors.ts';
import { StorageError } from '../../store/errors.ts';

export interface Refusal {
  status: number;
  code: ErrorCode;
  /** For the caller. Says nothing of the inside when the fault is ours. */
  message: string;
  /** Seconds for Retry-After, where the refusal knows better than its code. */
  retry_after?: number;
  /** The fault behind an `internal_error`, for the log. */
  fault?: unknown;
}

/** Fastify's own codes that mean a refusal of ours. */
const FRAMEWORK: Record<string, { code: ErrorCode; message?: string }> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: 'body_too_large',
    message: `the body is over ${limits.body.value} bytes`,
  },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'not_found' },
  FST_ERR_BAD_URL: {
    code: 'bad_request',
    message: 'the path is not well-formed: % stands before two hex digits of UTF-8',
  },
};

export function refusalOf(error: unknown): Refusal {
  if (error instanceof MoltnetError) {
    const { status } = errors[error.code];
    if (error.code === 'internal_error') return fault(error);
    const { code, message, retry_after } = error;
    return { status, code, message, ...(retry_after !== undefined && { retry_after }) };
  }
  // A read that the storage did not answer: no fault of ours, and it may pass.
  if (error instanceof StorageError)
    return {
      status: errors.service_unavailable.status,
      code: 'service_unavailable',
      message: 'the storage does not answer',
      fault: error,
    };
  const { code, statusCode, message } = (error ?? {}) as {
    code?: unknown;
    statusCode?: unknown;
    message?: unknown;
  };
  const known = typeof code === 'string' ? FRAMEWORK[code] : undefined;
  if (known !== undefined)
    return {
      status: errors[known.code].status,
      code: known.code,
      message: known.message ?? errors[known.code].what,
    };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500)
    return {
      status: 400,
      code: 'bad_request',
      message: typeof message === 'string' ? message : errors.bad_request.what,
    };
  return fault(error);
}

const fault = (error: unknown): Refusal => ({
  status: 500,
  code: 'internal_error',
  message: STATUS_CODES[500]!.toLowerCase(),
  fault: error,
});

/** Keys in alphabetical order, as on the wire. */
export const envelope = (refusal: Refusal, requestId: string): string =>
  `{"code":"${refusal.code}","error":${JSON.stringify(refusal.message)},"request_id":${JSON.stringify(requestId)}}`;

/** Seconds to put into Retry-After, for refusals that may pass by themselves. */
export const retryAfter = ({ code, retry_after }: Refusal): number | undefined =>
  retry_after ?? ('retry' in errors[code] && code !== 'internal_error' ? 1 : undefined);
