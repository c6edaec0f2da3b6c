/**
 * Any program: one run for each wake, its prompt on stdin or as one argument, its outcome by its exit code. No shell
 * is in between.
 */
import path from 'node:path';
import type { RuntimeConfigOf, RuntimeFields } from '../config/runtime-block.ts';
import { beginWake, WAKE_ENV, wakeFolder } from '../config/wake-folder.ts';
import { howEnded } from './child.ts';
import { lastWords } from './cli-runtime.ts';
import { findExecutable } from './executable.ts';
import { leftoverGone, runProgram, type ProgramEnd } from './program-turn.ts';
import {
  defineRuntime,
  endedWell,
  TURN_BY_TURN,
  type FailureCause,
  type Runtime,
  type RuntimeContext,
  type TurnOutcome,
} from './runtime.ts';
import { probed, TurnFailure, turnLine, type LineTurn } from './turn-line.ts';
import { agentEnvironment, requireWorkspace, workspaceOf } from './workspace.ts';

const FIELDS = {
  command: { type: 'command', required: 'write the program that is run for each wake', about: 'the program' },
  args: {
    type: 'list',
    about:
      'its arguments; {prompt}, {session_key}, {conversation}, {wake_id} and {attempt} are filled in. Without {prompt} the prompt comes on stdin',
  },
  env: { type: 'map', about: 'more variables for it' },
} as const satisfies RuntimeFields;
type CommandContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

const PROMPT = '{prompt}';

/** What an exit code other than 0 says, after sysexits.h; any other is a failure that may pass. */
const EXITS: Readonly<Record<number, { permanent: boolean; cause: FailureCause; what: string }>> = {
  69: { permanent: false, cause: 'model', what: 'what it needs is not there (69)' },
  75: { permanent: false, cause: 'rate_limited', what: 'it asks for another try later (75)' },
  77: {
    permanent: true,
    cause: 'not_logged_in',
    what: 'it may not do that (77); log in, or give it what it needs',
  },
  78: { permanent: true, cause: 'config', what: 'it is not set up (78); correct its configuration' },
};

export const command = defineRuntime({
  kind: 'command',
  about: 'any program, one run for each wake',
  fields: FIELDS,
  complete: ({ workspace_path, args = [] }, note) => {
    if (workspace_path === undefined)
      note('workspace_path', 'is missing', 'write the folder that the program works in');
    // Words of others may not be a part of another argument.
    if (args.some((arg) => arg !== PROMPT && arg.includes(PROMPT)))
      note('args', `has ${PROMPT} inside of another text`, `write ${PROMPT} as an argument of its own`);
  },
  create,
});

function create(context: CommandContext): Runtime {
  const { runtime } = context.attachment;
  const workspace = workspaceOf(context);
  const enter = () => {
    requireWorkspace(workspace);
    const env = { ...agentEnvironment(context, workspace), ...runtime.env };
    const file = findExecutable(runtime.command ?? '', env.PATH, 'install it, or correct runtime.command');
    return { env, file };
  };

  const run = async (turn: LineTurn): Promise<TurnOutcome> => {
    const { wake } = turn;
    const { env, file } = enter();
    const { session_key, conversation, wake_id, attempt } = wake;
    const values: Record<string, string> = { session_key, conversation, wake_id, attempt: String(attempt) };
    const args = (runtime.args ?? []).map((arg) =>
      arg === PROMPT ? wake.text : arg.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole),
    );
    const folder = wakeFolder(workspace, session_key);
    await leftoverGone(turn, context.log, folder);
    const end = await runProgram(turn, context.log, {
      file,
      args,
      cwd: workspace,
      env: {
        ...env,
        [WAKE_ENV]: folder,
        MOLTNET_SESSION_KEY: session_key,
        MOLTNET_CONVERSATION: conversation,
        MOLTNET_WAKE_ID: wake_id,
        MOLTNET_ATTEMPT: String(attempt),
      },
      ...((runtime.args ?? []).includes(PROMPT) ? {} : { stdin: wake.text }),
      begin: () => beginWake(folder, wake),
    });
    return outcomeOf(path.basename(file), end);
  };

  return {
    kind: 'command',
    capabilities: {
      ...TURN_BY_TURN,
      dedupes: false,
      reports_usage: false,
      cancels: true,
    },
    ...turnLine({ context, run }),
    probe: () => probed(enter),
  };
}

function outcomeOf(name: string, { exit, stdout, stderr }: ProgramEnd): TurnOutcome {
  const text = stdout.trim();
  if (exit.code === 0) return endedWell(text);
  const words = lastWords(stderr);
  const said = words === '' ? '' : `: ${words}`;
  const known = exit.code === null ? undefined : EXITS[exit.code];
  if (known)
    throw new TurnFailure(`${name} has failed, ${known.what}${said}`, {
      permanent: known.permanent,
      cause: known.cause,
    });
  throw new TurnFailure(`${name} ended ${howEnded(exit)}${said}`, { cause: 'crashed' });
}
