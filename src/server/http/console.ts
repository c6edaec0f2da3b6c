/** The console's built files under /console/, with headers that let the page talk to this server and to nobody else. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import { MoltnetError } from '../../protocol/errors.ts';
import type { ServerContext } from '../context.ts';
import type { App } from './app.ts';
import { pictureRoute } from './picture.ts';
import { beginSession, logIn } from './session.ts';
import { createTickets, ticketRoutes, type Tickets } from './tickets.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  // The frame of one picture (picture.ts).
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Moltnet</title>
<h1>The console is not built</h1>
<p>Run <code>npm run build</code> in the folder of Moltnet and start the server again. The server itself works without it.</p>
</html>
`;

interface File {
  body: Buffer;
  type: string;
  /** Its name carries a hash of its content, so it never changes. */
  immutable: boolean;
  /** Text that is worth compressing; done when somebody first takes it so. */
  compressible: boolean;
  gzip?: Buffer;
}

/** Beside the bundle, or in the build folder when the server runs from source. */
const folders = ['./console/', '../../../dist/console/'].map((relative) =>
  fileURLToPath(new URL(relative, import.meta.url)),
);

/** Places in the app that hold an id, in which a dot is no extension. */
const PLACE = /^(?:rooms|threads|dms|agents)\/[^/]+$/;

/** GET /console/…: built files by their name, the app for every other path (it has routes of its own). */
export async function consoleRoutes(app: App, context: ServerContext): Promise<void> {
  let files: ReadonlyMap<string, File> | undefined;
  const hidden = { schema: { hide: true } };
  const tickets = createTickets(() => Date.now(), context.store.peers);
  ticketRoutes(app, context, tickets);
  pictureRoute(app);

  for (const path of ['/', '/console'])
    app.get(path, hidden, async (request, reply) =>
      redirect(reply, (await takeToken(context, tickets, request.raw, reply)) ?? '/console/'),
    );
  app.get<{ Params: { '*': string } }>('/console/*', hidden, async (request, reply) => {
    const clean = await takeToken(context, tickets, request.raw, reply);
    if (clean !== undefined) return redirect(reply, clean);
    files ??= readConsole();
    const name = request.params['*'];
    const file = files?.get(name);
    if (file) return send(reply, file, request.headers['accept-encoding']);
    // A missing file is an error; every other path is a place in the app, also that of a room `release-1.2`.
    if (path.posix.extname(name) !== '' && !PLACE.test(name))
      throw new MoltnetError('not_found', `there is no console file ${JSON.stringify(name.slice(0, 160))}`);
    const index = files?.get('index.html');
    if (index) return send(reply, index, request.headers['accept-encoding']);
    return guarded(reply)
      .header('content-type', TYPES['.html'])
      .header('cache-control', 'no-store')
      .send(NOT_BUILT);
  });
}

/**
 * A token in the address (wire.md 9), or a ticket for one, is exchanged for a session; resolves with the address without it, whatever came of
 * that: what is not known leads to the login. A page of another site does not change who somebody is logged in as.
 */
async function takeToken(
  context: ServerContext,
  tickets: Tickets,
  request: IncomingMessage,
  reply: FastifyReply,
): Promise<string | undefined> {
  const url = request.url ?? '';
  const mark = url.indexOf('?');
  const parameters = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  const given = { token: parameters.get(TOKEN), ticket: parameters.get(TICKET) };
  if (given.token === null && given.ticket === null) return undefined;
  parameters.delete(TOKEN);
  parameters.delete(TICKET);
  const site = request.headers['sec-fetch-site'];
  const foreign = site === 'cross-site' || site === 'same-site';
  const use = request.method === 'GET' && !(foreign && context.credentials.sessionOf(request));
  if (use) {
    if (given.token !== null) await logIn(context, request, reply, given.token).catch(toLogin);
    else {
      const token = await tickets.take(given.ticket ?? '');
      if (token) await beginSession(context, request, reply, token);
    }
  }
  return parameters.size === 0 ? url.slice(0, mark) : `${url.slice(0, mark)}?${parameters}`;
}
function toLogin(error: unknown): void {
  if (!(error instanceof MoltnetError) || (error.code !== 'unauthorized' && error.code !== 'forbidden'))
    throw error;
}
const TOKEN = 'access_token';
const TICKET = 'ticket';

const redirect = (reply: FastifyReply, location: string): FastifyReply =>
  guarded(reply)
    .header('referrer-policy', 'no-referrer')
    .header('cache-control', 'no-store')
    .code(307)
    .header('location', location)
    .send('');

function guarded(reply: FastifyReply): FastifyReply {
  return (
    reply
      .header('content-security-policy', POLICY)
      .header('x-frame-options', 'DENY')
      // To this server only: over plain HTTP it is what a browser's event stream shows its origin by (origin.ts).
      .header('referrer-policy', 'same-origin')
      .header('cross-origin-opener-policy', 'same-origin')
      .header('permissions-policy', 'camera=(), microphone=(), geolocation=()')
  );
}

function send(reply: FastifyReply, file: File, accepts: string | string[] | undefined): FastifyReply {
  guarded(reply)
    .header('content-type', file.type)
    .header('cache-control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  if (!file.compressible) return reply.send(file.body);
  reply.header('vary', 'accept-encoding');
  if (!/\bgzip\b/.test(String(accepts ?? ''))) return reply.send(file.body);
  return reply.header('content-encoding', 'gzip').send((file.gzip ??= gzipSync(file.body)));
}

/** All files in memory, by their path: a name that is not in the build names nothing. Undefined when not built. */
function readConsole(): ReadonlyMap<string, File> | undefined {
  const folder = folders.find((candidate) => existsSync(path.join(candidate, 'index.html')));
  if (folder === undefined) return undefined;
  const files = new Map<string, File>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, file).split(path.sep).join('/');
    const type = TYPES[path.extname(name)] ?? 'application/octet-stream';
    const body = readFileSync(file);
    const compressible = body.length > 1_000 && !/^(?:image\/(?!svg)|font\/)/.test(type);
    files.set(name, { body, type, compressible, immutable: /^assets\/.*-[\w-]{8,}\.\w+$/.test(name) });
  }
  return files;
}
