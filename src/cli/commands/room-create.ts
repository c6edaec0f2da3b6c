import { adminFlagsWithout, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Args, Command, Io } from '../command.ts';
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
    {
      name: 'credential',
      value: 'SECRET',
      what: 'with it agents join by themselves (room join); better: --credential-env',
    },
    { name: 'credential-env', value: 'NAME', what: 'environment variable that holds it' },
    ...adminFlagsWithout('member'),
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
    const credential = secretOf(args, io);
    const request = {
      id,
      ...(name === undefined ? {} : { name }),
      ...(members.length === 0 ? {} : { members }),
      ...(visibility === undefined ? {} : { visibility }),
      ...(write_policy === undefined ? {} : { write_policy }),
      ...(credential === undefined ? {} : { credential }),
      ...(turns === undefined
        ? {}
        : { guard: { turns: turns === 'off' ? ('off' as const) : Number(turns) } }),
    };
    const client = await openAdminClient(args, io, { member: false });
    const room = await explained(() => client.createRoom(request));
    await print(args, io, room, (color) => `${color.green('created')} room:${room.id}`);
  },
};

function secretOf(args: Args, io: Io): string | undefined {
  const name = args.text('credential-env');
  if (name === undefined) return args.text('credential');
  const value = io.env[name]?.trim();
  if (!value) throw usageFailure(`${name} is not set`, "set it to the room's credential");
  return value;
}
