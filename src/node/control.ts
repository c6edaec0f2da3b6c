/**
 * How a command reaches the node of a file: a socket that only its owner may use, one JSON line each way. It lies in
 * the `.moltnet` folder beside the file; where that path is longer than the system takes, in a folder of this user
 * under the system's temporary one. On Windows it is a named pipe.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensurePrivateDir } from '../config/private-files.ts';

export interface ControlRequest {
  op: string;
  /** Of `sessions` and `reset`. */
  agent?: string | undefined;
  conversation?: string;
}
export type ControlAnswer = { ok: true; result: unknown } | { ok: false; error: string };

/** What the shortest of the systems takes as a socket's name (sun_path), in bytes, without the NUL at its end. */
const LONGEST_PATH = 103;
/** Bytes of one line. */
const LONGEST_LINE = 65_536;
/** Milliseconds for a request to come, and for an answer: a reload waits for turns to end. */
const REQUEST_TIME = 5_000;
const ANSWER_TIME = 60_000;

/** Where the node of this file listens, whether it runs or not. */
export function controlPath(nodeFile: string): string {
  const file = realPath(nodeFile);
  const hash = createHash('sha256').update(file).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\moltnet-node-${hash}`;
  const beside = path.join(path.dirname(file), '.moltnet', `${path.basename(file)}.sock`);
  return Buffer.byteLength(beside) <= LONGEST_PATH
    ? beside
    : path.join(tmpdir(), `moltnet-${process.getuid!()}`, `${hash}.sock`);
}

/** Nobody listens: no node runs with the file. */
export class NoNode extends Error {}

export interface NodeControl {
  path: string;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Listens for requests to the node of this file. A socket that nobody listens on is replaced. Rejects when another node
 * of this file listens, or when the place is not this user's alone.
 */
export async function openControl(
  nodeFile: string,
  handle: (request: ControlRequest) => Promise<unknown>,
): Promise<NodeControl> {
  const at = controlPath(nodeFile);
  const pipe = process.platform === 'win32';
  if (!pipe) {
    if (path.basename(path.dirname(at)) === '.moltnet') ensurePrivateDir(path.dirname(at));
    else requireOwnDir(path.dirname(at));
  }
  /** Connections that have asked nothing yet. */
  const mute = new Set<Socket>();
  const server = createServer((socket) => {
    mute.add(socket);
    void serve(socket, (request) => {
      mute.delete(socket);
      return handle(request);
    });
    socket.on('close', () => mute.delete(socket));
  });
  server.maxConnections = 16;
  try {
    await listen(server, at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (await isListening(at))
      throw new Error(`another node of ${nodeFile} is running (${at})`, { cause: error });
    rmSync(at, { force: true });
    await listen(server, at);
  }
  // A command that is connected must not keep the process.
  server.unref();
  let closing: Promise<void> | undefined;
  return {
    path: at,
    close: () =>
      (closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of mute) socket.destroy();
      })),
  };
}

/** Made for this user alone from the beginning: between making a file and closing it somebody could open it. */
function listen(server: Server, at: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const before = process.umask(0o177);
    try {
      server.once('error', reject);
      server.listen(at, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

async function serve(socket: Socket, handle: (request: ControlRequest) => Promise<unknown>): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const request = JSON.parse(await readLine(socket, REQUEST_TIME)) as ControlRequest;
    const answer: ControlAnswer = await handle(request).then(
      (result) => ({ ok: true, result }),
      (error: unknown) => ({ ok: false, error: messageOf(error) }),
    );
    socket.end(`${JSON.stringify(answer)}\n`);
  } catch {
    // Not one of ours.
    socket.destroy();
  }
}

/**
 * Asks the node that runs with this file; resolves with its result. Rejects with what it says when it refuses (for a
 * reload: every mistake of the file), and with a plain sentence when none runs.
 */
export async function askNode(nodeFile: string, request: ControlRequest): Promise<unknown> {
  const at = controlPath(nodeFile);
  const socket = await connect(at).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES' || error.code === 'EPERM')
      throw new Error(`the node of ${nodeFile} runs as another user: ask as that one (${at})`, {
        cause: error,
      });
    throw new NoNode(`no node runs with ${nodeFile}; start one: moltnet node start`, { cause: error });
  });
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await readLine(socket, ANSWER_TIME)) as ControlAnswer;
    if (!answer.ok) throw new Error(answer.error);
    return answer.result;
  } finally {
    socket.destroy();
  }
}

function connect(at: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(at);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}

const isListening = (at: string): Promise<boolean> =>
  connect(at).then(
    (socket) => {
      socket.destroy();
      return true;
    },
    (error: NodeJS.ErrnoException) => error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT',
  );

/** The first line; rejects when none comes in time, or it is too long. */
function readLine(socket: Socket, milliseconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(milliseconds, () => reject(new Error('no answer in time')));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > LONGEST_LINE) reject(new Error('the line is too long'));
    });
    socket.on('close', () => reject(new Error('the connection ended without an answer')));
  });
}

/** Under a folder where everybody may make things: one that somebody else made first is not used. */
function requireOwnDir(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const stat = lstatSync(dir);
  if (!stat.isDirectory() || stat.uid !== process.getuid!() || (stat.mode & 0o077) !== 0)
    throw new Error(`${dir} is not a folder of this user alone; remove it`);
}

/** Two names of one file are one node. */
function realPath(file: string): string {
  const absolute = path.resolve(file);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
