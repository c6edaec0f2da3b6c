/** TinyAGI's event stream (SSE), as far as turns are concerned. */
import http from 'node:http';
import https from 'node:https';

export interface TinyEvent {
  type: string;
  message_id: string;
  content: string;
}

export interface EventStream {
  /** Resolves when it is there, and also when it is not to be had. */
  readonly opened: Promise<void>;
  /** It is there. */
  readonly live: boolean;
  close(): void;
}

/** Characters of one event; more is passed over. */
const MAX_EVENT = 4 * 1024 * 1024;

export function watchEvents(
  url: string,
  signal: AbortSignal,
  onEvent: (event: TinyEvent) => void,
): EventStream {
  const opened = Promise.withResolvers<void>();
  let live = false;
  const off = (): void => {
    live = false;
    opened.resolve();
  };
  const request = (url.startsWith('https:') ? https : http).request(
    url,
    { headers: { accept: 'text/event-stream' }, signal },
    (response) => {
      live = response.statusCode === 200;
      opened.resolve();
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const blocks = text.split(/\r?\n\r?\n/);
        text = blocks.pop()!.slice(-MAX_EVENT);
        for (const block of blocks) {
          const event = eventOf(block);
          if (event) onEvent(event);
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

/** The type stands in an `event:` line, in the data, or in both. */
function eventOf(block: string): TinyEvent | undefined {
  let name = '';
  let data = '';
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith('event:')) name = line.slice(6).trim();
    if (line.startsWith('data:')) data += line.slice(5).trimStart();
  }
  try {
    const value = JSON.parse(data) as Record<string, unknown>;
    const inner = (
      typeof value['data'] === 'object' && value['data'] !== null ? value['data'] : value
    ) as Record<string, unknown>;
    const type = typeof value['type'] === 'string' ? value['type'] : name;
    const text = (key: string): string => (typeof inner[key] === 'string' ? inner[key] : '');
    return { type, message_id: text('messageId'), content: text('content') || text('message') };
  } catch {
    return undefined;
  }
}
