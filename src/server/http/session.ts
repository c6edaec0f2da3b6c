/** Logging a browser in and out (SESS rules): a token of the configuration is exchanged for a cookie, once. */
import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import type { Identity } from '../../network/identity.ts';
import { isAgentToken, SESSION_COOKIE } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { CallerIdentity, LoginRequest } from '../../protocol/identity.ts';
import { limits } from '../../protocol/limits.ts';
import type { SessionToken } from '../auth/sessions.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { callerIdentity } from './identity.ts';

const PATH = '/console/session';

/** POST and DELETE /console/session */
export async function sessionRoutes(app: App, context: ServerContext): Promise<void> {
  const tags = ['session'];

  app.post(
    PATH,
    {
      schema: {
        summary: "Log a browser in: a token of the server's configuration for a cookie",
        tags,
        body: LoginRequest,
        response: answers(
          { 200: CallerIdentity },
          'bad_request',
          'unauthorized',
          'forbidden',
          'rate_limited',
          'storage_unavailable',
        ),
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const identity = await logIn(context, request.raw, reply, request.body.token);
      return sendValue(reply, callerIdentity(context, identity));
    },
  );

  app.delete(
    PATH,
    {
      schema: {
        summary: 'Log this browser out; answers who the caller is without its cookie',
        tags,
        response: answers({ 200: CallerIdentity }, 'unauthorized', 'storage_unavailable'),
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store').header('set-cookie', cookie(context, request.raw, '', 0));
      const session = context.credentials.sessionOf(request.raw);
      const left = session ? context.credentials.anonymous : context.identify(request.raw);
      if (session) await context.sessions.end(session).finally(() => context.revalidate());
      return sendValue(reply, callerIdentity(context, left));
    },
  );
}

/**
 * Exchanges a token for a session, sets its cookie, and resolves with whom the browser is then. In mode none nothing is
 * set. Throws `unauthorized` for a token that is not known, `forbidden` for that of an agent.
 */
export async function logIn(
  context: ServerContext,
  request: IncomingMessage,
  reply: FastifyReply,
  token: string,
): Promise<Identity> {
  const { credentials, config } = context;
  if (config.auth.mode === 'none') return credentials.anonymous;
  const known = credentials.staticToken(token);
  if (known) return beginSession(context, request, reply, known);
  if (isAgentToken(token.trim()))
    throw new MoltnetError(
      'forbidden',
      "this is an agent's own token: a browser logs in with a token of the server's configuration (auth.tokens)",
    );
  context.rates.claim(context.peer(request));
  throw new MoltnetError('unauthorized', 'this token is not known here');
}

/** The same with a token that is known to be of the configuration, or was when its ticket was issued. */
export async function beginSession(
  context: ServerContext,
  request: IncomingMessage,
  reply: FastifyReply,
  token: SessionToken,
): Promise<Identity> {
  const { credentials, sessions, config } = context;
  if (config.auth.mode === 'none' || !credentials.holds(token)) return credentials.anonymous;
  const before = credentials.sessionOf(request);
  const { value, session } = await sessions.begin(token);
  if (before) await sessions.end(before);
  context.revalidate();
  reply.header('set-cookie', cookie(context, request, value, limits.session.value / 1_000));
  return credentials.identityOfSession(session) ?? credentials.anonymous;
}

/** @param age seconds; 0 takes it away */
function cookie(context: ServerContext, request: IncomingMessage, value: string, age: number): string {
  const secure =
    context.peer(request).secure || (context.config.server.public_url?.startsWith('https:') ?? false);
  return `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${age}${secure ? '; Secure' : ''}`;
}
