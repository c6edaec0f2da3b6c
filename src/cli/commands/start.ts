import { setFlagsFromString } from 'node:v8';
import { loadServerConfig } from '../../config/server.ts';
import type { ServerConfig } from '../../config/types.ts';
import { createLog, type Logger } from '../../server/log.ts';
import { startServer, type RunningServer } from '../../server/server.ts';
import { allRooms, openClient } from '../api.ts';
import { bindWarning } from '../bind-warning.ts';
import type { Command } from '../command.ts';
import { Failure, usageFailure } from '../failure.ts';
import { greeting } from '../greeting.ts';
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
  details: `SIGHUP, or moltnet reload, has it take over its changed file; SIGINT, SIGTERM, or the end of its terminal stops it.`,
  async run(args, io) {
    const file = args.text('config') ?? args.positionals[0];
    const listen = args.text('listen');
    const env = listen === undefined ? io.env : { ...io.env, MOLTNET_LISTEN_ADDR: listen };
    const read = (): ServerConfig =>
      loadServerConfig({ cwd: io.cwd, env, ...(file === undefined ? {} : { path: file }) });
    const config = read();
    const warning = bindWarning(config);
    if (warning !== undefined) io.err(`moltnet: warning: it ${warning}\n`);

    const level = args.text('log-level') ?? (process.stderr.isTTY ? 'warn' : 'info');
    if (!LOG_LEVELS.includes(level))
      throw usageFailure(
        `--log-level ${JSON.stringify(level)} is not a level`,
        `write ${LOG_LEVELS.join(', ')}`,
      );
    const log = createLog(level);
    // Signals count from here on: one that comes while the storage opens must not be lost.
    let running: RunningServer | undefined;
    const stopping = untilStopped(() => void (running && reloadNow(running, log)));
    // Without it V8's young generation triples while attachments come in and stays so.
    setFlagsFromString('--semi-space-growth-factor=1');
    const patience = new AbortController();
    void stopping.requested.then(() => patience.abort());
    const { signal } = patience;
    const options = { log, version: VERSION, reload: read, signal };
    const server = await startServer(config, options).catch((error: unknown) => {
      throw new Failure(error instanceof Error ? error.message : String(error), { cause: error });
    });
    running = server;
    try {
      const about = {
        url: server.url,
        console: `${server.url}/console/`,
        network_id: config.network.id,
        auth_mode: config.auth.mode,
        port: server.port,
        rooms: await roomsOf(server),
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

/** As the greeting may name them: read over HTTP, with a token of the configuration that may. */
async function roomsOf({ url, config: { auth } }: RunningServer): Promise<string[] | undefined> {
  const reader = auth.tokens.find(({ scopes }) => scopes.includes('admin') || scopes.includes('observe'));
  if (auth.mode !== 'none' && !reader && !auth.public_read) return undefined;
  const token = auth.mode === 'none' ? undefined : reader?.value;
  const client = openClient({ base_url: url, ...(token === undefined ? {} : { token }) });
  const rooms = await allRooms(client);
  // The first is the example of the next step: one that the agent will be in.
  const isPrivate = (visibility?: string): number => Number(visibility === 'private');
  return rooms.toSorted((a, b) => isPrivate(a.visibility) - isPrivate(b.visibility)).map(({ id }) => id);
}

/** What SIGHUP does. The server itself logs what changed. */
async function reloadNow(server: RunningServer, log: Logger): Promise<void> {
  try {
    await server.reload();
  } catch (error) {
    log.error({ component: 'app', problem: (error as Error).message }, 'not reloaded');
  }
}
