/** (f) An agent that missed 100 messages in 3 rooms, with and without 1 million others that it also missed but are not for it. */
import path from 'node:path';
import { WebSocket } from 'ws';
import { ATTACH_PROTOCOL } from '../../src/protocol/network.ts';
import { seedMessages } from '../../test/support/store-seed.ts';
import { httpLoad, prepared } from '../lib/http-load.ts';
import { scratch, startMoltnet } from '../lib/process.ts';
import { alternate, median, round, type Row } from '../lib/stats.ts';

const ROOMS = ['planning', 'reviews', 'reports'];
const MISSED = 100;

/** Attaches by the delivery protocol and resolves with the ms until `count` events came. Nothing is acknowledged, so the next one misses them too. */
function caughtUp(url: string, count: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let received = 0;
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/attach`, { perMessageDeflate: false });
    const finish = (): void => {
      const took = performance.now() - began;
      socket.once('close', () => resolve(took));
      socket.close(4000);
    };
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { op: string; error?: string };
      if (frame.op === 'ERROR') reject(new Error(frame.error));
      if (frame.op === 'HELLO') {
        socket.send(
          JSON.stringify({
            op: 'IDENTIFY',
            version: ATTACH_PROTOCOL,
            network_id: 'bench',
            agent: { type: 'agent', id: 'late' },
            capabilities: { delivery: 1 },
            bindings: {
              rooms: ROOMS.map((id) => ({ id, wake: 'all' })),
              dms: { enabled: true, wake: 'all' },
              catch_up: 'all',
            },
          }),
        );
      }
      if (frame.op === 'READY' && count === 0) finish();
      if (frame.op === 'EVENT' && ++received === count) finish();
    });
  });
}

async function prepare(folder: string, others: number): Promise<{ url: string; stop(): Promise<void> }> {
  let server = await startMoltnet(folder);
  for (const id of ROOMS) {
    const created = await fetch(`${server.url}/v1/rooms`, {
      method: 'POST',
      body: JSON.stringify({ id, visibility: 'public' }),
    });
    if (created.status !== 201) throw new Error(`room ${id}: ${created.status}`);
  }
  await caughtUp(server.url, 0);
  await server.stop();
  if (others > 0)
    await seedMessages(path.join(folder, 'moltnet.db'), {
      networkId: 'bench',
      rooms: Array.from({ length: 20 }, (_, i) => `other-${i}`),
      messages: others,
    });
  server = await startMoltnet(folder);
  for (let i = 0; i < MISSED; i++) {
    const body = JSON.stringify({
      target: { kind: 'room', room_id: ROOMS[i % 3] },
      from: { type: 'human', id: 'bench' },
      parts: [{ kind: 'text', text: `missed ${i}` }],
    });
    const sent = await fetch(`${server.url}/v1/messages`, { method: 'POST', body });
    if (sent.status !== 202) throw new Error(`message: ${sent.status}`);
  }
  // Both servers are warm in the same way.
  await httpLoad(server.url, prepared(server.url, 'GET', '/v1/rooms/planning/messages'), 1, 0.5, 200);
  return server;
}

export async function catchUp({ pairs }: { pairs: number }): Promise<Row[]> {
  const quiet = scratch();
  const busy = scratch();
  try {
    const alone = await prepare(quiet.path, 0);
    const among = await prepare(busy.path, 1_000_000);
    await caughtUp(alone.url, MISSED);
    await caughtUp(among.url, MISSED);
    const { a, b } = await alternate(
      pairs,
      () => caughtUp(alone.url, MISSED),
      () => caughtUp(among.url, MISSED),
    );
    await alone.stop();
    await among.stop();
    const ratio = median(b.map((took, i) => took / a[i]!));
    return [
      {
        case: '(f) 100 missed in 3 rooms among 1 million others',
        ours: `${round(median(b))} ms`,
        baseline: `${round(median(a))} ms without them`,
        ratio: round(ratio),
        aim: '<= 2',
        met: ratio <= 2,
      },
    ];
  } finally {
    quiet.remove();
    busy.remove();
  }
}
