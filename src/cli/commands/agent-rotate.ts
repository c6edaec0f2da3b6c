import { adminFlagsWithout, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { secretFile, secretFlag, storeSecret } from '../secret-output.ts';

export const command: Command = {
  usage: 'admin agent rotate-token <id>',
  summary: 'a new token for an agent that lost its own, or whose token others have seen',
  positionals: 1,
  flags: [
    { name: 'agent', value: 'ID', what: 'the agent, in place of the word' },
    secretFlag('write the token there (0600), in place of printing it: where its node reads it'),
    ...adminFlagsWithout('token-path'),
    ...OUTPUT_FLAGS,
  ],
  details: `The earlier token is void at once. connect keeps an agent's token in .moltnet/ID.token of its workspace:

moltnet admin agent rotate-token alpha --token-path ~/project/.moltnet/alpha.token`,
  async run(args, io) {
    const id = args.text('agent') ?? args.positionals[0];
    if (id === undefined)
      throw usageFailure(
        'the id of the agent is missing',
        'write: moltnet admin agent rotate-token my-agent',
      );
    const file = secretFile(args, io);
    const client = await openAdminClient(args, io, { token_path: false });
    const { agent_token, ...registration } = await explained(() => client.rotateToken(id));
    if (agent_token === undefined) throw new Failure(`the server gave no token for ${id}`);
    if (file !== undefined) storeSecret(file, agent_token);
    const shown =
      file === undefined ? { ...registration, agent_token } : { ...registration, token_path: file };
    await print(args, io, shown, (color) =>
      file === undefined
        ? [
            `${color.green('rotated')} the token of ${registration.agent_id}; the earlier one is void`,
            `token (shown once): ${agent_token}`,
            `Put it where the agent reads it: .moltnet/${registration.agent_id}.token of its workspace, mode 0600.`,
          ].join('\n')
        : [
            `${color.green('rotated')} the token of ${registration.agent_id}; the earlier one is void`,
            `the new one is in ${file}`,
          ].join('\n'),
    );
  },
};
