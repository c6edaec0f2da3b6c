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
 * Characters that looking for emphasis and what is struck out may pass over in one text. It passes over the rest of the
 * paragraph for each mark that it finds, so that a few kilobytes of marks alone would hold up the page for a second.
 */
const WORK_MAX = 1_000_000;
let work = 0;
function looksOver(text: string): void {
  work += text.length;
  if (work > WORK_MAX) throw new RangeError('too many marks');
}

/** Milliseconds for one text, whatever else makes it slow: looked at before each piece of it. */
const TIME_MAX = 150;
let until = 0;
let clock = (): number => 0;
function isInTime(): void {
  if (clock() > until) throw new RangeError('takes too long');
}

/** A line in more quotes and lists than anybody reads: each is a parse of its own of all that is in it. */
const TOO_DEEP = /^(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t]))){24}/m;

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  tokenizer: {
    emStrong(text) {
      if (/^[*_]/.test(text)) looksOver(text);
      return false;
    },
    del(text) {
      if (text.startsWith('~')) looksOver(text);
      return false;
    },
    // The first that is asked at each place of a text, and of a paragraph.
    space() {
      isInTime();
      return false;
    },
    escape() {
      isInTime();
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

/** Throws for a text that would hold up the page: nested too deep, nothing but marks, or slow in any other way. */
export function parseMarkdown(text: string, now = (): number => performance.now()): Parsed {
  pictures = [];
  work = 0;
  clock = now;
  until = now() + TIME_MAX;
  if (TOO_DEEP.test(text)) throw new RangeError('too deep');
  const html = marked.parse(text) as string;
  return { html, pictures };
}
