import { requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { parsePage } from '../../network/paging.ts';
import { dmView } from '../../network/views.ts';
import { conversationKey } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { DirectConversationPage, MessagePage, PageQuery } from '../../protocol/pages.ts';
import { DirectConversation } from '../../protocol/rooms.ts';
import type { ConversationRow } from '../../store/store.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { messagePageText, storedPageText } from './history.ts';
import { requireCursor } from './pages.ts';
import { DmParams, pathId } from './params.ts';

export function requireDms({ network }: ServerContext): void {
  if (!network.settings.direct_messages) throw new MoltnetError('direct_messages_disabled');
}

/** A DM, if DMs are on, it exists and the caller may read it. */
export async function readableDm(
  context: ServerContext,
  identity: Identity,
  id: string,
): Promise<ConversationRow> {
  requireDms(context);
  const key = conversationKey('dm', id);
  const row = (await context.store.conversations([key])).get(key);
  // Who may not read DMs is told so before anything is said about this one.
  requireAccess(context.network.settings, identity, 'dm.read', {
    dm: { participants: row?.participants ?? [] },
  });
  if (!row) throw new MoltnetError('not_found', `no such DM: ${id}`);
  return row;
}

export async function dmRoutes(app: App, context: ServerContext): Promise<void> {
  const { store, network } = context;
  const tags = ['dms'];
  const networkId = network.settings.id;

  app.get(
    '/v1/dms',
    {
      schema: {
        summary: 'DMs, by id',
        tags,
        querystring: PageQuery,
        response: answers(
          { 200: DirectConversationPage },
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'invalid_cursor',
        ),
      },
    },
    async (request, reply) => {
      requireDms(context);
      requireAccess(network.settings, context.identify(request.raw), 'observe');
      const page = parsePage(request.query);
      await requireCursor(page, async (id) => {
        const key = conversationKey('dm', id);
        return (await store.conversations([key])).has(key);
      });
      return sendJson(
        reply,
        await storedPageText(
          'dms',
          (range) => store.dmPage(undefined, range),
          (row) => ({ id: row.id, json: JSON.stringify(dmView(networkId, row)) }),
          page,
          'oldest',
        ),
      );
    },
  );

  app.get(
    '/v1/dms/:dmID',
    {
      schema: {
        summary: 'One DM',
        tags,
        params: DmParams,
        response: answers(
          { 200: DirectConversation },
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'not_found',
        ),
      },
    },
    async (request, reply) =>
      sendValue(
        reply,
        dmView(
          networkId,
          await readableDm(context, context.identify(request.raw), pathId(request.params.dmID, 'DM')),
        ),
      ),
  );

  app.get(
    '/v1/dms/:dmID/messages',
    {
      schema: {
        summary: 'Messages of a DM, oldest first; the newest without a cursor',
        tags,
        params: DmParams,
        querystring: PageQuery,
        response: answers(
          { 200: MessagePage },
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'not_found',
          'invalid_cursor',
        ),
      },
    },
    async (request, reply) => {
      const dm = await readableDm(context, context.identify(request.raw), pathId(request.params.dmID, 'DM'));
      return sendJson(reply, await messagePageText(store, dm.key, request.query));
    },
  );
}
