import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { requireAccess } from '../../network/access.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import { RefusedError, ConnectionError } from '../../client/errors.ts';
import { parseConversation } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { shownOf } from '../../pairing/foreign-answers.ts';
import { Network } from '../../protocol/network.ts';
import { AgentPage, PageQuery, RoomPage } from '../../protocol/pages.ts';
import { MessageRelays, PairingDetail, PairingPage } from '../../protocol/pairings.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { readableDm } from './dms.ts';
import { pageText } from './pages.ts';
import { MessageParams, pathId } from './params.ts';
import { readableRoom, unreadable } from './rooms.ts';

export const PairingParams = z.object({ pairingID: z.string() });

/** Paired networks: how they stand, and what is on the other side (wire.md 3.4, 8.4). */
export async function pairingRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store, pairings } = context;
  const tags = ['pairings'];
  const observes = asks(context, 'observe');

  app.get(
    '/v1/pairings',
    {
      schema: {
        summary: 'Paired networks and how relay to them stands; nothing is asked of them',
        tags,
        querystring: PageQuery,
        response: answers({ 200: PairingPage }, 'unauthorized', 'forbidden', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      requireAccess(network.settings, context.identify(request.raw), 'observe');
      const views = new Map(pairings.views().map((view) => [view.id, view]));
      const page = parsePage(request.query);
      const { ids, info } = pageOfIds([...views.keys()], page, () => true);
      const item = (id: string) => ({ id, json: JSON.stringify(views.get(id)!) });
      return sendJson(reply, pageText('pairings', ids, item, info, page, 'oldest'));
    },
  );

  app.get(
    '/v1/pairings/:pairingID',
    {
      onRequest: observes,
      schema: {
        summary: 'One paired network, with what waits for it and what it would not take',
        tags,
        params: PairingParams,
        response: answers({ 200: PairingDetail }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) =>
      sendValue(reply, await pairings.detail(pathId(request.params.pairingID, 'pairing'))),
  );

  app.get(
    '/v1/pairings/:pairingID/network',
    {
      onRequest: observes,
      schema: {
        summary: 'The network document of a paired network, asked for now',
        tags,
        params: PairingParams,
        response: answers(
          { 200: Network },
          'unauthorized',
          'forbidden',
          'not_found',
          'bad_gateway',
          'service_unavailable',
        ),
      },
    },
    async (request, reply) => {
      const peer = reached(request.params.pairingID);
      const document = await peer.check();
      if (!document) throw new MoltnetError('bad_gateway', peer.diagnostics?.message);
      return sendValue(reply, document);
    },
  );

  app.get(
    '/v1/pairings/:pairingID/rooms',
    {
      onRequest: observes,
      schema: {
        summary: 'Rooms of a paired network that it lets this one see, all of them',
        tags,
        params: PairingParams,
        querystring: PageQuery,
        response: answers(
          { 200: RoomPage },
          'unauthorized',
          'forbidden',
          'not_found',
          'bad_gateway',
          'service_unavailable',
          'invalid_cursor',
        ),
      },
    },
    async (request, reply) =>
      sendJson(reply, await proxied('rooms', request, request.params.pairingID, (peer) => peer.rooms())),
  );

  app.get(
    '/v1/pairings/:pairingID/agents',
    {
      onRequest: observes,
      schema: {
        summary: 'Agents of a paired network that it lets this one see, all of them',
        tags,
        params: PairingParams,
        querystring: PageQuery,
        response: answers(
          { 200: AgentPage },
          'unauthorized',
          'forbidden',
          'not_found',
          'bad_gateway',
          'service_unavailable',
          'invalid_cursor',
        ),
      },
    },
    async (request, reply) =>
      sendJson(reply, await proxied('agents', request, request.params.pairingID, (peer) => peer.agents())),
  );

  app.get(
    '/v1/messages/:messageID/relays',
    {
      schema: {
        summary: 'Where a message of this network stands with each pairing that it is shared with',
        tags: ['messages'],
        params: MessageParams,
        response: answers({ 200: MessageRelays }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const id = pathId(request.params.messageID, 'message');
      const message = (await store.messages([id])).get(id);
      if (!message) throw unreadable(network, identity, `no such message: ${id}`);
      if (message.room_id !== null) readableRoom(context, identity, message.room_id, `message: ${id}`);
      else await readableDm(context, identity, parseConversation(message.conversation).id);
      // To another network it is nothing what becomes of it elsewhere.
      const relays = identity.pairing ? [] : await pairings.relaysOf(message);
      return sendValue(reply, { message_id: id, relays });
    },
  );

  /** Throws `service_unavailable` where another server of this network has to be asked. */
  function reached(pairingID: string): ReturnType<typeof pairings.get>['peer'] {
    const relay = pairings.get(pathId(pairingID, 'pairing'));
    relay.requireHere();
    return relay.peer;
  }

  /** Every item that the other side lists, as a page of ours; a remote failure is 502, whatever it is. */
  async function proxied<T extends { id: string }>(
    name: 'rooms' | 'agents',
    request: FastifyRequest<{ Querystring: PageQuery }>,
    pairingID: string,
    list: (peer: ReturnType<typeof pairings.get>['peer']) => Promise<T[]>,
  ): Promise<string> {
    const peer = reached(pairingID);
    await peer.check(true);
    if (peer.status !== 'connected' && peer.diagnostics?.reason !== 'direct_messages_disabled')
      throw new MoltnetError('bad_gateway', peer.diagnostics?.message);
    let all: T[];
    try {
      all = await list(peer);
    } catch (error) {
      if (error instanceof RefusedError || error instanceof ConnectionError)
        throw new MoltnetError('bad_gateway', shownOf(error.message), { cause: error });
      throw error;
    }
    const items = new Map(all.map((one) => [one.id, one]));
    const page = parsePage(request.query);
    const { ids, info } = pageOfIds([...items.keys()].sort(), page, () => true);
    const item = (id: string) => ({ id, json: JSON.stringify(items.get(id)!) });
    return pageText(name, ids, item, info, page, 'oldest');
  }
}
