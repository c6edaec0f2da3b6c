import { Marked, type Tokens } from 'marked';
import { texts } from '../texts.ts';

/**
 * Markdown of others as HTML: raw HTML is shown as the text it is, images become links and are listed, and only http,
 * https and mailto links live. markdown-render.ts lets nothing else through.
 */

export const LINK = /^(?:https?:\/\/|mailto:)/i;

const escape = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** An image that a text names. */
export interface Picture {
  href: string;
  /** What it says of it; may be empty. */
  text: string;
}
/** So many of a text can be shown; the others are links. */
const PICTURES_MAX = 10;
const WEB = /^https?:\/\//i;
/** Those of the text that is being rendered. */
let pictures: Picture[] = [];

/**
 * Characters that looking for emphasis may pass over in one text. It passes over the rest of the paragraph for each mark
 * that it finds, so that a few kilobytes of marks alone would hold up the page for a second.
 */
const WORK_MAX = 2_000_000;
let work = 0;

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  tokenizer: {
    emStrong(text) {
      if (/^[*_]/.test(text)) work += text.length;
      if (work > WORK_MAX) throw new RangeError('too many marks');
      return false;
    },
  },
  renderer: {
    html: ({ text }: Tokens.HTML | Tokens.Tag) => escape(text),
    // One that stands alone is shown by its card only.
    paragraph({ tokens }: Tokens.Paragraph) {
      const before = pictures.length;
      const html = this.parser.parseInline(tokens);
      const alone = tokens.every(({ type, raw }) => type === 'image' || type === 'br' || raw.trim() === '');
      const listed = tokens.filter(({ type }) => type === 'image').length === pictures.length - before;
      return alone && listed ? '' : `<p>${html}</p>\n`;
    },
    image({ href, text }: Tokens.Image) {
      if (WEB.test(href) && pictures.length < PICTURES_MAX) pictures.push({ href, text });
      return linkTo(href, `${texts.remoteImage}: ${escape(text || hostOf(href))}`);
    },
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

export interface Parsed {
  /** Not sanitized yet. */
  html: string;
  pictures: readonly Picture[];
}

/** Throws when a text is nested beyond the stack, or has so many marks that it would hold up the page. */
export function parseMarkdown(text: string): Parsed {
  pictures = [];
  work = 0;
  const html = marked.parse(text) as string;
  return { html, pictures };
}
