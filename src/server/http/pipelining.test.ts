import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { oneAtATime } from './pipelining.ts';

/** A server that notes which requests it has in hand, and how many at most. */
async function serve() {
  const seen: string[] = [];
  let active = 0;
  let most = 0;
  const server = createServer(
    oneAtATime((request, response) => {
      seen.push(request.url!);
      most = Math.max(most, ++active);
      response.once('finish', () => active--);
      void setImmediate().then(() => response.end(`answer to ${request.url!}\n`));
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  onTestFinished(() => server.closeAllConnections());
  return { port: (server.address() as AddressInfo).port, seen, most: () => most };
}

/** Sends so many requests in one packet; resolves with what came back when the connection ended. */
function pipelined(port: number, requests: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let got = '';
  const socket = connect(port, '127.0.0.1', () => {
    let bytes = '';
    for (let i = 0; i < requests; i++)
      bytes += `GET /${i} HTTP/1.1\r\nhost: x\r\n${i === requests - 1 ? 'connection: close\r\n' : ''}\r\n`;
    socket.write(bytes);
  });
  socket.on('data', (chunk) => (got += chunk.toString()));
  socket.on('error', () => {});
  socket.on('close', () => resolve(got));
  return promise;
}

it('HTTP-19 requests sent without waiting are answered in order, one at a time', async () => {
  const server = await serve();
  const got = await pipelined(server.port, 40);
  const paths = Array.from({ length: 40 }, (_, i) => `/${i}`);
  expect([...got.matchAll(/answer to (\S+)/g)].map(([, path]) => path)).toEqual(paths);
  expect(server.seen).toEqual(paths);
  expect(server.most()).toBe(1);
});

it('HTTP-19 more than 64 of them waiting end the connection, and nothing else', async () => {
  const server = await serve();
  await pipelined(server.port, 1_000);
  expect(server.seen).toEqual(['/0']);
  expect(await pipelined(server.port, 3)).toContain('answer to /2');
});
