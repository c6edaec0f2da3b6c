import { MoltnetError } from '../../protocol/errors.ts';
import { isId } from '../../protocol/ids.ts';
import { ArtifactPage, PageQuery } from '../../protocol/pages.ts';
import { z } from 'zod';
import { requireAccess } from '../../network/access.ts';
import type { Identity } from '../../network/identity.ts';
import { parsePage } from '../../network/paging.ts';
import type { ArtifactRow, PageRows } from '../../store/log-rows.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson } from './answers.ts';
import type { App } from './app.ts';
import { readableDm } from './dms.ts';
import { storedPageText } from './history.ts';
import { requireCursor } from './pages.ts';
import { readableRoom } from './rooms.ts';
import { readableThread } from './threads.ts';

const ArtifactQuery = PageQuery.extend({
  room_id: z.string().optional(),
  thread_id: z.string().optional(),
  dm_id: z.string().optional(),
});
const NOTHING: PageRows<ArtifactRow> = { rows: [], more_before: false, more_after: false };
type Of = Parameters<ServerContext['store']['artifactPage']>[0];

/** GET /v1/artifacts: of a thread, else of a DM, else of a room with its threads. */
export async function artifactRoutes(app: App, context: ServerContext): Promise<void> {
  app.get(
    '/v1/artifacts',
    {
      schema: {
        summary: 'Parts that are more than text, of a thread, a DM, or a room with its threads',
        tags: ['messages'],
        querystring: ArtifactQuery,
        response: answers(
          { 200: ArtifactPage },
          'unauthorized',
          'forbidden',
          'direct_messages_disabled',
          'not_found',
          'invalid_cursor',
          'unprocessable_entity',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      requireAccess(context.network.settings, identity, 'artifacts.read');
      const of = await filter(context, identity, request.query);
      const page = parsePage(request.query);
      await requireCursor(page, (id) => of !== undefined && context.store.artifactExists(of, id));
      return sendJson(
        reply,
        await storedPageText(
          'artifacts',
          (range) => (of ? context.store.artifactPage(of, range) : NOTHING),
          ({ id, payload }) => ({ id, json: payload }),
          page,
          'newest',
        ),
      );
    },
  );
}

/** What is asked for, if the caller may read it; undefined for a DM that does not exist, which has none (wire.md 3.4). */
async function filter(
  context: ServerContext,
  identity: Identity,
  query: { room_id?: string | undefined; thread_id?: string | undefined; dm_id?: string | undefined },
): Promise<Of | undefined> {
  const thread = given(query.thread_id, 'thread');
  if (thread !== undefined) return { conversation: (await readableThread(context, identity, thread)).key };
  const dm = given(query.dm_id, 'DM');
  if (dm !== undefined) {
    try {
      return { conversation: (await readableDm(context, identity, dm)).key };
    } catch (error) {
      if (error instanceof MoltnetError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
  const room = given(query.room_id, 'room');
  if (room !== undefined) return { room_id: readableRoom(context, identity, room).row.id };
  throw new MoltnetError('unprocessable_entity', 'say of what: room_id, thread_id or dm_id');
}

function given(value: string | undefined, what: string): string | undefined {
  const id = value?.trim() ?? '';
  if (id === '') return undefined;
  if (!isId(id)) throw new MoltnetError('not_found', `no such ${what}: ${JSON.stringify(id.slice(0, 160))}`);
  return id;
}
