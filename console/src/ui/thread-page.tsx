import { useMemo } from 'react';
import type { Thread } from '../../../src/protocol/rooms.ts';
import { useApp } from '../live/client.ts';
import { threadKey } from '../model/conversation.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';
import { ConversationView } from './conversation-view.tsx';
import { Icon } from './icons.tsx';
import { Link } from './link.tsx';
import { PageHeader } from './page.tsx';
import { paths } from './router.ts';
import { ParentMessage } from './thread-pane.tsx';

const none: ReadonlyMap<string, Thread> = new Map();

/** A thread, with the way back to its room. */
export function ThreadPage({ id, message }: { id: string; message: string | undefined }) {
  const thread = useApp((state) => state.threads[id]);
  const room = useApp((state) => state.rooms.find((candidate) => candidate.id === thread?.room_id));
  const roomName = `#${plainName(room?.name ?? '') || (thread?.room_id ?? '')}`;
  return (
    <>
      <PageHeader
        title={texts.thread}
        mark={<Icon name="thread" />}
        about={
          thread && (
            <Link href={paths.room(thread.room_id)} aria-label={texts.backToRoom(roomName)}>
              {texts.threadIn(roomName)}
            </Link>
          )
        }
      />
      {thread?.parent_message_id !== undefined && (
        <ParentMessage roomId={thread.room_id} messageId={thread.parent_message_id} />
      )}
      <ConversationView
        conversation={threadKey(id)}
        room={room}
        target={useMemo(
          () => ({ kind: 'thread', thread_id: id, room_id: thread?.room_id, participant_ids: undefined }),
          [id, thread?.room_id],
        )}
        name={texts.thisThread}
        startLine={texts.threadStart}
        empty={{ title: texts.emptyThreadTitle, text: texts.emptyThreadText }}
        threads={none}
        at={message}
      />
    </>
  );
}
