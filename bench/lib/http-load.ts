/**
 * Keep-alive HTTP load over bare sockets: each connection sends the same prepared request again as soon as its answer is
 * complete. Cheap enough that the server, not the generator, is what is measured.
 */
import { connect, type Socket } from 'node:net';

export interface LoadResult {
  requests: number;
  seconds: number;
  perSecond: number;
  /** Latencies in ms. */
  latencies: number[];
  failures: number;
}

export function prepared(url: string, method: string, pathname: string, body?: string): Buffer {
  const { host } = new URL(url);
  const payload = body === undefined ? '' : body;
  const headers =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(payload)}\r\n`;
  return Buffer.from(`${method} ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n${payload}`);
}

/** One keep-alive connection. `answered` is called with the status when an answer is complete; then the next may be written. */
export function openLine(url: string, answered: (status: number) => void): Socket {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const end = pending.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = pending.toString('latin1', 0, end);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    const complete = Number.isNaN(length)
      ? pending.indexOf('0\r\n\r\n', end + 4) >= 0
      : pending.length >= end + 4 + length;
    if (!complete) return;
    pending = Buffer.alloc(0);
    answered(Number(head.slice(9, 12)));
  });
  return socket;
}

export async function httpLoad(
  url: string,
  request: Buffer,
  connections: number,
  seconds: number,
  status: number,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let failures = 0;
  const began = performance.now();
  const until = began + seconds * 1_000;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((resolve, reject) => {
          let started = 0;
          const next = (): void => {
            started = performance.now();
            if (started >= until) {
              socket.end();
              return resolve();
            }
            socket.write(request);
          };
          const socket = openLine(url, (answer) => {
            if (answer !== status) failures++;
            latencies.push(performance.now() - started);
            next();
          });
          socket.on('connect', next);
          socket.on('error', reject);
        }),
    ),
  );
  const took = (performance.now() - began) / 1_000;
  return {
    requests: latencies.length,
    seconds: took,
    perSecond: latencies.length / took,
    latencies,
    failures,
  };
}
