import { resolveToken } from '../../config/tokens.ts';
import { RefusedError } from '../../client/http.ts';
import { explain, openClient } from '../api.ts';
import type { Args, Command, Io } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { findSpeaker, SELECTION_FLAGS } from '../speaker.ts';

export const command: Command = {
  usage: 'room join <id>',
  summary: "make the agent of this workspace a member of a room, with the room's credential",
  positionals: 1,
  flags: [
    { name: 'credential-env', value: 'NAME', what: "environment variable that holds the room's credential" },
    { name: 'credential-path', value: 'FILE', what: 'file that holds it' },
    ...SELECTION_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const id = args.positionals[0];
    if (id === undefined)
      throw usageFailure(
        'the id of the room is missing',
        'write: moltnet room join research --credential-env NAME',
      );
    const credential = credentialOf(args, io);
    const speaker = await findSpeaker(args, io, { speaks: false });
    if (speaker.from.type !== 'agent')
      throw new Failure('no client configuration here: it is agents that join with a credential', {
        hint: `run this in the agent's workspace; a person is made a member with: moltnet admin room members add --room ${id} --member NAME`,
      });
    try {
      const room = await openClient(speaker).joinRoom(id, { agent: speaker.from.id, credential });
      await print(args, io, room, (color) =>
        [
          `${color.green('joined')} room:${room.id} as ${speaker.from.id}`,
          color.dim('To be woken by it, add it in the node file, or: moltnet connect … --rooms … --node'),
        ].join('\n'),
      );
    } catch (error) {
      const failure = explain(error);
      if (
        !(error instanceof RefusedError) ||
        error.wire_code !== 'forbidden' ||
        !(failure instanceof Failure)
      )
        throw failure;
      throw new Failure(failure.message, {
        hint: "the credential is not this room's, or the room takes nobody by one; the server does not say which",
        cause: error,
      });
    }
  },
};

function credentialOf(args: Args, io: Io): string {
  const [token_env, token_path] = [args.text('credential-env'), args.text('credential-path')];
  const credential = resolveToken(
    {
      ...(token_env === undefined ? {} : { token_env }),
      ...(token_path === undefined ? {} : { token_path }),
    },
    { env: io.env, base: io.cwd },
  );
  if (credential === undefined)
    throw usageFailure(
      "the room's credential is missing",
      'add --credential-env NAME, or --credential-path FILE',
    );
  return credential;
}
