import { useEffect, useRef, useState } from 'react';
import { texts } from '../texts.ts';
import { cx } from './cx.ts';
import styles from './picture.module.css';

/** Where the server serves the frame of one picture: src/server/http/picture.ts. */
const FRAME = '/console/picture';
/** Never larger than this, nor so small that it cannot be seen. */
const MAX = { width: 480, height: 360 };
const MIN = 24;

// What was shown stays so while its row goes and comes back: nobody clicks twice for one picture.
const shown = new Set<string>();
const SHOWN_KEPT = 500;

/** Whether a picture is shown, which begins with a click. */
export function usePicture(url: URL | undefined): { open: boolean; toggle(): void } {
  const [open, setOpen] = useState(() => url !== undefined && shown.has(url.href));
  return {
    open: open && url !== undefined,
    toggle() {
      if (url === undefined) return;
      if (open) shown.delete(url.href);
      else if (shown.size < SHOWN_KEPT) shown.add(url.href);
      setOpen(!open);
    },
  };
}

type Size = [width: number, height: number];

/** What the frame says of its picture; anything else that is said to the window is not of it. */
function told(data: unknown): Size | 'failed' | undefined {
  const picture = (data as { picture?: unknown } | null)?.picture;
  if (picture === 'failed') return picture;
  const isSize = Array.isArray(picture) && picture.length === 2 && picture.every((n) => Number.isFinite(n));
  return isSize ? (picture as Size) : undefined;
}

const sizes = new Map<string, Size>();

/** One picture of others, in a frame that has an origin of its own. */
export function PictureFrame({ url, name }: { url: URL; name: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  const [state, setState] = useState<Size | 'failed' | undefined>(() => sizes.get(url.href));
  useEffect(() => {
    const listen = (event: MessageEvent<unknown>) => {
      if (event.source === null || event.source !== frame.current?.contentWindow) return;
      const news = told(event.data);
      if (news === undefined) return;
      if (news !== 'failed' && sizes.size < SHOWN_KEPT) sizes.set(url.href, news);
      setState(news);
    };
    window.addEventListener('message', listen);
    return () => window.removeEventListener('message', listen);
  }, [url.href]);
  if (state === 'failed') {
    return (
      <p className={styles.failed} role="status">
        {texts.pictureFailed(url.host)}
      </p>
    );
  }
  const box = state === undefined ? undefined : fit(state);
  return (
    <div
      className={cx(styles.picture, !box && styles.loading)}
      style={box && { width: box.width, aspectRatio: `${box.width} / ${box.height}` }}
    >
      {!box && <span className={styles.wait}>{texts.loading}</span>}
      <iframe
        ref={frame}
        src={`${FRAME}#${encodeURIComponent(url.href)}`}
        title={texts.pictureOf(name)}
        sandbox="allow-scripts"
        referrerPolicy="no-referrer"
        tabIndex={-1}
        // Where the browser knows it, nothing that it keeps of the other side is sent along.
        {...{ credentialless: '' }}
      />
    </div>
  );
}

/** As large as it is, but not over the bounds; SVGs without a size say 0. */
function fit([width, height]: Size): { width: number; height: number } {
  if (!(width > 0 && height > 0)) return { width: 320, height: 240 };
  const scale = Math.min(1, MAX.width / width, MAX.height / height);
  return { width: Math.max(MIN, width * scale), height: Math.max(MIN, height * scale) };
}
