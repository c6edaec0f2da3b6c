/**
 * What holds for every request, whoever serves it: fastify (app.ts), or direct.ts without it. Over Node's own request
 * and response, so that there is one of each rule.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { MoltnetError } from '../../protocol/errors.ts';
import type { ServerContext } from '../context.ts';
import { envelope, refusalOf, retryAfter, type Refusal } from './errors.ts';
import { requireCurrent } from '../several.ts';
import { limitRequests } from './rates.ts';

/** A refusal as it is sent, beside what every answer carries. */
export interface Refused {
  status: number;
  /** The error envelope. */
  text: string;
  headers: [name: string, value: string][];
}

/** A request that was answered. */
export interface Counted {
  id: string;
  /** Its method and the pattern of its route, `POST /v1/messages`; undefined when none matched. */
  route: string | undefined;
  status: number;
  milliseconds: number;
}

export interface ExchangeRules {
  /**
   * Asked before the body is read. Throws MoltnetError.
   * @param live a live stream: foreign pages may not open it, though it is a GET
   */
  admit(request: IncomingMessage, live: boolean): void;
  /** The answer to a request of which this was thrown. Logs it. */
  refuse(request: IncomingMessage, id: string, error: unknown): Refused;
  /** For /metrics, and the log at debug. */
  count(request: IncomingMessage, counted: Counted): void;
}

export function exchangeRules(context: ServerContext): ExchangeRules {
  return {
    admit(request, live) {
      if (context.stopping) throw new MoltnetError('stopping');
      const { headers, method } = request;
      limitRequests(context, request);
      context.origins.requireHost(headers);
      const reads = method === 'GET' || method === 'HEAD';
      if (reads && request.url!.startsWith('/v1/')) requireCurrent(context.store);
      if (reads && !live) return;
      context.origins.requireOrigin(headers);
      // What a browser sends by itself proves nothing: the page has to be ours.
      if (context.credentials.sessionOf(request)) context.origins.requireOwnPage(headers);
    },

    refuse(request, id, error) {
      const refusal = refusalOf(error);
      logRefusal(request, id, refusal);
      const headers: Refused['headers'] = [];
      const wait = retryAfter(refusal);
      if (wait !== undefined) headers.push(['retry-after', String(wait)]);
      // Of a body that is too large nobody reads the rest.
      if (refusal.code === 'stopping' || refusal.code === 'body_too_large')
        headers.push(['connection', 'close']);
      if (!request.complete) refusedEarly.set(request.socket, request);
      return { status: refusal.status, text: envelope(refusal, id), headers };
    },

    count(request, { id, route, status, milliseconds }) {
      context.metrics.request(request.method!, route, status, milliseconds / 1_000);
      if (context.log.isLevelEnabled('debug'))
        context.log.debug(
          {
            component: 'transport.http',
            request_id: id,
            method: request.method,
            route,
            status,
            duration_ms: milliseconds,
          },
          'request',
        );
    },
  };

  function logRefusal(request: IncomingMessage, id: string, refusal: Refusal): void {
    // The path without its query, which may carry a credential.
    const fields = {
      component: 'transport.http',
      request_id: id,
      method: request.method,
      path: request.url!.split('?', 1)[0]!.slice(0, 300),
      status: refusal.status,
      code: refusal.code,
    };
    if (refusal.status >= 500) context.log.error({ ...fields, err: refusal.fault }, refusal.message);
    // Not its message, which quotes what the caller sent.
    else context.log.warn(fields, 'request refused');
  }
}

/** Requests that were answered before their body was there, by their socket. */
const refusedEarly = new WeakMap<Socket, IncomingMessage>();

/** What is broken on this connection is the rest of a request that has its answer. */
export const isAnsweredEarly = (socket: Socket): boolean => refusedEarly.get(socket)?.complete === false;
