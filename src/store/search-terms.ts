/** What a person types to search for, as terms: pure, the same for every engine. */
export interface SearchTerm {
  /** One word, or several that stand one after the other. */
  text: string;
  /** The beginning of a word is enough. */
  prefix: boolean;
}

/** Terms of one search at most; what comes after them is left out. */
export const MOST_TERMS = 16;
/** Characters of one term. */
const LONGEST = 100;

/**
 * Words are divided by space, `"several words"` in quotes are one term, and `word*` is the beginning of a word. A quote
 * that is not closed goes to the end. Terms without a letter or a digit say nothing and are left out.
 */
export function searchTerms(query: string): SearchTerm[] {
  const terms: SearchTerm[] = [];
  for (const [, phrase, word] of query.matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    const given = (phrase ?? word ?? '').slice(0, LONGEST);
    const prefix = phrase === undefined && given.endsWith('*');
    const text = given.replace(/\*+$/, '').trim();
    if (/[\p{L}\p{N}]/u.test(text)) terms.push({ text, prefix });
    if (terms.length === MOST_TERMS) break;
  }
  return terms;
}
