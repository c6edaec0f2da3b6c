/** The demo as a person starts it: real server, node and agent processes. */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findProcesses } from '../../src/runtimes/processes.ts';
import { createClient } from '../../src/client/http.ts';
import { startCli } from '../support/cli-process.ts';
import { temporaryFolder } from '../support/server.ts';

/** Everything of the demo is below a TMPDIR of the test's own. */
async function demo(...words: string[]) {
  const cwd = await temporaryFolder();
  return {
    cwd,
    demo: startCli(['demo', ...words], {
      cwd,
      env: { TMPDIR: cwd, CLAUDECODE: '1', MOLTNET_CLIENT_CONFIG: '/nowhere' },
    }),
  };
}
const agentsBelow = (folder: string): number =>
  findProcesses((args) => args.includes('demo-agent') && args.some((arg) => arg.startsWith(folder))).length;

it('CLI-50 shows two agents talking until the guard holds them, and ends', { timeout: 60_000 }, async () => {
  const { cwd, demo: running } = await demo('--exit');
  expect(await running.ended).toMatchObject({ code: 0, stderr: '' });
  const text = running.output();
  const said = text
    .split('\n')
    .flatMap((line) => /^\d\d:\d\d:\d\d (\w+)(?: \(person\))? {2}/.exec(line)?.[1] ?? []);
  expect(said.slice(0, 9)).toEqual(['operator', 'ada', 'bob', 'ada', 'bob', 'ada', 'bob', 'ada', 'bob']);
  expect(text).toMatch(/Console {2}http:\/\/127\.0\.0\.1:\d+\/console\//);
  expect(text).toMatch(/held by the storm guard[\s\S]*goes on: a person spoke[\s\S]*stay silent/);
  // The ninth was held; nobody answered it after the person had spoken.
  expect(said.filter((who) => who === 'bob')).toHaveLength(4);
  expect(readdirSync(cwd).filter((name) => name.startsWith('moltnet-demo'))).toEqual([]);
  expect(agentsBelow(cwd)).toBe(0);
});

it(
  'CLI-50 stays until it is stopped, and its agents answer whoever writes to them',
  { timeout: 60_000 },
  async () => {
    const { cwd, demo: running } = await demo('--pace', '0');
    const [, url] = await running.says(/Look around in the console: (http:\/\/127\.0\.0\.1:\d+)\/console\//);
    const client = createClient({ baseUrl: url! });
    await client.send({
      target: { kind: 'room', room_id: 'general' },
      from: { type: 'human', id: 'operator' },
      parts: [{ kind: 'text', text: 'hello @bob' }],
    });
    await running.says(/I am bob, and I only know my lines/);
    running.child.kill('SIGINT');
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(readdirSync(cwd).filter((name) => name.startsWith('moltnet-demo'))).toEqual([]);
    expect(agentsBelow(cwd)).toBe(0);
  },
);

it('CLI-41 CLI-50 a signal in the middle ends it too, and nothing is left', { timeout: 60_000 }, async () => {
  const { cwd, demo: running } = await demo('--pace', '60000');
  await running.says(/operator \(person\)/);
  running.child.kill('SIGTERM');
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(readdirSync(cwd).filter((name) => name.startsWith('moltnet-demo'))).toEqual([]);
  expect(agentsBelow(cwd)).toBe(0);
});
