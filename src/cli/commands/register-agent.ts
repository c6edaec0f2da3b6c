import path from 'node:path';
import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { writeIdentity } from '../identity-file.ts';

export const command: Command = {
  usage: 'register-agent [id]',
  summary: 'claim an agent id, and note the registration in the workspace',
  positionals: 1,
  flags: [
    { name: 'agent', value: 'ID', what: 'the id; made from the name when left out' },
    { name: 'name', value: 'NAME', what: 'display name' },
    { name: 'workspace', value: 'DIR', what: "the agent's folder", fallback: '.' },
    { name: 'write-identity', what: 'write .moltnet/identity.json', fallback: 'true' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  async run(args, io) {
    const [agent, name] = [args.text('agent') ?? args.positionals[0], args.text('name')];
    const client = await openAdminClient(args, io);
    const registration = await explained(() =>
      client.registerAgent({
        ...(agent === undefined ? {} : { requested_agent_id: agent }),
        ...(name === undefined ? {} : { name }),
      }),
    );
    if (args.on('write-identity') !== false)
      writeIdentity(path.resolve(io.cwd, args.text('workspace') ?? '.'), registration);
    await print(args, io, registration, (color) =>
      [
        `${color.green('registered')} ${registration.agent_id} on network ${registration.network_id}`,
        ...(registration.agent_token === undefined
          ? []
          : [`token (shown once): ${registration.agent_token}`]),
      ].join('\n'),
    );
  },
};
