import { adminFlagsWithout, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const add: Command = change('add');
export const remove: Command = change('remove');

function change(verb: 'add' | 'remove'): Command {
  return {
    usage: `admin room members ${verb} --room ID --member ID…`,
    summary: verb === 'add' ? 'add members to a room' : 'remove members from a room',
    positionals: 0,
    flags: [
      { name: 'room', value: 'ID', what: 'the room' },
      { name: 'member', value: 'ID', many: true, what: 'who; repeat it, or write a comma list' },
      ...adminFlagsWithout('member'),
      ...OUTPUT_FLAGS,
    ],
    async run(args, io) {
      const room = args.text('room');
      const members = args.list('member');
      if (room === undefined) throw usageFailure('--room is missing');
      if (members.length === 0) throw usageFailure('--member is missing');
      const client = await openAdminClient(args, io, { member: false });
      const result = await explained(() => client.updateRoomMembers(room, { [verb]: members }));
      await print(
        args,
        io,
        result,
        () => `room:${result.id}  ${(result.members ?? []).join(', ') || 'no members'}`,
      );
    },
  };
}
