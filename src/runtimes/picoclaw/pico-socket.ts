/** One connection to PicoClaw's pico channel. It belongs to one session: answers go to the sockets of that alone. */
import { WebSocket } from 'ws';
import { objectOf, parseObject } from '../json.ts';
import { TurnFailure } from '../turn-line.ts';

/** What the original's node says when nobody gave it a token. */
export const DEFAULT_TOKEN = 'spawnfile-internal-pico';
const DIAL_MS = 15_000;
const MAX_FRAME = 16 * 1024 * 1024;

export interface PicoFrame {
  type: string;
  payload: Record<string, unknown>;
}

export interface PicoSocket {
  send(content: string): void;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly gone: Promise<void>;
  readonly alive: boolean;
  close(): Promise<void>;
}

/** Rejects with a TurnFailure. */
export function openPico(
  url: string,
  session: string,
  token: string,
  onFrame: (frame: PicoFrame) => void,
): Promise<PicoSocket> {
  return new Promise((resolve, reject) => {
    const address = new URL(url);
    address.searchParams.set('session_id', session);
    const socket = new WebSocket(address, [`token.${token}`], {
      perMessageDeflate: false,
      maxPayload: MAX_FRAME,
      handshakeTimeout: DIAL_MS,
      headers: { authorization: `Bearer ${token}` },
    });
    const gone = Promise.withResolvers<void>();
    socket.on('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      reject(
        status === 401 || status === 403
          ? new TurnFailure(
              `PicoClaw refused the token at ${url}; correct runtime.token: it is channel_list.pico.settings.token of its config.json`,
              { permanent: true, cause: 'config' },
            )
          : new TurnFailure(`PicoClaw at ${url} answered ${status}`, {
              cause: status === 503 ? 'rate_limited' : 'crashed',
            }),
      );
      socket.terminate();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ECONNREFUSED'
          ? new TurnFailure(
              `nothing listens at ${url}; start PicoClaw (picoclaw gateway), or correct runtime.events_url`,
              { cause: 'missing' },
            )
          : new TurnFailure(`PicoClaw at ${url} cannot be reached: ${error.message}`, { cause: 'crashed' }),
      );
    });
    socket.on('close', () => {
      reject(new TurnFailure(`PicoClaw at ${url} closed the connection`, { cause: 'crashed' }));
      gone.resolve();
    });
    socket.on('message', (data: Buffer) => {
      const frame = frameOf(data);
      if (frame) onFrame(frame);
    });
    socket.on('open', () =>
      resolve({
        send: (content) =>
          socket.send(JSON.stringify({ type: 'message.send', session_id: session, payload: { content } })),
        gone: gone.promise,
        get alive() {
          return socket.readyState === WebSocket.OPEN;
        },
        close: () => {
          if (socket.readyState === WebSocket.OPEN) socket.close(1000);
          setTimeout(() => socket.terminate(), 500).unref();
          return gone.promise;
        },
      }),
    );
  });
}

function frameOf(data: Buffer): PicoFrame | undefined {
  const { type, payload } = objectOf(parseObject(data.toString('utf8')));
  return typeof type === 'string' ? { type, payload: objectOf(payload) } : undefined;
}
