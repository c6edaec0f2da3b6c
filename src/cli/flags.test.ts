import { describe, expect, it } from 'vitest';
import type { Flag } from './command.ts';
import { Failure } from './failure.ts';
import { parseArgs } from './flags.ts';

const flags: Flag[] = [
  { name: 'text', value: 'T', what: '' },
  { name: 'rooms', value: 'R', many: true, what: '' },
  { name: 'json', what: '' },
  { name: 'node', value: 'FILE', takes: (next) => next.endsWith('Node'), what: '' },
];
const parse = (...words: string[]) => parseArgs(words, flags, 2, 'moltnet x --help');
const failure = (...words: string[]): string => {
  try {
    parse(...words);
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).exitCode).toBe(2);
    return (error as Failure).message;
  }
  return '';
};

describe('CLI-1', () => {
  it.each([
    [['--text', 'a'], 'a'],
    [['--text=a'], 'a'],
    [['-text', 'a'], 'a'],
    [['-text=a=b'], 'a=b'],
    [['--text', '--json'], '--json'],
    [['--text=a\nb'], 'a\nb'],
    [['--text', 'a', '--text', 'b'], 'b'],
    [['--text='], undefined],
  ])('CLI-1 %j', (words, expected) => {
    expect(parse(...words).text('text')).toBe(expected);
  });

  it.each([
    [['--json'], true],
    [['-json'], true],
    [['--json=false'], false],
    [['--json=0'], false],
    [['--json=T'], true],
    [[], undefined],
  ])('CLI-1 bool %j', (words, expected) => {
    expect(parse(...words).on('json')).toBe(expected);
  });

  it('CLI-1 a bool takes no word after it', () => {
    expect(parse('--json', 'false')).toMatchObject({ positionals: ['false'] });
  });

  it.each([
    [
      ['a', '--json', 'b'],
      ['a', 'b'],
    ],
    [['-'], ['-']],
    [
      ['room:x', '- a list item'],
      ['room:x', '- a list item'],
    ],
    [['-1'], ['-1']],
    [['--', '--json'], ['--json']],
    [
      ['a', '--', '--'],
      ['a', '--'],
    ],
  ])('CLI-1 positionals of %j', (words, expected) => {
    expect(parse(...words).positionals).toEqual(expected);
  });

  it('CLI-1 lists repeat and split at commas', () => {
    expect(parse('--rooms', 'a, b', '--rooms=c,,a').list('rooms')).toEqual(['a', 'b', 'c']);
    expect(parse().list('rooms')).toEqual([]);
  });

  it('CLI-1 a value that may be left out', () => {
    expect(parse('--node', 'alpha')).toMatchObject({ positionals: ['alpha'] });
    expect(parse('--node', 'x/MoltnetNode').text('node')).toBe('x/MoltnetNode');
    expect(parse('--node=y').text('node')).toBe('y');
    expect([parse('--node').given('node'), parse('--node').text('node'), parse().given('node')]).toEqual([
      true,
      undefined,
      false,
    ]);
  });

  it('CLI-2 what is wrong is a usage failure', () => {
    expect(failure('--txt', 'a')).toBe('unknown flag --txt; did you mean --text?');
    expect(failure('--text')).toBe('--text needs a value');
    expect(failure('--json=maybe')).toBe('--json is true or false, not "maybe"');
    expect(failure('a', 'b', 'c')).toBe('too much on the command line: "c"');
  });
});
