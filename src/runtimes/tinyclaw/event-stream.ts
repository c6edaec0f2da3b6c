/** TinyAGI's event stream, as far as turns are concerned. */
import { watchSse, type EventStream } from '../sse.ts';

export interface TinyEvent {
  type: string;
  message_id: string;
  content: string;
}

export function watchEvents(
  url: string,
  signal: AbortSignal,
  onEvent: (event: TinyEvent) => void,
): EventStream {
  return watchSse(url, {}, signal, (name, data) => {
    const event = eventOf(name, data);
    if (event) onEvent(event);
  });
}

/** The type stands in an `event:` line, in the data, or in both. */
function eventOf(name: string, data: string): TinyEvent | undefined {
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
