/** One server process: storage, network, log and the ways in, opened in that order and closed in the reverse one. */
import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseListenAddress } from '../config/listen.ts';
import type { ServerConfig } from '../config/types.ts';
import { MoltnetError } from '../protocol/errors.ts';
import type { ReloadResult } from '../protocol/identity.ts';
import { limits } from '../protocol/limits.ts';
import { readImportState } from '../transfer/import-state.ts';
import { StorageError } from '../store/errors.ts';
import { openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import { assemble, type ServerOptions } from './assemble.ts';
import { buildApp } from './http/app.ts';
import { serveUpgrades } from './http/attach.ts';
import { widenFileTable } from './file-table.ts';
import { authority, createHttpServer, listen } from './listen.ts';
import { createLog, type Logger } from './log.ts';
import { endPauses } from './pauses.ts';
import { startPruning } from './pruning.ts';
import { startRetention } from './retention.ts';

export type { ServerOptions } from './assemble.ts';

export interface RunningServer {
  /** Base URL on this machine, without a trailing slash. */
  url: string;
  /** Reads the configuration again; rejects with MoltnetError `invalid_config`, and then nothing has changed. */
  reload(): Promise<ReloadResult>;
  /** Where it listens, as configured; empty for every interface. */
  host: string;
  port: number;
  /** As it is now: a reload changes what is in it. */
  config: ServerConfig;
  /**
   * Ends within limits.stop: refuses new work, answers what was accepted, closes attachments with 1012, ends event
   * streams, closes the store. Idempotent.
   */
  stop(): Promise<void>;
}

/** How much of limits.stop the attachments may take, then what is waiting for the writer, then answers on their way. */
const STOP = {
  attachments: 0.3 * limits.stop.value,
  writer: 0.3 * limits.stop.value,
  answers: 0.2 * limits.stop.value,
};

/** Beginnings of a start, when the database goes away in the middle: then it is waited for. What breaks every one of them is something else. */
const BEGINNINGS = 10;
const BEGIN_AGAIN = 500;

/**
 * Resolves when it takes requests. Rejects with an Error whose message says what is wrong and what to do: the storage
 * cannot be opened, a declared room is refused, the port is taken.
 */
export async function startServer(given: ServerConfig, options: ServerOptions = {}): Promise<RunningServer> {
  const log = options.log ?? createLog();
  const address = parseListenAddress(given.server.listen_addr);
  if (!address)
    throw new Error(
      `server.listen_addr: ${JSON.stringify(given.server.listen_addr)} is no address; write host:port, for example 127.0.0.1:8787`,
    );
  for (let begun = 1; ; begun++) {
    const store = await open(given, log, options.signal);
    try {
      // Ours to change: a reload does.
      return await startOn(store, address, { ...given }, options, log);
    } catch (error) {
      const again = store.kind === 'postgres' && isAway(error) && begun < BEGINNINGS;
      if (!again || options.signal?.aborted) throw error;
      log.warn(
        { component: 'app', err: error },
        'the database went away during the start, which begins again',
      );
      await delay(BEGIN_AGAIN);
    }
  }
}

const isAway = (error: unknown): boolean =>
  error instanceof StorageError ||
  (error instanceof MoltnetError && ['storage_unavailable', 'service_unavailable'].includes(error.code));

/** Closes the store when it rejects. */
async function startOn(
  store: Store,
  address: { host: string; port: number },
  config: ServerConfig,
  options: ServerOptions,
  log: Logger,
): Promise<RunningServer> {
  const closing: (() => unknown)[] = [() => store.close()];
  /** Ends what is open so far, newest first. */
  const close = async (): Promise<void> => {
    for (const end of closing.splice(0).toReversed()) await end();
  };
  try {
    const importing = await readImportState(store);
    if (importing && !importing.done)
      throw new Error(
        `an import into this storage is not finished (${importing.items} lines so far): run moltnet import with the same file again, or take an empty storage`,
      );
    const context = await assemble(config, options, log, store);
    closing.push(() => context.network.close());
    closing.push(() => context.usage.close());
    closing.push(() => context.pairings.close());
    closing.push(startPruning(context));
    closing.push(startRetention(context));
    closing.push(() => context.gateway.close());
    closing.push(() => context.streams.close());
    closing.push(endPauses(context));

    const server = createHttpServer(log);
    const app = await buildApp(context, server);
    closing.push(() => app.close());
    serveUpgrades(server, context);
    // What others did while this one started.
    await store.catchUp();
    widenFileTable();
    const port = await listen(server, address.host, address.port);
    const url = `http://${authority(address.host)}:${port}`;
    context.listening({ host: address.host, port }, url);
    await context.pairings.start();
    log.info({ component: 'app', url, network: config.network.id, storage: store.kind }, 'listening');

    let stopped: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      context.stop();
      const connections = new Promise<void>((resolve) => server.close(() => resolve()));
      context.streams.close();
      // Attachments first: their last acknowledgements go through the writer.
      await within(STOP.attachments, context.gateway.close());
      await within(STOP.attachments, context.usage.close());
      await within(STOP.attachments, context.pairings.close());
      await within(STOP.writer, context.network.close());
      await emptied(server, connections);
      await close();
      log.info({ component: 'app' }, 'stopped');
    };
    return {
      url,
      host: address.host,
      port,
      config,
      reload: () => context.reload(),
      stop: () => (stopped ??= stop()),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function open(config: ServerConfig, log: Logger, signal?: AbortSignal): Promise<Store> {
  const { kind, sqlite, postgres } = config.storage;
  return openStore({
    kind,
    path: sqlite.path,
    ...(postgres && { dsn: postgres.dsn }),
    ...(signal && { signal }),
    networkId: config.network.id,
    log: log.child({ component: 'store.sql' }),
  });
}

/**
 * Resolves when the last connection is gone. Everything accepted is answered by now: what does not end soon is a
 * request that never came whole, or a peer that does not take its answer, and is cut.
 */
async function emptied(server: Server, connections: Promise<void>): Promise<void> {
  // A connection that was busy when close() was called becomes idle when its answer is out.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  try {
    server.closeIdleConnections();
    await within(STOP.answers, connections);
    server.closeAllConnections();
    await connections;
  } finally {
    clearInterval(sweep);
  }
}

/** Waits for the work, but not longer than so many milliseconds. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const waiting = new AbortController();
  await Promise.race([work, delay(milliseconds, undefined, { signal: waiting.signal }).catch(() => {})]);
  waiting.abort();
}
