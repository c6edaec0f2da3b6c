import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { agentNamed } from '../scope.ts';
import { safeLine } from '../style.ts';

export const command: Command = {
  usage: 'wake test @agent',
  summary: 'whether an agent can be woken now, without costing a turn',
  positionals: 1,
  flags: [...ADMIN_FLAGS, ...OUTPUT_FLAGS],
  details: `The server asks the agent's node, and the node its runtime. Exit code 0: it can be woken. What only a turn shows,
such as a login that has expired, is told from the last turn.`,
  async run(args, io) {
    const id = agentNamed(args.positionals[0]);
    const client = await openAdminClient(args, io);
    const result = await explained(() => client.testWake(id));
    await print(args, io, result, (color) => {
      const runtime = result.runtime
        ? color.dim(`  ${safeLine([result.runtime.kind, result.runtime.version].filter(Boolean).join(' '))}`)
        : '';
      return result.ok
        ? `${color.green('can be woken')} @${id}${runtime}`
        : `${color.red('cannot be woken')} @${id}: ${safeLine(result.reason ?? 'it is not known why')}${runtime}`;
    });
    return result.ok ? 0 : 1;
  },
};
