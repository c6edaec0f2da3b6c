import type { Command } from '../command.ts';
import { usageFailure } from '../failure.ts';
import { commandHelp, overview } from '../help.ts';
import { commandsUnder, findCommand } from '../registry.ts';
import { VERSION } from '../version.ts';

export const command: Command = {
  usage: 'help [command]',
  summary: 'this overview, or help on a command',
  flags: [],
  positionals: 4,
  async run({ positionals }, io) {
    if (positionals.length === 0) return io.out(overview(VERSION));
    const found = findCommand(positionals);
    if (found && found.rest.length === 0) return io.out(commandHelp(await found.entry.load()));
    const under = commandsUnder(positionals.join(' '));
    if (under.length === 0)
      throw usageFailure(`unknown command ${JSON.stringify(positionals.join(' '))}`, 'see: moltnet help');
    await io.out(under.map((name) => `moltnet ${name}\n`).join(''));
  },
};
