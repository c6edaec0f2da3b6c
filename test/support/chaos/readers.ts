/** Readers that are attached all the time of a chaos run and come back, with their cursor, whenever they are cut off. */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { StrictClient } from '../../peer/strict-client.ts';
import type { ChaosReader } from './record.ts';
import { HALL } from './world.ts';

export interface FollowingReader extends ChaosReader {
  /** It was sent something of the hall, so that it will be sent, or come back for, everything after it. */
  readonly ready: boolean;
  stop(): Promise<void>;
}

interface SeenMessage {
  id: string;
  target: { room_id?: string };
}

function notebook(): { saw: string[]; take: (message: SeenMessage) => void; isReady: () => boolean } {
  const saw: string[] = [];
  let ready = false;
  return {
    saw,
    isReady: () => ready,
    take: ({ id, target }) => {
      if (target.room_id === HALL) ready = true;
      else saw.push(id);
    },
  };
}

/** An existing client, attached as an agent of its own: it is sent what stands in public rooms. */
export function attachedReader(url: string, name: string, rooms: readonly string[]): FollowingReader {
  const { saw, take, isReady } = notebook();
  const broken: string[] = [];
  const stop = new AbortController();
  let client: StrictClient | undefined;
  const follow = async (): Promise<void> => {
    let cursor = '';
    while (!stop.signal.aborted) {
      client = new StrictClient({ url, network: 'local', agent: name, cursor });
      let taken = 0;
      const look = (): boolean => {
        for (; taken < client!.events.length; taken++) {
          const event = client!.events[taken]!;
          if (event.type === 'message.created') take(event.message!);
          else if (event.type === 'stream.replay_gap') broken.push('a gap in what it was sent');
        }
        return client!.state === 'closed';
      };
      await client.until(look);
      look();
      cursor = client.cursor;
      broken.push(...client.broken);
      if (!stop.signal.aborted) await sleep(50);
    }
  };
  const done = follow();
  return {
    name,
    rooms,
    saw,
    broken,
    get ready() {
      return isReady();
    },
    stop: async () => {
      stop.abort();
      await client?.drop();
      await done;
    },
  };
}

/** An observer of the event stream: it is sent everything. */
export function streamReader(urls: readonly string[], name: string): FollowingReader {
  const { saw, take, isReady } = notebook();
  const broken: string[] = [];
  const stop = new AbortController();
  let last: string | undefined;
  let close: (() => void) | undefined;
  const connection = (url: string): Promise<void> =>
    new Promise((resolve) => {
      const headers = last === undefined ? {} : { 'last-event-id': last };
      const request = get(`${url}/v1/events/stream`, { headers, agent: false }, (response) => {
        let rest = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          const blocks = (rest + chunk).split('\n\n');
          rest = blocks.pop()!;
          for (const block of blocks) {
            const field = (key: string): string | undefined =>
              new RegExp(`^${key}: (.*)$`, 'm').exec(block)?.[1];
            last = field('id') ?? last;
            const type = field('event');
            if (type === 'stream.replay_gap') broken.push('a gap in the stream');
            if (type !== 'message.created') continue;
            take((JSON.parse(field('data')!) as { message: SeenMessage }).message);
          }
        });
        response.on('error', () => {}).on('close', resolve);
      });
      request.on('error', () => resolve());
      close = () => request.destroy();
    });
  const follow = async (): Promise<void> => {
    for (let n = 0; !stop.signal.aborted; n++) {
      await connection(urls[n % urls.length]!);
      if (!stop.signal.aborted) await sleep(50);
    }
  };
  const done = follow();
  return {
    name,
    saw,
    broken,
    get ready() {
      return isReady();
    },
    stop: async () => {
      stop.abort();
      close?.();
      await done;
    },
  };
}
