import { useCallback, useEffect, useMemo, useState } from 'react';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { useApp } from '../live/client.ts';
import { remember } from '../live/remember.ts';
import { roomKey } from '../model/conversation.ts';
import { mayAdminister } from '../model/me.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { IconButton } from './controls.tsx';
import { ConversationView } from './conversation-view.tsx';
import { GuardChip } from './guard-chip.tsx';
import { Icon } from './icons.tsx';
import { LinkButton } from './link.tsx';
import { PageHeader } from './page.tsx';
import { PauseButton, PausedNote } from './pause.tsx';
import { RoomSettingsDialog } from './room-dialogs.tsx';
import { navigate, paths } from './router.ts';
import { ThreadPane } from './thread-pane.tsx';
import split from './thread-pane.module.css';
import { useMedia } from './use-media.ts';
import { ThreadsMenu } from './threads-menu.tsx';

/** A room: its messages, live, and a thread beside them. */
export function RoomPage({
  id,
  message,
  thread,
  reply,
}: {
  id: string;
  /** A message that a link led to. */
  message: string | undefined;
  /** The thread beside it, or the message at which a new one begins. */
  thread: string | undefined;
  reply: string | undefined;
}) {
  const room = useApp((state) => state.rooms.find((candidate) => candidate.id === id));
  const exists = room !== undefined;
  useEffect(() => {
    if (exists) remember.setLastRoom(id);
  }, [exists, id]);
  const all = useApp((state) => state.threads);
  const threads = useMemo(() => Object.values(all).filter((thread) => thread.room_id === id), [all, id]);
  const byParent = useMemo(
    () =>
      new Map(
        threads.flatMap((thread): [string, Thread][] =>
          thread.parent_message_id ? [[thread.parent_message_id, thread]] : [],
        ),
      ),
    [threads],
  );
  const name = plainName(room?.name ?? '') || id;
  const hashed = `#${name}`;
  const about =
    room &&
    [
      room.visibility === 'public' ? texts.publicRoom : texts.privateRoom,
      room.members && room.members.length > 0 && texts.members(room.members.length),
    ]
      .filter(Boolean)
      .join(' · ');
  const administers = useApp((state) => mayAdminister(state.identity));
  const [settings, setSettings] = useState(false);
  const beside = thread !== undefined || reply !== undefined;
  // As thread-pane.module.css has it: without width for both the thread lies over the room.
  const covered = useMedia('(max-width: 1080px)');
  const onReply = useCallback(
    (messageId: string) => {
      const there = byParent.get(messageId);
      navigate(paths.room(id, there ? { thread: there.id } : { reply: messageId }));
    },
    [byParent, id],
  );
  return (
    <div className={split.split}>
      <div className={split.column} inert={beside && covered}>
        <PageHeader
          title={name}
          mark={<Icon name={room?.visibility === 'private' ? 'lock' : 'hash'} />}
          about={about}
        >
          <GuardChip conversation={roomKey(id)} />
          <PausedNote scope={`room:${id}`} />
          {threads.length > 0 && <ThreadsMenu threads={threads} />}
          {exists && (
            <LinkButton href={paths.files(id)} icon="file" label={texts.files}>
              {texts.files}
            </LinkButton>
          )}
          {exists && <PauseButton scope={`room:${id}`} name={hashed} />}
          {room && administers && (
            <IconButton icon="gear" label={texts.roomSettings(name)} onClick={() => setSettings(true)} />
          )}
        </PageHeader>
        <ConversationView
          conversation={roomKey(id)}
          room={room}
          target={useMemo(() => ({ kind: 'room', room_id: id, participant_ids: undefined }), [id])}
          name={hashed}
          startLine={texts.start(hashed)}
          empty={{ title: texts.emptyRoomTitle(hashed), text: texts.emptyRoomText }}
          threads={byParent}
          at={message}
          onReply={onReply}
        />
      </div>
      {room && settings && <RoomSettingsDialog room={room} onClose={() => setSettings(false)} />}
      {beside && <ThreadPane room={room} roomId={id} thread={thread} reply={reply} />}
    </div>
  );
}
