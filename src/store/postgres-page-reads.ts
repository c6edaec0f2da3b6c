/** Reads of history and collections on Postgres: the statements and pages of sqlite-page-reads.ts, asked over a wire. */
import type { ConversationKey } from '../protocol/conversation.ts';
import { emptyPage, LAST_ID, LAST_SEQ, PAGE_SQL, type Place } from './sqlite-page-reads.ts';
import { bounded, idBounds, seqBounds, type Bounds } from './sqlite-paging.ts';
import { artifactRow, conversationRow, storedMessage, type Row } from './sqlite-rows.ts';
import type { Sessions } from './postgres-sessions.ts';
import { statements } from './postgres-sql.ts';
import type { ArtifactRow, ConversationRow, PageRequest, PageRows, StoredMessage } from './log-rows.ts';

type Name = keyof typeof PAGE_SQL;
type Of = { conversation: ConversationKey } | { room_id: string };
/** A bound as the values that it is compared by. */
type Key = readonly (string | number)[];

/** The four statements of a collection: forward, backward, and whether anything lies on either side. */
interface Source<T> {
  names: { after: Name; before: Name; upTo: Name; from: Name };
  fixed: readonly string[];
  first: Key;
  last: Key;
  map: (row: Row) => T;
}

const SQL = statements('page', PAGE_SQL);

export function createPageReads(sessions: Sessions) {
  const all = (name: Name, values: readonly unknown[]) => sessions.read(SQL[name], values);

  /** As readPage in sqlite-paging.ts, with what it asks asked at once. */
  async function page<T>(
    { names, fixed, first, last, map }: Source<T>,
    { before, after }: Bounds<Key>,
    requested: number,
    open: 'first' | 'newest',
  ): Promise<PageRows<T>> {
    const limit = bounded(requested);
    const forward = after !== undefined || (before === undefined && open === 'first');
    const range = [...fixed, ...(after ?? first), ...(before ?? last), limit + 1];
    const [found, upTo, from] = await Promise.all([
      all(forward ? names.after : names.before, range),
      after === undefined ? [] : all(names.upTo, [...fixed, ...after]),
      before === undefined ? [] : all(names.from, [...fixed, ...before]),
    ]);
    const rows = found.slice(0, limit).map(map);
    const more = found.length > limit;
    if (forward) return { rows, more_before: upTo.length > 0, more_after: more || from.length > 0 };
    return { rows: rows.toReversed(), more_before: more, more_after: from.length > 0 };
  }

  /** Bounds that name rows, looked up; undefined when one of them names none. */
  async function placed(
    request: PageRequest,
    place: (id: string) => Promise<Key | undefined>,
  ): Promise<Bounds<Key> | undefined> {
    const bounds: Bounds<Key> = {};
    const ids = idBounds(request);
    for (const side of ['before', 'after'] as const) {
      const id = ids[side];
      if (id === undefined) continue;
      const found = await place(id);
      if (found === undefined) return undefined;
      bounds[side] = found;
    }
    return bounds;
  }

  const keys = <C extends string | number>({ before, after }: Bounds<C>): Bounds<Key> => ({
    ...(before !== undefined && { before: [before] }),
    ...(after !== undefined && { after: [after] }),
  });

  const conversations = (
    names: Source<unknown>['names'],
    fixed: readonly string[],
  ): Source<ConversationRow> => ({
    names,
    fixed,
    first: [''],
    last: [LAST_ID],
    map: conversationRow,
  });

  return {
    async messages(ids: readonly string[]): Promise<Map<string, StoredMessage>> {
      const rows = ids.length === 0 ? [] : await all('messagesById', [ids]);
      return new Map(rows.map((row) => [row['id'] as string, storedMessage(row)]));
    },
    async conversations(wanted: readonly ConversationKey[]): Promise<Map<ConversationKey, ConversationRow>> {
      const rows = wanted.length === 0 ? [] : await all('conversationsByKey', [wanted]);
      const found = new Map(rows.map((row) => [row['key'] as ConversationKey, conversationRow(row)]));
      return new Map(wanted.flatMap((key) => (found.has(key) ? [[key, found.get(key)!]] : [])));
    },
    messagePage(conversation: ConversationKey, request: PageRequest): Promise<PageRows<StoredMessage>> {
      const names = {
        after: 'messagesAfter',
        before: 'messagesBefore',
        upTo: 'messagesUpTo',
        from: 'messagesFrom',
      } as const;
      const source = { names, fixed: [conversation], first: [0], last: [LAST_SEQ], map: storedMessage };
      return page(source, keys(seqBounds(request)), request.limit, 'newest');
    },
    async artifactPage(of: Of, request: PageRequest): Promise<PageRows<ArtifactRow>> {
      const kind = 'room_id' in of ? 'Room' : 'Conversation';
      const names = {
        after: `artifacts${kind}After`,
        before: `artifacts${kind}Before`,
        upTo: `artifacts${kind}UpTo`,
        from: `artifacts${kind}From`,
      } as const;
      const bounds = await placed(request, async (id) => {
        const [found] = (await all('artifactPlace', [id])) as unknown as Place[];
        return found && [found.seq, found.part_index];
      });
      const fixed = ['room_id' in of ? of.room_id : of.conversation];
      const source = { names, fixed, first: [0, -1], last: [LAST_SEQ, 0], map: artifactRow };
      return bounds ? page(source, bounds, request.limit, 'newest') : emptyPage();
    },
    async artifactExists(of: Of, id: string): Promise<boolean> {
      const found =
        'room_id' in of
          ? await all('artifactsRoomExists', [id, of.room_id])
          : await all('artifactsConversationExists', [id, of.conversation]);
      return found.length > 0;
    },
    async threadPage(roomId: string, request: PageRequest): Promise<PageRows<ConversationRow>> {
      if (request.order !== 'activity') {
        const names = {
          after: 'threadsAfter',
          before: 'threadsBefore',
          upTo: 'threadsUpTo',
          from: 'threadsFrom',
        } as const;
        return page(conversations(names, [roomId]), keys(idBounds(request)), request.limit, 'first');
      }
      const names = {
        after: 'activityAfter',
        before: 'activityBefore',
        upTo: 'activityUpTo',
        from: 'activityFrom',
      } as const;
      const bounds = await placed(request, async (id) => {
        const [found] = await all('threadActivity', [id]);
        return found && [found['last_seq'] as number];
      });
      const source = { ...conversations(names, [roomId]), first: [LAST_SEQ], last: [-1] };
      return bounds ? page(source, bounds, request.limit, 'first') : emptyPage();
    },
    dmPage(participant: string | undefined, request: PageRequest): Promise<PageRows<ConversationRow>> {
      const [names, fixed] =
        participant === undefined
          ? ([{ after: 'dmsAfter', before: 'dmsBefore', upTo: 'dmsUpTo', from: 'dmsFrom' }, []] as const)
          : ([
              { after: 'dmsOfAfter', before: 'dmsOfBefore', upTo: 'dmsOfUpTo', from: 'dmsOfFrom' },
              [participant],
            ] as const);
      return page(conversations(names, fixed), keys(idBounds(request)), request.limit, 'first');
    },
  };
}
