import DOMPurify from 'dompurify';
import { LINK, parseMarkdown, type Picture } from './markdown-parse.ts';

/**
 * Markdown of others as safe HTML. Twice guarded: raw HTML is shown as the text it is, images become links and are
 * listed, and only http, https and mailto links live; then DOMPurify lets only the tags below through. Loaded lazily.
 */

/** Tags that formatting needs; nothing that loads, runs or takes input. */
const TAGS =
  'p br strong em del code pre blockquote ul ol li a h1 h2 h3 h4 h5 h6 table thead tbody tr th td hr'.split(
    ' ',
  );
/** `@alpha`, `@net:alpha` or `<@molt://net/agents/alpha>`, as the server reads them (wire: mentions in text). */
const MENTION = /<@(molt:\/\/[^\s>]+)>|@([A-Za-z0-9._-]+(?::[A-Za-z0-9._-]+)?)/g;

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer nofollow');
});

/** Every form in which a text may name one of these agents (FQIDs). */
function namesOf(fqids: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const fqid of fqids) {
    const match = /^molt:\/\/([^/]+)\/agents\/(.+)$/.exec(fqid);
    if (match) names.add(fqid).add(match[2]!).add(`${match[1]}:${match[2]}`);
  }
  return names;
}

/** So many mentions of one text are marked; the others stand there as they were written. */
const MARKS_MAX = 200;
/** A text of more elements would make the page slow by itself: it is shown as it was written. */
const ELEMENTS_MAX = 1_000;

/** Marks the mentions in the text of this element. Code stays as it is. */
function markMentions(root: DocumentFragment, names: ReadonlySet<string>): void {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found: Text[] = [];
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    if (node.data.includes('@') && !node.parentElement?.closest('code, a')) found.push(node);
  }
  let left = MARKS_MAX;
  for (const node of found) {
    const pieces: (string | Element)[] = [];
    let end = 0;
    for (const match of node.data.matchAll(MENTION)) {
      // The dot that ends a sentence is not part of a name.
      const named = match[1] ?? match[2]!.replace(/[.-]+$/, '');
      if (!names.has(named) || left-- <= 0) continue;
      const mark = document.createElement('mark');
      mark.textContent = `@${named.split('/agents/').at(-1)}`;
      pieces.push(node.data.slice(end, match.index), mark);
      end = match.index + (match[1] ? match[0].length : named.length + 1);
    }
    if (end > 0) node.replaceWith(...pieces, node.data.slice(end));
  }
}

const ALLOWED = {
  ALLOWED_TAGS: TAGS,
  ALLOWED_ATTR: ['href', 'title', 'align', 'start'],
  ALLOW_DATA_ATTR: false,
  ALLOWED_URI_REGEXP: LINK,
};

export interface Rendered {
  /** Safe HTML. */
  html: string;
  pictures: readonly Picture[];
}

/** A text as safe HTML, with the images that it names; undefined when it is too tangled to be formatted. */
export function renderMarkdown(text: string, mentioned: readonly string[]): Rendered | undefined {
  try {
    const { html, pictures } = parseMarkdown(text);
    const fragment = DOMPurify.sanitize(html, {
      ...ALLOWED,
      RETURN_DOM_FRAGMENT: true,
    });
    const names = namesOf(mentioned);
    if (names.size > 0) markMentions(fragment, names);
    const box = document.createElement('div');
    box.append(fragment);
    if (box.getElementsByTagName('*').length > ELEMENTS_MAX) return undefined;
    return { html: box.innerHTML, pictures };
  } catch {
    // Nested beyond the parser's stack, or nothing but marks: it is shown as it was written.
    return undefined;
  }
}
