/** Pauses, the guard's meters and intents, as people steer them from the command line. */
import { beforeEach, expect, it } from 'vitest';
import type { GuardState } from '../../src/protocol/events.ts';
import type { Pause } from '../../src/protocol/pauses.ts';
import { cli } from '../support/cli-io.ts';
import { cliLab, type CliLab } from '../support/cli-lab.ts';
import { temporaryFolder } from '../support/server.ts';

let lab: CliLab;
let here: { cwd: string; env: Record<string, string> };
beforeEach(async () => {
  lab = await cliLab();
  here = { cwd: await temporaryFolder(), env: { MOLTNET_LISTEN_ADDR: new URL(lab.url).host } };
});
const run = (...words: string[]): ReturnType<typeof cli> => cli(words, here);
const paused = async (): Promise<string[]> =>
  ((await run('pause', 'list')).json() as { pauses: Pause[] }).pauses.map(({ scope }) => scope);

it('CLI-25 an agent, a room or everything is paused and goes on', async () => {
  expect((await run('pause', '@alpha')).json()).toMatchObject({ scope: 'agent:alpha', paused: true });
  expect((await run('pause', 'room:general', '--plain')).stdout).toBe(
    'paused room:general  moltnet resume room:general\n',
  );
  expect((await run('pause', '--all', '--plain')).stdout).toBe('paused everything  moltnet resume --all\n');
  expect(await paused()).toEqual(['*', 'agent:alpha', 'room:general']);
  expect((await run('pause', 'list', '--plain')).stdout).toMatch(
    /^everything {2}paused since [\d:]+ by \S+\n@alpha /,
  );

  const resumed = await run('resume', '--all', '--plain');
  expect(resumed.stdout).toMatch(/^goes on everything\nstill: @alpha .*\nstill: room:general /);
  expect((await run('resume', '@alpha')).json()).toMatchObject({ scope: 'agent:alpha', paused: false });
  expect((await run('resume', '@alpha', '--plain')).stdout).toMatch(/^@alpha was not paused\n/);
  await run('resume', 'room:general');
  expect((await run('pause', 'list', '--plain')).stdout).toBe('nothing is paused\n');
});

it('CLI-25 a pause may end by itself', async () => {
  const before = Date.now();
  const { until } = (await run('pause', '@alpha', '--for', '2h')).json() as Pause;
  expect(Date.parse(until!)).toBeGreaterThanOrEqual(before + 7_200_000);
  expect((await run('pause', '@alpha', '--for', '90s', '--plain')).stdout).toMatch(/^paused @alpha until /);
});

it.each([
  [['pause'], /it is not said what to pause\n.*@agent, room:ID, or --all/],
  [['pause', '@alpha', '--all'], /--all is everything/],
  [['pause', 'dm:d1'], /cannot be paused by itself/],
  [['pause', '@al:pha'], /not an agent of this network/],
  [['pause', '@alpha', '--for', 'ever'], /--for "ever" is not a time/],
  [['resume'], /it is not said what to resume/],
  [['guard', 'dm:@beta'], /name the DM by its id/],
  [
    ['send', 'room:general', 'x', '--intent', 'order'],
    /--intent "order" is not an intent\n.*request, inform, ack/,
  ],
  [['send', 'room:general', 'x', '--timeout', '3s'], /--timeout belongs to --wait/],
  [['send', 'room:general', 'x', '--wait=over'], /not something to wait for/],
])('CLI-25 CLI-23 %j is refused, and nothing is done', async (words, stderr) => {
  expect(await cli(words, { ...here, cwd: lab.cwd })).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(stderr),
  });
  expect([await paused(), await lab.history()]).toEqual([[], []]);
});

it('CLI-25 what is not there cannot be paused', async () => {
  expect(await run('pause', '@nobody')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^moltnet: not_found/),
  });
});

it.each([[['resume', '--all']], [['deliveries', 'retry', '--all']], [['deliveries', 'drop', 'wake_1']]])(
  'CLI-28 %j is for a person, not for an agent',
  async (words) => {
    await run('pause', '--all');
    const result = await cli(words, { ...here, env: { ...here.env, CLAUDECODE: '1' } });
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('CLAUDECODE is set: an agent does not'),
    });
    expect(await paused()).toEqual(['*']);
  },
);

it('CLI-26 the meters of a conversation are shown before anything trips', async () => {
  await lab.say('hi @alpha');
  await cli(['send', 'room:general', 'hi @beta'], { cwd: lab.cwd });
  const state = (await run('guard', 'room:general')).json() as GuardState;
  expect(state).toMatchObject({ conversation: 'room:general', held: false, meters: { turns: 2, hour: 2 } });
  expect((await run('guard', 'room:general', '--plain')).stdout).toMatch(
    /^room:general {2}goes on\n {4}2 of 30 turns without a person, 2 of 120 in an hour/,
  );
  expect((await run('guard', 'room:nowhere')).stderr).toMatch(/^moltnet: not_found/);
});

it('CLI-23 an intent is kept with the message', async () => {
  expect((await cli(['send', 'room:general', 'seen', '--intent', 'ack'], { cwd: lab.cwd })).code).toBe(0);
  const { messages } = await lab.client.messages('room:general');
  expect(messages).toMatchObject([{ intent: 'ack', from: { id: 'alpha' } }]);
});
