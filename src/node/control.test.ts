import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as dial } from 'node:net';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../../test/support/server.ts';
import { askNode, controlPath, openControl, type ControlRequest, type NodeControl } from './control.ts';

async function open(
  file: string,
  handle: (request: ControlRequest) => Promise<unknown> = (request) => Promise.resolve(request),
): Promise<NodeControl> {
  const control = await openControl(file, handle);
  onTestFinished(() => control.close());
  return control;
}
const nodeFile = async (): Promise<string> => path.join(await temporaryFolder(), 'MoltnetNode');

it('NODE-26 one line asks, one line answers, over a socket of the owner alone beside the file', async () => {
  const file = await nodeFile();
  const { path: at } = await open(file, (request) =>
    request.op === 'reload' ? Promise.resolve({ done: [1] }) : Promise.reject(new Error('bad\nfile')),
  );
  expect(at).toBe(path.join(path.dirname(file), '.moltnet', 'MoltnetNode.sock'));
  expect(statSync(at).mode & 0o777).toBe(0o600);
  expect(statSync(path.dirname(at)).mode & 0o777).toBe(0o700);
  expect(await askNode(file, { op: 'reload' })).toEqual({ done: [1] });
  await expect(askNode(file, { op: 'dance' })).rejects.toThrow('bad\nfile');
});

it('NODE-26 another name of the file reaches the same node; another file does not', async () => {
  const file = await nodeFile();
  writeFileSync(file, '');
  const link = path.join(await temporaryFolder(), 'link');
  symlinkSync(file, link);
  await open(file);
  expect(await askNode(link, { op: 'x' })).toEqual({ op: 'x' });
  await expect(askNode(`${file}.other`, { op: 'x' })).rejects.toThrow(
    `no node runs with ${file}.other; start one: moltnet node start`,
  );
});

it('NODE-26 a socket that a killed process left is replaced, one that is in use is not', async () => {
  const file = await nodeFile();
  const at = controlPath(file);
  mkdirSync(path.dirname(at), { mode: 0o700 });
  const child = spawn(process.execPath, [
    '-e',
    `require('net').createServer().listen(${JSON.stringify(at)}, () => process.stdout.write('here'))`,
  ]);
  await once(child.stdout, 'data');
  await expect(openControl(file, () => Promise.resolve())).rejects.toThrow(
    `another node of ${file} is running`,
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(statSync(at).isSocket()).toBe(true);
  await expect(askNode(file, { op: 'x' })).rejects.toThrow('no node runs');
  const control = await open(file);
  expect(await askNode(file, { op: 'x' })).toEqual({ op: 'x' });
  await control.close();
  await expect(askNode(file, { op: 'x' })).rejects.toThrow('no node runs');
});

it('NODE-26 a path that is too long for a socket has a short one in a folder of this user alone', async () => {
  const folder = path.join(await temporaryFolder(), 'x'.repeat(90));
  mkdirSync(folder);
  const file = path.join(folder, 'MoltnetNode');
  const at = controlPath(file);
  const own = path.join(tmpdir(), `moltnet-${process.getuid!()}`);
  expect(path.dirname(at)).toBe(own);
  expect(controlPath(`${file}2`)).not.toBe(at);
  await open(file);
  expect(await askNode(file, { op: 'x' })).toEqual({ op: 'x' });
  expect(statSync(own).mode & 0o777).toBe(0o700);
  chmodSync(own, 0o755);
  onTestFinished(() => chmodSync(own, 0o700));
  await expect(openControl(`${file}2`, () => Promise.resolve())).rejects.toThrow(
    'is not a folder of this user alone',
  );
});

it('NODE-26 what is no request is hung up on, and the next is served', async () => {
  const file = await nodeFile();
  const { path: at } = await open(file);
  for (const text of ['not JSON\n', `${'x'.repeat(70_000)}`]) {
    const socket = dial(at);
    socket.on('error', () => {});
    socket.resume();
    socket.write(text);
    await once(socket, 'close');
  }
  expect(await askNode(file, { op: 'x' })).toEqual({ op: 'x' });
});

it('NODE-26 closing answers who has asked, and does not wait for who has not', async () => {
  const file = await nodeFile();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<unknown>();
  const control = await open(file, () => {
    asked.resolve();
    return answer.promise;
  });
  const idle = dial(control.path);
  await once(idle, 'connect');
  const asking = askNode(file, { op: 'x' });
  await asked.promise;
  const closing = control.close();
  await once(idle, 'close');
  answer.resolve('late');
  expect(await asking).toBe('late');
  await closing;
});

it('NODE-26 a program that does not answer is told as such', async () => {
  const file = await nodeFile();
  const at = controlPath(file);
  mkdirSync(path.dirname(at), { mode: 0o700 });
  const mute = createServer((socket) => socket.destroy());
  mute.listen(at);
  onTestFinished(() => void mute.close());
  await once(mute, 'listening');
  await expect(askNode(file, { op: 'x' })).rejects.toThrow('the connection ended without an answer');
});
