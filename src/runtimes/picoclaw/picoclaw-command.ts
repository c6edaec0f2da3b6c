/**
 * PicoClaw by its command: one run for each wake, whose exit code says how the turn went. It has no way to take the
 * prompt but as an argument; the prompt begins with a word of ours, so it is neither an option nor one of PicoClaw's
 * commands. Tried with v0.2.9.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { beginWake, WAKE_ENV, wakeFolder } from '../../config/wake-folder.ts';
import { howEnded } from '../child.ts';
import { lastWords } from '../cli-runtime.ts';
import { findExecutable } from '../executable.ts';
import { guarded } from '../guarded-text.ts';
import { leftoverGone, runProgram } from '../program-turn.ts';
import { endedWell, TURN_BY_TURN, type Runtime, type TurnOutcome } from '../runtime.ts';
import { SetupError } from '../setup-error.ts';
import { probed, TurnFailure, turnLine, type LineTurn } from '../turn-line.ts';
import { agentEnvironment, requireWorkspace } from '../workspace.ts';
import { picoclawFailure } from './failures.ts';
import type { PicoClawContext } from './picoclaw.ts';
import { readableFile } from './readable-file.ts';

/** What it prints before its answer. */
const LOGO = '🦞 ';
/** Its log in the folder of the wake: there each line is a sign of life, and on stdout is then the answer alone. */
const LOG_FILE = 'picoclaw.log';
/** What it logs as it has put the message into its history. */
const TURN_START = 'agent.turn.start';
/** Milliseconds between two looks at it. */
const LOOK_MS = 500;

export function commandRuntime(context: PicoClawContext, command: string): Runtime {
  const { runtime } = context.attachment;
  const config = runtime.config_path;
  if (config === undefined)
    throw new SetupError('runtime.config_path is missing; command needs the path of its configuration');
  const workspace = path.resolve(runtime.workspace_path ?? path.dirname(config));

  const enter = () => {
    requireWorkspace(workspace);
    readableFile(config, 'runtime.config_path');
    const home = runtime.home_path;
    const env = {
      ...agentEnvironment(context, workspace),
      PICOCLAW_CONFIG: path.resolve(config),
      ...(home === undefined
        ? {}
        : { PICOCLAW_HOME: path.resolve(home), CODEX_HOME: path.join(path.resolve(home), '.codex') }),
    };
    const file = findExecutable(
      command,
      env.PATH,
      'install PicoClaw (github.com/sipeed/picoclaw), or correct runtime.command',
    );
    return { env, file };
  };

  const run = async (turn: LineTurn): Promise<TurnOutcome> => {
    const { wake, events } = turn;
    const { env, file } = enter();
    const key = wake.session_key;
    const folder = wakeFolder(workspace, key);
    await leftoverGone(turn, context.log, folder);
    const log = watchLog(path.join(folder, LOG_FILE), turn);
    const { exit, stdout, stderr } = await runProgram(turn, context.log, {
      file,
      args: ['agent', '--session', key, '--message', guarded(wake.text)],
      cwd: workspace,
      env: { ...env, [WAKE_ENV]: folder, PICOCLAW_LOG_FILE: log.file, PICOCLAW_LOG_LEVEL: 'info' },
      begin: () => {
        beginWake(folder, wake);
        rmSync(log.file, { force: true });
      },
    }).finally(log.stop);
    if (exit.code === 0) {
      if (!log.begun) events.delivered();
      const answer = stdout.slice(stdout.indexOf(LOGO) + LOGO.length).trim();
      return endedWell(stdout.includes(LOGO) ? answer : undefined);
    }
    const said = /^Error: (.*)$/m.exec(stderr)?.[1];
    if (exit.code !== null && said !== undefined) throw picoclawFailure(said);
    throw new TurnFailure(
      `PicoClaw ended ${howEnded(exit)} without saying how the turn went: ${lastWords(stderr)}`,
      { cause: 'crashed' },
    );
  };

  return {
    kind: 'picoclaw',
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

/** Signs of life, and the moment in which it has the message, by its log. */
function watchLog(
  file: string,
  { touch, events }: LineTurn,
): { file: string; readonly begun: boolean; stop: () => void } {
  let size = 0;
  let begun = false;
  const look = (): void => {
    const now = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (now === size) return;
    size = now;
    touch();
    if (begun || !readFileSync(file, 'utf8').includes(TURN_START)) return;
    begun = true;
    events.delivered();
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    file,
    get begun() {
      return begun;
    },
    stop: () => {
      clearInterval(timer);
      look();
    },
  };
}
