/** The listening socket: its timeouts, where it is bound, and what to say when it cannot be. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isWildcardHost } from '../config/listen.ts';
import { MoltnetError } from '../protocol/errors.ts';
import { rawRefusal } from './http/answers.ts';
import { isAttachUpgrade } from './http/attach.ts';
import { refusalOf } from './http/errors.ts';
import { requestId } from './http/request-id.ts';
import type { Logger } from './log.ts';

/** HTTP timeouts in milliseconds (wire.md 3.1). */
const TIMEOUTS = { headers: 5_000, request: 15_000, idle: 60_000 };
/** An HTTP server that does not listen yet. */
export function createHttpServer(log: Logger): Server {
  const options = {
    headersTimeout: TIMEOUTS.headers,
    requestTimeout: TIMEOUTS.request,
    keepAliveTimeout: TIMEOUTS.idle,
    connectionsCheckingInterval: 1_000,
    // An upgrade to anything but our WebSocket (h2c, say) is an offer that HTTP lets us ignore.
    shouldUpgradeCallback: isAttachUpgrade,
  };
  const server = createServer(options);
  // A peer that takes nothing of its answer for so long is cut.
  server.timeout = TIMEOUTS.idle;
  // An expectation that nobody here meets is an offer too; without this Node answers 417 with no word of ours.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  // Nobody is connected through here; without this Node hangs up without a word.
  server.on('connect', (request, socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(
      rawRefusal(
        refusalOf(new MoltnetError('method_not_allowed')),
        requestId(request.headers['x-request-id']),
      ),
    );
  });
  server.on('error', (error) => {
    if (server.listening)
      log.error({ component: 'transport.http', err: error }, 'the listening socket failed');
  });
  return server;
}

/** Resolves with the port. Rejects with an Error whose message says what is wrong and what to do. */
export function listen(server: Server, host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const failed = (error: NodeJS.ErrnoException): void => reject(listenError(error, host, port));
  server.once('error', failed);
  // localhost may mean ::1 alone, and most clients try 127.0.0.1.
  const at = host === 'localhost' ? '127.0.0.1' : host === '*' ? '' : host;
  server.listen({ port, ...(at === '' ? {} : { host: at }) }, () => {
    server.off('error', failed);
    resolve((server.address() as AddressInfo).port);
  });
  return promise;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const at = `${authority(host)}:${port}`;
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} is taken (${at}): another server runs there. Stop it, or choose another port in server.listen_addr or MOLTNET_LISTEN_ADDR`,
    EACCES: `this user may not listen on port ${port}: choose one above 1023 in server.listen_addr or MOLTNET_LISTEN_ADDR`,
    EADDRNOTAVAIL: `${host} is no address of this machine: write 127.0.0.1:${port} in server.listen_addr, or :${port} for every interface`,
    ENOTFOUND: `${host} is no host name that is known here: write 127.0.0.1:${port} in server.listen_addr, or :${port} for every interface`,
  };
  return new Error(reasons[error.code ?? ''] ?? `cannot listen on ${at}: ${error.message}`, { cause: error });
}

/** The host under which this machine reaches a server that listens there. */
export function authority(host: string): string {
  if (isWildcardHost(host) || host === 'localhost') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
