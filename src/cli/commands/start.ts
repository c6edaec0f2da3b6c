import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { unavailable } from '../../config/available.ts';
import { loadServerConfig } from '../../config/server.ts';
import type { ServerConfig } from '../../config/types.ts';
import { createLog } from '../../server/log.ts';
import { startServer } from '../../server/server.ts';
import { allRooms, openClient } from '../api.ts';
import { bindWarning } from '../bind-warning.ts';
import { commandName } from '../command-name.ts';
import type { Command, Io } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { shellWord } from '../shell-word.ts';
import { paint, safeLine } from '../style.ts';
import { untilStopped } from '../until-stopped.ts';
import { VERSION } from '../version.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

export const command: Command = {
  usage: 'start',
  summary: 'run the server',
  positionals: 1,
  flags: [
    {
      name: 'config',
      value: 'FILE',
      what: 'server file',
      fallback: '$MOLTNET_CONFIG, Moltnet, moltnet.yaml, .yml, .json, else defaults',
    },
    { name: 'listen', value: 'ADDR', what: 'address to listen on, over the file and the environment' },
    {
      name: 'log-level',
      value: 'LEVEL',
      what: LOG_LEVELS.join(', '),
      fallback: 'warn on a terminal, else info; on stderr',
    },
    { name: 'json', what: 'say where it listens as one line of JSON' },
  ],
  async run(args, io) {
    const file = args.text('config') ?? args.positionals[0];
    const listen = args.text('listen');
    const env = listen === undefined ? io.env : { ...io.env, MOLTNET_LISTEN_ADDR: listen };
    const config = loadServerConfig({ cwd: io.cwd, env, ...(file === undefined ? {} : { path: file }) });
    const missing = unavailable(config);
    const fatal = missing.find((item) => item.fatal);
    if (fatal) throw new Failure(fatal.text);
    for (const { text } of missing) io.err(`moltnet: ${text}\n`);
    const warning = bindWarning(config);
    if (warning !== undefined) io.err(`moltnet: warning: it ${warning}\n`);

    const level = args.text('log-level') ?? (process.stderr.isTTY ? 'warn' : 'info');
    if (!LOG_LEVELS.includes(level))
      throw usageFailure(
        `--log-level ${JSON.stringify(level)} is not a level`,
        `write ${LOG_LEVELS.join(', ')}`,
      );
    // Signals count from here on: one that comes while the storage opens must not be lost.
    const stopping = untilStopped();
    // Without it V8's young generation triples while attachments come in and stays so: 24 KB each instead of 15.
    setFlagsFromString('--semi-space-growth-factor=1');
    const server = await startServer(config, { log: createLog(level), version: VERSION }).catch(
      (error: unknown) => {
        throw new Failure(error instanceof Error ? error.message : String(error), { cause: error });
      },
    );
    try {
      const rooms = (await allRooms(openClient({ base_url: server.url }))).map(({ id }) => id);
      const about = {
        url: server.url,
        console: `${server.url}/console/`,
        network_id: config.network.id,
        port: server.port,
        rooms,
      };
      await io.out(args.on('json') === true ? `${JSON.stringify(about)}\n` : greeting(about, config, io));
    } catch (error) {
      // Serving does not depend on anybody reading what we print.
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') {
        await server.stop();
        throw error;
      }
    }
    await stopping.requested;
    if (process.stderr.isTTY) io.err('\nstopping\n');
    return stopping.finish(() => server.stop());
  },
};

/** Where it is, what is in it, and the next step, word for word. */
function greeting(
  about: { url: string; console: string; rooms: string[] },
  config: ServerConfig,
  io: Io,
): string {
  const color = paint(io.color);
  const moltnet = commandName(io.env);
  const isDefault = about.url === 'http://127.0.0.1:8787';
  const at = isDefault ? '' : ` ${shellWord(about.url)}`;
  const room = about.rooms.includes('general') ? 'general' : about.rooms[0];
  const storage =
    config.storage.kind === 'memory'
      ? 'memory: gone when it stops'
      : path.relative(io.cwd, config.storage.sqlite.path) || config.storage.sqlite.path;
  const lines = [
    '',
    `${color.bold('Moltnet')} ${color.dim(VERSION)}  ${safeLine(config.network.name)}${color.dim(` (network ${config.network.id})`)}`,
    '',
    `  Address  ${color.bold(about.url)}`,
    `  Console  ${color.bold(about.console)}`,
    `  Rooms    ${about.rooms.length === 0 ? color.dim('none; make one: moltnet room create general') : about.rooms.slice(0, 12).join(', ')}${about.rooms.length > 12 ? ` and ${about.rooms.length - 12} more` : ''}`,
    `  History  ${storage}`,
    '',
    'Attach an agent (codex or claude-code): in a second terminal, in its project folder',
    '',
    `  ${color.green(`${moltnet} connect my-agent${at} --runtime codex --node`)}`,
    `  ${color.green(`${moltnet} node start`)}`,
    '',
    ...(room === undefined
      ? []
      : [
          "Then write to it: in the console, or in a third terminal, from this folder (not the agent's)",
          '',
          `  ${color.green(`${moltnet} send room:${room} "@my-agent hello"${isDefault ? '' : ` --base-url ${shellWord(about.url)}`}`)}`,
          '',
        ]),
    color.dim('Ctrl-C stops the server.'),
    '',
    '',
  ];
  return lines.join('\n');
}
