import type { Command } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { OUTPUT_FLAGS, print } from '../format.ts';
import { NODE_FILE_FLAG, nodeSessions } from '../node-sessions.ts';

export const command: Command = {
  usage: 'sessions reset <agent> [conversation]',
  summary: 'let an agent begin a conversation anew, without what it remembers of it',
  positionals: 2,
  flags: [{ name: 'all', what: 'every conversation of the agent' }, NODE_FILE_FLAG, ...OUTPUT_FLAGS],
  details: `The next wake in the conversation (room:ID, thread:ID, dm:ID) begins a new session. What was said stays in the network, and
the agent can read it there. Not while a turn runs in it.`,
  async run(args, io) {
    const [named, conversation] = args.positionals;
    const agent = named?.replace(/^@/, '');
    if (agent === undefined || (conversation === undefined) === (args.on('all') !== true))
      throw usageFailure('name the agent, and one conversation or --all', 'moltnet sessions lists them');
    const sessions = nodeSessions(args, io);
    const those =
      conversation === undefined
        ? ((await sessions.list(agent))[agent] ?? []).map((one) => one.conversation)
        : [conversation];
    const reset: string[] = [];
    for (const one of those) if (await sessions.reset(agent, one)) reset.push(one);
    if (reset.length === 0 && conversation !== undefined)
      throw new Failure(`@${agent} has no session for ${conversation}`, {
        hint: `see which there are: moltnet sessions ${agent}`,
      });
    await print(args, io, { agent, reset }, (color) =>
      reset.length === 0 ? color.dim('no sessions') : `${color.green('reset')} ${reset.join(', ')}`,
    );
  },
};
