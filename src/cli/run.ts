/** From the words of a command line to an exit code. Commands are known by name here and loaded when they run. */
import { didYouMean } from '../config/issues.ts';
import type { Io } from './command.ts';
import { describeFailure, Failure, usageFailure } from './failure.ts';
import { parseArgs } from './flags.ts';
import { COMMANDS, commandsUnder, findCommand } from './registry.ts';

/** Runs one command line and returns the exit code. */
export async function run(words: readonly string[], io: Io): Promise<number> {
  try {
    const found = findCommand(words.length === 0 ? ['start'] : words);
    if (!found) throw unknownCommand(words);
    const command = await found.entry.load();
    if (wantsHelp(found.rest)) {
      const { commandHelp } = await import('./help.ts');
      await io.out(commandHelp(command));
      return 0;
    }
    const args = parseArgs(found.rest, command.flags, command.positionals, `moltnet ${found.name} --help`);
    return (await command.run(args, io)) ?? 0;
  } catch (error) {
    // Whoever read our output has gone away: there is nobody to tell.
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') return 1;
    const { text, exitCode } = describeFailure(error, io.env['MOLTNET_DEBUG'] !== undefined);
    io.err(text);
    return exitCode;
  }
}

/** `--help` anywhere before `--`, or `help` alone where a command of two words takes none. */
function wantsHelp(rest: readonly string[]): boolean {
  const end = rest.indexOf('--');
  const words = end < 0 ? rest : rest.slice(0, end);
  return (
    words.some((word) => word === '--help' || word === '-help' || word === '-h') ||
    (words.length === 1 && words[0] === 'help')
  );
}

function unknownCommand(words: readonly string[]): Failure {
  const first = words[0]!;
  const under = commandsUnder(first);
  if (under.length > 0)
    return usageFailure(
      `moltnet ${first} needs one of: ${under.map((name) => name.slice(first.length + 1)).join(', ')}`,
      `see: moltnet help`,
    );
  const near = didYouMean(first, [...new Set(Object.keys(COMMANDS).map((name) => name.split(' ')[0]!))]);
  return usageFailure(
    `unknown command ${JSON.stringify(first)}${near ? `; did you mean ${near}?` : ''}`,
    'see: moltnet help',
  );
}
