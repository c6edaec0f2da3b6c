/** A reader of `GET /v1/events/stream` (wire.md 7) for as long as the demo runs. */
import { get } from 'node:http';
import type { Event } from '../../protocol/events.ts';

export interface EventStream {
  /** Resolves with the first event from now on that fits; undefined when the stream ends, or after `timeout` ms. */
  next(fits: (event: Event) => boolean, timeout?: number): Promise<Event | undefined>;
  close(): void;
}

/** Resolves once the server says that the stream is open. `onEvent` gets every event in order. */
export function openEventStream(base_url: string, onEvent: (event: Event) => void): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const waiting = new Set<(event: Event | undefined) => void>();
    const tell = (event: Event | undefined): void => {
      for (const look of waiting) look(event);
    };
    const request = get(`${base_url}/v1/events/stream`, { agent: false }, (response) => {
      let rest = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop()!;
        for (const block of blocks) {
          if (block.startsWith(': stream-open')) resolve(stream);
          const data = block.split('\n').find((line) => line.startsWith('data: '));
          if (data === undefined) continue;
          const event = JSON.parse(data.slice('data: '.length)) as Event;
          onEvent(event);
          tell(event);
        }
      });
      response.on('close', () => tell(undefined));
      response.on('error', () => {});
    });
    request.on('error', reject);
    const stream: EventStream = {
      next: (fits, timeout) =>
        new Promise((settle) => {
          const done = (event: Event | undefined): void => {
            waiting.delete(look);
            clearTimeout(timer);
            settle(event);
          };
          const look = (event: Event | undefined): void => {
            if (event === undefined || fits(event)) done(event);
          };
          const timer = timeout === undefined ? undefined : setTimeout(() => done(undefined), timeout);
          waiting.add(look);
        }),
      close: () => request.destroy(),
    };
  });
}
