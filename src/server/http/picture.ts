/**
 * The frame in which the console shows one picture of others, after a click (CON-32). Its address stands behind the `#`,
 * so that no server or log sees it. The page has an origin of its own (sandbox), which holds nothing: the picture is
 * asked for without a referrer and without what the browser keeps of this server, and all that the console learns of it
 * is its width and height. The console's own pages can load no picture from elsewhere at all (SAFE-6).
 */
import { createHash } from 'node:crypto';
import type { App } from './app.ts';

const STYLE =
  'html,body{margin:0;height:100%;overflow:hidden;background:transparent}' +
  'img{display:block;width:100%;height:100%;object-fit:contain;object-position:left top}';

// Only inside a page of the same server: as a page of its own it would show what a foreign link says, under our name.
const SCRIPT = `
if (parent !== self) {
  const image = new Image();
  const tell = (what) => parent.postMessage({ picture: what }, '*');
  image.referrerPolicy = 'no-referrer';
  image.decoding = 'async';
  image.alt = '';
  image.onload = () => tell([image.naturalWidth, image.naturalHeight]);
  image.onerror = () => tell('failed');
  try {
    const url = new URL(decodeURIComponent(location.hash.slice(1)));
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw 0;
    image.src = url.href;
    document.body.append(image);
  } catch {
    tell('failed');
  }
}
`;

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const POLICY = [
  "default-src 'none'",
  'img-src https: http:',
  `script-src ${hash(SCRIPT)}`,
  `style-src ${hash(STYLE)}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
  'sandbox allow-scripts',
].join('; ');

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Picture</title><style>${STYLE}</style><body><script>${SCRIPT}</script></body></html>
`;

/** What a server answers to GET /console/picture. */
export const PICTURE_FRAME = {
  body: PAGE,
  headers: {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': POLICY,
    'x-frame-options': 'SAMEORIGIN',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
    'cache-control': 'no-cache',
  },
} as const;

/** GET /console/picture */
export function pictureRoute(app: App): void {
  app.get('/console/picture', { schema: { hide: true } }, async (_request, reply) =>
    reply.headers(PICTURE_FRAME.headers).send(PICTURE_FRAME.body),
  );
}
