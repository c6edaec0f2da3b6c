/** Who has no valid credential is counted by its address: every request, over HTTP and as an upgrade (RATE-1). */
import type { IncomingMessage } from 'node:http';
import type { ServerContext } from '../context.ts';

/** Throws `rate_limited`. In mode none whoever reaches the server is trusted, and nobody is counted. */
export function limitRequests(context: ServerContext, request: IncomingMessage): void {
  if (context.config.auth.mode === 'none') return;
  context.rates.request(context.peer(request), context.credentials.tryIdentify(request));
}
