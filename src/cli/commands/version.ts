import type { Command } from '../command.ts';
import { VERSION } from '../version.ts';

export const command: Command = {
  usage: 'version',
  summary: 'print the version',
  flags: [],
  positionals: 0,
  run: (_args, io) => io.out(`${VERSION}\n`),
};
