/**
 * Many nodes in a process of their own (forked), so that what they cost is not taken for the server's: agents of the
 * delivery protocol that attach all at once, take what they missed, begin a wake over it in each room and end that.
 * Message in: Reconnect; message out: Reconnected. They stay attached until the next message.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { ATTACH_PROTOCOL } from '../../src/protocol/network.ts';

export interface Reconnect {
  url: string;
  network: string;
  agents: number;
  rooms: string[];
  /** Messages that each has missed, over all rooms. */
  missed: number;
}
export interface Reconnected {
  /** The first try to connect, in milliseconds of the machine's clock (hrtime). */
  began: number;
  /** For each agent, milliseconds from the first try to connect until it had all. */
  had: number[];
  /** Until the server knew of each that all its turns are over. */
  ended: number[];
  /** Tries to connect that failed. */
  refused: number;
}

const frame = (op: string, more: object): string =>
  JSON.stringify({ op, version: ATTACH_PROTOCOL, capabilities: {}, ...more });
let sockets: WebSocket[] = [];
let refused = 0;
/** Milliseconds. The same in every process: what a process takes for 1970 is not. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

process.on('message', (given: Reconnect) => void reconnect(given));

async function reconnect(given: Reconnect): Promise<void> {
  for (const socket of sockets) socket.terminate();
  sockets = [];
  refused = 0;
  const began = now();
  const all = await Promise.all(
    Array.from({ length: given.agents }, (_, i) => agent(`agent-${i}`, given, began)),
  );
  process.send!({
    began,
    had: all.map(({ had }) => had),
    ended: all.map(({ ended }) => ended),
    refused,
  } satisfies Reconnected);
}

async function agent(id: string, given: Reconnect, began: number): Promise<{ had: number; ended: number }> {
  for (let wait = 100; ; wait = Math.min(wait * 2, 2_000)) {
    const result = await connection(id, given, began);
    if (result) return result;
    refused++;
    // As the node does: longer each time, and not all in the same moment.
    await sleep(wait * (0.8 + Math.random() * 0.4));
  }
}

/** Undefined when it did not hold. */
function connection(
  id: string,
  { url, network, rooms, missed }: Reconnect,
  began: number,
): Promise<{ had: number; ended: number } | undefined> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/attach`, { perMessageDeflate: false });
    const last = new Map<string, string>();
    let received = 0;
    let open = rooms.length;
    let had = 0;
    const between = (text: string, from: string): string => {
      const at = text.indexOf(from) + from.length;
      return text.slice(at, text.indexOf('"', at));
    };
    const finish = (): void => {
      sockets.push(socket);
      resolve({ had, ended: now() - began });
    };
    socket.on('error', () => {});
    socket.on('close', () => resolve(undefined));
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      // The op comes first on this wire; parsing each EVENT whole would measure this reader.
      if (text.startsWith('{"op":"EVENT"')) {
        last.set(between(text, '"room_id":"'), between(text, '"cursor":"'));
        if (++received !== missed) return;
        had = now() - began;
        for (const [room, cursor] of last)
          socket.send(
            frame('WAKE', {
              wake_id: `wake_${id}_${room}`,
              conversation: `room:${room}`,
              cursor,
              attempt: 1,
            }),
          );
      } else if (text.startsWith('{"op":"WAKE"')) {
        const { wake_id, cursor } = JSON.parse(text) as { wake_id: string; cursor: string };
        socket.send(frame('ACK', { cursor, wake_id, outcome: 'ok' }));
        if (--open === 0) finish();
      } else if (text.startsWith('{"op":"PING"')) {
        socket.send(frame('PONG', {}));
      } else if (text.startsWith('{"op":"HELLO"')) {
        socket.send(
          frame('IDENTIFY', {
            network_id: network,
            agent: { type: 'agent', id },
            capabilities: { delivery: 1 },
            bindings: {
              rooms: rooms.map((room) => ({ id: room, wake: 'all' })),
              dms: { enabled: true, wake: 'all' },
              catch_up: 'all',
            },
          }),
        );
      } else if (text.startsWith('{"op":"READY"') && missed === 0) {
        had = now() - began;
        finish();
      }
    });
  });
}
