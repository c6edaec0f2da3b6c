import { useEffect, useId, useMemo, useRef, useState } from 'react';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { actorName } from '../model/names.ts';
import { millis, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { Button } from './controls.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { paths } from './router.ts';
import { briefly, useMessage } from './thread-pane.tsx';
import styles from './threads-menu.module.css';

const SHOWN = 50;
/** Of so many the message is read that they hang on. */
const READ = 12;

/** The threads of a room, the liveliest first. */
export function ThreadsMenu({ threads }: { threads: readonly Thread[] }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const sorted = useMemo(
    () => threads.toSorted((a, b) => millis(b.last_message_at) - millis(a.last_message_at)).slice(0, SHOWN),
    [threads],
  );
  useEffect(() => {
    if (!open) return;
    const away = (event: Event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('focusin', away);
    };
  }, [open]);
  return (
    <div
      ref={box}
      className={styles.box}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !open) return;
        setOpen(false);
        box.current?.querySelector('button')?.focus();
      }}
    >
      <Button
        aria-label={texts.threadsCount(threads.length)}
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
      >
        <Icon name="thread" size={14} />
        <span className={styles.wideWords}>{texts.threadsCount(threads.length)}</span>
        <span className={styles.narrowWords}>{threads.length}</span>
      </Button>
      {open && (
        <ul id={id} className={styles.list} aria-label={texts.threads}>
          {sorted.map((thread, index) => (
            <Item key={thread.id} thread={thread} read={index < READ} onOpen={() => setOpen(false)} />
          ))}
        </ul>
      )}
    </div>
  );
}

/** A thread by the message it hangs on, which says more than its id. */
function Item({ thread, read, onOpen }: { thread: Thread; read: boolean; onOpen: () => void }) {
  const parent = useMessage(thread.room_id, read ? thread.parent_message_id : undefined);
  const text = parent && briefly(parent).slice(0, 120);
  return (
    <li>
      <Link href={paths.room(thread.room_id, { thread: thread.id })} className={styles.item} onClick={onOpen}>
        <bdi className={styles.name}>{text ? `${actorName(parent.from)}: ${text}` : thread.id}</bdi>
        <span className={styles.about}>
          {texts.messagesCount(thread.message_count)}
          {millis(thread.last_message_at) > 0 && ` · ${texts.lastReply(shortTime(thread.last_message_at))}`}
        </span>
      </Link>
    </li>
  );
}
