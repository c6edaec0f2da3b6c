/**
 * Looks at the page from inside it. Written as text, because the suite is checked without the browser's types.
 */

/** A function of an element (or of a list of them) that runs in the page. */
const inPage = <T>(source: string): ((element: unknown) => T) =>
  new Function('element', `return (${source})(element);`) as (element: unknown) => T;

/** How much wider than the window the page is; 0 or less when nothing sticks out. */
export const overflow = 'document.documentElement.scrollWidth - innerWidth';

/** What hostile text sets when it runs. */
export const pwned = 'window.pwned === undefined ? "no" : "yes"';

/** The text of the message that has the focus. */
export const focusedMessage =
  'document.activeElement.role === "article" ? document.activeElement.textContent : ""';
export const focusedRole = 'document.activeElement.role';
export const focusedLabel =
  'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent';

/** Everything in a message that could act on its own, and its links. */
export interface Inside {
  active: number;
  elements: number;
  handlers: string[];
  names: number;
  links: [protocol: string, target: string, rel: string][];
}
export const inside = inPage<Inside>(`(element) => ({
  elements: element.querySelectorAll('*').length,
  active: element.querySelectorAll('script, iframe, style, base, form, input, object, embed, img, svg:not([aria-hidden]), [srcdoc]').length,
  handlers: [...element.querySelectorAll('*')].flatMap((node) =>
    node.getAttributeNames().filter((name) => name.startsWith('on') || (name === 'style' && node.closest('[dir=auto]')))),
  names: element.querySelectorAll('#root, #api, [name]').length,
  links: [...element.querySelectorAll('a')].filter((link) => link.closest('[dir=auto]') || !link.pathname.startsWith('/console/agents/')).map((link) => [new URL(link.href).protocol, link.target, link.rel]),
})`);

export const addresses = inPage<string[]>('(links) => links.map((link) => link.href)');
export const widerThanItself = inPage<number>('(element) => element.scrollWidth - element.clientWidth');

// The feed's scrolling.
export const toStart = inPage<number>('(feed) => feed.scrollTo(0, 0)');
export const toEnd = inPage<number>('(feed) => feed.scrollTo(0, feed.scrollHeight)');
export const place = inPage<number>('(feed) => feed.scrollTop');
export const distanceFromEnd = inPage<number>(
  '(feed) => feed.scrollHeight - feed.scrollTop - feed.clientHeight',
);
export const scrollBy = (pixels: number) => inPage<void>(`(feed) => feed.scrollBy(0, ${pixels})`);
export const scrollTo = (pixels: number) => inPage<void>(`(feed) => feed.scrollTo(0, ${pixels})`);
/** Two frames later: what was scrolled to has been drawn. */
export const drawn =
  'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))';
/** How far below the feed's upper edge this message's upper edge is. */
export const topOf = (id: string) =>
  inPage<number>(
    `(feed) => Math.round(document.getElementById(${JSON.stringify(id)}).getBoundingClientRect().top - feed.getBoundingClientRect().top)`,
  );
/** The element id of the uppermost message that is wholly in view. */
export const uppermost = inPage<string>(`(feed) => [...feed.querySelectorAll('[id^="m-"]')]
  .find((row) => row.getBoundingClientRect().top >= feed.getBoundingClientRect().top)?.id ?? ''`);
export const elements = 'document.getElementsByTagName("*").length';
/** Width and height of an element, in whole pixels. */
export const boxOf = inPage<number[]>(
  '(element) => { const { width, height } = element.getBoundingClientRect(); return [Math.round(width), Math.round(height)]; }',
);
