import type { Command } from '../command.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { NODE_FILE_FLAG, nodeSessions } from '../node-sessions.ts';
import { safeLine } from '../style.ts';

export const command: Command = {
  usage: 'sessions [list] [agent]',
  summary: "list the sessions of a node's agents: which of the runtime's own belongs to which conversation",
  positionals: 1,
  flags: [NODE_FILE_FLAG, ...OUTPUT_FLAGS],
  details: `An agent remembers a conversation in one session of its runtime (a thread of Codex, a session of Claude Code). Run this
where the node's file is, whether the node runs or not. To begin anew: moltnet sessions reset <agent> <conversation>`,
  async run(args, io) {
    const sessions = await nodeSessions(args, io).list(args.positionals[0]?.replace(/^@/, ''));
    await print(args, io, sessions, (color) => {
      const lines = Object.entries(sessions).flatMap(([agent, list]) =>
        list.map(({ conversation, session_id, updated_at, usage, running }) => {
          const tokens = usage?.input_tokens === undefined ? '' : `  ${usage.input_tokens} tokens in`;
          const now = running ? color.green('  a turn runs') : '';
          return `@${agent}  ${color.name(safeLine(conversation))}  ${safeLine(session_id)}${color.dim(`  ${localTime(updated_at, new Date())}${tokens}`)}${now}`;
        }),
      );
      return lines.length === 0 ? color.dim('no sessions') : lines.join('\n');
    });
  },
};
