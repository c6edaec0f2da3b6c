import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Readable } from 'node:stream';
import { linesOf, splitLines } from './line-splitter.ts';

function read(chunks: Buffer[], max = 1000): { lines: string[]; tooLong: number } {
  const lines: string[] = [];
  let tooLong = 0;
  const splitter = splitLines(
    max,
    (line) => lines.push(line),
    () => tooLong++,
  );
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return { lines, tooLong };
}

it('RT-19 lines end at LF alone, however the bytes come in', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.integer({ min: 1, max: 7 }), (texts, size) => {
      const wanted = texts.map((text) => text.replaceAll('\n', '') + '\u2028\r');
      const bytes = Buffer.from(wanted.map((text) => `${text}\n`).join(''));
      const chunks: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      expect(read(chunks)).toEqual({ lines: wanted, tooLong: 0 });
    }),
  );
});

it('RT-19 a line over the limit is skipped, told once, and the next one is read', () => {
  const chunks = ['short\n', 'x'.repeat(60), 'x'.repeat(60), '\nnext\n\n', 'y'.repeat(100), '\n', 'last'].map(
    (text) => Buffer.from(text),
  );
  expect(read(chunks, 100)).toEqual({ lines: ['short', 'next', 'y'.repeat(100), 'last'], tooLong: 1 });
});

it('RT-2 a stream has its lines at LF alone, whatever other line ends a text holds', async () => {
  const text = '{"a":"x\u2028y\u2029z"}\n\n{"b":"\u00e9"}';
  const bytes = Buffer.from(text);
  // In pieces that cut characters in two.
  const pieces = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  const lines: string[] = [];
  for await (const line of linesOf(Readable.from(pieces), 100)) lines.push(line);
  expect(lines).toEqual(['{"a":"x\u2028y\u2029z"}', '{"b":"\u00e9"}']);
});
