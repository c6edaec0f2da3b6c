import type { Identity } from '../../network/identity.ts';
import { parsePage } from '../../network/paging.ts';
import { threadView } from '../../network/views.ts';
import { conversationKey } from '../../protocol/conversation.ts';
import { MessagePage, PageQuery, ThreadPage } from '../../protocol/pages.ts';
import { Thread } from '../../protocol/rooms.ts';
import type { ConversationRow } from '../../store/log-rows.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { messagePageText, storedPageText } from './history.ts';
import { requireCursor } from './pages.ts';
import { pathId, RoomParams, ThreadParams } from './params.ts';
import { readableRoom, unreadable } from './rooms.ts';

/** A thread, if it and its room exist and the caller may read the room. */
export async function readableThread(
  context: ServerContext,
  identity: Identity,
  id: string,
): Promise<ConversationRow> {
  const key = conversationKey('thread', id);
  const row = (await context.store.conversations([key])).get(key);
  if (!row) throw unreadable(context.network, identity, `no such thread: ${id}`);
  readableRoom(context, identity, row.room_id!, `thread: ${id}`);
  return row;
}

export async function threadRoutes(app: App, context: ServerContext): Promise<void> {
  const { store, network } = context;
  const tags = ['threads'];
  const networkId = network.settings.id;

  app.get(
    '/v1/rooms/:roomID/threads',
    {
      schema: {
        summary: 'Threads of a room, by id',
        tags,
        params: RoomParams,
        querystring: PageQuery,
        response: answers({ 200: ThreadPage }, 'unauthorized', 'forbidden', 'not_found', 'invalid_cursor'),
      },
    },
    async (request, reply) => {
      const room = readableRoom(
        context,
        context.identify(request.raw),
        pathId(request.params.roomID, 'room'),
      );
      const page = parsePage(request.query);
      await requireCursor(page, async (id) => {
        const key = conversationKey('thread', id);
        return (await store.conversations([key])).get(key)?.room_id === room.row.id;
      });
      return sendJson(
        reply,
        await storedPageText(
          'threads',
          (range) => store.threadPage(room.row.id, range),
          (row) => ({ id: row.id, json: JSON.stringify(threadView(networkId, row)) }),
          page,
          'oldest',
        ),
      );
    },
  );

  app.get(
    '/v1/threads/:threadID',
    {
      schema: {
        summary: 'One thread',
        tags,
        params: ThreadParams,
        response: answers({ 200: Thread }, 'unauthorized', 'forbidden', 'not_found'),
      },
    },
    async (request, reply) =>
      sendValue(
        reply,
        threadView(
          networkId,
          await readableThread(
            context,
            context.identify(request.raw),
            pathId(request.params.threadID, 'thread'),
          ),
        ),
      ),
  );

  app.get(
    '/v1/threads/:threadID/messages',
    {
      schema: {
        summary: 'Messages of a thread, oldest first; the newest without a cursor',
        tags,
        params: ThreadParams,
        querystring: PageQuery,
        response: answers({ 200: MessagePage }, 'unauthorized', 'forbidden', 'not_found', 'invalid_cursor'),
      },
    },
    async (request, reply) => {
      const thread = await readableThread(
        context,
        context.identify(request.raw),
        pathId(request.params.threadID, 'thread'),
      );
      return sendJson(reply, await messagePageText(store, thread.key, request.query));
    },
  );
}
