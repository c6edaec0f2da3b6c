/** The server's log: JSON lines on stderr, so that stdout stays free for what a command prints. No secrets go in. */
import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

/** @param level one of pino's levels, `silent` for none */
export function createLog(level: string = 'info'): Logger {
  // Written at once: a process that dies must not take its last lines with it.
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
}
