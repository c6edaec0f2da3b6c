/** Answers of a paired network may be of any shape and without an end: how much of one, and of many, is read. RLY-78. */
import { ConnectionError } from '../client/errors.ts';
import type { Transport } from '../client/http-request.ts';

/** Levels of lists and objects in one another; what is deeper cannot be told on. */
const DEEP = 64;
/** Of what is read in several requests. */
const MANY = { requests: 500, bytes: 32 * 1_048_576, milliseconds: 60_000 };
/** Characters of what it says that are shown. */
const SHOWN = 300;

/** Rejects with ConnectionError for what is nested deeper than anything of ours. */
export function shallow(transport: Transport): Transport {
  return {
    async exchange(method, path, body) {
      const answer = await transport.exchange(method, path, body);
      if (isDeep(answer.text)) throw wrong('bad_answer', 'is nested too deep');
      return answer;
    },
    close: () => transport.close(),
  };
}

/** For one list in its pages. Rejects with ConnectionError once it has gone on for too long. */
export function ending(transport: Transport, most = MANY): Transport {
  const until = performance.now() + most.milliseconds;
  let requests = 0;
  let bytes = 0;
  return {
    async exchange(method, path, body) {
      if (++requests > most.requests || performance.now() > until)
        throw wrong('answer_too_large', 'has no end: it was read for as long as any');
      const answer = await transport.exchange(method, path, body);
      bytes += answer.text.length;
      if (bytes > most.bytes) throw wrong('answer_too_large', `is over ${most.bytes} bytes`);
      return answer;
    },
    close: () => transport.close(),
  };
}

/** One line of it, for a message of ours: no half of a sign, and nothing that steers a terminal. */
export const shownOf = (text: string, most = SHOWN): string =>
  text
    .slice(0, most)
    .replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, ' ')
    .trim();

const wrong = (problem: 'bad_answer' | 'answer_too_large', how: string): ConnectionError =>
  new ConnectionError(problem, `the answer of the paired network ${how}`, { maybe_done: true });

function isDeep(json: string): boolean {
  let depth = 0;
  for (let i = 0; i < json.length; i++)
    switch (json.charCodeAt(i)) {
      case 0x22:
        i = endOfText(json, i);
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > DEEP) return true;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
    }
  return false;
}

/** Of a text that begins at a quotation mark: the one that ends it. */
function endOfText(json: string, begin: number): number {
  for (let end = json.indexOf('"', begin + 1); end >= 0; end = json.indexOf('"', end + 1)) {
    let back = end;
    while (json.charCodeAt(back - 1) === 0x5c) back--;
    if ((end - back) % 2 === 0) return end;
  }
  return json.length;
}
