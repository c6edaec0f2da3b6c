/**
 * Flags in the style of Go's `flag` package, which the original uses and scripts rely on: `--x v`, `--x=v`, `-x v`,
 * `--bool`, `--bool=false`. Beyond it, flags may stand after positionals; `--` ends them. (node:util's parseArgs
 * knows neither `-long v` nor `--bool=false`.)
 */
import type { Args, Flag } from './command.ts';
import { usageFailure } from './failure.ts';
import { didYouMean } from '../config/issues.ts';

/** A word that is meant as a flag. `-` (stdin), `- a list item` and `-1` are not. */
const FLAG = /^--?([A-Za-z][\w-]*)(?:=([\s\S]*))?$/;
const YES = ['true', 't', '1', 'TRUE', 'True', 'T'];
const NO = ['false', 'f', '0', 'FALSE', 'False', 'F'];

/** Throws a usage Failure for what it does not understand. `help` asks how to get help on the command. */
export function parseArgs(
  words: readonly string[],
  flags: readonly Flag[],
  positionals: number,
  help: string,
): Args {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      rest.push(...words.slice(i + 1));
      break;
    }
    const match = FLAG.exec(word);
    if (!match) {
      rest.push(word);
      continue;
    }
    const name = match[1]!;
    const flag = flags.find((candidate) => candidate.name === name);
    if (!flag) {
      const near = didYouMean(
        name,
        flags.map((candidate) => candidate.name),
      );
      throw usageFailure(
        `unknown flag --${name}${near ? `; did you mean --${near}?` : ''}`,
        `see: ${help}; a text that begins with - goes after --`,
      );
    }
    let value = match[2];
    if (flag.value === undefined) {
      value ??= 'true';
      if (!YES.includes(value) && !NO.includes(value))
        throw usageFailure(`--${name} is true or false, not ${JSON.stringify(value)}`);
      value = YES.includes(value) ? 'true' : 'false';
    } else if (value === undefined) {
      const next = words[i + 1];
      if (flag.takes) value = next !== undefined && flag.takes(next) ? words[++i]! : '';
      else if (next === undefined) throw usageFailure(`--${name} needs a value`, `see: ${help}`);
      else value = words[++i]!;
    }
    values.set(name, [...(flag.many ? (values.get(name) ?? []) : []), value]);
  }
  if (rest.length > positionals)
    throw usageFailure(
      `too much on the command line: ${JSON.stringify(rest[positionals])}`,
      positionals === 2 ? 'put the text in quotes' : `see: ${help}`,
    );
  const text = (name: string): string | undefined => values.get(name)?.at(-1) || undefined;
  return {
    positionals: rest,
    text,
    on: (name) => {
      const value = text(name);
      return value === undefined ? undefined : value === 'true';
    },
    list: (name) =>
      [
        ...new Set((values.get(name) ?? []).flatMap((value) => value.split(',')).map((item) => item.trim())),
      ].filter((item) => item !== ''),
    given: (name) => values.has(name),
  };
}
