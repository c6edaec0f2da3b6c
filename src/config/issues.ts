/** What is wrong in a configuration, every mistake at once, each with its place and what to write instead. */

/** Keys and list positions from the top of the file, e.g. `['rooms', 0, 'id']`. */
export type Path = readonly (string | number)[];

export interface Place {
  line: number;
  column: number;
}

export interface ConfigIssue {
  /** The file as a person would name it, or `environment`. */
  file: string;
  /** 1-based, where the place is known. */
  line?: number;
  column?: number;
  /** `rooms[0].visibility`, or the environment variable; empty for the file as a whole. */
  key: string;
  /** What is wrong. */
  problem: string;
  /** What to write instead. */
  fix?: string;
}

/** One mistake as one line: `Moltnet:12:5: rooms[0].visibility: …; …`. */
export function formatIssue(issue: ConfigIssue): string {
  const place = issue.line === undefined ? issue.file : `${issue.file}:${issue.line}:${issue.column ?? 1}`;
  const key = issue.key === '' ? '' : ` ${issue.key}:`;
  return `${place}:${key} ${issue.problem}${issue.fix === undefined ? '' : `; ${issue.fix}`}`;
}

/** A configuration that cannot be used. `issues` is never empty; `message` has one line for each. */
export class ConfigError extends Error {
  readonly issues: readonly ConfigIssue[];
  constructor(issues: readonly ConfigIssue[]) {
    super(issues.map(formatIssue).join('\n'));
    this.name = 'ConfigError';
    this.issues = issues;
  }
}

/** A ConfigError with the one mistake. */
export const configError = (file: string, problem: string, fix?: string, key = ''): ConfigError =>
  new ConfigError([{ file, key, problem, ...(fix === undefined ? {} : { fix }) }]);

/** `['rooms', 0, 'id']` → `rooms[0].id`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  return text;
}

/** The known word nearest to a mistyped one, or undefined when none is near. */
export function didYouMean(word: string, known: readonly string[]): string | undefined {
  const wanted = word.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase().replaceAll('-', '_'));
    if (distance < bestDistance && distance < candidate.length) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Letters to add, leave out or change, or pairs of neighbours to swap (Damerau), so that one becomes the other. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 40) return Infinity;
  let last: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? last[j - 2]! + 1 : Infinity;
      next.push(Math.min(replace, swap, row[j]! + 1, next[j - 1]! + 1));
    }
    [last, row] = [row, next];
  }
  return row[b.length]!;
}
