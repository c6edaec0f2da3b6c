/**
 * HTTP/1.1 lets a client send requests without waiting for the answers. Node hands them all over at once and keeps the
 * answers until the first ones are read: a packet of requests for large pages would fill the memory.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Requests of one connection that may wait for an earlier one; no program that means well has as many. */
const MOST_WAITING = 64;

interface Connection {
  /** The request in hand; over when its `closed` says so. */
  current: ServerResponse;
  readonly waiting: { request: IncomingMessage; response: ServerResponse }[];
}

/** The same handler, given one request of a connection at a time: the next when the answer before it is out (HTTP-19). */
export function oneAtATime(handler: RequestListener): RequestListener {
  const connections = new WeakMap<Socket, Connection>();

  /** The current answer is out. Listened for only while somebody waits: nearly every request comes alone. */
  function next(connection: Connection): void {
    const following = connection.waiting.shift();
    if (following === undefined || following.request.socket.destroyed) return;
    const { request, response } = following;
    connection.current = response;
    if (connection.waiting.length > 0) response.once('close', () => next(connection));
    handler(request, response);
  }

  return (request, response) => {
    const { socket } = request;
    const connection = connections.get(socket);
    if (connection === undefined) {
      connections.set(socket, { current: response, waiting: [] });
      handler(request, response);
    } else if (connection.current.closed && connection.waiting.length === 0) {
      connection.current = response;
      handler(request, response);
    } else if (connection.waiting.length < MOST_WAITING) {
      connection.waiting.push({ request, response });
      if (connection.waiting.length === 1) connection.current.once('close', () => next(connection));
    } else socket.destroy();
  };
}
