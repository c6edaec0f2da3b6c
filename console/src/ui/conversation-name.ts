import { useCallback } from 'react';
import { useApp } from '../live/client.ts';
import { splitKey } from '../model/conversation.ts';
import { dmName } from '../model/dms.ts';
import { plainName } from '../model/names.ts';
import { texts } from '../texts.ts';

/** The function that names a conversation by its key; of a thread it helps to know the room. */
export function useConversationName(): (key: string, roomId?: string) => string {
  const rooms = useApp((state) => state.rooms);
  const threads = useApp((state) => state.threads);
  const dms = useApp((state) => state.dms);
  const me = useApp((state) => state.me.id);
  const agents = useApp((state) => state.agents);
  return useCallback(
    (key, roomId) => {
      const { kind, id } = splitKey(key);
      const roomName = (room: string) =>
        `#${plainName(rooms.find((known) => known.id === room)?.name ?? '') || plainName(room)}`;
      if (kind === 'room') return roomName(id);
      if (kind === 'dm') return dms[id] ? dmName(dms[id], me, agents) : texts.directConversation;
      const room = roomId ?? threads[id]?.room_id;
      return room === undefined ? texts.thread : `${texts.thread} ${texts.threadIn(roomName(room))}`;
    },
    [rooms, threads, dms, me, agents],
  );
}
