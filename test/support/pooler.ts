/**
 * A pooler in transaction mode before a real Postgres. PgBouncer itself where MOLTNET_TEST_PGBOUNCER names its program;
 * else a STAND-IN that does over the real wire what matters of it: each transaction gets whichever session is free, so
 * that nothing of a session can be relied on, notifications reach nobody, and parameters of the start are refused.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from './process.ts';

export interface Pooler {
  kind: 'PgBouncer' | 'stand-in';
  /** Address of the same database by way of it. */
  dsn: string;
  stop(): Promise<void>;
}

/** Sessions that it keeps with the database. */
const SESSIONS = 3;

/** Before the database of an address, whose user needs no password. */
export function startPooler(dsn: string): Promise<Pooler> {
  const program = process.env['MOLTNET_TEST_PGBOUNCER'];
  return program === undefined ? startStandIn(dsn) : startPgBouncer(program, dsn);
}

const through = (dsn: string, port: number): string => {
  const url = new URL(dsn);
  url.port = String(port);
  return url.href;
};

async function startPgBouncer(program: string, dsn: string): Promise<Pooler> {
  const { hostname, port: database, username, pathname } = new URL(dsn);
  const folder = mkdtempSync(path.join(tmpdir(), 'moltnet-pooler-'));
  chmodSync(folder, 0o755);
  const port = await freePort();
  const [ini, users] = [path.join(folder, 'pgbouncer.ini'), path.join(folder, 'users.txt')];
  writeFileSync(users, `"${username}" ""\n`);
  writeFileSync(
    ini,
    `[databases]
${pathname.slice(1)} = host=${hostname} port=${database} dbname=${pathname.slice(1)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${SESSIONS}
`,
  );
  const as = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const child = spawn(program, [ini], { ...as, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (data: Buffer) => (output = (output + data).slice(-4_000)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  for (let listens = false; !listens;) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${output}`);
    listens = await new Promise((resolve) => {
      const probe = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      probe.on('close', () => {}).setTimeout(1_000);
      probe.once('connect', () => probe.destroy());
    });
    if (!listens) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    kind: 'PgBouncer',
    dsn: through(dsn, port),
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Splits a stream of the protocol into messages: a type byte, a length, a body. */
function messages(take: (type: string, whole: Buffer) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (data) => {
    rest = Buffer.concat([rest, data]);
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = 1 + rest.readInt32BE(1);
      const whole = rest.subarray(0, end);
      rest = rest.subarray(end);
      take(String.fromCharCode(whole[0]!), whole);
    }
  };
}
const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
};
const READY = message('Z', Buffer.from('I'));
const ALLOWED = new Set(['user', 'database', 'application_name', 'client_encoding']);

interface Session {
  socket: Socket;
  ready: Promise<void>;
  /** Who has it, and how many answers that one still waits for. */
  client: Socket | undefined;
  waits: number;
  free: (session: Session) => void;
}

async function startStandIn(dsn: string): Promise<Pooler> {
  const { hostname, port: database, username, pathname } = new URL(dsn);
  const sessions: Session[] = [];
  const waiting: ((session: Session) => void)[] = [];
  let next = 0;

  function openSession(): Session {
    const socket = connect(Number(database), hostname).setNoDelay();
    const { promise, resolve } = Promise.withResolvers<void>();
    const session: Session = { socket, ready: promise, client: undefined, waits: 0, free: () => {} };
    let begun = false;
    const parameters = `user\0${username}\0database\0${pathname.slice(1)}\0application_name\0moltnet\0\0`;
    const start = Buffer.alloc(8);
    start.writeInt32BE(8 + parameters.length, 0);
    start.writeInt32BE(196_608, 4);
    socket.write(Buffer.concat([start, Buffer.from(parameters)]));
    socket
      .on('error', () => {})
      .on('close', () => {
        session.client?.destroy();
        sessions.splice(sessions.indexOf(session), 1);
      });
    socket.on(
      'data',
      messages((type, whole) => {
        if (!begun) {
          if (type === 'Z') {
            begun = true;
            resolve();
          }
          return;
        }
        // Notifications are for nobody.
        if (type !== 'A') session.client?.write(whole);
        if (type === 'Z' && --session.waits === 0 && whole[5] === 0x49) session.free(session);
      }) as (data: Buffer | string) => void,
    );
    sessions.push(session);
    return session;
  }
  /** Never the one that this client had before, when another is free. */
  function take(): Promise<Session> {
    if (sessions.length < SESSIONS) openSession();
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[next++ % sessions.length]!;
      if (!session.client) return Promise.resolve(session);
    }
    return new Promise((resolve) => waiting.push(resolve));
  }

  const server = createServer({ noDelay: true }, (client) => {
    let session: Session | undefined;
    let line = Promise.resolve();
    let started = false;
    let early: Buffer = Buffer.alloc(0);
    const release = (own: Session): void => {
      own.client = session = undefined;
      waiting.shift()?.(own);
    };
    const pass = async (before: Promise<void>, type: string, whole: Buffer): Promise<void> => {
      await before;
      if (!session) {
        session = await take();
        session.client = client;
        session.free = release;
        await session.ready;
      }
      if (type === 'S' || type === 'Q') session.waits++;
      session.socket.write(whole);
    };
    const frontend = messages((type, whole) => {
      if (type === 'X') return void client.end();
      line = pass(line, type, whole);
    });
    const start = (data: Buffer): void => {
      early = Buffer.concat([early, data]);
      if (early.length < 8 || early.length < early.readInt32BE(0)) return;
      const body = early.subarray(8, early.readInt32BE(0));
      const rest = early.subarray(early.readInt32BE(0));
      if (early.readInt32BE(4) === 80_877_103) {
        early = rest;
        return void client.write('N');
      }
      const words = body.toString('utf8').split('\0');
      const refused = words.filter((_, i) => i % 2 === 0).find((name) => name !== '' && !ALLOWED.has(name));
      if (refused !== undefined) {
        const text = `SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: ${refused}\0\0`;
        return void client.end(message('E', Buffer.from(text)));
      }
      started = true;
      client.write(Buffer.concat([message('R', Buffer.alloc(4)), message('K', Buffer.alloc(8)), READY]));
      if (rest.length > 0) frontend(rest);
    };
    client.on('data', (data) => (started ? frontend(data as Buffer) : start(data as Buffer)));
    // A client that goes away in the middle takes its session with it.
    client.on('error', () => {}).on('close', () => session?.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clients = new Set<Socket>();
  server.on('connection', (client) => void clients.add(client.once('close', () => clients.delete(client))));
  return {
    kind: 'stand-in',
    dsn: through(dsn, (server.address() as AddressInfo).port),
    async stop() {
      for (const socket of [...clients, ...sessions.map((session) => session.socket)]) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
