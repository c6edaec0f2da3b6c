import { ADMIN_FLAGS, openAdminClient } from '../admin.ts';
import { explained } from '../api.ts';
import type { Command } from '../command.ts';
import { localTime, OUTPUT_FLAGS, print } from '../format.ts';
import { ALL_FLAG, scopeName, scopeOf, secondsOf } from '../scope.ts';

export const command: Command = {
  usage: 'pause @agent | room:ID | --all',
  summary: 'no wakes for an agent, in a room or anywhere, until moltnet resume',
  positionals: 1,
  flags: [
    ALL_FLAG,
    { name: 'for', value: 'TIME', what: '90s, 30m, 2h or 3d: after that it goes on by itself' },
    ...ADMIN_FLAGS,
    ...OUTPUT_FLAGS,
  ],
  details: `Messages are still stored, and wake their agents when it goes on. Turns that run now run to their end. A pause
outlives restarts of the server. moltnet pause list shows what is paused.`,
  async run(args, io) {
    const scope = scopeOf(args, 'pause');
    const time = args.text('for');
    const seconds = time === undefined ? undefined : secondsOf('for', time);
    const client = await openAdminClient(args, io);
    const pause = await explained(() =>
      client.pause({
        scope,
        ...(seconds === undefined ? {} : { until: new Date(Date.now() + seconds * 1_000).toISOString() }),
      }),
    );
    await print(args, io, pause, (color) => {
      const back = `moltnet resume ${scope === '*' ? '--all' : scopeName(scope)}`;
      const until = pause.until === undefined ? '' : ` until ${localTime(pause.until, new Date())}`;
      return `${color.yellow('paused')} ${scopeName(pause.scope)}${until}${color.dim(`  ${back}`)}`;
    });
  },
};
