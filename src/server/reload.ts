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
    requireWhole(config, next);
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

/** A file that is gone, was emptied or is only half written reads as one that asks nobody for a credential. */
function requireWhole(running: ServerConfig, next: ServerConfig): void {
  if (running.path !== undefined && next.path === undefined)
    throw new MoltnetError('invalid_config', `${running.path}: is not there any more`);
  if (running.auth.mode !== 'none' && next.auth.mode === 'none')
    throw new MoltnetError(
      'invalid_config',
      `${next.path ?? 'the configuration'}: auth.mode none lets everybody do everything, which a reload does not do: write ${running.auth.mode}, or restart the server`,
    );
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
