/** Requests over a real socket with any header, also those that `fetch` keeps for itself (Host, Origin, Sec-Fetch-*). */
import { request as send, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { RunningServer } from '../../src/server/server.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  /** A value is sent as JSON; a string or bytes as they are. */
  body?: unknown;
}

type To = Pick<RunningServer, 'url'>;

/** Resolves with the whole answer. Every request has a connection of its own. */
export function ask(
  server: To,
  path: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Answer> {
  const { hostname, port } = new URL(server.url);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const payload =
    body === undefined
      ? undefined
      : typeof body === 'string' || Buffer.isBuffer(body)
        ? body
        : JSON.stringify(body);
  const request = send(
    { host: hostname.replace(/^\[|\]$/g, ''), port, path, method, headers, agent: false },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    },
  );
  request.on('error', reject);
  request.end(payload);
  return promise;
}

/** The same, with the answer's body parsed. */
export async function askJson<T = Record<string, unknown>>(
  server: To,
  path: string,
  options?: Ask,
): Promise<{ status: number; headers: IncomingHttpHeaders; json: T }> {
  const { status, headers, text } = await ask(server, path, options);
  return { status, headers, json: JSON.parse(text) as T };
}

/** The headers of an answer that may not end (an event stream); the connection is closed then. */
export function askHead(
  server: To,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const { hostname, port } = new URL(server.url);
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    headers: IncomingHttpHeaders;
  }>();
  const request = send({ host: hostname, port, path, headers, agent: false }, (response) => {
    resolve({ status: response.statusCode!, headers: response.headers });
    response.on('error', () => {});
    request.destroy();
  });
  request.on('error', reject);
  request.end();
  return promise;
}

/** Asks for the attachment WebSocket by hand and resolves with the status line's code: 101 when it was opened. */
export function askUpgrade(
  server: To,
  headers: Record<string, string> = {},
  path = '/v1/attach',
): Promise<number> {
  const { hostname, port } = new URL(server.url);
  const all = {
    host: `${hostname}:${port}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.from('0123456789abcdef').toString('base64'),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return raw(server, `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, /^HTTP\/1\.1 (\d{3})/).then(
    Number,
  );
}

/** Writes bytes to a new connection and resolves with the first match in what comes back (its group, if it has one); the connection is closed then. Rejects when it ends without. */
export function raw(server: To, bytes: string | Buffer, until: RegExp): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let got = '';
  const socket = connect(Number(port), hostname, () => socket.write(bytes));
  socket.on('data', (chunk) => {
    got += chunk.toString('latin1');
    const match = until.exec(got);
    if (!match) return;
    resolve(match[1] ?? match[0]);
    socket.destroy();
  });
  socket.on('error', reject);
  socket.on('close', () =>
    reject(new Error(`the connection ended without ${until}: ${JSON.stringify(got.slice(0, 500))}`)),
  );
  return promise;
}

/** A message of a person, for a room, with what should differ. */
export const hello = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  target: { kind: 'room', room_id: 'general' },
  from: { type: 'human', id: 'ada', name: 'Ada' },
  parts: [{ kind: 'text', text: 'hello' }],
  ...changes,
});
