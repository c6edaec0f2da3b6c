import { limits } from '../../protocol/limits.ts';
import { canonicalMemberId } from '../../protocol/ids.ts';
import type { DirectConversation, Room } from '../../protocol/rooms.ts';
import type { Client, RefusedError } from '../../client/http.ts';
import { allDms, allRooms, explained, networkIdOf, openClient, statusOf } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { findSpeaker, SELECTION_FLAGS, type Speaker } from '../speaker.ts';
import { safeLine } from '../style.ts';

export const command: Command = {
  usage: 'conversations',
  summary: 'list your rooms and DMs',
  positionals: 0,
  flags: [
    { name: 'all', what: "also rooms that are not in the agent's configuration" },
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const speaker = await findSpeaker(args, io, { speaks: false });
    const client = openClient(speaker);
    await explained(async () => {
      const networkId = await networkIdOf(speaker, client);
      const rooms = (await allRooms(client)).filter(
        (room) => args.on('all') === true || isListed(speaker, room),
      );
      const dms = await ownDms(client, speaker, networkId, (text) => io.err(text));
      const unread = await ownUnread(client, speaker);
      const value = {
        ...(dms.length > 0 ? { dms } : {}),
        member_id: speaker.from.id,
        network_id: networkId,
        ...(rooms.length > 0 ? { rooms } : {}),
        ...(unread.size > 0 ? { unread: Object.fromEntries(unread) } : {}),
      };
      const news = (key: string): string => {
        const count = unread.get(key);
        if (count === undefined) return '';
        return `  ${count >= limits.unread_counted.value ? `${count}+` : count} new`;
      };
      await print(args, io, value, (color) => {
        const lines = [
          ...rooms.map(
            ({ id, name }) =>
              `room:${id}${name === id ? '' : color.dim(`  ${safeLine(name)}`)}${news(`room:${id}`)}`,
          ),
          ...dms.map(
            (dm) => `dm:${dm.id}${color.dim(`  ${others(dm, speaker).join(', ')}`)}${news(`dm:${dm.id}`)}`,
          ),
        ];
        return lines.length > 0 ? lines.join('\n') : color.dim('no rooms and no DMs');
      });
    });
  },
};

/** What a person has not read yet, anywhere, by conversation. Agents have none, and servers that keep none are not asked twice. */
async function ownUnread(client: Client, { from }: Speaker): Promise<Map<string, number>> {
  if (from.type !== 'human') return new Map();
  try {
    const reads = await client.reads();
    return new Map(
      reads.filter(({ unread }) => unread > 0).map(({ conversation, unread }) => [conversation, unread]),
    );
  } catch (error) {
    if (statusOf(error) !== undefined) return new Map();
    throw error;
  }
}

/** An agent sees the rooms it was connected to and is a member of; one connected to none, and a person, all it may read. */
function isListed({ attachment, from }: Speaker, room: Room): boolean {
  return (
    attachment === undefined ||
    attachment.rooms.length === 0 ||
    attachment.rooms.some(({ id }) => id === room.id) ||
    (room.members ?? []).includes(from.id)
  );
}

async function ownDms(
  client: Client,
  speaker: Speaker,
  networkId: string,
  warn: (text: string) => void,
): Promise<DirectConversation[]> {
  if (speaker.attachment?.dms?.enabled === false) return [];
  const self = canonicalMemberId(speaker.from.id, networkId);
  try {
    return (await allDms(client)).filter((dm) =>
      dm.participant_ids?.some((id) => canonicalMemberId(id, networkId) === self),
    );
  } catch (error) {
    // Rooms are worth showing also to one who may not list DMs, or where there are none.
    if (statusOf(error) !== 403) throw error;
    if ((error as RefusedError).code !== 'direct_messages_disabled')
      warn('moltnet: the DMs are not shown: this credential may not list them\n');
    return [];
  }
}

const others = (dm: DirectConversation, speaker: Speaker): string[] =>
  (dm.participant_ids ?? []).filter((id) => id !== speaker.from.id).map(safeLine);
