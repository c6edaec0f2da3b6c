/** One HTTP request to an agent's runtime. Not `fetch`: that one gives up after five minutes without an answer. */
import http from 'node:http';
import https from 'node:https';
import { TurnFailure } from './turn-line.ts';

/** Bytes of an answer; the original takes as many. */
const MAX_ANSWER = 1024 * 1024;

export interface HttpCall {
  method: 'GET' | 'POST' | 'DELETE';
  headers?: Record<string, string>;
  /** Sent as it is. */
  body?: string;
  signal: AbortSignal;
  /** Milliseconds in all; no limit but the signal when left out. */
  ms?: number;
  /** Bytes of an answer; 1 MiB when left out. */
  max_answer?: number;
}

export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** Nothing came back. What was asked may have been done. */
export class HttpLost extends Error {
  /** Nothing listens there: what was asked was not done. */
  readonly refused: boolean;
  constructor(message: string, refused: boolean) {
    super(message);
    this.name = 'HttpLost';
    this.refused = refused;
  }
}

/** Rejects with an HttpLost. A redirect is an answer like any other: a token goes where it was meant to. */
export function httpCall(
  url: string,
  { method, headers = {}, body, signal, ms, max_answer = MAX_ANSWER }: HttpCall,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const limited = ms === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    const request = (url.startsWith('https:') ? https : http).request(
      url,
      {
        method,
        signal: limited,
        headers: {
          accept: 'application/json',
          'user-agent': 'moltnet-node',
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > max_answer) response.destroy(new Error(`the answer has over ${max_answer} bytes`));
          else chunks.push(chunk);
        });
        response.on('error', lost);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    const lost = (error: NodeJS.ErrnoException): void =>
      reject(
        new HttpLost(
          error.code === 'ECONNREFUSED'
            ? `nothing listens at ${url}`
            : `${url} did not answer: ${limited.aborted && !signal.aborted ? `not in ${ms} ms` : error.message}`,
          error.code === 'ECONNREFUSED',
        ),
      );
    request.on('error', lost);
    request.end(body);
  });
}

/** Throws what an answer that is no success means. `field` is the key of the configuration that names the address. */
export function requireSuccess(url: string, answer: HttpAnswer, field: string, secret: string): void {
  if (answer.status < 200 || answer.status > 299) throw statusFailure(url, answer, field, secret);
}

function statusFailure(url: string, answer: HttpAnswer, field: string, secret: string): TurnFailure {
  const { status, headers } = answer;
  const said = answer.body.trim() === '' ? '' : `: ${answer.body.slice(0, 300)}`;
  const after = Number(headers['retry-after']);
  const retry = Number.isFinite(after) && after > 0 ? { retry_after_s: Math.ceil(after) } : {};
  if (status === 401 || status === 403)
    return new TurnFailure(`${url} refused the credential (${status})${said}; correct ${secret}`, {
      permanent: true,
      cause: 'config',
    });
  if (status === 429 || (status === 503 && headers['retry-after'] !== undefined))
    return new TurnFailure(`${url} asks for patience (${status})${said}`, {
      cause: 'rate_limited',
      ...retry,
    });
  if (status === 408 || status === 425 || status >= 500)
    return new TurnFailure(`${url} failed (${status})${said}`, { cause: 'crashed', ...retry });
  return new TurnFailure(`${url} answered ${status}${said}; correct ${field}`, {
    permanent: true,
    cause: 'config',
  });
}

/** An HttpLost as a turn's failure; anything else as it is. */
export const lostFailure = (error: unknown, field: string): unknown =>
  error instanceof HttpLost
    ? new TurnFailure(error.refused ? `${error.message}; start it, or correct ${field}` : error.message, {
        cause: error.refused ? 'missing' : 'crashed',
      })
    : error;
