/**
 * People who write, in a process of their own (forked): what it is busy with is nothing else, so that a late answer is
 * the server's. Its own lateness is measured beside: by how much the timers between two messages come late.
 * Message in: Write, which begins, or `stop`; message out, after a stop: Written.
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { openLine, prepared } from './http-load.ts';

export interface Write {
  url: string;
  room_id: string;
  writers: number;
  /** Milliseconds of rest between an answer and the next message. */
  every: number;
}
export interface Written {
  /** Of each message: when it was sent, in milliseconds of the machine's clock (hrtime), and how long its 202 took. */
  sent: { at: number; took: number }[];
  /** Milliseconds by which each rest was too long. */
  late: { at: number; took: number }[];
}

let stop = new AbortController();
process.on('message', (given: Write | 'stop') => {
  if (given === 'stop') stop.abort();
  else void write(given);
});

async function write({ url, room_id, writers, every }: Write): Promise<void> {
  stop = new AbortController();
  const { signal } = stop;
  const body = JSON.stringify({
    target: { kind: 'room', room_id },
    from: { type: 'human', id: 'bench' },
    parts: [{ kind: 'text', text: 'hello' }],
  });
  const request = prepared(url, 'POST', '/v1/messages', body);
  const written: Written = { sent: [], late: [] };
  const now = (): number => Number(process.hrtime.bigint()) / 1e6;
  await Promise.all(
    Array.from({ length: writers }, async () => {
      let answered: (status: number) => void = () => {};
      const socket = openLine(url, (status) => answered(status));
      await once(socket, 'connect');
      while (!signal.aborted) {
        const at = now();
        socket.write(request);
        const status = await new Promise<number>((resolve) => (answered = resolve));
        if (status !== 202) throw new Error(`a message was answered with ${status}`);
        const rest = now();
        written.sent.push({ at, took: rest - at });
        await sleep(every);
        written.late.push({ at: rest, took: now() - rest - every });
      }
      socket.destroy();
    }),
  );
  process.send!(written);
}
