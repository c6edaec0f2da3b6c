/** What of a message can be searched, and the words that stand for what it is filtered by. The same for every engine. */
import { createHash } from 'node:crypto';
import type { Message } from '../protocol/messages.ts';
import { END, HIT } from './search-snippet.ts';

/** Characters of one message that are indexed: beyond it a text is a file, not something said. */
const LONGEST = 32_768;

/** Texts, names of files and addresses, in the order of the parts. */
export function searchableText({ parts }: Pick<Message, 'parts'>): string {
  return parts
    .flatMap((part) => [part.text, part.filename, part.url])
    .filter((piece) => piece !== undefined && piece !== '')
    .join('\n')
    .slice(0, LONGEST)
    .replaceAll(HIT, ' ')
    .replaceAll(END, ' ');
}

/** Whether a part is more than plain text (MSG-12). */
export const hasArtifact = ({ parts }: Pick<Message, 'parts'>): boolean =>
  parts.some(({ kind }) => kind !== 'text');

export type SearchKey = 'kind' | 'room' | 'conversation' | 'participant' | 'sender' | 'day' | 'month' | 'has';

/** One word that stands for a filter's value, whatever characters that has and in whichever case. */
export function keyWord(key: SearchKey, value: string): string {
  const said = `${key}:${value}`;
  let word = KEY_WORDS.get(said);
  if (word === undefined) {
    word = key[0]! + createHash('sha256').update(said).digest('hex').slice(0, 16);
    if (KEY_WORDS.size === MOST_KEY_WORDS) KEY_WORDS.clear();
    KEY_WORDS.set(said, word);
  }
  return word;
}
/** Those made last: the same few stand in message after message. */
const KEY_WORDS = new Map<string, string>();
const MOST_KEY_WORDS = 2_000;

const DAY = 86_400_000;
/** A longer time is filtered by months; one that is longer than these is looked at message by message. */
const MOST_DAYS = 62;
const MOST_MONTHS = 120;

/** The days, or the months when they are many, from `since` until before `until` (milliseconds since 1970) as words. */
export function timeWords(since: number, until: number): string[] | undefined {
  const last = Math.max(since, until - 1);
  if (last - since < MOST_DAYS * DAY) {
    const days = range(Math.floor(since / DAY), Math.floor(last / DAY));
    return days.map((day) => keyWord('day', new Date(day * DAY).toISOString().slice(0, 10)));
  }
  const month = (at: number): number => {
    const date = new Date(at);
    return date.getUTCFullYear() * 12 + date.getUTCMonth();
  };
  if (month(last) - month(since) >= MOST_MONTHS) return undefined;
  return range(month(since), month(last)).map((each) =>
    keyWord('month', new Date(Date.UTC(Math.floor(each / 12), each % 12)).toISOString().slice(0, 7)),
  );
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Every filter's words of one message. */
export function keyWordsOf(of: {
  conversation: string;
  room_id: string | null;
  participants: readonly string[];
  sender: string;
  created_at: string;
  artifact: boolean;
}): string[] {
  return [
    keyWord('kind', of.room_id === null ? 'dm' : 'room'),
    keyWord('conversation', of.conversation),
    keyWord('sender', of.sender),
    keyWord('day', of.created_at.slice(0, 10)),
    keyWord('month', of.created_at.slice(0, 7)),
    ...(of.room_id === null ? [] : [keyWord('room', of.room_id)]),
    ...of.participants.map((id) => keyWord('participant', id)),
    ...(of.artifact ? [keyWord('has', 'artifact')] : []),
  ];
}
