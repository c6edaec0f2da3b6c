import { discover, SERVER_FILES } from '../../config/discover.ts';
import { readServerFile } from '../../config/server.ts';
import { derivedTokenId } from '../../protocol/credentials.ts';
import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { Failure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';

export const command: Command = {
  usage: 'apply [path]',
  summary: "bring a running server's rooms and agents to what a server file says",
  positionals: 1,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  details: 'Rooms that the file does not name stay. Token values are never sent.',
  async run(args, io) {
    const [named] = args.positionals;
    const found = discover(
      { cwd: io.cwd, env: io.env, ...(named === undefined ? {} : { path: named }) },
      'MOLTNET_CONFIG',
      SERVER_FILES,
    );
    if (!found)
      throw new Failure(`no server file here (${SERVER_FILES.join(', ')})`, {
        hint: 'name one: moltnet apply PATH',
      });
    const config = readServerFile(found.file, io.cwd, { secrets: 'lenient' });
    const agents = config.auth.tokens.flatMap((token) =>
      (token.agents ?? []).map((id) => ({
        id,
        credential_key: `token:${token.id ?? derivedTokenId(token.value)}`,
      })),
    );
    const request = {
      network_id: config.network.id,
      // A file that lists no members says nothing about them; an empty list would empty the room.
      rooms: (config.rooms ?? []).map(({ members, ...room }) =>
        members.length > 0 ? { ...room, members } : room,
      ),
      ...(agents.length > 0 ? { agents } : {}),
    };
    const client = await openAdminClient(args, io);
    const result = await explained(() => client.apply(request));
    await print(
      args,
      io,
      result,
      (color) =>
        `${color.green('applied')} ${(result.rooms ?? []).length} rooms, ${(result.agents ?? []).length} agents`,
    );
  },
};
