import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/protocol/messages.ts';
import { rowsOf } from './rows.ts';
import {
  loadingTimeline,
  trimmed,
  withAppended,
  WINDOW,
  withNewerPage,
  withNewestPage,
  withPageAround,
  withOlderPage,
  withRedacted,
  type Timeline,
} from './timeline.ts';

const message = (id: string, minute = 0, from = 'alpha', type = 'agent'): Message => ({
  id,
  network_id: 'local',
  origin: { network_id: 'local', message_id: id },
  target: { kind: 'room', room_id: 'general', participant_ids: undefined },
  from: { type, id: from, network_id: 'local', fqid: `molt://local/agents/${from}` },
  parts: [{ kind: 'text', text: `text of ${id}`, data: undefined }],
  created_at: new Date(Date.UTC(2026, 10, 20, 12, minute)).toISOString(),
});
const ids = (timeline: Timeline) => timeline.messages.map(({ id }) => id);
const ready = (...messages: Message[]): Timeline => ({ ...loadingTimeline(), status: 'ready', messages });

describe('CON-3 a timeline holds each message once, in the server’s order', () => {
  it('CON-3 what arrives live while the first page loads is put behind it, without doubles', () => {
    const during = withAppended(loadingTimeline(), [message('c'), message('d')]);
    const loaded = withNewestPage(during, [message('a'), message('b'), message('c')], false);
    expect(ids(loaded)).toEqual(['a', 'b', 'c', 'd']);
    expect(loaded.older).toBe('none');
  });

  it('CON-3 appending what is there changes nothing, not even the object', () => {
    const timeline = ready(message('a'), message('b'));
    expect(withAppended(timeline, [message('b'), message('a')])).toBe(timeline);
    expect(ids(withAppended(timeline, [message('b'), message('c'), message('c')]))).toEqual(['a', 'b', 'c']);
  });

  it('CON-3 an older page goes in front, overlap and all', () => {
    const timeline = withNewestPage(loadingTimeline(), [message('c'), message('d')], true);
    const more = withOlderPage(timeline, [message('a'), message('b'), message('c')], false);
    expect(ids(more)).toEqual(['a', 'b', 'c', 'd']);
    expect(more).toMatchObject({ older: 'none', joints: ['c'] });
  });

  it('CON-13 trimming keeps the newest and knows where to read on', () => {
    const timeline = ready(message('a'), message('b'), message('c'));
    expect(trimmed(timeline, 2)).toMatchObject({ older: 'some' });
    expect(ids(trimmed(timeline, 2))).toEqual(['b', 'c']);
    expect(trimmed(timeline, 3)).toBe(timeline);
  });

  it('CON-13 a window is bounded: a page at one end takes messages away at the other, and its rows stay as they are', () => {
    const many = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => message(`m${from + i}`));
    let timeline = withNewestPage(loadingTimeline(), many(5_000, 100), true);
    for (let from = 4_800; from > 2_000; from -= 200)
      timeline = withOlderPage(timeline, many(from, 200), true);
    expect(timeline.messages).toHaveLength(WINDOW);
    expect(timeline).toMatchObject({ older: 'some', newer: 'some', follows: false });
    expect(ids(timeline)[0]).toBe('m2200');
    // What arrives meanwhile is only counted.
    const news = withAppended(timeline, [message('live')]);
    expect([news.messages, news.fresh]).toEqual([timeline.messages, 1]);
    for (let from = 3_400; timeline.newer === 'some'; from += 200)
      timeline = withNewerPage(timeline, many(from, 200), from + 200 < 5_100);
    expect(timeline.messages).toHaveLength(WINDOW);
    expect(ids(timeline).at(-1)).toBe('m5199');
    expect(timeline.joints?.every((id) => ids(timeline).includes(id))).toBe(true);
  });

  it('CON-13 what arrives while the last newer page is on its way stands behind it', () => {
    const around = withPageAround([message('c')], 'c', { older: true, newer: true });
    const loading: Timeline = { ...around, newer: 'loading' };
    const during = withAppended(loading, [message('e'), message('f')]);
    expect(ids(withNewerPage(during, [message('d'), message('e')], false))).toEqual(['c', 'd', 'e', 'f']);
    expect(ids(withNewerPage(during, [message('d')], true))).toEqual(['c', 'd']);
  });

  it('CON-13 one who follows keeps the newest, one who reads keeps what is being read', () => {
    const many = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => message(`m${from + i}`));
    let timeline = ready(...many(0, 100));
    for (let from = 100; from < 5_000; from += 100) timeline = withAppended(timeline, many(from, 100));
    expect(timeline.messages.length).toBeLessThanOrEqual(WINDOW + 200);
    expect(ids(timeline).at(-1)).toBe('m4999');
    expect(timeline.fresh).toBe(0);
    let reading: Timeline = { ...ready(...many(0, 100)), follows: false };
    for (let from = 100; from < 5_000; from += 100) reading = withAppended(reading, many(from, 100));
    expect(reading.messages.length).toBeLessThanOrEqual(2 * WINDOW);
    expect(ids(reading)[0]).toBe('m0');
    expect(reading).toMatchObject({ newer: 'some', fresh: 4_900 });
  });

  it('CON-9 a redacted message keeps its place and loses its content and mentions', () => {
    const named = { ...message('b'), mentions: ['molt://local/agents/x'] };
    const [, redacted] = withRedacted(ready(message('a'), named), 'b', '2026-11-20T13:00:00Z').messages;
    expect(redacted).toMatchObject({
      id: 'b',
      redacted_at: '2026-11-20T13:00:00Z',
      parts: [{ kind: 'text', text: '' }],
    });
    expect(redacted).not.toHaveProperty('mentions');
  });
});

describe('CON-4 rows', () => {
  const lead = (timeline: Timeline, heldAt?: string) => rowsOf(timeline, [], heldAt).map((row) => row.lead);

  it('CON-4 senders are grouped until another speaks or five minutes pass', () => {
    expect(
      lead(
        ready(
          message('a', 0),
          message('b', 4),
          message('c', 10),
          message('d', 10, 'beta'),
          message('e', 10, 'alpha'),
        ),
      ),
    ).toEqual([true, false, true, true, true]);
  });

  it('CON-4 a person and an agent of one id are two senders', () => {
    expect(lead(ready(message('a', 0, 'ada'), message('b', 0, 'ada', 'human')))).toEqual([true, true]);
  });

  it('CON-4 each day has one line, and none stands above a page that may have more of its day before it', () => {
    const next = { ...message('c'), created_at: new Date(Date.UTC(2026, 10, 22, 12)).toISOString() };
    const timeline = ready(message('a'), message('b'), next);
    expect(rowsOf(timeline, [], undefined).map((row) => row.dayLine !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
    expect(
      rowsOf({ ...timeline, older: 'some' }, [], undefined).map((row) => row.dayLine !== undefined),
    ).toEqual([false, false, true]);
  });

  it('CON-13 what is joined in front does not change the rows that were there', () => {
    const page = withNewestPage(loadingTimeline(), [message('c', 2), message('d', 3)], true);
    const before = rowsOf(page, [], undefined);
    const after = rowsOf(withOlderPage(page, [message('a', 0), message('b', 1)], true), [], undefined);
    expect(after[2]).toBe(before[0]);
    expect(after[3]).toBe(before[1]);
  });

  it('CON-8 the held line stands above the first agent’s message after the hold', () => {
    const timeline = ready(
      message('a', 1),
      message('p', 5, 'ada', 'human'),
      message('b', 6),
      message('c', 7),
    );
    expect(
      rowsOf(timeline, [], new Date(Date.UTC(2026, 10, 20, 12, 5)).toISOString()).map((row) => row.heldHere),
    ).toEqual([false, false, true, false]);
  });

  it('CON-5 a message on its way stands at the end until the stored one is there', () => {
    const own = {
      key: 'room:general' as const,
      message: message('own', 9, 'operator', 'human'),
      status: 'sending' as const,
    };
    expect(
      rowsOf(ready(message('a')), [own], undefined).map((row) => [row.key, row.outgoing?.status]),
    ).toEqual([
      ['a', undefined],
      ['own', 'sending'],
    ]);
    expect(
      rowsOf(ready(message('a'), message('own', 9)), [own], undefined).map((row) => row.outgoing),
    ).toEqual([undefined, undefined]);
  });
});
