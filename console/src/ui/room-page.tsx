import { useEffect, useMemo } from 'react';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { useApp } from '../live/client.ts';
import { remember } from '../live/remember.ts';
import { roomKey } from '../model/conversation.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { ConversationView } from './conversation-view.tsx';
import { Icon } from './icons.tsx';
import { PageHeader } from './page.tsx';
import { PauseButton, PausedNote } from './pause.tsx';
import { ThreadsMenu } from './threads-menu.tsx';

/** A room: its messages, live. */
export function RoomPage({ id }: { id: string }) {
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
  return (
    <>
      <PageHeader
        title={name}
        mark={<Icon name={room?.visibility === 'private' ? 'lock' : 'hash'} />}
        about={about}
      >
        <PausedNote scope={`room:${id}`} />
        {threads.length > 0 && <ThreadsMenu threads={threads} />}
        {exists && <PauseButton scope={`room:${id}`} name={hashed} />}
      </PageHeader>
      <ConversationView
        conversation={roomKey(id)}
        room={room}
        target={useMemo(() => ({ kind: 'room', room_id: id, participant_ids: undefined }), [id])}
        name={hashed}
        startLine={texts.start(hashed)}
        empty={{ title: texts.emptyRoomTitle(hashed), text: texts.emptyRoomText }}
        threads={byParent}
      />
    </>
  );
}
