import DOMPurify from 'dompurify';
import { Marked, type Tokens } from 'marked';
import { texts } from '../texts.ts';

/**
 * Markdown of others as safe HTML. Twice guarded: raw HTML is shown as the text it is, images become links and only
 * http, https and mailto links live; then DOMPurify lets only the tags below through. Loaded lazily.
 */

/** Tags that formatting needs; nothing that loads, runs or takes input. */
const TAGS = [
  'p',
  'br',
  'strong',
  'em',
  'del',
  'code',
  'pre',
  'blockquote',
  'ul',
  'ol',
  'li',
  'a',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
  'table',
  'thead',
  'tbody',
  'tr',
  'th',
  'td',
  'hr',
  'mark',
  'span',
];
const LINK = /^(?:https?:\/\/|mailto:)/i;
const MENTION = /^(?:<@(molt:\/\/[^\s>]+)>|@([A-Za-z0-9._-]+(?::[A-Za-z0-9._-]+)?))/;

/** The mentions of the text being rendered; rendering is synchronous. */
let mentions: ReadonlySet<string> = new Set();

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  extensions: [
    {
      name: 'mention',
      level: 'inline',
      start: (source: string) => {
        const match = /(?:^|[^A-Za-z0-9@<])(?=<?@)/.exec(source);
        return match ? match.index + match[0].length : undefined;
      },
      tokenizer(source: string) {
        const match = MENTION.exec(source);
        if (!match) return undefined;
        const written = match[1] ?? match[2] ?? '';
        const named = written.replace(/[.-]+$/, '');
        // What follows the name (the dot of a sentence) is text again.
        const raw = match[1] ? match[0] : `@${named}`;
        return named === '' ? undefined : { type: 'mention', raw, named };
      },
      renderer(token: Tokens.Generic) {
        const named = String(token.named);
        const short = named.startsWith('molt://') ? (named.split('/agents/')[1] ?? named) : named;
        const text = escape(`@${short}`);
        return mentions.has(named) ? `<mark>${text}</mark>` : text;
      },
    },
  ],
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escape(text),
    image: ({ href, text }: Tokens.Image) =>
      linkTo(href, `${texts.remoteImage}: ${escape(text || hostOf(href))}`),
    link({ href, tokens }: Tokens.Link) {
      return linkTo(href, this.parser.parseInline(tokens));
    },
    checkbox: ({ checked }: Tokens.Checkbox) => (checked ? '☑ ' : '☐ '),
  },
});

function linkTo(href: string, html: string): string {
  return LINK.test(href) ? `<a href="${escape(href)}" title="${escape(href)}">${html}</a>` : html;
}

function hostOf(href: string): string {
  try {
    return new URL(href).host;
  } catch {
    return '';
  }
}

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

/** Safe HTML of a text, or undefined when it is too tangled to be formatted. */
export function renderMarkdown(text: string, mentioned: readonly string[]): string | undefined {
  mentions = namesOf(mentioned);
  try {
    const html = marked.parse(text) as string;
    return DOMPurify.sanitize(html, {
      ALLOWED_TAGS: TAGS,
      ALLOWED_ATTR: ['href', 'title', 'align', 'start'],
      ALLOW_DATA_ATTR: false,
      ALLOWED_URI_REGEXP: LINK,
    });
  } catch {
    // Nested beyond the parser's stack: it is shown as it was written.
    return undefined;
  }
}
