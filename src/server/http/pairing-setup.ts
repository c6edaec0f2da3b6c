import { z } from 'zod';
import { accept, exchanged, invite } from '../../pairing/setup.ts';
import { isLoopbackHost } from '../../config/listen.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import {
  BackfillRequest,
  BackfillResult,
  PairingAcceptRequest,
  PairingAccepted,
  PairingExchanged,
  PairingExchangeRequest,
  PairingInvite,
  PairingInviteList,
  PairingInviteRequest,
} from '../../protocol/pairings.ts';
import { RemoveResult } from '../../protocol/rooms.ts';
import type { ServerContext } from '../context.ts';
import { ownUrl } from '../own-url.ts';
import { answers, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { PairingParams } from './pairings.ts';
import { pathId } from './params.ts';

/** How pairings begin and end: codes, their exchange between two servers, history, and the end. */
export async function pairingSetupRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, pairings } = context;
  const tags = ['pairings'];
  const administers = asks(context, 'administer');

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
          'service_unavailable',
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
      const { code, url, rooms, again } = request.body;
      const identity = context.identify(request.raw);
      const accepted = await accept(network, identity, {
        code,
        url:
          url === undefined && context.config.server.public_url === undefined
            ? undefined
            : ownUrl(context, url),
        rooms,
        again,
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
      const peer = context.peer(request.raw);
      context.rates.claim(peer);
      if (!peer.loopback) requireElsewhere(request.body.base_url);
      const answer = await exchanged(network, request.body);
      await pairings.settle();
      return sendValue(reply.header('cache-control', 'no-store'), answer, 201);
    },
  );
}

/** Whoever comes from another machine is not reached at an address that means this one, or its link. Throws `unprocessable_entity`. */
function requireElsewhere(base_url: string | undefined): void {
  const url = base_url !== undefined && URL.canParse(base_url) ? new URL(base_url) : undefined;
  const host = url?.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '') ?? '';
  if (
    isLoopbackHost(host) ||
    host.endsWith('.localhost') ||
    /^(0\.|127\.|169\.254\.|::$|::ffff:|fe[89ab])/.test(host)
  )
    throw new MoltnetError(
      'unprocessable_entity',
      `base_url: ${host} is not where another machine is reached`,
    );
}
