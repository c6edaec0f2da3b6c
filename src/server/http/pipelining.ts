/**
 * HTTP/1.1 lets a client send requests without waiting for the answers. Node hands them all over at once and keeps the
 * answers until the first ones are read: a packet of requests for large pages would fill the memory.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that may wait for an earlier one; no program that means well has as many. */
const MOST_WAITING = 64;

interface Connection {
  busy: boolean;
  readonly waiting: { request: IncomingMessage; response: ServerResponse }[];
}

/** The same handler, given one request of a connection at a time: the next when the answer before it is out (HTTP-19). */
export function oneAtATime(handler: RequestListener): RequestListener {
  const connections = new WeakMap<Socket, Connection>();

  function serve(connection: Connection, request: IncomingMessage, response: ServerResponse): void {
    response.once('close', () => {
      const next = connection.waiting.shift();
      if (next === undefined || request.socket.destroyed) connection.busy = false;
      else serve(connection, next.request, next.response);
    });
    handler(request, response);
  }

  return (request, response) => {
    const { socket } = request;
    let connection = connections.get(socket);
    if (connection === undefined) connections.set(socket, (connection = { busy: false, waiting: [] }));
    if (!connection.busy) {
      connection.busy = true;
      serve(connection, request, response);
    } else if (connection.waiting.length < MOST_WAITING) connection.waiting.push({ request, response });
    else socket.destroy();
  };
}
