import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { requireAccess } from '../../network/access.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import { RefusedError, ConnectionError } from '../../client/errors.ts';
import { parseConversation } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { Network } from '../../protocol/network.ts';
import { AgentPage, PageQuery, RoomPage } from '../../protocol/pages.ts';
import {
  BackfillRequest,
  BackfillResult,
  MessageRelays,
  PairingAcceptRequest,
  PairingAccepted,
  PairingDetail,
  PairingExchanged,
  PairingExchangeRequest,
  PairingInvite,
  PairingInviteList,
  PairingInviteRequest,
  PairingPage,
} from '../../protocol/pairings.ts';
import { accept, exchanged, invite } from '../../pairing/setup.ts';
import { ownUrl } from '../own-url.ts';
import { RemoveResult } from '../../protocol/rooms.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { readableDm } from './dms.ts';
import { pageText } from './pages.ts';
import { MessageParams, pathId } from './params.ts';
import { readableRoom, unreadable } from './rooms.ts';

const PairingParams = z.object({ pairingID: z.string() });

/** Paired networks: how they stand, and what is on the other side (wire.md 3.4, 8.4). */
export async function pairingRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store, pairings } = context;
  const tags = ['pairings'];
  const observes = asks(context, 'observe');
  const administers = asks(context, 'administer');

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

  app.delete(
    '/v1/pairings/:pairingID',
    {
      onRequest: administers,
      schema: {
        summary: 'End a pairing: its token, what was shared with it, and what waits for it',
        tags,
        params: PairingParams,
        response: answers({ 200: RemoveResult }, 'unauthorized', 'forbidden', 'not_found', 'conflict'),
      },
    },
    async (request, reply) => {
      const id = pathId(request.params.pairingID, 'pairing');
      const identity = context.identify(request.raw);
      const removed = await network.execute('pairing.revoke', { id }, identity);
      await pairings.settle();
      context.revalidate();
      return sendValue(reply, removed);
    },
  );

  app.get(
    '/v1/pairings/:pairingID/network',
    {
      onRequest: observes,
      schema: {
        summary: 'The network document of a paired network, asked for now',
        tags,
        params: PairingParams,
        response: answers({ 200: Network }, 'unauthorized', 'forbidden', 'not_found', 'bad_gateway'),
      },
    },
    async (request, reply) => {
      const { peer } = pairings.get(pathId(request.params.pairingID, 'pairing'));
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
          'invalid_cursor',
        ),
      },
    },
    async (request, reply) =>
      sendJson(reply, await proxied('agents', request, request.params.pairingID, (peer) => peer.agents())),
  );

  app.post(
    '/v1/pairings/:pairingID/backfill',
    {
      onRequest: administers,
      schema: {
        summary: 'Take in what the paired network said in a shared room before; it wakes nobody',
        tags,
        params: PairingParams,
        body: BackfillRequest,
        response: answers(
          { 200: BackfillResult },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'not_shared',
          'pairing_quota',
          'bad_gateway',
        ),
      },
    },
    async (request, reply) => {
      const id = pathId(request.params.pairingID, 'pairing');
      const { room_id, count = 100 } = request.body;
      return sendValue(reply, await pairings.backfill(id, room_id, count));
    },
  );

  app.post(
    '/v1/pairing-invites',
    {
      onRequest: administers,
      schema: {
        summary: 'A code with which another network pairs with this one, once; shown this once',
        tags,
        body: PairingInviteRequest,
        response: answers(
          { 201: PairingInvite },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'unprocessable_entity',
          'too_many_pairings',
        ),
      },
    },
    async (request, reply) => {
      const { rooms, expires_in, url } = request.body;
      const identity = context.identify(request.raw);
      const made = await invite(network, identity, { rooms, expires_in, url: ownUrl(context, url) });
      return sendValue(reply.header('cache-control', 'no-store'), made, 201);
    },
  );

  app.get(
    '/v1/pairing-invites',
    {
      onRequest: administers,
      schema: {
        summary: 'Codes that are not used yet, without what is secret in them',
        tags,
        response: answers({ 200: PairingInviteList }, 'unauthorized', 'forbidden'),
      },
    },
    (_request, reply) => {
      const invites = [...network.topology.pairingInvites()].map(({ id, rooms, created_at, expires_at }) => ({
        id,
        rooms: JSON.parse(rooms) as string[],
        created_at,
        expires_at,
      }));
      return sendValue(reply, { invites });
    },
  );

  app.delete(
    '/v1/pairing-invites/:inviteID',
    {
      onRequest: administers,
      schema: {
        summary: 'A code is good for nothing any more',
        tags,
        params: z.object({ inviteID: z.string() }),
        response: answers({ 200: RemoveResult }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const id = pathId(request.params.inviteID, 'code');
      return sendValue(
        reply,
        await network.execute('pairing.invite.revoke', { id }, context.identify(request.raw)),
      );
    },
  );

  app.post(
    '/v1/pairings/accept',
    {
      onRequest: administers,
      schema: {
        summary: 'Pair with the network that made a code; both sides are at work when it is answered',
        tags,
        body: PairingAcceptRequest,
        response: answers(
          { 201: PairingAccepted },
          'bad_request',
          'unauthorized',
          'forbidden',
          'invalid_pairing_code',
          'conflict',
          'unprocessable_entity',
          'too_many_pairings',
          'bad_gateway',
        ),
      },
    },
    async (request, reply) => {
      const { code, url, rooms } = request.body;
      const identity = context.identify(request.raw);
      const accepted = await accept(network, identity, {
        code,
        url:
          url === undefined && context.config.server.public_url === undefined
            ? undefined
            : ownUrl(context, url),
        rooms,
      });
      await pairings.settle();
      const relay = pairings.get(accepted.pairing_id);
      await relay.peer.check();
      return sendValue(reply, { pairing: relay.view(), rooms: accepted.rooms }, 201);
    },
  );

  app.post(
    '/v1/pairings/exchange',
    {
      schema: {
        summary: 'Between two servers: the secret of a code for the credentials of a pairing, once',
        tags,
        body: PairingExchangeRequest,
        response: answers(
          { 201: PairingExchanged },
          'bad_request',
          'invalid_pairing_code',
          'conflict',
          'invalid_id',
          'unprocessable_entity',
          'too_many_pairings',
          'rate_limited',
        ),
      },
    },
    async (request, reply) => {
      // Guesses are counted as those of claim codes are.
      context.rates.claim(context.peer(request.raw));
      const answer = await exchanged(network, request.body);
      await pairings.settle();
      return sendValue(reply.header('cache-control', 'no-store'), answer, 201);
    },
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

  /** Every item that the other side lists, as a page of ours; a remote failure is 502, whatever it is. */
  async function proxied<T extends { id: string }>(
    name: 'rooms' | 'agents',
    request: FastifyRequest<{ Querystring: PageQuery }>,
    pairingID: string,
    list: (peer: ReturnType<typeof pairings.get>['peer']) => Promise<T[]>,
  ): Promise<string> {
    const { peer } = pairings.get(pathId(pairingID, 'pairing'));
    await peer.check(true);
    if (peer.status !== 'connected' && peer.diagnostics?.reason !== 'direct_messages_disabled')
      throw new MoltnetError('bad_gateway', peer.diagnostics?.message);
    let all: T[];
    try {
      all = await list(peer);
    } catch (error) {
      if (error instanceof RefusedError || error instanceof ConnectionError)
        throw new MoltnetError('bad_gateway', error.message, { cause: error });
      throw error;
    }
    const items = new Map(all.map((one) => [one.id, one]));
    const page = parsePage(request.query);
    const { ids, info } = pageOfIds([...items.keys()].sort(), page, () => true);
    const item = (id: string) => ({ id, json: JSON.stringify(items.get(id)!) });
    return pageText(name, ids, item, info, page, 'oldest');
  }
}
