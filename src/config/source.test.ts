import { assert, constantFrom, json as anyJson, property } from 'fast-check';
import { expect, it } from 'vitest';
import { didYouMean, formatPath, type Path } from './issues.ts';
import { isLoopbackHost, loopbackUrl, parseListenAddress } from './listen.ts';
import { jsonSource, placeOf, type Source } from './source.ts';
import { yamlSource } from './yaml-source.ts';

/** Every path into a value. */
function paths(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  const inner: [string | number, unknown][] = Array.isArray(value)
    ? value.map((item, i) => [i, item])
    : Object.entries(value);
  return [at, ...inner.flatMap(([key, item]) => paths(item, [...at, key]))];
}
const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown>)[step], value);
const offsetOf = (text: string, { line, column }: { line: number; column: number }): number =>
  text
    .split('\n')
    .slice(0, line - 1)
    .reduce((sum, l) => sum + l.length + 1, 0) +
  column -
  1;

it('CFG-3 every path of any JSON is located where its value begins', () => {
  assert(
    property(anyJson({ maxDepth: 4 }), constantFrom(0, 1, 2), (json, indent) => {
      const value: unknown = JSON.parse(json);
      const text = JSON.stringify(value, null, indent);
      const source = jsonSource('f', text);
      for (const path of paths(value)) {
        const place = source.locate(path, 'value');
        expect(place, formatPath(path)).toBeDefined();
        expect(text.startsWith(JSON.stringify(at(value, path)).slice(0, 1), offsetOf(text, place!))).toBe(
          true,
        );
      }
    }),
  );
});

it('CFG-3 a path that is not there has the place of what should hold it (YAML), or none (JSON)', () => {
  expect(yamlSource('f', 'a:\n  b: [1, 2]\n').locate(['a', 'c'], 'value')).toEqual({ line: 2, column: 3 });
  expect(jsonSource('f', '{"a": {"b": 1}}').locate(['a', 'c'], 'value')).toBeUndefined();
});

it.each<[string, Source]>([
  ['YAML', yamlSource('f', 'x: &x {deep: {er: 1}}\na:\n- b: 2\n  "q k": 3\ny: *x\n')],
  ['JSON', jsonSource('f', '{"x": {"deep": {"er": 1}},\n"a":\n[{"b": 2,\n  "q k": 3}]}')],
])('CFG-3 keys and values in %s', (_name, source) => {
  expect(source.locate(['x', 'deep', 'er'], 'value')).toMatchObject({ line: 1 });
  expect(source.locate(['a', 0, 'b'], 'key')).toMatchObject({ line: 3 });
  expect(source.locate(['a', 0, 'q k'], 'key')).toEqual({ line: 4, column: 3 });
});

it('CFG-3 looks through aliases', () => {
  expect(yamlSource('f', 'x: &x {deep: 1}\ny: *x\n').locate(['y', 'deep'], 'value')).toEqual({
    line: 1,
    column: 14,
  });
});

it('CFG-3 places count from 1', () => {
  expect(placeOf('ab\ncd', 0)).toEqual({ line: 1, column: 1 });
  expect(placeOf('ab\ncd', 4)).toEqual({ line: 2, column: 2 });
});

it('CFG-4 the nearest known word, if it is near', () => {
  expect(didYouMean('listen-addr', ['listen_addr', 'other'])).toBe('listen_addr');
  expect(didYouMean('romos', ['rooms', 'agents'])).toBe('rooms');
  expect(didYouMean('zzzzzz', ['rooms', 'agents'])).toBeUndefined();
  expect(didYouMean('x', ['id'])).toBeUndefined();
});

it('CFG-4 two letters that are swapped are one slip', () => {
  expect(didYouMean('stauts', ['start', 'status', 'stop'])).toBe('status');
  expect(didYouMean('tsatus', ['start', 'status'])).toBe('status');
  expect(didYouMean('di', ['add', 'id'])).toBe('id');
});

it('CFG-3 several YAML documents in one file: said in words of YAML', () => {
  expect(() => yamlSource('f', 'a: 1\n---\nb: 2\n')).toThrow(
    'holds several YAML documents (a line --- begins another); keep one',
  );
});

it.each<[string, object | undefined]>([
  ['127.0.0.1:8787', { host: '127.0.0.1', port: 8787 }],
  [':8787', { host: '', port: 8787 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ['localhost:65536', undefined],
  ['8787', undefined],
  ['a b:1', undefined],
  ['::1:80', undefined],
  ['http://x:1', undefined],
  ['', undefined],
])('CFG-5 listen address %j', (text, expected) => {
  expect(parseListenAddress(text)).toEqual(expected);
});

it('CFG-5 loopback, and how this machine reaches its own server', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopbackHost)).toBe(true);
  expect(
    ['0.0.0.0', '', '10.0.0.1', '128.0.0.1', 'localhost.example.org', '127.0.0.1.nip.io'].some(
      isLoopbackHost,
    ),
  ).toBe(false);
  expect(loopbackUrl({ host: '', port: 1 })).toBe('http://127.0.0.1:1');
  expect(loopbackUrl({ host: '::', port: 1 })).toBe('http://127.0.0.1:1');
  expect(loopbackUrl({ host: '::1', port: 1 })).toBe('http://[::1]:1');
  expect(loopbackUrl({ host: '10.0.0.1', port: 1 })).toBeUndefined();
});
