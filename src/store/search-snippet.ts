/** The surroundings of a hit, short enough for a list of results. */
import type { SnippetPiece } from '../protocol/search.ts';

/** Around a hit in the text that an engine marks up; they are in no indexed text. */
export const HIT = '\u0001';
export const END = '\u0002';

/** Characters of a snippet, and those of them that stand before the first hit. */
const LENGTH = 240;
const BEFORE = 60;

/** Of a marked text: what stands around its first hit; its beginning when it has none. */
export function snippetOf(marked: string): SnippetPiece[] {
  const characters = [...marked];
  const start = Math.max(0, characters.indexOf(HIT) - BEFORE);
  const pieces: { text: string; hit?: true }[] = start > 0 ? [{ text: '…' }] : [];
  let hit = false;
  let count = 0;
  for (let i = start; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === HIT || character === END) {
      hit = character === HIT;
      continue;
    }
    if (count++ === LENGTH) {
      pieces.push({ text: '…' });
      break;
    }
    const last = pieces.at(-1);
    if (last && (last.hit === true) === hit) last.text += character;
    else pieces.push(hit ? { text: character, hit } : { text: character });
  }
  return pieces;
}
