/**
 * Retention: what is older or more than the configuration keeps is removed, a little at a time, so that no writer waits
 * long; written to the archive first where there is one. RET rules.
 */
import { appendFileSync, closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Retention, ServerConfig } from '../config/types.ts';
import { server } from '../network/identity.ts';
import type { WakeRow } from '../store/delivery-rows.ts';
import type { StoredMessage } from '../store/log-rows.ts';
import type { ServerContext } from './context.ts';

/** Milliseconds between two looks, and until the first. */
const EVERY = 60_000;
/** Messages that one commit removes, and the milliseconds in which others have the writer to themselves. */
const AT_ONCE = 100;
const PAUSE = 25;
/** Oldest messages of a place that are looked at together: some of them may have to stay. */
const LOOKED_AT = 500;
/** Open wakes that are looked at: what an agent is at work on stays until it is done. */
const WAKES = 500;

type Of = { room_id: string } | { dms: true };
type About = Pick<ServerContext, 'config' | 'store' | 'network' | 'log' | 'tail' | 'pairings'>;

/** Looks every minute. Returns the way to stop it, which resolves when nothing is under way. */
export function startRetention(about: About): () => Promise<void> {
  const stopping = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    running = running
      .then(() => applyRetention(about, stopping.signal))
      .catch((error: unknown) => {
        about.log.warn(
          { component: 'retention', problem: String(error) },
          'what is not to be kept stays until the next look',
        );
      });
  }, EVERY);
  timer.unref();
  return async () => {
    clearInterval(timer);
    stopping.abort();
    await running;
  };
}

/** Removes all that is not to be kept now, unless another server of the database does it. Resolves with how many messages went. */
export async function applyRetention(about: About, signal: AbortSignal): Promise<number> {
  const { config, network, log, store } = about;
  if (store.peers && !(await store.peers.lease('retention'))) return 0;
  let removed = 0;
  const places: { of: Of; name: string; keep: Retention | undefined }[] = [
    ...network.topology
      .roomIds()
      .map((id) => ({ of: { room_id: id }, name: `room-${id}`, keep: kept(config, id) })),
    { of: { dms: true }, name: 'dms', keep: config.retention },
  ];
  for (const { of, name, keep } of places) {
    if (!keep || (keep.max_age === undefined && keep.max_messages === undefined)) continue;
    const gone = await prune(about, of, keep, name, signal);
    if (gone > 0) log.info({ component: 'retention', place: name, messages: gone }, 'messages removed');
    removed += gone;
  }
  return removed;
}

/** What is kept of a room: its own word, else the network's. */
function kept({ rooms, retention }: ServerConfig, id: string): Retention | undefined {
  const own = rooms?.find((room) => room.id === id)?.retention;
  return own === 'keep' ? undefined : (own ?? retention);
}

async function prune(
  about: About,
  of: Of,
  keep: Retention,
  name: string,
  signal: AbortSignal,
): Promise<number> {
  const { store, network, tail, config } = about;
  let removed = 0;
  while (!signal.aborted) {
    const before =
      keep.max_age === undefined ? undefined : new Date(tail.now() - keep.max_age * 1_000).toISOString();
    const found = await store.prunable(
      of,
      {
        ...(before !== undefined && { before }),
        ...(keep.max_messages !== undefined && { newest: keep.max_messages }),
      },
      LOOKED_AT,
    );
    const soFar = removed;
    for (let at = 0; at < found.length && !signal.aborted; at += AT_ONCE) {
      const wakes = await store.allOpenWakes(WAKES);
      const mayWait = await about.pairings.waitingNow();
      const { head } = store;
      const going = found
        .slice(at, at + AT_ONCE)
        .filter(
          (message) =>
            message.seq < head &&
            !wakes.some((wake) => isOf(wake, message)) &&
            !mayWait(message.conversation, message.seq),
        );
      if (going.length === 0) continue;
      if (config.retention?.archive !== undefined) archive(config.retention.archive, name, going);
      await network.execute('history.prune', { seqs: going.map(({ seq }) => seq) }, server);
      // Nobody is handed what is removed.
      tail.shared.clear();
      removed += going.length;
      await delay(PAUSE, undefined, { signal }).catch(() => {});
    }
    if (removed === soFar) return removed;
  }
  return removed;
}

/** What a node that comes back is given again. */
const isOf = ({ conversation, after_seq, last_seq }: WakeRow, message: StoredMessage): boolean =>
  message.conversation === conversation && message.seq > after_seq && message.seq <= last_seq;

/** One message a line, as the API serves it; on disk before it is removed. One that is removed twice over a crash is there twice. */
function archive(folder: string, name: string, messages: readonly StoredMessage[]): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = openSync(path.join(folder, `${encodeURIComponent(name)}.jsonl`), 'a', 0o600);
  const { size } = fstatSync(file);
  try {
    appendFileSync(file, messages.map(({ payload }) => `${payload}\n`).join(''));
    fsyncSync(file);
  } catch (error) {
    // Half a line must not be what the next one is appended to.
    ftruncateSync(file, size);
    throw error;
  } finally {
    closeSync(file);
  }
}
