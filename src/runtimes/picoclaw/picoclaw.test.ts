import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lives, runtimeContract } from '../../../test/contract/runtime.ts';
import {
  deliver,
  killedHost,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../../test/support/runtime-lab.ts';
import { standInPico, type StandInPico } from '../../../test/support/stand-in-pico-gateway.ts';
import { guarded } from '../guarded-text.ts';
import { defineRuntime } from '../runtime.ts';
import { eventsRuntime } from './picoclaw-events.ts';
import { picoclaw } from './picoclaw.ts';

const program =
  process.env['PICOCLAW_BIN'] ??
  fileURLToPath(new URL('../../../test/support/stand-in-picoclaw.mjs', import.meta.url));

function commandLab(): RuntimeLab {
  const lab = runtimeLab(picoclaw, { command: program });
  const config = path.join(lab.folder, 'config.json');
  writeFileSync(config, JSON.stringify({ version: 3, model_list: [{ model_name: 'mock' }] }));
  return { ...lab, runtime: (more) => lab.runtime({ config_path: config, ...more }) };
}

runtimeContract({
  name: 'picoclaw by its command (stand-in)',
  lab: commandLab,
  prompts: (lab) => lab.runs().map(({ prompt }) => prompt),
  shell: true,
  logins: true,
  claims: { dedupes: false, reports_usage: false, sessions: false },
  arrives: guarded,
  broken: (lab) => [
    [{ command: 'no-such-cli-anywhere' }, 'missing', /install PicoClaw/],
    [{ config_path: path.join(lab.folder, 'nowhere') }, 'config', /correct runtime\.config_path/],
    [{ workspace_path: path.join(lab.folder, 'nowhere') }, 'config', /is not a folder/],
  ],
});

let pico: StandInPico;
const TIMES = { quiet: 300, sign: 1500, echo: 800, stop: 500, retry: 50, ready: 3000 };
const quick = defineRuntime({
  kind: 'picoclaw',
  about: '',
  fields: picoclaw.fields,
  create: (context) => eventsRuntime(context, pico.url, TIMES),
});
async function eventsLab(): Promise<RuntimeLab> {
  pico = await standInPico();
  const lab = runtimeLab(quick, { token: pico.token });
  return {
    ...lab,
    close: async () => {
      await lab.close();
      await pico.close();
    },
  };
}

runtimeContract({
  name: 'picoclaw by its socket (stand-in)',
  lab: eventsLab,
  prompts: () => pico.prompts,
  shell: false,
  logins: true,
  claims: { dedupes: true, reports_usage: false, sessions: false },
  arrives: guarded,
  open: () => pico.open(),
  broken: () => [[{ token: 'wrong' }, 'config', /correct runtime\.token/]],
});

describe('picoclaw by its socket: what is its own', () => {
  let lab: RuntimeLab;
  beforeEach(async () => {
    lab = await eventsLab();
  });
  afterEach(() => lab.close());

  it('RT-81 its answer is the last whole message before a quiet; thoughts and tool calls are none', async () => {
    expect(await deliver(lab.runtime(), wakeOf('[[sh: x]] [[say: fine]]'))).toMatchObject({
      state: 'ok',
      final_text: 'fine',
      told: ['accepted', 'delivered'],
    });
  });

  it('RT-82 a connection that is cut is made anew, and the answer still heard', async () => {
    const turn = deliver(lab.runtime(), wakeOf('[[slow]] [[say: late]]'));
    await until(() => pico.prompts.length === 1, 'the turn runs');
    pico.cut();
    expect(await turn).toMatchObject({ state: 'ok', final_text: 'late' });
    expect(pico.prompts).toHaveLength(1);
  });

  it('RT-82 what became of a message that PicoClaw died with is not known: it is not handed over twice', async () => {
    const runtime = lab.runtime();
    const wake = wakeOf('[[hang]]');
    const turn = deliver(runtime, wake);
    await until(() => pico.prompts.length === 1, 'the turn runs');
    await pico.restart();
    const lost = {
      state: 'failed',
      permanent: true,
      cause: 'crashed',
      reason: expect.stringMatching(/not handed over twice/),
    };
    expect(await turn).toMatchObject(lost);
    expect(await deliver(lab.runtime(), wake)).toMatchObject(lost);
    expect(pico.heard).toEqual(['[[hang]]']);
    expect(await deliver(runtime, wakeOf('next'))).toMatchObject({ state: 'ok' });
  });

  it('RT-82 a failure that PicoClaw told is no doubt: the next attempt is handed over', async () => {
    const wake = wakeOf('[[http: 500]]');
    const runtime = lab.runtime();
    await deliver(runtime, wake);
    await deliver(runtime, { ...wake, attempt: 2 });
    expect(pico.prompts).toHaveLength(2);
  });

  it('RT-83 a turn is ended by /stop, which no text of others can be', async () => {
    const cancel = new AbortController();
    const runtime = lab.runtime();
    const wake = wakeOf('[[hang]]');
    const turn = deliver(runtime, wake, cancel.signal);
    await until(() => pico.prompts.length === 1, 'the turn runs');
    cancel.abort();
    expect(await turn).toMatchObject({ state: 'cancelled' });
    expect(pico.heard).toEqual(['[[hang]]', '/stop']);
    // It was ended, so it may begin anew.
    const again = deliver(lab.runtime({ inactivity_timeout: 1 }), wake);
    await until(() => pico.prompts.length === 2, 'it runs again');
    expect(await again).toMatchObject({ state: 'failed', cause: 'timeout' });
  });

  it('RT-13 a PicoClaw that is away is missing, and may come', async () => {
    await pico.close();
    const missing = { permanent: false, cause: 'missing', reason: expect.stringMatching(/picoclaw gateway/) };
    expect(await lab.runtime().probe()).toMatchObject({ ready: false, ...missing });
    const turn = deliver(lab.runtime(), wakeOf('hello'));
    await pico.restart();
    expect(await turn).toMatchObject({ state: 'ok' });
  });
});

describe('picoclaw by its command: what is its own', () => {
  it('RT-80 after kill -9 of the node, what it left is ended before its wake runs once more', async () => {
    const lab = commandLab();
    const wake = wakeOf('[[hang]]');
    const config_path = path.join(lab.folder, 'config.json');
    await killedHost({ ...lab, context: () => lab.context({ config_path }) }, wake, () =>
      until(() => lab.runs().length === 1, 'it runs'),
    );
    const [first] = lab.runs();
    const turn = deliver(lab.runtime({ inactivity_timeout: 1 }), wake);
    await until(() => lab.runs().length === 2, 'it runs again');
    expect(lives(first!.pid)).toBe(false);
    expect(await turn).toMatchObject({ state: 'failed', cause: 'timeout' });
    await lab.close();
  });

  it('RT-80 what it prints after its sign is its answer, and only of a turn that ended well', async () => {
    const lab = commandLab();
    expect(await deliver(lab.runtime(), wakeOf('hello'))).toMatchObject({ state: 'ok', final_text: 'done' });
    await lab.close();
  });
});
