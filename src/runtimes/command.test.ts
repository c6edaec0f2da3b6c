import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { runtimeContract } from '../../test/contract/runtime.ts';
import { deliver, runtimeLab, wakeOf, type RuntimeLab } from '../../test/support/runtime-lab.ts';
import { command } from './command.ts';

const program = fileURLToPath(new URL('../../test/support/stand-in-command.mjs', import.meta.url));
const openLab = (): RuntimeLab => runtimeLab(command, { command: program });

runtimeContract({
  name: 'command (stand-in program)',
  lab: openLab,
  prompts: (lab) => lab.runs().map(({ prompt }) => prompt),
  // Whether it has kept the message, nobody can tell.
  told: ['accepted'],
  shell: true,
  logins: true,
  claims: { dedupes: false, reports_usage: false, sessions: false },
  broken: (lab) => [
    [{ command: 'no-such-cli-anywhere' }, 'missing', /correct runtime\.command/],
    [{ workspace_path: path.join(lab.folder, 'nowhere') }, 'config', /is not a folder/],
  ],
});

describe('command: what is its own', () => {
  let lab: RuntimeLab;
  beforeEach(() => {
    lab = openLab();
  });
  afterEach(() => lab.close());

  it('RT-100 arguments are filled in one by one, without a shell; the turn stands in the environment', async () => {
    const wake = wakeOf('Moltnet: $(touch x) `touch y` "; touch z"\n> {session_key}');
    const args = [
      '--prompt',
      '{prompt}',
      '--id={wake_id}#{attempt}',
      '{session_key} {conversation} {other}',
      '$HOME',
    ];
    await deliver(lab.runtime({ args, env: { MY_NAME: 'x y' } }), wake);
    const [run] = lab.runs();
    expect(run!.argv).toEqual([
      '--prompt',
      wake.text,
      `--id=${wake.wake_id}#1`,
      'agent:alpha:local:room:general room:general {other}',
      '$HOME',
    ]);
    expect(run!.env).toMatchObject({
      MOLTNET_SESSION_KEY: 'agent:alpha:local:room:general',
      MOLTNET_CONVERSATION: 'room:general',
      MOLTNET_WAKE_ID: wake.wake_id,
      MOLTNET_ATTEMPT: '1',
      MY_NAME: 'x y',
    });
  });

  it("RT-153 the program is not given secrets of other attachments, nor a server's", async () => {
    for (const name of ['THEIR_TOKEN', 'MY_TOKEN', 'MOLTNET_POSTGRES_DSN', 'MOLTNET_PAIRINGS_JSON'])
      vi.stubEnv(name, 'secret');
    onTestFinished(() => void vi.unstubAllEnvs());
    await deliver(command.create({ ...lab.context(), withheld: () => ['THEIR_TOKEN'] }), wakeOf('hello'));
    const names = Object.keys(lab.runs()[0]!.env);
    expect(names.filter((name) => /TOKEN|DSN|JSON/.test(name))).toEqual(['MY_TOKEN']);
  });

  it.each([
    [0, { state: 'ok' }],
    [75, { permanent: false, cause: 'rate_limited' }],
    [69, { permanent: false, cause: 'model' }],
    [77, { permanent: true, cause: 'not_logged_in' }],
    [78, { permanent: true, cause: 'config' }],
    [1, { permanent: false, cause: 'crashed', reason: expect.stringContaining('exit code 1') }],
  ])('RT-101 exit code %i', async (code, expected) => {
    expect(await deliver(lab.runtime(), wakeOf(`[[exit: ${code}]]`))).toMatchObject(expected);
  });

  it('RT-101 what it prints is its final text; an end by a signal says so', async () => {
    expect(await deliver(lab.runtime(), wakeOf('[[sh: printf fine]]'))).toMatchObject({ final_text: 'fine' });
    expect(await deliver(lab.runtime(), wakeOf('[[crash]]'))).toMatchObject({
      state: 'failed',
      permanent: false,
      reason: expect.stringContaining('SIGKILL'),
    });
  });
});
