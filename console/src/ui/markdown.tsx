import { useMemo, useSyncExternalStore } from 'react';
import styles from './markdown.module.css';
import { cx } from './cx.ts';

type Render = typeof import('./markdown-render.ts').renderMarkdown;

/** Longer texts are shown as they are: formatting them would hold up the page. */
export const FORMATTED_MAX = 12_000;

// The formatter is a part of its own, loaded at once but not before the first picture.
let render: Render | undefined;
const listeners = new Set<() => void>();
export async function loadMarkdown(): Promise<void> {
  try {
    ({ renderMarkdown: render } = await import('./markdown-render.ts'));
    for (const listener of listeners) listener();
  } catch {
    // Texts stay as they were written; the next page load tries again.
  }
}
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

// Rows come and go while scrolling; their formatted text is kept for a while.
const cache = new Map<string, string | undefined>();
const CACHE_MAX = 600;
function formatted(text: string, mentions: readonly string[]): string | undefined {
  if (!render || text.length > FORMATTED_MAX) return undefined;
  const key = `${mentions.join(' ')}\n${text}`;
  if (cache.has(key)) return cache.get(key);
  const html = render(text, mentions);
  if (cache.size >= CACHE_MAX) for (const old of [...cache.keys()].slice(0, CACHE_MAX / 2)) cache.delete(old);
  cache.set(key, html);
  return html;
}

/** Text of others: formatted as soon as the formatter is there, plain until then, or always with `plain`. */
export function Markdown({
  text,
  mentions,
  plain,
}: {
  text: string;
  mentions: readonly string[] | undefined;
  plain?: boolean;
}) {
  const ready = useSyncExternalStore(subscribe, () => render !== undefined) && !plain;
  const html = useMemo(() => (ready ? formatted(text, mentions ?? []) : undefined), [ready, text, mentions]);
  if (html === undefined) {
    return (
      <div dir="auto" className={cx(styles.text, styles.plain)}>
        {text}
      </div>
    );
  }
  // Sanitized by markdown-render.ts.
  return <div dir="auto" className={styles.text} dangerouslySetInnerHTML={{ __html: html }} />;
}
