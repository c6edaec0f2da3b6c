/**
 * The messages of a session of opencode. It orders them by their ids, which begin with the time: one of ours ends in
 * what it is made of, wake and attempt, and is found again by that.
 */
import { createHash } from 'node:crypto';
import { MAX_RESUMPTIONS } from '../cli-runtime.ts';
import { attemptKey, type Attempt, type Wake } from '../runtime.ts';

export interface OpencodeMessage {
  info: {
    id: string;
    role?: string;
    /** Of an answer: the message it answers. */
    parentID?: string;
    /** Of an answer that is whole: why it ended. */
    finish?: string;
    error?: OpencodeError;
    cost?: number;
    tokens?: {
      input?: number;
      output?: number;
      reasoning?: number;
      cache?: { read?: number; write?: number };
    };
  };
  parts: { type?: string; text?: string; synthetic?: boolean }[];
}

export interface OpencodeError {
  name?: string;
  data?: { message?: string; statusCode?: number; responseHeaders?: Record<string, string> };
}

/** Attempts at one wake that are looked for. */
const MAX_ATTEMPTS = 10;

/** 14 characters, as its own ids end in. */
const suffix = (attempt: Attempt, resumption: number): string =>
  BigInt(
    `0x${createHash('sha256')
      .update(`${attemptKey(attempt)}#${resumption}`)
      .digest('hex')}`,
  )
    .toString(36)
    .slice(0, 14)
    .padStart(14, '0');

/** The id of a message that is sent now: after all that the session has. */
export const messageId = (wake: Wake, resumption: number, now: number = Date.now()): string =>
  // Its own count in 4096ths of a millisecond, in 48 bits.
  `msg_${((BigInt(now) * 4096n) & 0xffff_ffff_ffffn).toString(16).padStart(12, '0')}${suffix(wake, resumption)}`;

export interface Past {
  /** What came to its end, of this attempt or a later one, and what was said last in it. */
  done?: { final_text: string };
  /** How often this attempt was begun. */
  tries: number;
}

/** What a session knows of a wake. */
export function pastOf(messages: readonly OpencodeMessage[], wake: Wake): Past {
  const past: Past = { tries: 0 };
  for (let attempt = wake.attempt; attempt <= Math.max(MAX_ATTEMPTS, wake.attempt); attempt++)
    for (let resumption = 0; resumption <= MAX_RESUMPTIONS; resumption++) {
      const mine = messages.find(({ info }) => info.id.endsWith(suffix({ ...wake, attempt }, resumption)));
      if (!mine) break;
      if (attempt === wake.attempt) past.tries++;
      const turn = turnOf(messages, mine.info.id);
      if (turn && isWhole(turn.last.info)) past.done = { final_text: saidIn(turn.last) };
    }
  return past;
}

/** The last answer to a message, and whether its turn ends with it; undefined while there is none. */
export function turnOf(
  messages: readonly OpencodeMessage[],
  id: string,
): { last: OpencodeMessage; over: boolean } | undefined {
  const last = messages.findLast(({ info }) => info.parentID === id);
  return last && { last, over: last.info.error !== undefined || isWhole(last.info) };
}

/** Whether a turn ends with this answer. */
const isWhole = ({ finish, error }: OpencodeMessage['info']): boolean =>
  error === undefined && finish !== undefined && finish !== 'tool-calls' && finish !== 'unknown';

export const saidIn = ({ parts }: OpencodeMessage): string =>
  parts
    .filter(({ type, synthetic }) => type === 'text' && synthetic !== true)
    .map(({ text }) => text ?? '')
    .join('\n')
    .trim();

/** Where the messages of a session are asked for: the newest 200; every step of a turn is one. */
export const messagesPath = (session: string): string => `/session/${session}/message?limit=200`;
