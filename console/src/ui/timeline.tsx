import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { useApp, useClient } from '../live/client.ts';
import type { ConversationKey } from '../model/conversation.ts';
import { actorName } from '../model/names.ts';
import { rowsOf, type Row } from '../model/rows.ts';
import type { Timeline as TimelineState } from '../model/timeline.ts';
import { texts } from '../texts.ts';
import { Announcer } from './announcer.tsx';
import { Button, Hidden } from './controls.tsx';
import { Icon } from './icons.tsx';
import { MessageRow } from './message.tsx';
import { useRowKeys } from './row-keys.ts';
import styles from './timeline.module.css';

/** So close to the end counts as at it. */
const END_PX = 80;
const SIZES_KEPT = 4_000;
/** Older messages are asked for before the reader gets there. */
const AHEAD_PX = 1_200;

interface TimelineProps {
  conversation: ConversationKey;
  /** The conversation's name, for screen readers. */
  name: string;
  timeline: TimelineState;
  startLine: string;
  threads: ReadonlyMap<string, Thread>;
  heldAt: string | undefined;
  onEdit: (text: string) => void;
  onReply: ((messageId: string) => void) | undefined;
  /** It stands beside another conversation. */
  aside: boolean | undefined;
}

/**
 * The messages of a conversation. Only those near the window are in the page. It follows new ones while the reader is
 * at the end, and keeps the reader's place when older ones come in front.
 */
export function Timeline({
  conversation,
  name,
  timeline,
  startLine,
  threads,
  heldAt,
  onEdit,
  onReply,
  aside,
}: TimelineProps) {
  const client = useClient();
  const networkId = useApp((state) => state.network?.id);
  const me = useApp((state) => state.me);
  const outbox = useApp((state) => state.outbox);
  const mine = useMemo(
    () => outbox.filter((outgoing) => outgoing.key === conversation),
    [outbox, conversation],
  );
  const today = useToday();
  const rows = useMemo(
    () => rowsOf(timeline, timeline.newer === 'none' ? mine : [], heldAt, today),
    [timeline, mine, heldAt, today],
  );

  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(timeline.follows);
  const [active, setActive] = useState<string>();
  const { older, newer, focus, fresh } = timeline;
  const attached = newer === 'none';
  /** It reached the newest message before this rendering too: only then is what comes behind it something new. */
  const wasAttached = useRef(attached);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => estimate(rows[index]),
    getItemKey: useCallback((index: number) => rows[index]?.key ?? index, [rows]),
    anchorTo: 'end',
    followOnAppend: attached && wasAttached.current,
    scrollEndThreshold: END_PX,
    overscan: 6,
    paddingStart: 20,
    paddingEnd: 14,
  });
  useEffect(() => {
    wasAttached.current = attached;
  }, [attached]);

  // The first picture: at the message that a link led to, at the first one not seen, or at the end.
  const placed = useRef(false);
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0) return;
    placed.current = true;
    const led = focus === undefined ? -1 : rows.findIndex((row) => row.key === focus);
    const firstNew = rows.findIndex((row) => row.isNew);
    if (led >= 0) virtual.scrollToIndex(led, { align: 'center' });
    else if (firstNew > 0) virtual.scrollToIndex(firstNew, { align: 'start' });
    else virtual.scrollToEnd();
  }, [rows, virtual, focus]);

  // What the reader sees decides what is asked for and what counts as seen.
  const follows = useRef(true);
  follows.current = atEnd && attached;
  const height = useRef(0);
  const look = useCallback(() => {
    const element = scroller.current;
    if (!element || !placed.current) return;
    // Room was taken away, or given: that is no scrolling of the reader's, and the observer below sets it right.
    const resized = height.current !== element.clientHeight;
    height.current = element.clientHeight;
    if (resized && follows.current) return;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    const end = attached && left <= END_PX;
    setAtEnd(end);
    client.follow(conversation, end);
    if (older === 'some' && element.scrollTop < AHEAD_PX) void client.loadOlder(conversation);
    else if (newer === 'some' && left < AHEAD_PX) void client.loadNewer(conversation);
  }, [client, conversation, older, newer, attached]);
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    element.addEventListener('scroll', look, { passive: true });
    document.addEventListener('visibilitychange', look);
    look();
    return () => {
      element.removeEventListener('scroll', look);
      document.removeEventListener('visibilitychange', look);
    };
  }, [look, rows]);

  // At the end, the end stays in view when the window or the composer takes room away.
  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      if (follows.current && placed.current) virtual.scrollToEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [virtual]);

  // What one writes oneself is always shown.
  const lastOutgoing = mine.at(-1)?.message.id;
  useEffect(() => {
    if (lastOutgoing) virtual.scrollToEnd();
  }, [lastOutgoing, virtual]);

  // Heights of rows that are not loaded any more are forgotten: a window may stay open for days.
  useEffect(() => {
    const sizes = virtual.itemSizeCache;
    if (sizes.size < SIZES_KEPT) return;
    const loaded = new Set<unknown>(rows.map((row) => row.key));
    for (const key of sizes.keys()) if (!loaded.has(key)) sizes.delete(key);
  }, [rows, virtual]);

  const toNewest = () => (attached ? virtual.scrollToEnd() : client.reload(conversation));
  const keys = useRowKeys(scroller, rows, (index) => virtual.scrollToIndex(index, { align: 'auto' }));
  const items = virtual.getVirtualItems();
  return (
    <div className={styles.frame}>
      <div
        ref={scroller}
        id={aside ? undefined : 'messages'}
        className={styles.scroller}
        role="feed"
        aria-label={texts.timeline(name)}
        aria-busy={older === 'loading'}
        tabIndex={0}
        onKeyDown={keys}
        onFocus={(event) =>
          setActive(rows[Number(event.target.closest<HTMLElement>('[data-index]')?.dataset.index)]?.key)
        }
      >
        <div className={styles.sizer} style={{ height: virtual.getTotalSize() }}>
          <div className={styles.rows} style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
            {items.map((item) => {
              const row = rows[item.index];
              if (!row) return null;
              return (
                <div
                  key={item.key}
                  ref={virtual.measureElement}
                  data-index={item.index}
                  className={styles.row}
                  role="article"
                  tabIndex={-1}
                  aria-label={actorName(row.message.from)}
                  aria-posinset={item.index + 1}
                  aria-setsize={older === 'none' ? rows.length : -1}
                >
                  <MessageRow
                    row={row}
                    startLine={startLine}
                    thread={threads.get(row.message.id)}
                    networkId={networkId}
                    me={me}
                    active={row.key === active}
                    led={row.key === focus}
                    onEdit={onEdit}
                    onReply={onReply}
                  />
                </div>
              );
            })}
          </div>
        </div>
      </div>
      {older === 'loading' && <p className={styles.older}>{texts.loadingOlder}</p>}
      {older === 'failed' && (
        <p className={styles.older}>
          {texts.olderFailed}{' '}
          <Button onClick={() => void client.loadOlder(conversation)}>{texts.tryAgain}</Button>
        </p>
      )}
      {newer === 'failed' && (
        <p className={styles.newer}>
          {texts.newerFailed}{' '}
          <Button onClick={() => void client.loadNewer(conversation)}>{texts.tryAgain}</Button>
        </p>
      )}
      {!(atEnd && attached) && newer !== 'failed' && (
        <button type="button" className={styles.pill} title={texts.toNewest} onClick={toNewest}>
          {fresh > 0 ? <span>{texts.newPill(fresh)}</span> : <Hidden>{texts.toNewest}</Hidden>}
          <Icon name="down" size={14} />
        </button>
      )}
      <Announcer rows={rows} />
    </div>
  );
}

const guesses = new WeakMap<Row, number>();
/** A good guess spares the reader a jump: the height of a row before it was laid out. */
function estimate(row: Row | undefined): number {
  if (!row) return 40;
  const known = guesses.get(row);
  if (known !== undefined) return known;
  const height = guess(row);
  guesses.set(row, height);
  return height;
}

function guess(row: Row): number {
  let height = (row.lead ? 48 : 28) + (row.dayLine ? 42 : 0) + (row.isNew ? 42 : 0) + (row.start ? 50 : 0);
  for (const part of row.message.parts) {
    if (part.text)
      height += Math.min(15, Math.floor(part.text.length / 90) + part.text.split('\n', 16).length - 1) * 23;
    if (part.url || part.filename) height += 64;
    if (part.data) height += 44;
  }
  return height;
}

/** A number that changes at midnight, so that `Today` becomes `Yesterday` in a window that stays open. */
function useToday(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const midnight = new Date(now);
    midnight.setHours(24, 0, 1, 0);
    const timer = setTimeout(() => setNow(Date.now()), midnight.getTime() - now);
    return () => clearTimeout(timer);
  }, [now]);
  return now;
}
