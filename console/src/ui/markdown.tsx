import { useMemo, useSyncExternalStore } from 'react';
import { Attachment } from './attachment.tsx';
import styles from './markdown.module.css';
import { cx } from './cx.ts';

type Render = typeof import('./markdown-render.ts').renderMarkdown;
type Rendered = import('./markdown-render.ts').Rendered;

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
const cache = new Map<string, Rendered | undefined>();
const CACHE_MAX = 600;
function formatted(text: string, mentions: readonly string[]): Rendered | undefined {
  if (!render || text.length > FORMATTED_MAX) return undefined;
  const key = `${mentions.join(' ')}\n${text}`;
  if (cache.has(key)) return cache.get(key);
  const made = render(text, mentions);
  if (cache.size >= CACHE_MAX) for (const old of [...cache.keys()].slice(0, CACHE_MAX / 2)) cache.delete(old);
  cache.set(key, made);
  return made;
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
  const made = useMemo(() => (ready ? formatted(text, mentions ?? []) : undefined), [ready, text, mentions]);
  if (made === undefined) {
    return (
      <div dir="auto" className={cx(styles.text, styles.plain)}>
        {text}
      </div>
    );
  }
  return (
    <>
      {/* Sanitized by markdown-render.ts. */}
      {made.html !== '' && (
        <div dir="auto" className={styles.text} dangerouslySetInnerHTML={{ __html: made.html }} />
      )}
      {made.pictures.map(({ href, text: about }, index) => (
        <Attachment key={index} part={{ kind: 'image', url: href, filename: about }} />
      ))}
    </>
  );
}
