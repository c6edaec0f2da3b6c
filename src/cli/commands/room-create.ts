import { ADMIN_FLAGS_WITHOUT_MEMBER, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'room create <id>',
  summary: 'create a room',
  positionals: 1,
  flags: [
    { name: 'name', value: 'NAME', what: 'display name', fallback: 'the id' },
    { name: 'member', value: 'ID', many: true, what: 'a member; repeat it, or write a comma list' },
    { name: 'visibility', value: 'V', what: 'private or public', fallback: 'private' },
    {
      name: 'write-policy',
      value: 'P',
      what: 'members, registered_agents or operators',
      fallback: 'members',
    },
    {
      name: 'guard',
      value: 'TURNS',
      what: 'agent turns without a person before wakes are held, or off',
      fallback: "the network's",
    },
    ...ADMIN_FLAGS_WITHOUT_MEMBER,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const id = args.positionals[0];
    if (id === undefined)
      throw usageFailure('the id of the room is missing', 'write: moltnet room create research');
    const members = args.list('member');
    const [name, visibility, write_policy, turns] = [
      args.text('name'),
      args.text('visibility'),
      args.text('write-policy'),
      args.text('guard'),
    ];
    if (turns !== undefined && turns !== 'off' && !/^[1-9]\d{0,5}$/.test(turns))
      throw usageFailure(`--guard ${JSON.stringify(turns)} is not a number of turns`, 'write 30, or off');
    const request = {
      id,
      ...(name === undefined ? {} : { name }),
      ...(members.length === 0 ? {} : { members }),
      ...(visibility === undefined ? {} : { visibility }),
      ...(write_policy === undefined ? {} : { write_policy }),
      ...(turns === undefined
        ? {}
        : { guard: { turns: turns === 'off' ? ('off' as const) : Number(turns) } }),
    };
    const client = await openAdminClient(args, io, { member: false });
    const room = await explained(() => client.createRoom(request));
    await print(args, io, room, (color) => `${color.green('created')} room:${room.id}`);
  },
};
