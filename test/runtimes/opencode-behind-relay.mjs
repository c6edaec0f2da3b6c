#!/usr/bin/env node
// The real opencode (REAL_OPENCODE) behind a relay of ours, whose connections break when a file `cut` is in its home.
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';

const args = process.argv.slice(2);
const serves = args[0] === 'serve';
const child = spawn(process.env.REAL_OPENCODE, args, { stdio: ['ignore', 'pipe', 'inherit'] });
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => child.kill(name));
child.on('exit', (code) => process.exit(code ?? 1));

const open = new Set();
const relay = (port) =>
  createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    open.add(client);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ])
      from
        .pipe(to)
        .on('error', () => {})
        .on('close', () => (from.destroy(), open.delete(client)));
  });
child.stdout.setEncoding('utf8').on('data', (text) => {
  const port = serves && /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
  if (!port) return void process.stdout.write(text);
  const server = relay(Number(port)).listen(0, '127.0.0.1', () =>
    process.stdout.write(text.replace(port, String(server.address().port))),
  );
});
const cut = path.join(process.env.HOME, 'cut');
setInterval(() => {
  if (!existsSync(cut)) return;
  rmSync(cut);
  for (const socket of open) socket.destroy();
}, 20).unref();
