/**
 * Gemini CLI by `gemini --acp`, the Agent Client Protocol, one process per session for as long as it is in use; its
 * sessions are loaded again afterwards. It is the better driver than `gemini -p`, which expands `@path` in what it is
 * given: here text is text, and every tool that would change something is asked for. Tried with 0.61.0.
 */
import type { RuntimeConfigOf, RuntimeFields } from '../../config/runtime-block.ts';
import { WAKE_ENV } from '../../config/wake-folder.ts';
import {
  cliRuntime,
  completeProgram,
  isUuid,
  keepAfterTurn,
  LASTING_FIELDS,
  maxIdle,
  tellDenials,
  type CliPlace,
  type CliProgram,
  type CliTurn,
} from '../cli-runtime.ts';
import { guarded } from '../guarded-text.ts';
import { heldProcesses } from '../held-processes.ts';
import { leftoverGone } from '../program-turn.ts';
import {
  defineRuntime,
  endedWell,
  notReady,
  type ProbeResult,
  type Runtime,
  type RuntimeContext,
  type RuntimeDefinition,
  type TurnOutcome,
} from '../runtime.ts';
import { startTurnClock } from '../turn-clock.ts';
import { endedTurn, noteEnded } from './ended-turn.ts';
import { failed, geminiFailure } from './failures.ts';
import { openGemini, type GeminiProcess, type PromptEnd } from './gemini-process.ts';
import { geminiStart } from './place.ts';
import { removeSession } from './session-files.ts';

const PROGRAM: CliProgram = {
  kind: 'gemini',
  command: 'gemini',
  npm: { package: '@google/gemini-cli', native: [] },
  advice:
    'install Gemini CLI with `npm install -g @google/gemini-cli`, or write its path into runtime.command',
};

/** Processes of one agent that may wait for a message, when `runtime.max_idle` does not say. */
const MAX_IDLE = 2;

/** What to do about what it refused. */
const DENIED =
  'Gemini CLI refused its agent what its permissions do not cover; allow it in .gemini/settings.json (tools.allowed) or by runtime.args if it should';

const FIELDS = {
  ...LASTING_FIELDS,
  max_idle: maxIdle(MAX_IDLE, 250),
} as const satisfies RuntimeFields;
type GeminiContext = RuntimeContext<RuntimeConfigOf<typeof FIELDS>>;

export const gemini: RuntimeDefinition = defineRuntime({
  kind: PROGRAM.kind,
  about: 'Gemini CLI',
  fields: FIELDS,
  skill_paths: ['.gemini/skills'],
  complete: (config, note) => completeProgram(PROGRAM, config, note),
  opens: ({ args = [] }) =>
    args.some((arg) => /^(-y|--yolo|--approval-mode|--allowed-tools|--policy|--admin-policy)/.test(arg))
      ? 'may run `moltnet`, and what runtime.args and its own settings allow; its workspace is trusted'
      : 'may run `moltnet` and read its workspace, and what its own settings allow; nobody is asked for more; its workspace is trusted',
  create: createGemini,
});

function createGemini(context: GeminiContext): Runtime {
  const { args, idle_timeout, max_idle = MAX_IDLE } = context.attachment.runtime;
  const held = heldProcesses<GeminiProcess>(idle_timeout, max_idle);

  const run = async (turn: CliTurn): Promise<TurnOutcome> => {
    const ended = endedTurn(turn.env[WAKE_ENV]!, turn.wake);
    if (ended) return { state: 'ok', ...ended };
    try {
      return await held.use(
        turn.wake.session_key,
        '',
        () => open(turn),
        (process_) => oneTurn(turn, process_),
      );
    } catch (error) {
      const failure = geminiFailure(error, args);
      if (!failure) throw error;
      return failure;
    }
  };
  return cliRuntime(context, {
    program: PROGRAM,
    run,
    probe,
    forget: (key) => held.drop(key),
    close: () => held.close(),
  });
}

async function open(turn: CliTurn): Promise<GeminiProcess> {
  const { context, sessions, wake, signal } = turn;
  // The process of a node that was killed may go on with its turn, and that one comes again.
  await leftoverGone({ signal }, context.log, turn.env[WAKE_ENV]!);
  signal.throwIfAborted();
  const stored = sessions.get(wake.session_key)?.runtime_session_id;
  const process_ = await openGemini({
    start: geminiStart(turn),
    stored: isUuid(stored) ? stored : undefined,
    signal,
    log: context.log,
  });
  // At once: a crash of ours must not leave a session that nobody finds again.
  if (process_.session !== stored)
    try {
      sessions.set(wake.session_key, process_.session);
    } catch (error) {
      await process_.stop();
      throw error;
    }
  return process_;
}

async function oneTurn(turn: CliTurn, process_: GeminiProcess): Promise<TurnOutcome> {
  const { wake, events, limits, signal } = turn;
  let expired: string | undefined;
  const stop = (): void => void process_.stop();
  turn.begin();
  const clock = startTurnClock(limits, (reason) => {
    expired = reason;
    stop();
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  events.accepted?.();
  try {
    const end = await process_.prompt(guarded(wake.text), {
      delivered: () => events.delivered?.(),
      life: clock.touch,
    });
    const outcome = outcomeOf(end);
    if (outcome.state === 'ok')
      noteEnded(turn.env[WAKE_ENV]!, wake, 'final_text' in outcome ? { final_text: outcome.final_text } : {});
    else if (expired !== undefined) return timeout(expired);
    keepAfterTurn(turn, process_.session, undefined);
    return outcome;
  } catch (error) {
    if (expired === undefined) throw error;
    return timeout(expired);
  } finally {
    clock.stop();
    signal.removeEventListener('abort', stop);
    // With all that its tools have left running.
    if (signal.aborted || expired !== undefined) await process_.stop();
    tellDenials(turn, process_.takeDenials(), DENIED);
  }
}

const timeout = (limit: string): TurnOutcome => failed(`Gemini CLI was ended: ${limit}`, 'timeout', false);

function outcomeOf({ stop_reason, text, acted, usage }: PromptEnd): TurnOutcome {
  const used = usage ? { usage } : {};
  const not = (reason: string, permanent: boolean): TurnOutcome => ({
    ...failed(reason, 'model', permanent),
    ...used,
  });
  switch (stop_reason) {
    case 'end_turn':
      // It says so too of a model that gave no answer at all, or a broken one.
      if (text === '' && !acted) return not('the model answered nothing', false);
      return endedWell(text, used);
    case 'max_tokens':
      return not(
        'the conversation does not fit into the model any more; begin it anew with `moltnet sessions reset`',
        true,
      );
    default:
      return not(`Gemini CLI ended the turn: ${stop_reason || 'no reason given'}`, false);
  }
}

/** Begins a session, which asks no model, and removes it: only so it tells whether somebody has logged in. */
async function probe(place: CliPlace, signal: AbortSignal): Promise<ProbeResult> {
  const { context } = place;
  try {
    const start = geminiStart(place);
    const process_ = await openGemini({ start, stored: undefined, signal, log: context.log });
    await process_.end();
    removeSession(start.env, process_.session);
    return { ready: true, version: process_.version };
  } catch (error) {
    const failure = geminiFailure(error, context.attachment.runtime.args);
    if (!failure) throw error;
    return notReady(failure);
  }
}
