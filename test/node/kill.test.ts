/** kill -9 of a node that is a process of its own, in the middle of turns. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { speaker } from '../support/node-lab.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';
import { SseClient } from '../support/sse-client.ts';

const script = fileURLToPath(new URL('../support/node-child.ts', import.meta.url));
interface Written {
  wake_id: string;
  attempt: number;
  conversation: string;
  text: string;
}

function startChild(url: string, file: string): ChildProcess & { kill9(): Promise<void> } {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', script, url, 'alpha', file],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill9 = async (): Promise<void> => {
    child.kill('SIGKILL');
    await gone;
  };
  onTestFinished(kill9);
  return Object.assign(child, { kill9 });
}
const readWakes = (file: string): Written[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Written)
    : [];
/** Resolves when the file has so many lines. */
async function wakes(file: string, count: number): Promise<Written[]> {
  await new Promise<void>((resolve) => {
    const watcher = watch(path.dirname(file), () => look());
    const look = (): void => {
      if (readWakes(file).length < count) return;
      watcher.close();
      resolve();
    };
    look();
  });
  return readWakes(file);
}

it('NODE-10 after kill -9 the wake that was begun comes again, first and under its id, and what came meanwhile is another', async () => {
  const { url, port } = await startTestServer({
    rooms: [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }],
  });
  const { say } = speaker(url);
  const observer = await SseClient.open(port);
  const file = path.join(await temporaryFolder(), 'wakes');
  let child = startChild(url, file);
  await observer.until(() => observer.events.some(({ event }) => event === 'agent.connected'));
  await say('room:general', 'one');
  const [first] = await wakes(file, 1);
  await say('room:general', 'two');
  for (let round = 2; round <= 3; round++) {
    await child.kill9();
    child = startChild(url, file);
    const all = await wakes(file, round);
    expect(all[round - 1]).toMatchObject({
      wake_id: first!.wake_id,
      attempt: 1,
      conversation: 'room:general',
    });
    expect(all[round - 1]!.text).toContain('> one');
    expect(all[round - 1]!.text).not.toContain('> two');
  }
});
