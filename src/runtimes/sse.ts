/** A runtime's event stream (SSE). */
import http from 'node:http';
import https from 'node:https';

export interface EventStream {
  /** Resolves when it is there, and also when it is not to be had. */
  readonly opened: Promise<void>;
  /** It is there. */
  readonly live: boolean;
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
  let live = false;
  const off = (): void => {
    live = false;
    opened.resolve();
  };
  const request = (url.startsWith('https:') ? https : http).request(
    url,
    { headers: { accept: 'text/event-stream', ...headers }, signal },
    (response) => {
      live = response.statusCode === 200;
      opened.resolve();
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const blocks = text.split(/\r?\n\r?\n/);
        text = blocks.pop()!.slice(-MAX_EVENT);
        for (const block of blocks) {
          let name = '';
          let data = '';
          for (const line of block.split(/\r?\n/)) {
            if (line.startsWith('event:')) name = line.slice(6).trim();
            if (line.startsWith('data:')) data += line.slice(5).trimStart();
          }
          onEvent(name, data);
        }
      });
      response.on('error', off);
      response.on('close', off);
    },
  );
  request.on('error', off);
  request.end();
  return {
    opened: opened.promise,
    get live() {
      return live;
    },
    close: () => void request.destroy(),
  };
}
