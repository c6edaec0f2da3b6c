/**
 * The HTTP side of the server: one fastify instance with the rules that hold for every route (request ids, foreign
 * pages, bodies, errors, 404 and 405) and the route groups of this folder.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { MoltnetError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { ServerContext } from '../context.ts';
import { upToDate } from '../several.ts';
import { agentRoutes } from './agents.ts';
import { GUARD_HEADERS, GUARD_LINES, JSON_TYPE, sendJson } from './answers.ts';
import { applyRoutes } from './apply.ts';
import { artifactRoutes } from './artifacts.ts';
import { attachRoutes } from './attach.ts';
import { parseBody, zodValidator } from './body.ts';
import { consoleRoutes } from './console.ts';
import { deliveryRoutes } from './deliveries.ts';
import { direct } from './direct.ts';
import { discoveryRoutes } from './discovery.ts';
import { dmRoutes } from './dms.ts';
import { envelope } from './errors.ts';
import { eventRoutes } from './events.ts';
import { exchangeRules, isAnsweredEarly } from './exchange.ts';
import { guardRoutes } from './guard.ts';
import { healthRoutes } from './health.ts';
import { identityRoutes } from './identity.ts';
import { messageRoutes } from './messages.ts';
import { metricsRoutes } from './metrics.ts';
import { networkRoutes } from './network.ts';
import { installOpenapi, openapiRoutes } from './openapi.ts';
import { oneAtATime } from './pipelining.ts';
import { pairingSetupRoutes } from './pairing-setup.ts';
import { pairingRoutes } from './pairings.ts';
import { relayRoutes } from './relay.ts';
import { pauseRoutes } from './pauses.ts';
import { readRoutes } from './reads.ts';
import { receiptRoutes } from './receipts.ts';
import { searchRoutes } from './search.ts';
import { reloadRoutes } from './reload.ts';
import { requestId } from './request-id.ts';
import { roomRoutes } from './rooms.ts';
import { patternOf, RouteTable } from './route-table.ts';
import { sessionRoutes } from './session.ts';
import { threadRoutes } from './threads.ts';
import { usageRoutes } from './usage.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A live stream: foreign pages may not open it, though it is a GET. */
    live?: boolean;
  }
}

/** Our fastify: its routes are typed by their zod schemas. */
export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** Long enough for every id form (`molt://net/agents/id`, percent-encoded); longer is `not_found`. */
const LONGEST_PARAMETER = 1_024;

/** Builds the routes over an HTTP server that the caller listens with and closes. */
export async function buildApp(context: ServerContext, server: Server): Promise<App> {
  const routes = new RouteTable();
  const rules = exchangeRules(context);
  const app = fastify({
    serverFactory: (handler) =>
      server.on('request', oneAtATime(upToDate(context, direct(context, rules, handler)))),
    bodyLimit: limits.body.value,
    genReqId: (raw) => requestId(raw.headers['x-request-id']),
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => sendRefusal(error, request, reply as unknown as FastifyReply),
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket),
    routerOptions: {
      maxParamLength: LONGEST_PARAMETER,
      // The first of repeated parameters counts; nothing a query can hold is an error by itself.
      querystringParser: (text) => (text === '' ? NO_QUERY : firstOfEach(new URLSearchParams(text))),
    },
  }).withTypeProvider<ZodTypeProvider>() as unknown as App;

  app.setValidatorCompiler(zodValidator as never);
  // Answers are built to their schema; running them through it again would cost time and could only lose fields.
  app.setSerializerCompiler(() => JSON.stringify);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseBody(body as string));
    } catch (error) {
      done(error as Error);
    }
  });

  app.addHook('onRoute', ({ url, method }) => routes.add(url, [method].flat()));
  app.addHook('onRequest', (request, reply, done) => {
    try {
      admit(request, reply);
      done();
    } catch (error) {
      done(error as Error);
    }
  });
  app.addHook('onResponse', (request, reply, done) => {
    count(request, reply);
    done();
  });
  app.setErrorHandler((error, request, reply) =>
    sendRefusal(error, request, reply as unknown as FastifyReply),
  );
  app.setNotFoundHandler(() => {
    // admit() has refused it already.
    throw new MoltnetError('not_found');
  });

  await installOpenapi(app, context);
  for (const group of [
    networkRoutes,
    pairingRoutes,
    pairingSetupRoutes,
    relayRoutes,
    roomRoutes,
    messageRoutes,
    receiptRoutes,
    threadRoutes,
    dmRoutes,
    artifactRoutes,
    searchRoutes,
    agentRoutes,
    guardRoutes,
    deliveryRoutes,
    usageRoutes,
    pauseRoutes,
    readRoutes,
    applyRoutes,
    healthRoutes,
    metricsRoutes,
    eventRoutes,
    attachRoutes,
    discoveryRoutes,
    identityRoutes,
    reloadRoutes,
    sessionRoutes,
    consoleRoutes,
    openapiRoutes,
  ])
    await app.register(group, context);
  await app.ready();
  return app;

  function admit(request: FastifyRequest, reply: FastifyReply): void {
    guarded(request, reply);
    rules.admit(request.raw, request.routeOptions.config.live === true);
    if (request.is404) throw unmatched(request, reply);
    // Any content type is read as JSON, also one that is no content type.
    delete request.raw.headers['content-type'];
  }

  function unmatched(request: FastifyRequest, reply: FastifyReply): MoltnetError {
    const path = request.url.split('?', 1)[0]!;
    const methods = routes.methodsOf(path);
    if (methods.length === 0)
      return new MoltnetError(
        'not_found',
        `there is no ${JSON.stringify(path.slice(0, 160))} here; /openapi.json lists all routes`,
      );
    reply.header('allow', methods.join(', '));
    return new MoltnetError(
      'method_not_allowed',
      `${request.method} is not possible here; use ${methods.join(', ')}`,
    );
  }

  function sendRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { status, text, headers } = rules.refuse(request.raw, request.id, error);
    guarded(request, reply);
    for (const [name, value] of headers) reply.header(name, value);
    sendJson(reply, text, status);
  }

  function count(request: FastifyRequest, reply: FastifyReply): void {
    // A stream that was opened counts itself when it ends, however that comes about.
    if (request.routeOptions.config.live && request.method === 'GET' && reply.statusCode === 200) return;
    const { url } = request.routeOptions;
    rules.count(request.raw, {
      id: request.id,
      route: request.is404 || url === undefined ? undefined : `${routeMethod(request)} ${patternOf(url)}`,
      status: reply.statusCode,
      milliseconds: reply.elapsedTime,
    });
  }
}

/** HEAD is served by the GET route, and counted under it. */
const routeMethod = (request: FastifyRequest): string => (request.method === 'HEAD' ? 'GET' : request.method);

/** What every answer carries, refusals of the framework too. */
function guarded(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id);
  for (const [name, value] of GUARD_HEADERS) reply.header(name, value);
  // What one caller reads is for that one, also where a cache stands before the server.
  if (routeMethod(request) === 'GET' && request.url.startsWith('/v1/'))
    reply.header('cache-control', 'no-store');
}

const NO_QUERY: Record<string, string> = Object.freeze(Object.create(null));

function firstOfEach(query: URLSearchParams): Record<string, string> {
  const first: Record<string, string> = Object.create(null);
  for (const [name, value] of query) first[name] ??= value;
  return first;
}

/** What is not HTTP, or too slow or too big a header: refused on the bare socket, in the envelope all the same. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  // A second answer to one request would be taken for the next request's.
  if (socket.writable && error.code !== 'ECONNRESET' && !isAnsweredEarly(socket)) {
    const [status, reason] =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the headers are too large']
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? ['408 Request Timeout', 'the request was not sent in time']
          : ['400 Bad Request', 'this is not an HTTP request'];
    const id = requestId(undefined);
    const body = envelope({ status: 400, code: 'bad_request', message: reason! }, id);
    socket.write(
      `HTTP/1.1 ${status}\r\nContent-Type: ${JSON_TYPE}\r\nX-Request-Id: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${GUARD_LINES}Connection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}
