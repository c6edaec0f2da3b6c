/** A network that is paired with a server which answers anything at all. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { OPERATOR, SHARED, startNet, type Net } from './pairing-lab.ts';
import { testConfig, type ConfigChanges } from './server.ts';

export const DOCUMENT = {
  id: 'net_b',
  name: 'B',
  version: '1',
  protocols: { http: ['moltnet.http.v1'], pair: ['moltnet.pair.v1'] },
  capabilities: { message_pagination: 'cursor', direct_messages: true, relay: 2 },
};
export type Answer = unknown | ((response: ServerResponse) => void);

/** A server that answers each path as it is told to, and 404 elsewhere. */
export async function anything(): Promise<{ url: string; answers: Map<string, Answer>; asked: string[] }> {
  const answers = new Map<string, Answer>([['/v1/network', DOCUMENT]]);
  const asked: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    const path = request.url!.split('?')[0]!;
    asked.push(path);
    const answer = answers.get(path) ?? { code: 'not_found', error: 'no' };
    if (typeof answer === 'function') return void (answer as (response: ServerResponse) => void)(response);
    response.writeHead(answers.has(path) ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, answers, asked };
}

/** Paired with a server that answers each path as it is told to; `first` is its network document. */
export async function pairedWithAnything(
  first: Answer = DOCUMENT,
  { pairingQuota, storage }: { pairingQuota?: { messages: number; bytes: number } } & ConfigChanges = {},
): Promise<{
  net: Net;
  answers: Map<string, Answer>;
  asked: string[];
}> {
  const { url, answers, asked } = await anything();
  answers.set('/v1/network', first);
  const net = await startNet(
    testConfig({
      network: { id: 'net_a', name: 'A' },
      auth: {
        mode: 'bearer',
        tokens: [{ id: 'operator', value: OPERATOR, scopes: ['observe', 'write', 'admin'] }],
      },
      rooms: [SHARED],
      ...(storage && { storage }),
      pairings: [{ id: 'net_b', remote_network_id: 'net_b', remote_base_url: url, token: 'x' }],
    }),
    new Map(),
    { membersEvery: 50, ...(pairingQuota && { pairingQuota }) },
  );
  return { net, answers, asked };
}
