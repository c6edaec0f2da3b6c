/** The configuration read again while the server runs (SESS-12 and following): all of it or nothing, one at a time. */
import { changedParts, reloaded } from '../config/changes.ts';
import { ConfigError } from '../config/issues.ts';
import type { ServerConfig } from '../config/types.ts';
import { tokenAgents, type DeclarationNote, type Network } from '../network/network.ts';
import { MoltnetError } from '../protocol/errors.ts';
import type { ReloadResult } from '../protocol/identity.ts';
import type { Logger } from './log.ts';
import { settingsOf } from './settings.ts';

export interface ReloadOptions {
  /** What runs: its content is replaced. */
  config: ServerConfig;
  /** Reads and checks the configuration; throws ConfigError. */
  read: (() => ServerConfig) | undefined;
  network: Pick<Network, 'reload'>;
  log: Logger;
  /** The configuration has been replaced: what was made of it is made again. Must not throw. */
  takeOver(): void;
}

/** Throws `invalid_config` with every mistake, and then nothing has changed. */
export function createReload({
  config,
  read,
  network,
  log,
  takeOver,
}: ReloadOptions): () => Promise<ReloadResult> {
  async function reload(): Promise<ReloadResult> {
    if (!read)
      throw new MoltnetError(
        'invalid_config',
        'this server was not started from a configuration that can be read again: restart it',
      );
    const next = readAgain(read);
    const parts = changedParts(config, next);
    const now = reloaded(config, next);
    const notes = await declare(now);
    for (const key of Object.keys(config)) if (!(key in now)) Reflect.deleteProperty(config, key);
    Object.assign(config, now);
    takeOver();
    log.info({ component: 'app', ...parts }, 'configuration reloaded');
    logNotes(log, notes);
    return { reloaded: true, ...parts };
  }

  async function declare(now: ServerConfig): Promise<DeclarationNote[]> {
    try {
      return await network.reload(settingsOf(now), now.rooms, tokenAgents(now));
    } catch (error) {
      // A declaration that the rules refuse is a mistake of the file as well.
      if (error instanceof MoltnetError && error.status < 500)
        throw new MoltnetError('invalid_config', error.message, { cause: error });
      throw error;
    }
  }

  /** One after the other: each finds what the one before it left. */
  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const turn = last.then(reload);
    last = turn.catch((error: unknown) =>
      log.warn(
        { component: 'app', reason: error instanceof MoltnetError ? error.code : 'internal_error' },
        'configuration not reloaded: nothing was changed',
      ),
    );
    return turn;
  };
}

/** Where the file and what was changed over the API differ: whose word counted. */
export function logNotes(log: Logger, notes: readonly DeclarationNote[]): void {
  for (const { text, ...about } of notes) log.info({ component: 'app', ...about }, text);
}

function readAgain(read: () => ServerConfig): ServerConfig {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError)
      throw new MoltnetError('invalid_config', error.message, { cause: error });
    throw error;
  }
}
