/** A runtime's event stream (SSE). */
import http from 'node:http';
import https from 'node:https';

export interface EventStream {
  /** Resolves when it is there, and also when it is not to be had. */
  readonly opened: Promise<void>;
  /** It is there. */
  readonly live: boolean;
  /** Resolves when it is over. */
  readonly closed: Promise<void>;
  close(): void;
}

/** Characters of one event; more is passed over. */
const MAX_EVENT = 4 * 1024 * 1024;

/** @param onEvent the `event:` line, or nothing, and the data of each event */
export function watchSse(
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
  onEvent: (name: string, data: string) => void,
): EventStream {
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let live = false;
  const off = (): void => {
    live = false;
    opened.resolve();
    closed.resolve();
  };
  const request = (url.startsWith('https:') ? https : http).request(
    url,
    { headers: { accept: 'text/event-stream', ...headers }, signal },
    (response) => {
      live = response.statusCode === 200;
      opened.resolve();
      const blocks = splitBlocks((block) => {
        let name = '';
        let data = '';
        for (const line of block.split(/\r?\n/)) {
          if (line.startsWith('event:')) name = line.slice(6).trim();
          if (line.startsWith('data:')) data += line.slice(5).trimStart();
        }
        onEvent(name, data);
      });
      response.setEncoding('utf8').on('data', blocks);
      response.on('error', off);
      response.on('close', off);
    },
  );
  request.on('error', off);
  request.end();
  return {
    opened: opened.promise,
    closed: closed.promise,
    get live() {
      return live;
    },
    close: () => void request.destroy(),
  };
}

/** Calls `onBlock` for what stands between empty lines. One that is too long is passed over, and looked through once. */
export function splitBlocks(onBlock: (block: string) => void, max = MAX_EVENT): (chunk: string) => void {
  const end = /\r?\n\r?\n/g;
  let text = '';
  let skipping = false;
  return (chunk) => {
    // An end may be in two chunks.
    end.lastIndex = Math.max(0, text.length - 3);
    text += chunk;
    let from = 0;
    for (let found = end.exec(text); found; found = end.exec(text)) {
      if (!skipping && found.index - from <= max) onBlock(text.slice(from, found.index));
      skipping = false;
      from = end.lastIndex;
    }
    text = text.slice(from);
    if (text.length <= max && !skipping) return;
    skipping = true;
    text = text.slice(-3);
  };
}
