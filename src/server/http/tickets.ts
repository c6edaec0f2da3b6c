/**
 * Tickets (SESS rules): whoever has a token of the configuration gets a word for it that logs one browser in, once,
 * within a minute. So the address which `moltnet console` opens, and which others of the machine can see, is worth
 * nothing as soon as it has been used. Where several servers share a database it is good at each of them, once; else it
 * is kept in memory, and after a restart one asks anew.
 */
import { randomBytes } from 'node:crypto';
import { hashSecret } from '../../protocol/credentials.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { ConsoleTicket, LoginRequest } from '../../protocol/identity.ts';
import { limits } from '../../protocol/limits.ts';
import type { Peers, TicketRow } from '../../store/peers.ts';
import type { SessionToken } from '../auth/sessions.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';

export interface Tickets {
  /** Rejects with StorageError. */
  issue(token: SessionToken): Promise<ConsoleTicket>;
  /** The token that a ticket stands for, once; undefined when it is used up, too old or none. Rejects with StorageError. */
  take(ticket: string): Promise<SessionToken | undefined>;
}

/** @param now milliseconds since 1970 */
export function createTickets(
  now: () => number,
  peers: Pick<Peers, 'keepTicket' | 'takeTicket'> | undefined,
): Tickets {
  const kept = peers ?? inMemory(now);
  return {
    async issue({ token_id, token_hash }) {
      const ticket = randomBytes(24).toString('base64url');
      const lives = limits.console_ticket.value;
      await kept.keepTicket(
        { id_hash: hashSecret(ticket), token_id, token_hash },
        lives,
        limits.console_tickets.value,
      );
      return { ticket, expires_at: new Date(now() + lives).toISOString() };
    },
    take: (ticket) => kept.takeTicket(hashSecret(ticket)),
  };
}

function inMemory(now: () => number): Pick<Peers, 'keepTicket' | 'takeTicket'> {
  const open = new Map<string, { row: TicketRow; until: number }>();
  return {
    async keepTicket(row, lives, most) {
      // The oldest stands first.
      for (const [id_hash, { until }] of open) {
        if (until > now() && open.size < most) break;
        open.delete(id_hash);
      }
      open.set(row.id_hash, { row, until: now() + lives });
    },
    async takeTicket(id_hash) {
      const found = open.get(id_hash);
      open.delete(id_hash);
      return found && found.until > now() ? found.row : undefined;
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
        response: answers(
          { 201: ConsoleTicket },
          'bad_request',
          'unauthorized',
          'rate_limited',
          'storage_unavailable',
        ),
      },
    },
    async (request, reply) => {
      // In mode none there is nobody to be: a ticket leads to the console, and that is all.
      const known =
        context.config.auth.mode === 'none' ? NOBODY : context.credentials.staticToken(request.body.token);
      if (!known) {
        context.rates.claim(context.peer(request.raw));
        throw new MoltnetError('unauthorized', 'this token is not known here');
      }
      return sendValue(reply.header('cache-control', 'no-store'), await tickets.issue(known), 201);
    },
  );
}

const NOBODY: SessionToken = { token_id: '', token_hash: '' };
