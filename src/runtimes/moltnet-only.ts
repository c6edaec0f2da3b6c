/**
 * Which command of a shell runs `moltnet` and nothing else. What is not surely plain is not: it is refused, and its
 * agent can say the same in another way.
 */

/** A command and its words; what they stand for in the shell is known, for nothing in them is expanded. */
type Simple = string[];

/**
 * True for commands of `moltnet` alone: several after one another, chained or piped, fed by a here-document, `echo`,
 * `printf` or `cat`, cut by `head`, `tail` or `wc`. No variable, substitution, pattern, assignment, file or job.
 */
export function runsMoltnetOnly(script: string): boolean {
  const commands = parse(script);
  return (
    commands !== undefined &&
    commands.some(([name]) => name === 'moltnet') &&
    commands.every(([name, ...words]) => isAllowed(name, words))
  );
}

function isAllowed(name: string | undefined, words: readonly string[]): boolean {
  switch (name) {
    case 'moltnet':
      return true;
    case 'echo':
      return true;
    case 'printf':
      // `-v NAME` sets a variable.
      return words[0] !== '-v';
    case 'cat':
      return words.every((word) => word === '-');
    case 'head':
    case 'tail':
      return /^((-n ?)?-?\d+|-c ?\d+)?$/.test(words.join(' '));
    case 'wc':
      return words.every((word) => /^-[lwc]+$/.test(word));
    default:
      return false;
  }
}

/** Bare characters that mean themselves, wherever they stand. */
const PLAIN = /[\p{L}\p{N}_./:@%+,^=-]/u;
/** After these a command begins. */
const BETWEEN = /^(&&|\|\||\||;|\n)/;
/** Output that goes nowhere new. */
const QUIET = /^(2>&1|[12]?> ?\/dev\/null)(?=[\s;|&]|$)/;
const HERE = /^<<(-?)[ \t]*(?:'([\w.-]+)'|"([\w.-]+)"|\\?([\w.-]+))(?=[ \t\n;|&]|$)/;

function parse(script: string): Simple[] | undefined {
  const commands: Simple[] = [];
  let words: string[] = [];
  let word: string | undefined;
  const bodies: HereDocument[] = [];
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (): void => {
    endWord();
    if (words.length > 0) commands.push(words);
    words = [];
  };
  for (let at = 0; at < script.length;) {
    const rest = script.slice(at);
    const character = String.fromCodePoint(rest.codePointAt(0)!);
    const blank = /^([ \t]|\\\n)+/.exec(rest)?.[0];
    const quoted = /^'([^']*)'/.exec(rest) ?? /^"((?:[^"$`\\]|\\["$`\\])*)"/.exec(rest);
    const quiet = word === undefined ? QUIET.exec(rest)?.[0] : undefined;
    const here = word === undefined ? HERE.exec(rest) : null;
    const between = BETWEEN.exec(rest)?.[0];
    // Where a line ends inside of something, shells disagree on where the body of a here-document begins.
    if (bodies.length > 0 && (blank ?? quoted?.[0])?.includes('\n')) return undefined;
    if (blank !== undefined) {
      endWord();
      at += blank.length;
    } else if (quoted) {
      word = (word ?? '') + quoted[1]!.replace(quoted[0].startsWith('"') ? /\\(["$`\\])/g : /(?!)/, '$1');
      at += quoted[0].length;
    } else if (quiet !== undefined) {
      at += quiet.length;
    } else if (here) {
      bodies.push({
        end: (here[2] ?? here[3] ?? here[4])!,
        tabs: here[1] === '-',
        literal: here[4] === undefined || here[0].includes('\\'),
      });
      at += here[0].length;
    } else if (between !== undefined) {
      endCommand();
      at += between.length;
      if (between !== '\n') continue;
      for (const body of bodies.splice(0)) {
        const length = bodyLength(script.slice(at), body);
        if (length === undefined) return undefined;
        at += length;
      }
    } else if (/^\\[^\n]/.test(rest)) {
      const literal = String.fromCodePoint(rest.codePointAt(1)!);
      word = (word ?? '') + literal;
      at += 1 + literal.length;
    } else if (PLAIN.test(character) || (character === '!' && word !== undefined)) {
      word = (word ?? '') + character;
      at += character.length;
    } else return undefined;
  }
  endCommand();
  return bodies.length === 0 ? commands : undefined;
}

interface HereDocument {
  end: string;
  /** Leading tabs are taken away. */
  tabs: boolean;
  /** Its text is not expanded. */
  literal: boolean;
}

/** How long the body is that begins here, with its last line; undefined when it has no end, or would be expanded. */
function bodyLength(text: string, { end, tabs, literal }: HereDocument): number | undefined {
  let length = 0;
  for (const line of text.split('\n')) {
    length += line.length + 1;
    if ((tabs ? line.replace(/^\t+/, '') : line) === end) return Math.min(length, text.length);
    if (!literal && /[$`\\]/.test(line)) return undefined;
  }
  return undefined;
}
