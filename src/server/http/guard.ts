import { z } from 'zod';
import { can, requireAccess } from '../../network/access.ts';
import { pageOfIds, parsePage, type Page } from '../../network/paging.ts';
import { parseConversation, type ConversationKey } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { GuardState } from '../../protocol/events.ts';
import { GuardPage, PageQuery } from '../../protocol/pages.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson, sendValue } from './answers.ts';
import type { App } from './app.ts';
import { asks } from './asks.ts';
import { pageText } from './pages.ts';
import { ConversationParams } from './params.ts';
import { readableConversation } from './readable.ts';

const ResumeRequest = z.object({ conversation: z.string().describe('`room:ID`, `thread:ID` or `dm:ID`') });

export async function guardRoutes(app: App, context: ServerContext): Promise<void> {
  const { network } = context;
  const tags = ['guard'];

  app.get(
    '/v1/guard',
    {
      schema: {
        summary: 'Conversations whose wakes the storm guard holds',
        tags,
        querystring: PageQuery,
        response: answers({ 200: GuardPage }, 'unauthorized', 'forbidden', 'invalid_cursor'),
      },
    },
    (request, reply) => {
      requireAccess(network.settings, context.identify(request.raw), 'observe');
      const page = heldPage(request.query);
      const states = new Map(network.guardStates().map((state) => [state.conversation, state]));
      const { ids, info } = pageOfIds([...states.keys()].sort(), page, () => true);
      const item = (id: string) => ({ id, json: JSON.stringify(states.get(id)) });
      return sendJson(reply, pageText('conversations', ids, item, info, page, 'oldest'));
    },
  );

  app.get(
    '/v1/guard/:conversation',
    {
      schema: {
        summary: 'The meters of the storm guard in one conversation',
        tags,
        params: ConversationParams,
        response: answers(
          { 200: GuardState },
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'not_found',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const state = await network.guardState(
        await readableConversation(context, identity, request.params.conversation),
      );
      // With whom an agent speaks elsewhere is the observers' to know.
      if (state.meters && !can(network.settings, identity, 'observe').allowed) {
        const { pair: _pair, pair_agents: _agents, ...meters } = state.meters;
        state.meters = meters;
      }
      return sendValue(reply, state);
    },
  );

  app.post(
    '/v1/guard/resume',
    {
      onRequest: asks(context, 'guard.resume'),
      schema: {
        summary: 'Let a held conversation go on',
        tags,
        body: ResumeRequest,
        response: answers(
          { 200: GuardState },
          'bad_request',
          'unauthorized',
          'forbidden',
          'not_found',
          'invalid_target',
        ),
      },
    },
    async (request, reply) => {
      const { kind, id } = parseConversation(request.body.conversation.trim());
      const conversation: ConversationKey = `${kind}:${id}`;
      return sendValue(
        reply,
        await network.execute('guard.resume', { conversation }, context.identify(request.raw)),
      );
    },
  );
}

/** The cursors here are conversation keys, which with a long id are longer than an id may be. */
function heldPage(query: PageQuery): Page {
  const page = parsePage({ limit: query.limit });
  for (const field of ['before', 'after'] as const) {
    const cursor = query[field]?.trim();
    if (cursor) page[field] = cursor;
  }
  if (page.before !== undefined && page.after !== undefined)
    throw new MoltnetError('invalid_cursor', 'before and after came together; give one of them');
  return page;
}
