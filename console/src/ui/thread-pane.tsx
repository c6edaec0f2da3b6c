import { useEffect, useMemo, useRef, useState } from 'react';
import type { Message } from '../../../src/protocol/messages.ts';
import type { Room, Thread } from '../../../src/protocol/rooms.ts';
import { api } from '../live/api.ts';
import { useApp } from '../live/client.ts';
import { roomKey, threadKey } from '../model/conversation.ts';
import { actorName } from '../model/names.ts';
import { exactTime, shortTime } from '../model/times.ts';
import { texts } from '../texts.ts';
import { ConversationView } from './conversation-view.tsx';
import { IconButton } from './controls.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { navigate, paths } from './router.ts';
import styles from './thread-pane.module.css';

const none: ReadonlyMap<string, Thread> = new Map();

/** The thread that a message begins, the same for everybody who begins it from here. */
const threadIdAt = (messageId: string): string => `thr_${messageId.replace(/^msg_/, '')}`.slice(0, 128);

/** A thread beside its room; of one that is new, `reply` is the message it will hang on. */
export function ThreadPane({
  room,
  roomId,
  thread,
  reply,
}: {
  room: Room | undefined;
  roomId: string;
  thread: string | undefined;
  reply: string | undefined;
}) {
  const id = thread ?? threadIdAt(reply ?? '');
  const known = useApp((state) => state.threads[id]);
  const parent = known?.parent_message_id ?? reply;
  const close = () => navigate(paths.room(roomId));
  useEffect(() => {
    const escape = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      navigate(paths.room(roomId));
    };
    document.addEventListener('keydown', escape);
    return () => document.removeEventListener('keydown', escape);
  }, [roomId]);
  // The keyboard goes along: into the thread when it opens, back to the room's messages when it closes.
  const pane = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!matchMedia('(pointer: coarse)').matches) pane.current?.querySelector('textarea')?.focus();
  }, [id]);
  useEffect(
    () => () => {
      if (document.activeElement === document.body || document.activeElement === null)
        document.getElementById('messages')?.focus();
    },
    [],
  );
  const target = useMemo(
    () => ({
      kind: 'thread',
      thread_id: id,
      room_id: roomId,
      participant_ids: undefined,
      ...(known === undefined && reply !== undefined ? { parent_message_id: reply } : {}),
    }),
    [id, roomId, known, reply],
  );
  return (
    <aside ref={pane} className={styles.pane} aria-label={texts.thread}>
      <header className={styles.header}>
        <Icon name="thread" />
        <h2>{known ? texts.thread : texts.newThread}</h2>
        {known && (
          <Link href={paths.thread(id)} className={styles.open} title={texts.openThread}>
            <Icon name="external" size={14} />
            <span className={styles.hidden}>{texts.openThread}</span>
          </Link>
        )}
        <IconButton icon="close" label={texts.closeThread} onClick={close} />
      </header>
      {parent !== undefined && <ParentMessage roomId={roomId} messageId={parent} />}
      <ConversationView
        key={id}
        conversation={threadKey(id)}
        room={room}
        target={target}
        name={texts.thisThread}
        startLine={texts.threadStart}
        empty={{ title: texts.newThread, text: texts.newThreadText }}
        threads={none}
        mayBeNew={reply !== undefined}
        onSent={() => navigate(paths.room(roomId, { thread: id }), { replace: true })}
        aside
      />
    </aside>
  );
}

/** A message of a room: one that is loaded, else it is read. */
export function useMessage(roomId: string, messageId: string | undefined): Message | undefined {
  const loaded = useApp((state) =>
    state.timelines[roomKey(roomId)]?.messages.find((message) => message.id === messageId),
  );
  const [read, setRead] = useState<Message>();
  useEffect(() => {
    if (loaded || messageId === undefined) return;
    let current = true;
    api.message(messageId).then(
      (message) => current && setRead(message),
      () => {},
    );
    return () => {
      current = false;
    };
  }, [loaded, roomId, messageId]);
  return loaded ?? read;
}

/** A message in a few words. */
export const briefly = (message: Message): string =>
  message.redacted_at === undefined
    ? (message.parts.map((part) => part.text ?? part.filename ?? part.url ?? '').find(Boolean) ?? '')
    : texts.removed;

/** The message that a thread hangs on, short, with the way to it. */
export function ParentMessage({ roomId, messageId }: { roomId: string; messageId: string }) {
  const message = useMessage(roomId, messageId);
  if (!message) return null;
  return (
    <Link href={paths.room(roomId, { message: messageId })} className={styles.parent}>
      <span className={styles.who}>
        <bdi>{actorName(message.from)}</bdi>
        <time dateTime={message.created_at} title={exactTime(message.created_at)}>
          {shortTime(message.created_at)}
        </time>
      </span>
      <span className={styles.text} dir="auto">
        {briefly(message).slice(0, 400)}
      </span>
    </Link>
  );
}
