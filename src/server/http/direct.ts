/**
 * `POST /v1/messages` without the framework, whose way from a request to its handler costs more than the message does.
 * The same rules in the same order, and the same handler; the route itself stands in messages.ts. Whoever writes its
 * path in another way (a query, a percent sign) gets there through fastify.
 */
import type { RequestListener, ServerResponse } from 'node:http';
import { requireAccess } from '../../network/access.ts';
import { SendMessageRequest, type MessageAccepted } from '../../protocol/messages.ts';
import type { ServerContext } from '../context.ts';
import { GUARD_HEADERS, JSON_TYPE } from './answers.ts';
import { parseBody, readBody, taking } from './body.ts';
import type { ExchangeRules } from './exchange.ts';
import { acceptedText, sendMessage } from './messages.ts';
import { requestId } from './request-id.ts';

const METHOD = 'POST';
const PATH = '/v1/messages';
const ROUTE = `${METHOD} ${PATH}`;
const take = taking(SendMessageRequest, 'body');

/** Serves the one route, and hands everything else on. */
export function direct(
  context: ServerContext,
  rules: ExchangeRules,
  others: RequestListener,
): RequestListener {
  const { network } = context;
  return (request, response) => {
    if (request.url !== PATH || request.method !== METHOD) return others(request, response);
    const began = performance.now();
    const id = requestId(request.headers['x-request-id']);

    function answer(status: number, text: string, headers?: [string, string][]): void {
      sendText(response, status, text, id, headers);
      rules.count(request, { id, route: ROUTE, status, milliseconds: performance.now() - began });
    }
    function refuse(error: unknown): void {
      const { status, text, headers } = rules.refuse(request, id, error);
      answer(status, text, headers);
    }
    /** At the first word of it: the sender goes on while its message is sent to its readers. */
    function accepted(message: MessageAccepted): void {
      if (!response.writableEnded) answer(202, acceptedText(message));
    }
    function accept(text: string): void {
      try {
        sendMessage(context, request, take(parseBody(text)), accepted).then(accepted, refuse);
      } catch (error) {
        refuse(error);
      }
    }

    try {
      rules.admit(request, false);
      requireAccess(network.settings, context.identify(request), 'message.send');
      readBody(request, accept, refuse);
    } catch (error) {
      refuse(error);
    }
  };
}

const GUARDS = GUARD_HEADERS.flat();

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  id: string,
  headers?: [string, string][],
): void {
  const size = Buffer.byteLength(text);
  const head = ['x-request-id', id, ...GUARDS, 'content-type', JSON_TYPE, 'content-length', String(size)];
  if (headers) head.push(...headers.flat());
  response.writeHead(status, head);
  // Head and body go out as one string; this encoding of it is the cheaper one, where it makes no difference.
  response.end(text, size === text.length ? 'latin1' : 'utf8');
}
