/**
 * Tickets (SESS rules): whoever has a token of the configuration gets a word for it that logs one browser in, once,
 * within a minute. So the address which `moltnet console` opens, and which others of the machine can see, is worth
 * nothing as soon as it has been used. In memory: after a restart one asks anew.
 */
import { randomBytes } from 'node:crypto';
import { MoltnetError } from '../../protocol/errors.ts';
import { ConsoleTicket, LoginRequest } from '../../protocol/identity.ts';
import { limits } from '../../protocol/limits.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';

export interface Tickets {
  /** @param token is not checked here */
  issue(token: string): ConsoleTicket;
  /** The token that a ticket stands for, once; undefined when it is used up, too old or none. */
  take(ticket: string): string | undefined;
}

/** @param now milliseconds since 1970 */
export function createTickets(now: () => number): Tickets {
  const open = new Map<string, { token: string; until: number }>();
  return {
    issue(token) {
      // The oldest stands first.
      for (const [ticket, { until }] of open) {
        if (until > now() && open.size < limits.console_tickets.value) break;
        open.delete(ticket);
      }
      const ticket = randomBytes(24).toString('base64url');
      const until = now() + limits.console_ticket.value;
      open.set(ticket, { token, until });
      return { ticket, expires_at: new Date(until).toISOString() };
    },
    take(ticket) {
      const found = open.get(ticket);
      open.delete(ticket);
      return found && found.until > now() ? found.token : undefined;
    },
  };
}

/** POST /console/tickets */
export function ticketRoutes(app: App, context: ServerContext, tickets: Tickets): void {
  app.post(
    '/console/tickets',
    {
      schema: {
        summary: 'A word that logs one browser in with this token, once, within a minute: /console/?ticket=…',
        tags: ['session'],
        body: LoginRequest,
        response: answers({ 201: ConsoleTicket }, 'bad_request', 'unauthorized', 'rate_limited'),
      },
    },
    async (request, reply) => {
      const { token } = request.body;
      if (context.config.auth.mode !== 'none' && !context.credentials.staticToken(token)) {
        context.rates.claim(context.peer(request.raw));
        throw new MoltnetError('unauthorized', 'this token is not known here');
      }
      return sendValue(reply.header('cache-control', 'no-store'), tickets.issue(token), 201);
    },
  );
}
