import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { allRooms, explained } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { safeLine } from '../style.ts';

export const command: Command = {
  usage: 'room list',
  summary: 'list the rooms',
  positionals: 0,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  async run(args, io) {
    const client = await openAdminClient(args, io);
    const rooms = await explained(() => allRooms(client));
    await print(args, io, { rooms }, (color) => {
      if (rooms.length === 0) return color.dim('no rooms; make one: moltnet room create ID');
      const width = Math.max(...rooms.map(({ id }) => id.length));
      return rooms
        .map(
          (room) =>
            `${room.id.padEnd(width)}  ${color.dim(`${room.visibility ?? 'private'}, ${room.write_policy ?? 'members'} write, ${room.members?.length ?? 0} members`)}${room.name === room.id ? '' : `  ${safeLine(room.name)}`}`,
        )
        .join('\n');
    });
  },
};
