import { expect, it } from 'vitest';
import { splitBlocks } from './sse.ts';

function fed(chunks: readonly string[], max?: number): string[] {
  const blocks: string[] = [];
  const push = splitBlocks((block) => blocks.push(block), max);
  for (const chunk of chunks) push(chunk);
  return blocks;
}

it('RT-95 events are told apart however their bytes arrive', () => {
  const text = 'data: 1\r\n\r\nevent: x\ndata: 2\n\ndata: 3\n\r\n: half';
  const wanted = ['data: 1', 'event: x\ndata: 2', 'data: 3'];
  expect(fed([text])).toEqual(wanted);
  expect(fed([...text])).toEqual(wanted);
  for (let at = 1; at < text.length; at++) expect(fed([text.slice(0, at), text.slice(at)])).toEqual(wanted);
});

it('RT-95 an endless event is passed over, costs no more than its bytes, and what follows it is read', () => {
  expect(fed(['a\n\n', 'x'.repeat(8), 'y'.repeat(8), 'z\n', '\nb\n\n'], 10)).toEqual(['a', 'b']);
  expect(fed([`${'x'.repeat(11)}\n\nb\n\n`], 10)).toEqual(['b']);
  expect(fed(['x'.repeat(11), '\r\n\r', '\nb\n\n'], 10)).toEqual(['b']);
  // A gigabyte that never ends: with every byte looked at once for each chunk this would take an hour.
  let blocks = 0;
  const push = splitBlocks(() => blocks++);
  const chunk = 'x'.repeat(65_536);
  for (let i = 0; i < 16_384; i++) push(chunk);
  push('\n\nlast\n\n');
  expect(blocks).toBe(1);
});
