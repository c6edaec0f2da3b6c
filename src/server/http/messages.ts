import type { IncomingMessage } from 'node:http';
import { conversationKey, parseConversation } from '../../protocol/conversation.ts';
import { Message, MessageAccepted, MessageRedacted, SendMessageRequest } from '../../protocol/messages.ts';
import { MessagePage, PageQuery } from '../../protocol/pages.ts';
import { isOfAnother } from '../../pairing/pairings.ts';
import { RELAY_HEADER } from '../../protocol/pairings.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { readableDm } from './dms.ts';
import { messagePageText } from './history.ts';
import { MessageParams, pathId, RoomParams } from './params.ts';
import { readableRoom, unreadable } from './rooms.ts';

export async function messageRoutes(app: App, context: ServerContext): Promise<void> {
  const { network, store } = context;
  const tags = ['messages'];

  app.post(
    '/v1/messages',
    {
      onRequest: asks(context, 'message.send'),
      schema: {
        summary: 'Send a message; 202 says that it is on disk',
        tags,
        body: SendMessageRequest,
        response: answers(
          { 202: MessageAccepted },
          'bad_request',
          'body_too_large',
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'human_ingress_disabled',
          'not_a_participant',
          'write_refused',
          'not_found',
          'message_id_conflict',
          'dm_participants_mismatch',
          'unprocessable_entity',
          'invalid_id',
          'invalid_name',
          'invalid_text',
          'invalid_target',
          'thread_room_mismatch',
          'invalid_part',
          'reserved_id',
          'text_too_large',
          'message_too_large',
          'too_many_parts',
          'too_many_mentions',
          'data_too_deep',
          'too_many_participants',
          'not_shared',
          'pairing_mismatch',
          'pairing_quota',
          'overloaded',
          'storage_unavailable',
        ),
      },
    },
    async (request, reply) =>
      sendJson(reply, acceptedText(await sendMessage(context, request.raw, request.body)), 202),
  );

  app.get(
    '/v1/rooms/:roomID/messages',
    {
      schema: {
        summary: 'Messages of a room, oldest first; the newest without a cursor',
        tags,
        params: RoomParams,
        querystring: PageQuery,
        response: answers({ 200: MessagePage }, 'unauthorized', 'forbidden', 'not_found', 'invalid_cursor'),
      },
    },
    async (request, reply) => {
      const room = readableRoom(
        context,
        context.identify(request.raw),
        pathId(request.params.roomID, 'room'),
      );
      return sendJson(
        reply,
        await messagePageText(store, conversationKey('room', room.row.id), request.query),
      );
    },
  );

  app.get(
    '/v1/messages/:messageID',
    {
      schema: {
        summary: 'One message',
        tags,
        params: MessageParams,
        response: answers({ 200: Message }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const id = pathId(request.params.messageID, 'message');
      const message = (await store.messages([id])).get(id);
      if (!message) throw unreadable(network, identity, `no such message: ${id}`);
      if (message.room_id !== null) readableRoom(context, identity, message.room_id, `message: ${id}`);
      else await readableDm(context, identity, parseConversation(message.conversation).id);
      return sendJson(reply, message.payload);
    },
  );

  app.delete(
    '/v1/messages/:messageID',
    {
      schema: {
        summary: 'Blank the content of a message everywhere',
        tags,
        params: MessageParams,
        response: answers({ 200: MessageRedacted }, 'unauthorized', 'forbidden', 'not_found', 'invalid_id'),
      },
    },
    async (request, reply) => {
      const message_id = pathId(request.params.messageID, 'message', 'invalid_id');
      return sendValue(
        reply,
        await network.execute('message.redact', { message_id }, context.identify(request.raw)),
      );
    },
  );
}

/**
 * What the route does with a body that is well-formed. Throws or rejects with MoltnetError. `stored`, if it is called, is
 * so before the message is sent to its readers.
 */
export function sendMessage(
  { network, pairings, rates, identify }: ServerContext,
  request: IncomingMessage,
  body: SendMessageRequest,
  stored?: (accepted: MessageAccepted) => void,
): Promise<MessageAccepted> {
  const identity = identify(request);
  if (isOfAnother(body, network.settings.id)) {
    const plain = request.headers[RELAY_HEADER] === undefined;
    return pairings.intake.take(identity, body, plain, () => rates.send(identity));
  }
  rates.send(identity);
  return network.execute('message.send', { request: body }, identity, stored);
}

/** Ids need escaping in no JSON string, so the text can be put together; field order of the wire. */
export const acceptedText = (a: MessageAccepted): string =>
  `{"message_id":"${a.message_id}","event_id":"${a.event_id}","accepted":${a.accepted},"thread_created":${a.thread_created},"dm_created":${a.dm_created}}`;
