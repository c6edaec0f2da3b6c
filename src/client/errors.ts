/** What a caller of the client can meet: a refusal by the server, or no usable answer at all. */
import { errors, MoltnetError, type ErrorCode } from '../protocol/errors.ts';

/** The server answered with a refusal. `code` is ours; a code that only the server knows stands in `wire_code`. */
export class RefusedError extends MoltnetError {
  readonly #status: number;
  readonly wire_code: string;
  readonly request_id: string | undefined;

  constructor(
    status: number,
    refusal: { code: string; error: string; request_id?: string },
    retryAfter?: number,
  ) {
    super(
      codeOf(status, refusal.code),
      refusal.error,
      retryAfter === undefined ? {} : { retry_after: retryAfter },
    );
    this.name = 'RefusedError';
    this.#status = status;
    this.wire_code = refusal.code;
    this.request_id = refusal.request_id;
  }

  /** HTTP status as answered. */
  override get status(): number {
    return this.#status;
  }

  /** Whether the same request may succeed later. */
  get retry(): boolean {
    return this.#status === 429 || this.#status >= 500;
  }
}

export type ConnectionProblem =
  | 'refused'
  | 'unknown_host'
  | 'unreachable'
  | 'timeout'
  | 'broken'
  | 'tls'
  | 'another_network'
  | 'bad_answer'
  | 'answer_too_large'
  | 'closed';

/** No usable answer came. The message is one plain sentence that says what to do. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly problem: ConnectionProblem;
  /** False when the request cannot have reached the server; true when its outcome is unknown. */
  readonly maybe_done: boolean;

  constructor(
    problem: ConnectionProblem,
    message: string,
    options: { maybe_done: boolean; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.problem = problem;
    this.maybe_done = options.maybe_done;
  }
}

/** The generic codes of wire.md 3.1, for servers whose codes we do not know. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  409: 'conflict',
  422: 'unprocessable_entity',
  429: 'rate_limited',
  502: 'bad_gateway',
  503: 'service_unavailable',
};

function codeOf(status: number, code: string): ErrorCode {
  if (Object.hasOwn(errors, code)) return code as ErrorCode;
  return BY_STATUS[status] ?? (status < 500 ? 'bad_request' : 'internal_error');
}
