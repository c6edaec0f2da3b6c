/** The turns of an account, as a runtime of our node sees them. */
import { beginWake, endWake, wakeFolder } from '../../../src/config/wake-folder.ts';
import type { ConversationKey } from '../../../src/protocol/conversation.ts';
import type { Runtime, RuntimeContext, WakeCommands } from '../../../src/runtimes/runtime.ts';
import { turnLine } from '../../../src/runtimes/turn-line.ts';
import { CHANNEL } from './account.ts';
import { sessionOf } from './session.ts';
import { agentIdOf, Turn, type TurnHost } from './turn.ts';

export function createTurns(context: RuntimeContext, host: TurnHost): Runtime {
  const { attachment } = context;
  const line = turnLine({
    context,
    run: async (turn) => {
      const { conversation, session_key } = turn.wake;
      const folder = wakeFolder(attachment.runtime.workspace_path!, session_key);
      const agentId = agentIdOf(host, conversation);
      const outcome = await new Turn(context, host, turn, {
        agentId,
        session: sessionOf(attachment, conversation, agentId),
        // What is said in the session before it is marked as over is this wake's, whoever runs the turn.
        begin: () => beginWake(folder, { ...turn.wake, resumes: true }),
      }).run();
      if (!turn.signal.aborted) endWake(folder);
      return outcome;
    },
  });
  return {
    kind: 'openclaw',
    capabilities: {
      wake_idle: true,
      wake_busy: false,
      headless: true,
      dedupes: true,
      reports_usage: true,
      cancels: true,
    },
    ...line,
    commands: messageTool,
    // It runs inside of OpenClaw.
    probe: async () => ({ ready: true, version: host.runtime.version }),
  };
}

/** How an agent of OpenClaw's speaks: by its one tool for all channels. */
export function messageTool(conversation: ConversationKey): WakeCommands {
  const call = (args: object): string => JSON.stringify({ ...args, channel: CHANNEL, target: conversation });
  return {
    how: 'call your message tool with',
    send: call({ action: 'send', message: 'YOUR TEXT' }),
    read: (limit) => `message tool, ${call({ action: 'read', limit })}`,
  };
}
