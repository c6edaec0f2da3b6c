/** SEARCH: what a search finds and in which order, whatever the engine. */
import { expect, it } from 'vitest';
import { searchTerms } from '../../src/store/search-terms.ts';
import type { SearchRequest } from '../../src/store/search-rows.ts';
import type { Store } from '../../src/store/store.ts';
import { eventOf, messageOf, roomOf, upTo, writesOf } from '../support/store-writes.ts';
import type { StoreFactory } from './store.ts';

const EVERYTHING: SearchRequest['readable'] = { rooms: 'all', participants: 'all' };
const search = (store: Store, q: string, rest: Partial<SearchRequest> = {}) =>
  store.search({ terms: searchTerms(q), readable: EVERYTHING, limit: 20, ...rest });
const found = async (store: Store, q: string, rest?: Partial<SearchRequest>): Promise<string[]> =>
  (await search(store, q, rest)).rows.map(({ row }) => row.id);

async function library({ open }: StoreFactory): Promise<Store> {
  const store = await open();
  await store.commit([
    writesOf(roomOf('general'), roomOf('den')),
    writesOf(messageOf('m1', 'room:general', { text: 'The build of the parser is green' })),
    writesOf(messageOf('m2', 'room:den', { text: 'The BUILD is red: naïve café', sender: 'beta' })),
    writesOf(
      messageOf('m3', 'thread:t1', {
        text: 'green build, parser of parsers',
        at: '2026-11-23T10:00:00.000Z',
      }),
    ),
    writesOf(messageOf('m4', 'dm:d1', { text: 'between us: the build', participants: ['alpha', 'beta'] })),
    writesOf(messageOf('m5', 'dm:d2', { text: 'the build, to others', participants: ['gamma', 'delta'] })),
    writesOf(
      messageOf('m6', 'room:general', {
        text: 'here is foo_bar.ts',
        artifacts: 1,
        at: '2025-02-03T10:00:00.000Z',
      }),
    ),
  ]);
  return store;
}

export function searchContract(factory: StoreFactory): void {
  it('SEARCH-1 finds messages that hold every word, newest first, whatever the case and the accents', async () => {
    const store = await library(factory);
    expect(await found(store, 'build')).toEqual(['m5', 'm4', 'm3', 'm2', 'm1']);
    expect(await found(store, 'build GREEN')).toEqual(['m3', 'm1']);
    expect(await found(store, 'naive cafe')).toEqual(['m2']);
    expect(await found(store, 'nothing')).toEqual([]);
  });

  it('SEARCH-2 takes phrases, beginnings of words, and words with marks in them', async () => {
    const store = await library(factory);
    expect(await found(store, '"the build"')).toEqual(['m5', 'm4', 'm2', 'm1']);
    expect(await found(store, '"build the"')).toEqual([]);
    expect(await found(store, 'pars*')).toEqual(['m3', 'm1']);
    expect(await found(store, 'pars')).toEqual([]);
    expect(await found(store, 'foo_bar.ts')).toEqual(['m6']);
    expect(await found(store, 'report-of-m6')).toEqual(['m6']);
  });

  it.each([
    ['한국어 모임', '한*', '한국어'],
    ['हिन्दी भाषा', 'हिन्*', 'हिन्दी'],
    ['ที่ประชุม', 'ที่*', 'ที่ประชุม'],
    ['日本語です', '日本*', '日本語です'],
    ['ΣΊΣΥΦΟΣ', 'σίσυφος*', 'σίσυφος'],
    ['İstanbul', 'istan*', 'ISTANBUL'],
    ['Ärger', 'arg*', 'ärger'],
    ['Привет', 'при*', 'ПРИВЕТ'],
  ])('SEARCH-2 words and their beginnings in any script: %s', async (said, beginning, word) => {
    const { open } = factory;
    const store = await open();
    await store.commit([writesOf(messageOf('m1', 'room:general', { text: said }))]);
    expect(await found(store, word)).toEqual(['m1']);
    expect(await found(store, beginning)).toEqual(['m1']);
  });

  it.each([
    ['Ёлка у ёжика', ['елка', 'ЁЛКА', 'ежик*', 'Е\u0308лка']],
    ['мой чай', ['мои', 'мой', 'чаи', 'мо\u0438\u0306']],
    ['Άνθρωπος καλός', ['ανθρωπος', 'ΆΝΘΡΩΠΟΣ', 'καλ*']],
    ['שָׁלוֹם', ['שלום', 'שָׁלוֹם']],
    ['كِتَاب', ['كتاب', 'كِتَاب']],
    ['Ngữ pháp tiếng Việt', ['ngu', 'tieng', 'viet', 'VIỆT']],
    ['Žluťoučký kůň', ['zlutoucky', 'kun']],
    ['naïve e\u0301te\u0301', ['naive', 'été', 'ete']],
  ])('SEARCH-1 a word is found whatever its marks, in every script and form: %s', async (said, queries) => {
    const { open } = factory;
    const store = await open();
    await store.commit([
      writesOf(messageOf('m1', 'room:general', { text: said })),
      writesOf(messageOf('m2', 'room:general', { text: 'другое 其他 другой' })),
    ]);
    for (const q of queries) expect([q, await found(store, q)]).toEqual([q, ['m1']]);
    const [first] = (await search(store, queries[0]!)).rows;
    // What is shown is as it was said.
    const shown = first!.snippet.map(({ text }) => text).join('');
    expect(shown).toBe(said);
    expect(first!.snippet.some(({ hit }) => hit)).toBe(true);
  });

  it('SEARCH-1 no text keeps those after it from being found', async () => {
    const { open } = factory;
    const store = await open();
    const marks = `e${'\u0301'.repeat(1_000)}`;
    const texts = [
      // The end of what is indexed of a word, and of a text, is in the middle of a character.
      `${'a'.repeat(63)}\u{1d400}${'b'.repeat(40)}`,
      `${' '.repeat(32_767)}\u{1f600}`,
      'x'.repeat(40_000),
      '\u{1d400}'.repeat(20_000),
      marks.repeat(40),
      '\u202eright to left\u202c \u200b\u200d\ufeff',
      '\u0001\u0002\u0003\u007f\ufffe\uffff',
      `'":*&|!<->()\\ \\' ''`,
      upTo(6_000)
        .map((i) => i.toString(36))
        .join(' '),
      '한'.repeat(32_768),
    ];
    await store.commit(
      texts.map((text, i) => writesOf(messageOf(`m${i}`, 'room:general', { text: `${text} ` }))),
    );
    await store.commit([writesOf(messageOf('last', 'room:general', { text: 'after all that' }))]);
    expect(await found(store, 'after')).toEqual(['last']);
    for (const text of texts) {
      const q = `${text.slice(0, 99)}*`;
      if (searchTerms(q).length > 0) expect(Array.isArray(await found(store, q))).toBe(true);
    }
    const redact = upTo(texts.length).map((i) => `m${i}`);
    await store.commit(
      redact.map((message_id) =>
        writesOf(
          eventOf(`evt_redacts_${message_id}`, {
            type: 'message.redacted',
            payload: JSON.stringify({ message_id }),
            rows: [
              {
                op: 'redact',
                message_id,
                payload: JSON.stringify({ id: message_id, parts: [], redacted_at: 'x' }),
              },
            ],
          }),
        ),
      ),
    );
    expect(await found(store, 'after')).toEqual(['last']);
  });

  it.each([
    '"',
    '*',
    'AND',
    'build OR',
    'text : build',
    'NEAR(a b)',
    '^build',
    "o'hara; DROP",
    '(',
    '-build',
    '\\',
    '{keys} : x',
    '%',
    '&',
    '|',
    '!',
    '<->',
    ':*',
  ])('SEARCH-2 no word is an operator: %s', async (q) => {
    const store = await library(factory);
    const terms = searchTerms(q);
    if (terms.length > 0) expect(Array.isArray(await found(store, q))).toBe(true);
  });

  it('SEARCH-3 filters by conversation, room with threads, sender, artifact and time', async () => {
    const store = await library(factory);
    expect(await found(store, 'build', { room_id: 'general' })).toEqual(['m3', 'm1']);
    expect(await found(store, 'build', { conversation: 'thread:t1' })).toEqual(['m3']);
    expect(await found(store, 'build', { conversation: 'dm:d1' })).toEqual(['m4']);
    expect(await found(store, 'build', { sender: 'molt://local/agents/beta' })).toEqual(['m2']);
    expect(await found(store, '', { artifact: true })).toEqual(['m6']);
    const at = (text: string) => Date.parse(text);
    expect(await found(store, 'build', { since: at('2026-11-22T00:00:00Z') })).toEqual(['m3']);
    expect(await found(store, 'build', { until: at('2026-11-23T10:00:00Z') })).toEqual([
      'm5',
      'm4',
      'm2',
      'm1',
    ]);
    expect(await found(store, '', { until: at('2026-01-01T00:00:00Z') })).toEqual(['m6']);
    expect(await found(store, '', { until: at('9999-12-31T00:00:00Z') })).toHaveLength(6);
    expect(await found(store, '', { since: at('0001-01-01T00:00:00Z') })).toHaveLength(6);
    expect(
      await found(store, '', { since: at('2025-01-01T00:00:00Z'), until: at('2025-02-04T00:00:00Z') }),
    ).toEqual(['m6']);
    expect(
      await found(store, '', { since: at('2000-01-01T00:00:00Z'), until: at('2001-01-01T00:00:00Z') }),
    ).toEqual([]);
    expect(
      await found(store, '', { since: at('2026-11-24T00:00:00Z'), until: at('2026-11-23T00:00:00Z') }),
    ).toEqual([]);
  });

  it('SEARCH-4 finds nothing that is not readable', async () => {
    const store = await library(factory);
    const as = (rooms: string[], participants: string[]) => ({
      readable: { rooms: new Set(rooms), participants },
    });
    expect(await found(store, 'build', as(['general'], []))).toEqual(['m3', 'm1']);
    expect(await found(store, 'build', as([], ['alpha']))).toEqual(['m4']);
    expect(await found(store, 'build', as(['den'], ['gamma']))).toEqual(['m5', 'm2']);
    expect(await found(store, 'build', as([], []))).toEqual([]);
    expect(await found(store, 'build', { readable: { rooms: 'all', participants: [] } })).toEqual([
      'm3',
      'm2',
      'm1',
    ]);
    expect(await found(store, 'build', { ...as(['general'], []), conversation: 'dm:d1' })).toEqual([]);
  });

  it('SEARCH-5 pages meet every result once, also while others write', async () => {
    const { open } = factory;
    const store = await open();
    await store.commit(
      upTo(45).map((i) => writesOf(messageOf(`m${i}`, 'room:general', { text: `word ${i}` }))),
    );
    const ids: string[] = [];
    let before: number | undefined;
    for (;;) {
      const page = await search(store, 'word', { limit: 10, ...(before !== undefined && { before }) });
      ids.push(...page.rows.map(({ row }) => row.id));
      await store.commit([writesOf(messageOf(`late${ids.length}`, 'room:general', { text: 'word' }))]);
      if (page.next_before === undefined) break;
      before = (await store.messages([page.next_before])).get(page.next_before)!.seq;
    }
    expect(ids).toEqual(upTo(45).map((i) => `m${44 - i}`));
  });

  it('SEARCH-6 shows where the hit is', async () => {
    const { open } = factory;
    const store = await open();
    const text = `${'before '.repeat(40)}the needle in ${'after '.repeat(80)}`;
    await store.commit([
      writesOf(messageOf('m1', 'room:general', { text })),
      writesOf(messageOf('m2', 'room:general', { text: 'needle \u{1F600}\u{1F600}' })),
    ]);
    const [short, long] = (await search(store, 'needle')).rows.map(({ snippet }) => snippet);
    expect(short).toEqual([{ text: 'needle', hit: true }, { text: ' \u{1F600}\u{1F600}' }]);
    expect(long![0]!.text).toMatch(/^…/);
    expect(long!.filter(({ hit }) => hit)).toEqual([{ text: 'needle', hit: true }]);
    expect(long!.map((piece) => piece.text).join('').length).toBeLessThan(260);
  });

  it('SEARCH-7 a redacted message is found no more, and neither is one that was redacted before it was indexed', async () => {
    const store = await library(factory);
    const redact = (id: string) =>
      writesOf(
        eventOf(`evt_redact_${id}`, {
          type: 'message.redacted',
          payload: `{"message_id":"${id}"}`,
          rows: [
            {
              op: 'redact',
              message_id: id,
              payload: `{"id":"${id}","parts":[{"kind":"text","text":"[redacted]"}],"redacted_at":"2026-11-30T00:00:00Z"}`,
            },
          ],
        }),
      );
    await store.commit([redact('m1')]);
    expect(await found(store, 'green')).toEqual(['m3']);
    await store.commit([redact('m3')]);
    expect(await found(store, 'green')).toEqual([]);
    expect(await found(store, 'redacted')).toEqual([]);
  });

  it('SEARCH-8 what was committed before the question is found', async () => {
    const { open } = factory;
    const store = await open();
    for (let i = 0; i < 5; i++) {
      await store.commit([writesOf(messageOf(`m${i}`, 'room:general', { text: `only${i}` }))]);
      expect((await search(store, `only${i}`)).unindexed).toBe(0);
      expect(await found(store, `only${i}`)).toEqual([`m${i}`]);
    }
  });

  const { reopen } = factory;
  if (reopen)
    it('SEARCH-9 goes on after a restart', async () => {
      const store = await library(factory);
      expect(await found(store, 'build')).toHaveLength(5);
      const again = await reopen(store);
      await again.commit([writesOf(messageOf('m9', 'room:general', { text: 'the last build' }))]);
      expect(await found(again, 'build')).toEqual(['m9', 'm5', 'm4', 'm3', 'm2', 'm1']);
    });
}
