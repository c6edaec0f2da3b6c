import { expect, it, vi } from 'vitest';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { LogEvent } from '../store/log-rows.ts';
import type { ConversationRow } from '../store/log-rows.ts';
import { LogEntry } from './entry.ts';
import { SharedReads } from './shared-reads.ts';

const eventOf = (seq: number, conversation: ConversationKey, type = 'message.created'): LogEvent =>
  ({ seq, id: `evt_${seq}`, type, room_id: conversation.slice(5), conversation, payload: '{}' }) as LogEvent;

interface Log {
  events: LogEvent[];
  reads: number;
  head: number;
  shared: SharedReads;
  say(conversation: ConversationKey, type?: string): void;
  seqs(conversation: ConversationKey, after: number, up_to?: number): Promise<number[]>;
}

/** A log in memory that counts how often it is read. */
function log(): Log {
  const events: LogEvent[] = [];
  const at: Log = {
    events,
    reads: 0,
    head: 0,
    shared: new SharedReads({
      store: {
        conversationEvents: async (key, after, limit, up_to = Infinity) => {
          at.reads++;
          return events
            .filter(({ conversation, seq }) => conversation === key && seq > after && seq <= up_to)
            .slice(0, limit);
        },
        roomConversationsAfter: async (room_id, after) => {
          at.reads++;
          const last = events.findLast((event) => event.room_id === room_id);
          return last && last.seq > after
            ? [{ key: last.conversation, last_seq: last.seq } as ConversationRow]
            : [];
        },
      },
      entryOf: (event) => new LogEntry(event),
      head: () => at.head,
    }),
    say: (conversation, type) => {
      const event = eventOf(events.length + 1, conversation, type);
      events.push(event);
      at.head = event.seq;
      at.shared.published([event]);
    },
    seqs: async (conversation, after, up_to = at.head) =>
      (await at.shared.messages(conversation, after, 100, up_to)).map(({ seq }) => seq),
  };
  return at;
}

it('LOG-31 what many missed is read once, until something more is said there', async () => {
  const at = log();
  at.say('room:a');
  at.say('room:a');
  expect(await Promise.all([at.seqs('room:a', 0), at.seqs('room:a', 0)])).toEqual([
    [1, 2],
    [1, 2],
  ]);
  expect(at.reads).toBe(1);
  // Elsewhere: the page still says all up to a later head.
  at.say('room:b');
  expect(await at.seqs('room:a', 0)).toEqual([1, 2]);
  expect(at.reads).toBe(1);
  at.say('room:a');
  expect(await at.seqs('room:a', 0)).toEqual([1, 2, 4]);
  expect(at.reads).toBe(2);
});

it('LOG-31 a range that ends before the head is not taken for all there is', async () => {
  const at = log();
  for (let i = 0; i < 3; i++) at.say('room:a');
  expect(await at.seqs('room:a', 0, 2)).toEqual([1, 2]);
  expect(await at.seqs('room:a', 0)).toEqual([1, 2, 3]);
  expect(await at.seqs('room:a', 0, 2)).toEqual([1, 2]);
  expect(at.reads).toBe(2);
});

it('LOG-31 what was said while a page was read is on the next one', async () => {
  const at = log();
  at.say('room:a');
  const reading = at.seqs('room:a', 0);
  at.say('room:a');
  expect(await reading).toEqual([1]);
  expect(await at.seqs('room:a', 0)).toEqual([1, 2]);
});

it('LOG-31 conversations of a room with something new are found once, until something is said in the room', async () => {
  const at = log();
  const seqs = async (): Promise<number[]> =>
    (await at.shared.conversations('a', 0, 200)).map(({ seq }) => seq);
  at.say('room:a');
  expect([await seqs(), await seqs(), at.reads]).toEqual([[1], [1], 1]);
  at.say('room:a');
  expect([await seqs(), at.reads]).toEqual([[2], 2]);
});

it('LOG-31 nothing is kept over a redaction, a failure, or a second', async () => {
  vi.useFakeTimers();
  const at = log();
  at.say('room:a');
  await at.seqs('room:a', 0);
  at.say('room:b', 'message.redacted');
  await at.seqs('room:a', 0);
  expect(at.reads).toBe(2);
  vi.advanceTimersByTime(1_000);
  await at.seqs('room:a', 0);
  expect(at.reads).toBe(3);
  vi.useRealTimers();

  let broken = true;
  const { shared } = {
    shared: new SharedReads({
      store: {
        conversationEvents: async () => {
          if (broken) throw new Error('disk');
          return [eventOf(1, 'room:a')];
        },
        roomConversationsAfter: async () => [],
      },
      entryOf: (event) => new LogEntry(event),
      head: () => 1,
    }),
  };
  await expect(shared.messages('room:a', 0, 100, 1)).rejects.toThrow('disk');
  broken = false;
  expect(await shared.messages('room:a', 0, 100, 1)).toHaveLength(1);
});
