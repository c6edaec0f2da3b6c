/** Under strace: no 202 leaves the process before the fdatasync of the batch that holds its message. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startServerProcess, writeServerConfig } from '../support/process.ts';
import { temporaryFolder } from '../support/server.ts';

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

interface Call {
  name: string;
  text: string;
}

/** System calls in the order in which they ended; a call that strace shows in two halves counts where it is resumed. */
function calls(trace: string): Call[] {
  const open = new Map<string, string>();
  const done: Call[] = [];
  for (const line of trace.split('\n')) {
    const match = /^(\d+)\s+(.*)$/s.exec(line);
    if (!match) continue;
    const [, pid, rest] = match as unknown as [string, string, string];
    const unfinished = /^(\w+)\((.*)<unfinished \.\.\.>$/s.exec(rest);
    if (unfinished) {
      open.set(pid, unfinished[2]!);
      continue;
    }
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/s.exec(rest);
    if (resumed) done.push({ name: resumed[1]!, text: `${open.get(pid) ?? ''}${resumed[2]!}` });
    else {
      const whole = /^(\w+)\((.*)$/s.exec(rest);
      if (whole) done.push({ name: whole[1]!, text: whole[2]! });
    }
  }
  return done;
}

it.skipIf(!canTrace)(
  'STO-4 under strace no 202 is written before the fdatasync of its batch',
  { timeout: 120_000 },
  async () => {
    const folder = await temporaryFolder();
    const at = await writeServerConfig(folder);
    const out = path.join(folder, 'trace');
    const server = await startServerProcess(at, [
      'strace',
      '-f',
      '-y',
      '-s',
      '70000',
      '-e',
      'trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg',
      '-o',
      out,
    ]);
    onTestFinished(() => {
      // The traced server outlives a killed strace.
      spawnSync('pkill', ['-KILL', '-P', String(server.child.pid)]);
      return server.kill();
    });
    const ids: string[] = [];
    // One after the other, and eight at once: alone in a batch, and together.
    const post = async (id: string): Promise<void> => {
      const answer = await fetch(`${at.url}/v1/messages`, {
        method: 'POST',
        body: JSON.stringify({
          id,
          target: { kind: 'room', room_id: 'general' },
          from: { type: 'human', id: 'ann' },
          parts: [{ kind: 'text', text: `text of ${id}` }],
        }),
      });
      expect(answer.status).toBe(202);
      await answer.text();
      ids.push(id);
    };
    for (let i = 0; i < 10; i++) await post(`alone-${i}.`);
    for (let i = 0; i < 10; i++)
      await Promise.all(Array.from({ length: 8 }, (_, j) => post(`together-${i}-${j}.`)));
    // strace blocks fatal signals; it ends, with the whole trace written, when the program it traces does.
    const [traced] = readFileSync(`/proc/${server.child.pid}/task/${server.child.pid}/children`, 'utf8')
      .trim()
      .split(' ');
    const ended = once(server.child, 'exit');
    process.kill(Number(traced), 'SIGTERM');
    await ended;

    const trace = calls(readFileSync(out, 'utf8'));
    for (const id of ids) {
      const stored = trace.findIndex(
        (call) => call.name === 'pwrite64' && call.text.includes('-wal>') && call.text.includes(id),
      );
      const synced = trace.findIndex(
        (call, i) =>
          i > stored &&
          /^f(data)?sync$/.test(call.name) &&
          call.text.includes('-wal>') &&
          call.text.endsWith(' = 0'),
      );
      const answered = trace.findIndex(
        (call) =>
          /^(write|writev|sendto|sendmsg)$/.test(call.name) &&
          !call.text.includes('-wal>') &&
          call.text.includes('202 Accepted') &&
          call.text.includes(id),
      );
      expect({ id, stored: stored >= 0, synced: synced > stored, answered: answered > synced }).toEqual({
        id,
        stored: true,
        synced: true,
        answered: true,
      });
    }
  },
);
