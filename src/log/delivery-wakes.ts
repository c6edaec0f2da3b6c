/** What a client does with what it was sent: it acknowledges it, and runs wakes over it (protocol/frames.ts). */
import { MoltnetError } from '../protocol/errors.ts';
import type { ConversationKey } from '../protocol/conversation.ts';
import type { WakeRow } from '../store/delivery-rows.ts';
import type { DeliveryBook } from './delivery-book.ts';
import type { WakeOutcome } from './delivery-saver.ts';
import { Feed, stops, type OpenWake, type Outstanding } from './delivery-state.ts';
import type { AckFields, WakeFrame } from './delivery-types.ts';
import { parsePassed, passedText } from './passed.ts';
import { storedWakeId, wireWakeId } from './receipt.ts';

const bad = (text: string): MoltnetError => new MoltnetError('bad_frame', text);

/** Everything of the cursor's conversation up to it is done with. Throws unknown_cursor or bad_frame. */
export function acknowledge(book: DeliveryBook, { cursor, wake_id, ...end }: AckFields): void {
  const out = outAt(book, cursor);
  if (out === 'notice') {
    book.out.delete(cursor);
    return;
  }
  const { feed } = out;
  const { wake, conversation } = feed;
  if (wake && wake_id !== wake.wake_id)
    throw bad(`ACK: ${conversation} has the open wake ${wake.wake_id}: name it to end it`);
  if (!wake && wake_id !== undefined)
    throw bad(`ACK: the wake ${wake_id.slice(0, 160)} is not open in ${conversation}`);
  if (wake && out.cursor !== wake.cursor)
    throw bad(`ACK: the wake ${wake.wake_id} ends at ${wake.cursor}: ACK that cursor`);
  if (wake) endWake(book, wake, out, end);
  if (!wake && feed.acked < feed.scope.counted) noteHanded(book, feed, out.seq);
  book.settle(feed, wake ? Math.max(wake.last_seq, out.seq) : out.seq);
  if (wake) book.saver.now();
  else book.saver.schedule();
}

/**
 * Stores that a turn over everything outstanding up to the cursor is about to run, then answers through the sink.
 * Throws unknown_cursor, bad_frame or paused.
 */
export function beginWake(book: DeliveryBook, frame: WakeFrame): void {
  const { agent, save, sink } = book.options;
  const { wake_id, conversation, cursor, attempt } = frame;
  const out = outAt(book, cursor);
  if (out === 'notice') throw bad('WAKE: the cursor is that of a redaction: name a message');
  const { feed } = out;
  // A wake that was begun is within the day's cap.
  if (feed.scope.hold && (!feed.wake || stops(feed.scope)))
    throw new MoltnetError(
      'paused',
      `WAKE: ${conversation} is held now (${feed.scope.hold}): it comes again`,
    );
  if (conversation !== feed.conversation) throw bad(`WAKE: ${cursor} belongs to ${feed.conversation}`);
  const first = feed.wake === undefined;
  const open = feed.wake ? sameWake(feed.wake, frame) : openWake(book, out, frame);
  if (first) sink.began(feed.scope.room_id);
  open.attempt = attempt;
  const { after_seq, last_seq, opened_seq, opened_at, passed } = open;
  const row = {
    wake_id: storedWakeId(agent.id, wake_id),
    agent_id: agent.id,
    conversation,
    after_seq,
    last_seq,
    attempt,
    state: 'open',
    error: null,
    opened_at,
    closed_at: null,
    opened_seq,
    outcome: null,
    // What it has said so far, also in the tries before a retry on demand.
    answer_id: feed.answer ?? null,
    classification: null,
    passed,
  } as const;
  save([{ op: 'wake.open', row }]).then(
    () => {
      // Ended meanwhile by an ACK that did not wait: there is nothing to begin any more.
      if (book.closed || feed.wake !== open) return undefined;
      sink.receipt({
        conversation,
        room_id: feed.scope.room_id,
        state: 'started',
        messages: covered(feed, open),
        wake_id,
        attempts: attempt,
      });
      const { earlier } = parsePassed(passed);
      sink.wake(earlier > 0 ? { ...frame, earlier } : frame);
      return undefined;
    },
    (error: unknown) => book.fault(error),
  );
}

/** Runs a wake again that had failed and is stored as open: when nothing else of its conversation is out. */
export function retryWake(book: DeliveryBook, row: WakeRow, room_id: string | undefined): void {
  const scope = book.scopes.get(room_id === undefined ? 'dms' : `room:${room_id}`);
  if (!scope || book.closed) return;
  let feed = book.feeds.get(row.conversation);
  const known =
    feed &&
    (feed.wake?.wake_id === wireWakeId(row) ||
      [feed.owed, ...feed.retries].some((each) => each?.wake_id === row.wake_id));
  if (known) return;
  const { head } = book.options.tail;
  feed ??= scope.scan
    ? new Feed(scope, row.conversation, { acked: scope.positionOf(row.conversation), more: true })
    : new Feed(scope, row.conversation, { acked: head, more: false });
  feed.retries.push(row);
  feed.dirty = scope.dirty = true;
  if (book.has(feed)) book.queue(feed);
  else book.add(feed);
  book.saver.schedule();
}

/** The wakes that are open: turns that run, or are to be run again. */
export function openWakes(book: DeliveryBook): {
  wake_id: string;
  conversation: ConversationKey;
  since: string;
  room_id: string | undefined;
}[] {
  return [...book.feeds.values()].flatMap(({ wake, conversation, scope }) =>
    wake ? [{ wake_id: wake.wake_id, conversation, since: wake.opened_at, room_id: scope.room_id }] : [],
  );
}

function openWake(
  book: DeliveryBook,
  { feed, seq }: Outstanding,
  { wake_id, cursor, attempt }: WakeFrame,
): OpenWake {
  for (const other of book.feeds.values()) {
    if (other.wake?.wake_id === wake_id)
      throw bad(`WAKE: ${wake_id} is the open wake of ${other.conversation}`);
  }
  const { tail } = book.options;
  const opened_at = new Date(tail.now()).toISOString();
  feed.answer = undefined;
  const passed = passedText({ ranges: feed.passed, earlier: feed.earlier }, feed.acked, seq);
  feed.earlier = 0;
  return (feed.wake = {
    wake_id,
    after_seq: feed.acked,
    last_seq: seq,
    cursor,
    attempt,
    opened_seq: tail.head,
    opened_at,
    passed,
  });
}

function endWake(
  book: DeliveryBook,
  wake: OpenWake,
  out: Outstanding,
  { outcome = 'ok', error, attempts = wake.attempt, classification, usage }: Omit<AckFields, 'cursor'>,
): void {
  const { feed, message_id, reason } = out;
  const { wake_id } = wake;
  const { conversation, scope, answer } = feed;
  const { agent, sink } = book.options;
  const ended: WakeOutcome =
    outcome === 'ok'
      ? answer === undefined
        ? { outcome: 'silent', attempts }
        : { outcome: 'answered', attempts, answer_id: answer }
      : // An older node says nothing: it has used up its tries.
        {
          outcome,
          attempts,
          error,
          classification: classification ?? 'retry_exhausted',
          // What it said before it failed: a retry says the same again, and the log has it once (RCPT-2).
          ...(answer !== undefined && { answer_id: answer }),
        };
  book.saver.endWake(storedWakeId(agent.id, wake_id), ended);
  const { outcome: state, ...facts } = ended;
  sink.receipt({
    conversation,
    room_id: scope.room_id,
    state,
    messages: covered(feed, wake),
    wake_id,
    ...facts,
  });
  feed.wake = feed.answer = undefined;
  sink.wakeEnded({
    wake_id,
    conversation,
    room_id: scope.room_id,
    message_id,
    reason,
    outcome,
    error,
    attempts,
    classification: outcome === 'failed' ? (classification ?? 'retry_exhausted') : undefined,
    usage,
  });
}

function outAt(book: DeliveryBook, cursor: string): Outstanding | 'notice' {
  const out = book.out.get(cursor);
  if (out) return out;
  const shown = JSON.stringify(cursor.slice(0, 160));
  throw new MoltnetError(
    'unknown_cursor',
    `${shown} is not outstanding here: use the cursors of this connection, in order within a conversation`,
  );
}

/** Of what was missed and is settled without a turn, catch_up would say that it was passed over. */
function noteHanded({ options, saver }: DeliveryBook, { out, scope }: Feed, up_to: number): void {
  const at = new Date(options.tail.now()).toISOString();
  const agent_id = options.agent.id;
  const seqs = out.map(({ seq }) => seq).filter((seq) => seq <= up_to && seq <= scope.counted);
  saver.add(seqs.map((seq) => ({ op: 'handed', agent_id, seq, at })));
}

/** What is out of the range of a wake. */
const covered = (feed: Feed, { last_seq }: OpenWake): Outstanding[] =>
  feed.out.filter(({ seq }) => seq <= last_seq);

/** A retry announces the wake that is open, or it is an error. */
function sameWake(open: OpenWake, { wake_id, conversation, cursor, attempt }: WakeFrame): OpenWake {
  if (open.wake_id !== wake_id)
    throw bad(`WAKE: ${conversation} has the open wake ${open.wake_id}: end it with ACK first`);
  if (open.cursor !== cursor)
    throw bad(`WAKE: the wake ${wake_id} ends at ${open.cursor}: a retry runs the same range`);
  if (attempt < open.attempt)
    throw bad(`WAKE: attempt ${attempt} of ${wake_id} after attempt ${open.attempt}`);
  return open;
}
