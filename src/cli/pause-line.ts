import type { Pause } from '../protocol/pauses.ts';
import { localTime } from './format.ts';
import { scopeName } from './scope.ts';
import { safeLine, type Paint } from './style.ts';

/** `@alpha  paused since 10:20:30 by ann until 12:00:00`. */
export function pauseLine({ scope, at, by, until }: Pause, color: Paint): string {
  const now = new Date();
  const end = until === undefined ? '' : ` until ${localTime(until, now)}`;
  return `${color.yellow(safeLine(scopeName(scope)))}  paused since ${localTime(at, now)} by ${safeLine(by)}${end}`;
}
