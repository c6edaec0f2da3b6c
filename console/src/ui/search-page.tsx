import { useCallback, useEffect, useMemo, useState, type FormEvent } from 'react';
import type { SearchResult } from '../../../src/protocol/search.ts';
import { api } from '../live/api.ts';
import { useApp } from '../live/client.ts';
import { byActivity, dmName } from '../model/dms.ts';
import { actorKey, actorName, agentName, plainName } from '../model/names.ts';
import { exactTime, shortTime } from '../model/times.ts';
import { texts, wordsOf } from '../texts.ts';
import { Avatar, Button, Field, Select } from './controls.tsx';
import { useConversationName } from './conversation-name.ts';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { PageHeader } from './page.tsx';
import panel from './panel.module.css';
import { navigate, paths } from './router.ts';
import styles from './search-page.module.css';

const FILTERS = ['q', 'conversation', 'from', 'since', 'until', 'has'] as const;
/** So many rooms and agents can be chosen; the others are asked for by their address. */
const LISTED = 300;
type Asked = Partial<Record<(typeof FILTERS)[number], string>>;

/** Search over everything that the caller may read; what is asked for is the page's address. */
export function SearchPage({ query }: { query: string }) {
  const asked = useMemo(() => {
    const given = new URLSearchParams(query);
    return Object.fromEntries(
      FILTERS.flatMap((name) => (given.get(name) ? [[name, given.get(name)!]] : [])),
    ) as Asked;
  }, [query]);
  const empty = Object.keys(asked).length === 0;
  return (
    <>
      <PageHeader title={texts.search} mark={<Icon name="search" />} />
      <div className={panel.scroller} tabIndex={-1}>
        <div className={panel.column}>
          <SearchForm key={query} asked={asked} />
          {empty ? <p className={panel.lead}>{texts.searchHelp}</p> : <Results asked={asked} />}
        </div>
      </div>
    </>
  );
}

function SearchForm({ asked }: { asked: Asked }) {
  const [form, setForm] = useState(asked);
  const rooms = useApp((state) => state.rooms);
  const dms = useApp((state) => state.dms);
  const agents = useApp((state) => state.agents);
  const me = useApp((state) => state.me.id);
  const set = (name: keyof Asked, value: string) => setForm((known) => ({ ...known, [name]: value }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    navigate(paths.search({ ...form, q: form.q?.trim() }));
  };
  // What a link asked for stands in the list, also when it is none of those known.
  const known = new Set([
    ...rooms.map(({ id }) => `room:${id}`),
    ...Object.keys(dms).map((id) => `dm:${id}`),
  ]);
  const other = asked.conversation !== undefined && !known.has(asked.conversation) ? asked.conversation : '';
  return (
    <form role="search" onSubmit={submit}>
      <div className={styles.words}>
        <Field
          type="search"
          value={form.q ?? ''}
          onChange={(event) => set('q', event.target.value)}
          placeholder={texts.searchWords}
          aria-label={texts.searchWords}
          autoFocus
        />
        <Button kind="primary" type="submit">
          {texts.search}
        </Button>
      </div>
      <div className={panel.filters}>
        <Select
          aria-label={texts.searchWhere}
          value={form.conversation ?? ''}
          onChange={(event) => set('conversation', event.target.value)}
        >
          <option value="">{texts.anywhere}</option>
          {other && <option value={other}>{other}</option>}
          {rooms.slice(0, LISTED).map((room) => (
            <option key={room.id} value={`room:${room.id}`}>
              #{plainName(room.name) || room.id}
            </option>
          ))}
          {byActivity(Object.values(dms))
            .slice(0, 100)
            .map((dm) => (
              <option key={dm.id} value={`dm:${dm.id}`}>
                {dmName(dm, me, agents)}
              </option>
            ))}
        </Select>
        <Select
          aria-label={texts.searchFrom}
          value={form.from ?? ''}
          onChange={(event) => set('from', event.target.value)}
        >
          <option value="">{texts.anybody}</option>
          {asked.from !== undefined && !agents.some(({ id }) => id === asked.from) && asked.from !== me && (
            <option value={asked.from}>{asked.from}</option>
          )}
          <option value={me}>{texts.me}</option>
          {agents.slice(0, LISTED).map((agent) => (
            <option key={agent.fqid ?? agent.id} value={agent.id}>
              {agentName(agent)}
            </option>
          ))}
        </Select>
        <label className={styles.date}>
          {texts.searchSince}
          <Field
            type="date"
            value={form.since ?? ''}
            onChange={(event) => set('since', event.target.value)}
          />
        </label>
        <label className={styles.date}>
          {texts.searchUntil}
          <Field
            type="date"
            value={form.until ?? ''}
            onChange={(event) => set('until', event.target.value)}
          />
        </label>
        <label className={styles.check}>
          <input
            type="checkbox"
            checked={form.has === 'artifact'}
            onChange={(event) => set('has', event.target.checked ? 'artifact' : '')}
          />
          {texts.searchFiles}
        </label>
      </div>
    </form>
  );
}

type Found = {
  results: readonly SearchResult[];
  before?: string | undefined;
  unindexed?: number | undefined;
};

function Results({ asked }: { asked: Asked }) {
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState<string>();
  const load = useCallback(
    async (before?: string) => {
      const { results, page, unindexed } = await api.search({ ...asked, limit: 40, before });
      setFound((known) => ({
        results: before === undefined ? results : [...(known?.results ?? []), ...results],
        before: page.next_before,
        unindexed,
      }));
    },
    [asked],
  );
  useEffect(() => {
    setFound(undefined);
    setError(undefined);
    load().catch((reason: unknown) => setError(wordsOf(reason)));
  }, [load]);
  if (error !== undefined)
    return (
      <p role="alert" className={panel.bad}>
        {error}
      </p>
    );
  return (
    <>
      <p role="status" className={panel.small}>
        {found === undefined
          ? texts.searching
          : found.results.length === 0
            ? texts.foundNothing
            : texts.found(found.results.length, found.before !== undefined)}
        {found?.unindexed ? ` ${texts.unindexed(found.unindexed)}` : ''}
      </p>
      <ul className={panel.list}>
        {found?.results.map((result) => (
          <Result key={result.message.id} result={result} />
        ))}
      </ul>
      {found?.before !== undefined && (
        <Button onClick={() => void load(found.before).catch((reason: unknown) => setError(wordsOf(reason)))}>
          {texts.more}
        </Button>
      )}
    </>
  );
}

function Result({ result }: { result: SearchResult }) {
  const { message, conversation, snippet } = result;
  const nameOf = useConversationName();
  const name = actorName(message.from);
  return (
    <li>
      <Link href={paths.conversation(conversation, message.id)} className={styles.result}>
        <Avatar name={name} id={actorKey(message.from)} type={message.from.type} small />
        <div className={panel.wide}>
          <p className={styles.head}>
            <bdi className={panel.name}>{name}</bdi>
            <span className={panel.about}>
              {texts.inPlace} {nameOf(conversation, message.target.room_id)}
            </span>
            <time className={panel.end} dateTime={message.created_at} title={exactTime(message.created_at)}>
              {shortTime(message.created_at)}
            </time>
          </p>
          <p className={panel.text} dir="auto">
            {snippet.map((piece, index) => (piece.hit ? <mark key={index}>{piece.text}</mark> : piece.text))}
          </p>
        </div>
      </Link>
    </li>
  );
}
