/** TinyAGI's event stream, as far as turns are concerned. */
import { isObject, parseObject, textOf } from '../json.ts';
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
  const value = parseObject(data);
  if (value === undefined) return undefined;
  const inner = isObject(value['data']) ? value['data'] : value;
  return {
    type: typeof value['type'] === 'string' ? value['type'] : name,
    message_id: textOf(inner['messageId']),
    content: textOf(inner['content']) || textOf(inner['message']),
  };
}
