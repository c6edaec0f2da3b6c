import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { pauseLine } from '../pause-line.ts';
import { ALL_FLAG, scopeName, scopeOf } from '../scope.ts';
import { personOnly } from '../speaker.ts';

export const command: Command = {
  usage: 'resume @agent | room:ID | --all',
  summary: 'end a pause: what was said meanwhile is delivered',
  positionals: 1,
  flags: [ALL_FLAG, ...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  details: `--all ends the pause of everything; agents and rooms that were paused by themselves stay so, and are named.
A conversation that the storm guard holds is another matter: moltnet guard resume`,
  async run(args, io) {
    const scope = scopeOf(args, 'resume');
    personOnly(io, 'end a pause', 'ask a person to run this');
    const client = await openAdminClient(args, io);
    const { was, ended, left } = await explained(async () => ({
      was: (await client.pauses()).some((pause) => pause.scope === scope),
      ended: await client.endPause(scope),
      left: await client.pauses(),
    }));
    await print(args, io, { ...ended, pauses: left }, (color) =>
      [
        was
          ? `${color.green('goes on')} ${scopeName(scope)}`
          : color.dim(`${scopeName(scope)} was not paused`),
        ...left.map((pause) => `still: ${pauseLine(pause, color)}`),
      ].join('\n'),
    );
  },
};
