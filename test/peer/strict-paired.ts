/**
 * The receiving half of a pairing of the original, written from wire.md 0.3, 4 and 8: it takes what a paired server
 * posts as the original does (a known id is accepted and not stored, an unknown room is 404), and notes what the
 * original would not have understood.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { eventId } from './strict-server.ts';

export interface Posted {
  id: string;
  origin: { network_id: string; message_id: string };
  target: { kind: string; room_id?: string; dm_id?: string; participant_ids?: string[] };
  from: { type: string; id: string; network_id?: string; fqid?: string };
  parts: Record<string, unknown>[];
  mentions?: string[];
}

export interface StrictPaired {
  url: string;
  /** What it has stored, in order. */
  stored: Posted[];
  /** Asked by the wire of the original, and not met. */
  broken: string[];
  /** Answers each with this status, before anything else. */
  fail: number | undefined;
  requests: number;
  /** What its network document says of DMs. */
  direct_messages: boolean;
  close(): Promise<void>;
}

const SCOPED = /^[A-Za-z0-9._-]+:[A-Za-z0-9._:-]+$/;
const FQID = /^molt:\/\/[A-Za-z0-9._-]+\/agents\/[A-Za-z0-9._:-]+$/;

/** @param remote the network that is paired with it */
export async function startStrictPaired(options: {
  network: string;
  remote: string;
  token: string;
  rooms: string[];
}): Promise<StrictPaired> {
  const { network, remote, token, rooms } = options;
  const known = new Set<string>();
  const rule = (holds: boolean, what: string): void => {
    if (!holds) paired.broken.push(what);
  };

  function take(message: Posted): [number, object] {
    const { id, origin, target, from, parts, mentions } = message;
    rule(typeof id === 'string' && id !== '', '0.3.2 id');
    rule(origin?.network_id === remote, '0.3.3 only messages whose origin is the sender itself');
    rule(origin?.message_id === id, '0.3.4 the id is kept');
    rule(from?.network_id === remote, '0.3.2 from.network_id is explicit');
    rule(from?.fqid === `molt://${remote}/agents/${from?.id}`, '4.3.1 the FQID agrees');
    rule(Array.isArray(parts) && parts.length > 0, '4.2 parts');
    for (const mention of mentions ?? []) rule(FQID.test(mention), `8.1 mentions are FQIDs: ${mention}`);
    if (target.kind === 'dm') {
      const participants = target.participant_ids ?? [];
      rule(participants.length >= 2, '8.1 a DM has two participants');
      for (const one of participants) rule(SCOPED.test(one), `8.1 participants are scoped: ${one}`);
    } else if (!rooms.includes(target.room_id ?? '')) {
      return [404, { code: 'not_found', error: 'no such room', request_id: 'req_1' }];
    }
    const answer = {
      message_id: id,
      event_id: eventId(id),
      accepted: true,
      thread_created: false,
      dm_created: false,
    };
    if (!known.has(id)) {
      known.add(id);
      paired.stored.push(message);
    }
    return [202, answer];
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    paired.requests++;
    const send = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (paired.fail !== undefined) return send(paired.fail, { code: 'internal_error', error: 'down' });
    if (request.headers.authorization !== `Bearer ${token}`)
      return send(401, { code: 'unauthorized', error: 'unknown token' });
    const path = request.url!.split('?')[0]!;
    if (path === '/v1/network')
      return send(200, {
        id: network,
        name: network,
        version: '0.1.0',
        protocols: { http: ['moltnet.http.v1'], attach: ['moltnet.attach.v1'], pair: ['moltnet.pair.v1'] },
        capabilities: {
          human_ingress: true,
          direct_messages: paired.direct_messages,
          public_read: false,
          message_pagination: 'cursor',
          pairings: true,
        },
      });
    // W39: a pair token sees nothing.
    if (path === '/v1/rooms') return send(200, { rooms: [], page: { has_more: false } });
    if (path === '/v1/agents') return send(200, { agents: [], page: { has_more: false } });
    if (path !== '/v1/messages') return send(404, { code: 'not_found', error: 'no such route' });
    rule(request.headers['content-type'] === 'application/json', '8.1 content type');
    send(...take(JSON.parse(Buffer.concat(chunks).toString()) as Posted));
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const paired: StrictPaired = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stored: [],
    broken: [],
    fail: undefined,
    requests: 0,
    direct_messages: true,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  onTestFinished(() => paired.close());
  return paired;
}
