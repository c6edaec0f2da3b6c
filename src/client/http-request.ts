/** One HTTP request and its whole answer, bounded in time and size. Redirects are not followed. */
import {
  Agent,
  request as httpRequest,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { ConnectionError, type ConnectionProblem } from './errors.ts';

export interface Transport {
  exchange(method: string, path: string, body?: string): Promise<Answer>;
  /** Breaks off what is under way. Idempotent. */
  close(): void;
}

export interface Answer {
  status: number;
  text: string;
  content_type: string;
  location: string | undefined;
  /** Seconds, from Retry-After. */
  retry_after: number | undefined;
}

export interface TransportOptions {
  /** Without a trailing slash; a path before `/v1` is kept. */
  baseUrl: string;
  token?: string;
  /** From the start to the last byte of the answer, in milliseconds. */
  timeoutMs: number;
  /** Bytes of an answer. */
  maxBytes: number;
  keepAlive: boolean;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>>;
}

type RequestProblem = Exclude<ConnectionProblem, 'another_network'>;
type Requester = (url: URL, options: RequestOptions) => ClientRequest;

export function createTransport(options: TransportOptions): Transport {
  const { baseUrl, token, timeoutMs, maxBytes } = options;
  const secure = baseUrl.startsWith('https:');
  const headers: Record<string, string> = { ...options.headers, accept: 'application/json' };
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  const running = new Set<ClientRequest>();
  let opened: Promise<{ request: Requester; agent: Agent }> | undefined;
  let closed = false;

  // TLS takes a while to load: only where it is used.
  async function open(): Promise<{ request: Requester; agent: Agent }> {
    const settings = { keepAlive: options.keepAlive, maxSockets: 16 };
    if (!secure) return { request: httpRequest, agent: new Agent(settings) };
    const https = await import('node:https');
    return { request: https.request, agent: new https.Agent(settings) };
  }

  return {
    async exchange(method, path, body) {
      const { request, agent } = await (opened ??= open());
      if (closed)
        throw new ConnectionError('closed', `the client for ${baseUrl} is closed`, { maybe_done: false });
      return new Promise((resolve, reject) => {
        const length =
          body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
        const req = request(new URL(baseUrl + path), { method, agent, headers: { ...headers, ...length } });
        let sent = false;
        const timer = setTimeout(() => fail('timeout'), timeoutMs);
        const settle = (): void => {
          clearTimeout(timer);
          running.delete(req);
        };
        const fail = (problem: RequestProblem, cause?: unknown): void => {
          settle();
          reject(connectionError(problem, options, sent, cause));
          req.destroy();
        };
        running.add(req);
        req.on('socket', (socket) => {
          if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', () => (sent = true));
          else sent = true;
        });
        req.on('error', (error) => fail(closed ? 'closed' : problemOf(error, sent), error));
        const receive = async (res: IncomingMessage): Promise<void> => {
          try {
            const text = await readAll(res, maxBytes);
            settle();
            resolve({
              status: res.statusCode ?? 0,
              text,
              content_type: res.headers['content-type'] ?? '',
              location: res.headers.location,
              retry_after: retryAfter(res.headers),
            });
          } catch (error) {
            fail(error instanceof TooLarge ? 'answer_too_large' : closed ? 'closed' : 'broken', error);
          }
        };
        req.on('response', (res) => void receive(res));
        req.end(body);
      });
    },
    close() {
      closed = true;
      for (const req of running) req.destroy(new Error('closed'));
      void opened?.then(({ agent }) => agent.destroy());
    },
  };
}

class TooLarge extends Error {}

async function readAll(res: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of res as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new TooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Seconds that a server asks to wait: a number of them, or a date. */
export function retryAfter({ 'retry-after': header }: IncomingHttpHeaders): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const value = Number(header);
  if (Number.isFinite(value)) return value >= 0 ? value : undefined;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1_000);
}

function problemOf(error: unknown, sent: boolean): RequestProblem {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'unknown_host';
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL' || code === 'EACCES')
    return 'unreachable';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code) || code === 'EPROTO') return 'tls';
  if (code.startsWith('HPE_')) return 'bad_answer';
  return sent ? 'broken' : 'unreachable';
}

function connectionError(
  problem: RequestProblem,
  options: TransportOptions,
  sent: boolean,
  cause: unknown,
): ConnectionError {
  const { baseUrl, timeoutMs, maxBytes } = options;
  const detail = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
  const message: Record<RequestProblem, string> = {
    refused: `no Moltnet server at ${baseUrl}: connection refused; start one with \`moltnet start\`, or correct the address`,
    unknown_host: `no Moltnet server at ${baseUrl}: the host name is not known; correct the address`,
    unreachable: `no Moltnet server at ${baseUrl}: the address cannot be reached from here${detail}`,
    timeout: `no answer from ${baseUrl} within ${Math.round(timeoutMs / 100) / 10} seconds; is the server busy, or is it another program?`,
    broken: `the connection to ${baseUrl} broke before its answer was complete; try again`,
    tls: /wrong version number|packet length too long/.test(detail)
      ? `what answers at ${baseUrl} does not speak TLS; write http:// in place of https://`
      : `no secure connection to ${baseUrl}${detail}; correct the address or the certificate`,
    bad_answer: `what answers at ${baseUrl} does not speak HTTP; correct the address`,
    answer_too_large: `the answer of ${baseUrl} is over ${maxBytes} bytes; ask for fewer items with a smaller limit`,
    closed: `the client for ${baseUrl} was closed`,
  };
  return new ConnectionError(problem, message[problem], { maybe_done: sent, cause });
}
