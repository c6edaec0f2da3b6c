import { can, requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import type { RoomState } from '../../network/state.ts';
import { roomView } from '../../network/views.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { PageQuery, RoomPage } from '../../protocol/pages.ts';
import {
  CreateRoomRequest,
  JoinRoomRequest,
  RemoveResult,
  Room,
  UpdateRoomMembersRequest,
  UpdateRoomRequest,
} from '../../protocol/rooms.ts';
import type { RoomRow } from '../../store/topology-rows.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { pageText } from './pages.ts';
import { pathId, RoomParams } from './params.ts';

/** A room that everybody could read who may read any. */
const ANY_ROOM = { row: { visibility: 'public' } as RoomRow, members: new Map<string, number>() };

/**
 * A room, if there is one and the caller may read it. Throws `not_found`, `unauthorized`, `forbidden`.
 * @param asked what was asked for, when it is something in that room: it is gone with it
 */
export function readableRoom(
  { network }: ServerContext,
  identity: Identity,
  id: string,
  asked = `room: ${id}`,
): RoomState {
  const room = network.topology.room(id);
  if (!room) throw unreadable(network, identity, `no such ${asked}`);
  requireAccess(network.settings, identity, 'room.read', { room });
  return room;
}

/** `not_found` for those who may read something here; who may not is told that, and nothing else. */
export function unreadable(
  { settings }: ServerContext['network'],
  identity: Identity,
  why: string,
): MoltnetError {
  requireAccess(settings, identity, 'room.read', { room: ANY_ROOM });
  return new MoltnetError('not_found', why);
}

export async function roomRoutes(app: App, context: ServerContext): Promise<void> {
  const { network } = context;
  const { topology, settings } = network;
  const tags = ['rooms'];
  const onRequest = asks(context, 'administer');

  /** To a paired network the agents that are attached for the room are of it, also where membership is not needed. */
  function shown(identity: Identity, room: RoomState): Room {
    const view = roomView(settings, identity, room);
    if (!identity.pairing) return view;
    const members = new Set(view.members);
    for (const [agent, { rooms }] of context.bindings.all())
      if (topology.agent(agent) && rooms.some(({ id }) => id === room.row.id)) members.add(agent);
    return members.size === 0 ? view : { ...view, members: [...members].sort() };
  }

  app.get(
    '/v1/rooms',
    {
      schema: {
        summary: 'Rooms that the caller may read, by id',
        tags,
        querystring: PageQuery,
        response: answers({ 200: RoomPage }, 'unauthorized', 'forbidden', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(settings, identity, 'roster.read');
      const page = parsePage(request.query);
      const { ids, info } = pageOfIds(
        topology.roomIds(),
        page,
        (id) => can(settings, identity, 'room.read', { room: topology.room(id)! }).allowed,
      );
      const item = (id: string) => ({
        id,
        json: JSON.stringify(shown(identity, topology.room(id)!)),
      });
      return sendJson(reply, pageText('rooms', ids, item, info, page, 'oldest'));
    },
  );

  app.post(
    '/v1/rooms',
    {
      onRequest,
      schema: {
        summary: 'Create a room',
        tags,
        body: CreateRoomRequest,
        response: answers(
          { 201: Room },
          'bad_request',
          'body_too_large',
          'unauthorized',
          'forbidden',
          'room_exists',
          'invalid_id',
          'invalid_name',
          'unprocessable_entity',
          'too_many_members',
          'too_many_rooms',
        ),
      },
    },
    async (request, reply) =>
      sendValue(
        reply,
        await network.execute('room.create', { request: request.body }, context.identify(request.raw)),
        201,
      ),
  );

  app.get(
    '/v1/rooms/:roomID',
    {
      schema: {
        summary: 'One room',
        tags,
        params: RoomParams,
        response: answers({ 200: Room }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      return sendValue(
        reply,
        roomView(settings, identity, readableRoom(context, identity, pathId(request.params.roomID, 'room'))),
      );
    },
  );

  app.patch(
    '/v1/rooms/:roomID',
    {
      onRequest,
      schema: {
        summary: 'Change a room: what is not given stays as it is',
        tags,
        params: RoomParams,
        body: UpdateRoomRequest,
        response: answers(
          { 200: Room },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'invalid_id',
          'invalid_name',
          'unprocessable_entity',
        ),
      },
    },
    async (request, reply) => {
      const room_id = pathId(request.params.roomID, 'room', 'invalid_id');
      return sendValue(
        reply,
        await network.execute(
          'room.update',
          { room_id, request: request.body },
          context.identify(request.raw),
        ),
      );
    },
  );

  app.delete(
    '/v1/rooms/:roomID',
    {
      onRequest,
      schema: {
        summary: 'Remove a room; its messages are kept',
        tags,
        params: RoomParams,
        response: answers({ 200: RemoveResult }, 'unauthorized', 'forbidden', 'not_found', 'invalid_id'),
      },
    },
    async (request, reply) => {
      const room_id = pathId(request.params.roomID, 'room', 'invalid_id');
      return sendValue(
        reply,
        await network.execute('room.remove', { room_id }, context.identify(request.raw)),
      );
    },
  );

  app.patch(
    '/v1/rooms/:roomID/members',
    {
      onRequest,
      schema: {
        summary: 'Add members, then remove members',
        tags,
        params: RoomParams,
        body: UpdateRoomMembersRequest,
        response: answers(
          { 200: Room },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'invalid_id',
          'too_many_members',
        ),
      },
    },
    async (request, reply) => {
      const room_id = pathId(request.params.roomID, 'room', 'invalid_id');
      return sendValue(
        reply,
        await network.execute(
          'room.members',
          { room_id, request: request.body },
          context.identify(request.raw),
        ),
      );
    },
  );

  app.post(
    '/v1/rooms/:roomID/join',
    {
      schema: {
        summary: "Become a member with the room's credential",
        tags,
        params: RoomParams,
        body: JoinRoomRequest,
        response: answers(
          { 200: Room },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'invalid_id',
          'too_many_members',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const room_id = pathId(request.params.roomID, 'room', 'invalid_id');
      context.rates.join(identity);
      return sendValue(
        reply,
        await network.execute('room.join', { room_id, request: request.body }, identity),
      );
    },
  );
}
