import { describe, expect, it } from 'vitest';
import type { Message } from '../../../src/protocol/messages.ts';
import { rowsOf } from './rows.ts';
import {
  loadingTimeline,
  trimmed,
  withAppended,
  withNewestPage,
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
const ready = (...messages: Message[]): Timeline => ({ status: 'ready', messages, older: 'none' });

describe('CON-3 a timeline holds each message once, in the server’s order', () => {
  it('CON-3 what arrives live while the first page loads is put behind it, without doubles', () => {
    const during = withAppended(loadingTimeline, [message('c'), message('d')]);
    const loaded = withNewestPage(during, [message('a'), message('b'), message('c')], undefined);
    expect(ids(loaded)).toEqual(['a', 'b', 'c', 'd']);
    expect(loaded.older).toBe('none');
  });

  it('CON-3 appending what is there changes nothing, not even the object', () => {
    const timeline = ready(message('a'), message('b'));
    expect(withAppended(timeline, [message('b'), message('a')])).toBe(timeline);
    expect(ids(withAppended(timeline, [message('b'), message('c'), message('c')]))).toEqual(['a', 'b', 'c']);
  });

  it('CON-3 an older page goes in front, overlap and all', () => {
    const timeline = withNewestPage(loadingTimeline, [message('c'), message('d')], 'c');
    const more = withOlderPage(timeline, [message('a'), message('b'), message('c')], undefined);
    expect(ids(more)).toEqual(['a', 'b', 'c', 'd']);
    expect(more).toMatchObject({ older: 'none', joints: ['c'] });
    expect(more.before).toBeUndefined();
  });

  it('CON-13 trimming keeps the newest and knows where to read on', () => {
    const timeline = ready(message('a'), message('b'), message('c'));
    expect(trimmed(timeline, 2)).toMatchObject({ older: 'some', before: 'b' });
    expect(ids(trimmed(timeline, 2))).toEqual(['b', 'c']);
    expect(trimmed(timeline, 3)).toBe(timeline);
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
      rowsOf({ ...timeline, older: 'some', before: 'a' }, [], undefined).map(
        (row) => row.dayLine !== undefined,
      ),
    ).toEqual([false, false, true]);
  });

  it('CON-13 what is joined in front does not change the rows that were there', () => {
    const page = withNewestPage(loadingTimeline, [message('c', 2), message('d', 3)], 'c');
    const before = rowsOf(page, [], undefined);
    const after = rowsOf(withOlderPage(page, [message('a', 0), message('b', 1)], 'a'), [], undefined);
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
