/** The server's log: JSON lines on stderr, so that stdout stays free for what a command prints. No secrets go in. */
import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** Bytes of lines that are kept while the log cannot be written; later ones are dropped. */
const MOST_UNWRITTEN = 1_048_576;

/** @param level one of pino's levels, `silent` for none */
export function createLog(level: string = 'info'): Logger {
  // Written at once: a process that dies must not take its last lines with it.
  const destination = pino.destination({ fd: 2, sync: true, maxLength: MOST_UNWRITTEN });
  // A disk that is full, or a reader that is gone, costs lines of the log and nothing else.
  destination.on('error', () => {});
  return pino({ level, base: null }, destination);
}
