import { can, requireAccess } from '../../network/access.ts';
import { selvesOf } from '../../network/access-facts.ts';
import type { Identity } from '../../network/identity.ts';
import { parsePage } from '../../network/paging.ts';
import { parseConversation } from '../../protocol/conversation.ts';
import { MoltnetError } from '../../protocol/errors.ts';
import { canonicalMemberId, memberFqid } from '../../protocol/ids.ts';
import { limits } from '../../protocol/limits.ts';
import { SearchPage, SearchQuery } from '../../protocol/search.ts';
import { searchTerms } from '../../store/search-terms.ts';
import type { StoredMessage } from '../../store/log-rows.ts';
import type { FoundMessage, SearchRequest } from '../../store/search-rows.ts';
import type { ServerContext } from '../context.ts';
import { answers, sendJson } from './answers.ts';
import type { App } from './app.ts';
import { readableDm } from './dms.ts';
import { bytesOf, type PageItem } from './pages.ts';
import { readableRoom } from './rooms.ts';
import { readableThread } from './threads.ts';

const DAY = 86_400_000;

/** GET /v1/search: what the caller may read and nothing else, newest first. SEARCH rules. */
export async function searchRoutes(app: App, context: ServerContext): Promise<void> {
  app.get(
    '/v1/search',
    {
      schema: {
        summary: 'Messages that hold all the words, of those that the caller may read, newest first',
        tags: ['messages'],
        querystring: SearchQuery,
        response: answers(
          { 200: SearchPage },
          'unauthorized',
          'forbidden',
          'not_found',
          'direct_messages_disabled',
          'invalid_cursor',
          'invalid_id',
          'invalid_target',
          'unprocessable_entity',
          'storage_unavailable',
        ),
      },
    },
    async (request, reply) => {
      const identity = context.identify(request.raw);
      const { settings } = context.network;
      requireAccess(settings, identity, 'history.search');
      const wanted = await searchOf(context, identity, request.query);
      const { rows, next_before, unindexed } = await context.store.search(wanted);
      // Who was taken out of a room while the index was asked reads it no more.
      const may = readableTo(context, identity);
      const readable = rows.filter((found) => isReadable(may, found));
      const { items, cut } = fitting(readable.map(resultOf));
      // A cursor is the id of something that the caller has been shown, or may read.
      const before = cut || readable.length < rows.length ? items.at(-1)?.id : next_before;
      const page = { has_more: before !== undefined, next_before: before };
      return sendJson(
        reply,
        `{"results":[${items.map(({ json }) => json).join(',')}],"page":${JSON.stringify(page)}${unindexed > 0 ? `,"unindexed":${unindexed}` : ''}}`,
      );
    },
  );
}

/** Of an observer all; of others the rooms that they read now, and the DMs of those that they are. */
function readableTo({ network }: ServerContext, identity: Identity): SearchRequest['readable'] {
  const { settings, topology } = network;
  const everyDm = can(settings, identity, 'dm.read', { dm: { participants: [] } }).allowed;
  const participants = !settings.direct_messages ? [] : everyDm ? 'all' : selvesOf(identity);
  const rooms = topology
    .roomIds()
    .filter((id) => can(settings, identity, 'room.read', { room: topology.room(id)! }).allowed);
  // One that was removed is nobody's to read any more.
  return { rooms: rooms.length === topology.roomRecordCount ? 'all' : new Set(rooms), participants };
}

function isReadable({ rooms, participants }: SearchRequest['readable'], { row, ...found }: FoundMessage) {
  if (row.room_id !== null) return rooms === 'all' || rooms.has(row.room_id);
  return participants === 'all' || participants.some((id) => found.participants.includes(id));
}

/** What is asked for. Throws as the conversation's own history would, and `unprocessable_entity` for what says nothing. */
async function searchOf(
  context: ServerContext,
  identity: Identity,
  query: SearchQuery,
): Promise<SearchRequest> {
  const { network, store } = context;
  const page = parsePage({
    ...(query.limit !== undefined && { limit: query.limit }),
    ...(query.before !== undefined && { before: query.before }),
  });
  const terms = searchTerms(query.q ?? '');
  const sender = query.from?.trim();
  const has = query.has?.trim();
  if (has !== undefined && has !== '' && has !== 'artifact')
    throw new MoltnetError(
      'unprocessable_entity',
      `has: ${JSON.stringify(has.slice(0, 40))} is not known; use artifact`,
    );
  const since = timeOf(query.since, 'since');
  const until = timeOf(query.until, 'until');
  const wanted: SearchRequest = {
    terms,
    ...(await placeOf(context, identity, query.conversation)),
    ...(sender && {
      sender: memberFqid(canonicalMemberId(sender, network.settings.id), network.settings.id),
    }),
    ...(has === 'artifact' && { artifact: true }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    readable: readableTo(context, identity),
    limit: Math.min(
      query.limit === undefined ? limits.search_default.value : page.limit,
      limits.search_max.value,
    ),
  };
  // Beside the words, what may be read and how many.
  if (terms.length === 0 && Object.keys(wanted).length === 3)
    throw new MoltnetError(
      'unprocessable_entity',
      'say what to look for: q with words, or a filter such as from or since',
    );
  if (page.before === undefined) return wanted;
  const cursor = (await store.messages([page.before])).get(page.before);
  // One that the caller may not read is to it like one that there is not.
  if (!cursor || !(await mayReadCursor(context, wanted.readable, cursor)))
    throw new MoltnetError(
      'invalid_cursor',
      `before: ${page.before} is no result of a search; begin again without it`,
    );
  return { ...wanted, before: cursor.seq };
}

async function mayReadCursor(
  { store }: ServerContext,
  { rooms, participants }: SearchRequest['readable'],
  { room_id, conversation }: StoredMessage,
): Promise<boolean> {
  if (room_id !== null) return rooms === 'all' || rooms.has(room_id);
  if (participants === 'all') return true;
  const of = (await store.conversations([conversation])).get(conversation)?.participants ?? [];
  return participants.some((id) => of.includes(id));
}

async function placeOf(
  context: ServerContext,
  identity: Identity,
  given: string | undefined,
): Promise<Pick<SearchRequest, 'conversation' | 'room_id'>> {
  const key = given?.trim() ?? '';
  if (key === '') return {};
  const { kind, id } = parseConversation(key);
  if (kind === 'room') return { room_id: readableRoom(context, identity, id).row.id };
  const row = await (kind === 'dm' ? readableDm : readableThread)(context, identity, id);
  return { conversation: row.key };
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i;

/** Milliseconds since 1970. A day is from its beginning (since) or to its end (until), in UTC. */
function timeOf(given: string | undefined, field: 'since' | 'until'): number | undefined {
  const text = given?.trim() ?? '';
  if (text === '') return undefined;
  const day = /^\d{4}-\d\d-\d\d$/.test(text);
  const at = day ? Date.parse(`${text}T00:00:00Z`) : RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at) || (day && !new Date(at).toISOString().startsWith(text)))
    throw new MoltnetError(
      'unprocessable_entity',
      `${field}: ${JSON.stringify(text.slice(0, 40))} is no time; write 2026-11-30 or 2026-11-30T12:00:00Z`,
    );
  return day && field === 'until' ? at + DAY : at;
}

const resultOf = ({ row, snippet }: FoundMessage): PageItem => ({
  id: row.id,
  json: `{"message":${row.payload},"conversation":${JSON.stringify(row.conversation)},"snippet":${JSON.stringify(snippet)}}`,
});

/** As many as a page's bytes hold, at least one. */
function fitting(items: PageItem[]): { items: PageItem[]; cut: boolean } {
  let bytes = 0;
  const count = items.findIndex((item, i) => (bytes += bytesOf(item)) > limits.page_bytes.value && i > 0);
  return count < 0 ? { items, cut: false } : { items: items.slice(0, count), cut: true };
}
