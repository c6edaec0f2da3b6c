/** Many attachments of the original's wire, which ACK every EVENT: the readers' side of fan-out. */
import { WebSocket } from 'ws';
import { ATTACH_PROTOCOL } from '../../src/protocol/network.ts';

export interface Attached {
  received: number;
  /** Resolves when `count` events have come since the last reset. */
  until(count: number): Promise<void>;
  reset(): void;
  close(): void;
}

/** Attaches one agent and ACKs what comes. */
export function attach(url: string, networkId: string, agentId: string): Promise<Attached> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/attach`, { perMessageDeflate: false });
    let waiting: { count: number; done: () => void } | undefined;
    const attached: Attached = {
      received: 0,
      until: (count) =>
        attached.received >= count ? Promise.resolve() : new Promise((done) => (waiting = { count, done })),
      reset: () => void (attached.received = 0),
      close: () => socket.terminate(),
    };
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      // The op comes first on this wire; parsing each EVENT whole would measure this reader, not the server.
      if (text.startsWith('{"op":"EVENT"')) {
        const at = text.indexOf('"cursor":"') + 10;
        socket.send(
          `{"op":"ACK","version":"${ATTACH_PROTOCOL}","capabilities":{},"cursor":"${text.slice(at, text.indexOf('"', at))}"}`,
        );
        attached.received++;
        if (waiting && attached.received >= waiting.count) {
          waiting.done();
          waiting = undefined;
        }
      } else if (text.startsWith('{"op":"PING"')) {
        socket.send(`{"op":"PONG","version":"${ATTACH_PROTOCOL}","capabilities":{}}`);
      } else if (text.startsWith('{"op":"HELLO"')) {
        socket.send(
          JSON.stringify({
            op: 'IDENTIFY',
            version: ATTACH_PROTOCOL,
            network_id: networkId,
            agent: { type: 'agent', id: agentId },
            capabilities: {},
          }),
        );
      } else if (text.startsWith('{"op":"READY"')) {
        resolve(attached);
      } else if (text.startsWith('{"op":"ERROR"')) {
        reject(new Error(text));
      }
    });
  });
}

/** `count` attachments, opened 50 at a time. */
export async function attachMany(
  url: string,
  networkId: string,
  count: number,
  prefix = 'reader',
): Promise<Attached[]> {
  const all: Attached[] = [];
  for (let at = 0; at < count; at += 50) {
    all.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(50, count - at) }, (_, i) =>
          attach(url, networkId, `${prefix}-${at + i}`),
        ),
      )),
    );
  }
  return all;
}
