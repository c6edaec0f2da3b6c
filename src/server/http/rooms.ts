import { can, requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { pageOfIds, parsePage } from '../../network/paging.ts';
import { roomView } from '../../network/views.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { PageQuery, RoomPage } from '../../protocol/pages.ts';
import {
  CreateRoomRequest,
  RemoveResult,
  Room,
  UpdateRoomMembersRequest,
  UpdateRoomRequest,
} from '../../protocol/rooms.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { pageText } from './pages.ts';
import { pathId, RoomParams } from './params.ts';

type RoomState = NonNullable<ReturnType<ServerContext['network']['topology']['room']>>;

/** The room of a path, if there is one and the caller may read it. Throws `not_found`, `unauthorized`, `forbidden`. */
export function readableRoom({ network }: ServerContext, identity: Identity, id: string): RoomState {
  const room = network.topology.room(id);
  if (!room) throw new MoltnetError('not_found', `no such room: ${id}`);
  requireAccess(network.settings, identity, 'room.read', { room });
  return room;
}

export async function roomRoutes(app: App, context: ServerContext): Promise<void> {
  const { network } = context;
  const { topology, settings } = network;
  const tags = ['rooms'];

  app.get(
    '/v1/rooms',
    {
      schema: {
        summary: 'Rooms that the caller may read, by id',
        tags,
        querystring: PageQuery,
        response: answers({ 200: RoomPage }, 'unauthorized', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(settings, identity, 'network.read');
      const page = parsePage(request.query);
      const { ids, info } = pageOfIds(
        topology.roomIds(),
        page,
        (id) => can(settings, identity, 'room.read', { room: topology.room(id)! }).allowed,
      );
      const item = (id: string) => ({
        id,
        json: JSON.stringify(roomView(settings, identity, topology.room(id)!)),
      });
      return sendJson(reply, pageText('rooms', ids, item, info, page, 'oldest'));
    },
  );

  app.post(
    '/v1/rooms',
    {
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
}
