/** What is paused: `@agent`, `room:ID`, or everything by `--all`; and for how long. */
import { isLocalAgentId } from '../protocol/ids.ts';
import type { Args, Flag } from './command.ts';
import { usageFailure } from './failure.ts';
import { parseTarget } from './target.ts';

export const ALL_FLAG: Flag = { name: 'all', what: 'everything on this network' };

/** The scope as the API has it. Throws a usage Failure. */
export function scopeOf(args: Args, command: string): string {
  const [given] = args.positionals;
  const all = args.on('all') === true;
  if (all === (given !== undefined))
    throw usageFailure(
      all ? '--all is everything: leave the rest out' : `it is not said what to ${command}`,
      `write: moltnet ${command} @agent, room:ID, or --all`,
    );
  if (given === undefined) return '*';
  if (given.startsWith('@')) return `agent:${agentNamed(given)}`;
  const target = parseTarget(given);
  if (target.kind !== 'room')
    throw usageFailure(
      `${JSON.stringify(given)} cannot be paused by itself`,
      'write @agent, room:ID, or --all',
    );
  return `room:${target.id}`;
}

/** The id of `@agent` or `agent`. Throws a usage Failure. */
export function agentNamed(text: string | undefined): string {
  const id = text?.trim().replace(/^@/, '') ?? '';
  if (!isLocalAgentId(id))
    throw usageFailure(
      id === '' ? 'the agent is missing' : `${JSON.stringify(text)} is not an agent of this network`,
      'write its id: @alpha',
    );
  return id;
}

/** A scope as people write it. */
export const scopeName = (scope: string): string =>
  scope === '*' ? 'everything' : scope.replace(/^agent:/, '@');

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Seconds of `90s`, `30m`, `2h`, `3d`. Throws a usage Failure. */
export function secondsOf(flag: string, text: string): number {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text.trim());
  if (!match)
    throw usageFailure(`--${flag} ${JSON.stringify(text)} is not a time`, 'write 90s, 30m, 2h or 3d');
  return Number(match[1]) * UNITS[match[2]!]!;
}
