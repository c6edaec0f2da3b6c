import { can, requireAccess } from '../../network/access.ts';
import { selvesOf } from '../../network/access-facts.ts';
import type { Identity } from '../../network/identity.ts';
import { parsePage } from '../../network/paging.ts';
import { dmView } from '../../network/views.ts';
import { conversationKey } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { DirectConversationPage, MessagePage, PageQuery } from '../../protocol/pages.ts';
import { DirectConversation } from '../../protocol/rooms.ts';
import type { ConversationRow, PageRequest, PageRows } from '../../store/log-rows.ts';
import type { Store } from '../../store/store.ts';
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
  const key = conversationKey('dm', id);
  const row = (await context.store.conversations([key])).get(key);
  // Who may not read this one is told so, whether or not there is one.
  requireAccess(context.network.settings, identity, 'dm.read', {
    dm: { participants: row?.participants ?? [] },
  });
  requireDms(context);
  if (!row) throw new MoltnetError('not_found', `no such DM: ${id}`);
  return row;
}

/** DMs of those that the caller is: what each takes part in, each DM once. */
async function ownDmPage(
  store: Store,
  identity: Identity,
  range: PageRequest,
): Promise<PageRows<ConversationRow>> {
  const pages = await Promise.all(selvesOf(identity).map((self) => store.dmPage(self, range)));
  const byId = new Map(pages.flatMap(({ rows }) => rows.map((row) => [row.id, row] as const)));
  const all = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const backwards = range.before !== undefined;
  const rows = backwards ? all.slice(-range.limit) : all.slice(0, range.limit);
  const cut = rows.length < all.length;
  return {
    rows,
    more_before: pages.some((page) => page.more_before) || (backwards && cut),
    more_after: pages.some((page) => page.more_after) || (!backwards && cut),
  };
}

export async function dmRoutes(app: App, context: ServerContext): Promise<void> {
  const { store, network } = context;
  const tags = ['dms'];
  const networkId = network.settings.id;

  app.get(
    '/v1/dms',
    {
      schema: {
        summary: 'DMs that the caller may read, by id',
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
      const identity = context.identify(request.raw);
      const { settings } = network;
      requireAccess(settings, identity, 'dm.list');
      requireDms(context);
      const page = parsePage(request.query);
      await requireCursor(page, async (id) => {
        const key = conversationKey('dm', id);
        const dm = (await store.conversations([key])).get(key);
        return dm !== undefined && can(settings, identity, 'dm.read', { dm }).allowed;
      });
      const everything = can(settings, identity, 'observe').allowed;
      return sendJson(
        reply,
        await storedPageText(
          'dms',
          (range) => (everything ? store.dmPage(undefined, range) : ownDmPage(store, identity, range)),
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
