import { z } from 'zod';
import { SCOPES } from './credentials.ts';

/** GET /v1/identity (additive): who the caller is to this server. */
export const CallerIdentity = z.object({
  mode: z.enum(['none', 'bearer', 'open']),
  /** `anonymous` also in mode none. A `session` is that of a browser that logged in with a token. */
  credential: z.enum(['anonymous', 'token', 'agent', 'session']),
  scopes: z.array(z.enum(SCOPES)),
  /** Whom it may act as, where that is limited. */
  agents: z.array(z.string()).optional(),
  /** The person it is. */
  human: z.object({ id: z.string(), name: z.string().optional() }).optional(),
  /** Whether this caller may write as a person (and not only read). */
  can_send_human: z.boolean(),
});
export type CallerIdentity = z.infer<typeof CallerIdentity>;

/** Body of POST /console/session: exchanges a token for the console's cookie. Answered with CallerIdentity. */
export const LoginRequest = z.object({ token: z.string() });
export type LoginRequest = z.infer<typeof LoginRequest>;

/** POST /console/tickets answers it: good once, for `/console/?ticket=…`. */
export const ConsoleTicket = z.object({ ticket: z.string(), expires_at: z.string() });
export type ConsoleTicket = z.infer<typeof ConsoleTicket>;

/** POST /v1/reload: what became of the configuration that was read again. */
export const ReloadResult = z.object({
  reloaded: z.boolean(),
  /** Parts that changed, e.g. `auth.tokens`, `rooms`, `rates`. */
  changed: z.array(z.string()),
  /** Parts that differ in the file and count only after a restart, e.g. `server.listen_addr`. */
  restart_needed: z.array(z.string()),
});
export type ReloadResult = z.infer<typeof ReloadResult>;
