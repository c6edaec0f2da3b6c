import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claudeCode } from '../../src/runtimes/claude-code.ts';
import { processesOf } from '../contract/runtime.ts';
import { directives, startMockModel, type MockModel } from '../support/mock-model.ts';
import { deliver, killedHost, runtimeLab, until, wakeOf, type RuntimeLab } from '../support/runtime-lab.ts';
import { claudeCommand, modelEnvironment, setEnvironment } from './real-clis.ts';

let model: MockModel;
let lab: RuntimeLab;
let restore: () => void;
beforeEach(async () => {
  model = await startMockModel();
  restore = setEnvironment(modelEnvironment(model));
  lab = runtimeLab(claudeCode, { command: claudeCommand });
});
afterEach(async () => {
  await lab.close();
  await until(() => processesOf(lab.folder).length === 0, 'no process is left');
  restore();
  await model.close();
});

function gate(): { open: () => void; opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, opened: promise };
}

describe('claude-code (real): what is its own', () => {
  it('RT-50 a wake that is delivered again is not run again: in the same process, and after a restart', async () => {
    const runtime = lab.runtime();
    const wake = wakeOf('once');
    for (let i = 0; i < 2; i++) expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
    await runtime.close();
    const again = lab.runtime();
    expect(await deliver(again, wake)).toMatchObject({ state: 'ok' });
    expect(model.turns()).toHaveLength(1);
    // The session is not stuck on it.
    expect(await deliver(again, wakeOf('another'))).toMatchObject({ state: 'ok' });
    expect(model.turns()).toHaveLength(2);
  });

  it('RT-51 a wake whose turn was cut off is run when it is delivered again', async () => {
    const cancel = new AbortController();
    model.script = () => ({ hang: true });
    const wake = wakeOf('cut off');
    const runtime = lab.runtime();
    const running = deliver(runtime, wake, cancel.signal);
    await model.waitFor((request) => request.prompt.includes('cut off'));
    cancel.abort();
    expect(await running).toMatchObject({ state: 'cancelled' });
    model.script = directives;
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
    expect(model.turns()).toHaveLength(2);
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
    expect(model.turns()).toHaveLength(2);
  });

  it('RT-51 a wake whose turn failed is run when it is delivered again, by the same attempt or the next', async () => {
    model.script = () => ({ http: 500 });
    const wake = wakeOf('refused');
    const runtime = lab.runtime();
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'failed', permanent: false });
    await runtime.close();
    model.script = directives;
    const again = lab.runtime();
    expect(await deliver(again, wake)).toMatchObject({ state: 'ok' });
    expect(await deliver(again, { ...wake, attempt: 2 })).toMatchObject({ state: 'ok' });
  });

  it('RT-52 after kill -9 of the node, the turn that goes on is waited for, and is the only one', async () => {
    const held = gate();
    model.script = (request) => ({ ...directives(request), after: held.opened });
    const wake = wakeOf('[[sh: moltnet send room:general "one"]] [[sh: moltnet send room:general "two"]]');
    await killedHost(lab, wake, () => model.waitFor((request) => request.prompt.includes('one')));
    const runtime = lab.runtime();
    const second = deliver(runtime, wake);
    await until(() => lab.log.some((line) => /earlier Claude Code process/.test(line.message)), 'it waits');
    held.open();
    expect(await second).toMatchObject({ state: 'ok' });
    expect(lab.said().map((call) => call.args.at(-1))).toEqual(['one', 'two']);
    expect(model.turns()).toHaveLength(1);
  });

  it('RT-53 `moltnet` is allowed in every form the skill teaches, what else it does is not, and is told', async () => {
    const forms = [
      'moltnet send room:general "plain"',
      "moltnet send room:general - <<'EOF'\nit's `here`\n$HOME\nEOF",
      'printf "by pipe" | moltnet send room:general -',
      'moltnet read room:general --plain | head -5 && moltnet send room:general chained',
    ];
    const runtime = lab.runtime();
    expect(await deliver(runtime, wakeOf(forms.map((form) => `[[sh: ${form}]]`).join(' ')))).toMatchObject({
      state: 'ok',
    });
    expect(lab.said().map(({ args, stdin }) => [args.at(-1), stdin])).toEqual([
      ['plain', ''],
      ['-', "it's `here`\n$HOME\n"],
      ['-', 'by pipe'],
      ['--plain', ''],
      ['chained', ''],
    ]);
    expect(lab.log.filter((line) => line.level === 'warn')).toEqual([]);

    const refused = path.join(lab.workspace, 'refused');
    const bad = [
      `touch ${refused}`,
      `moltnet send room:general "$(touch ${refused})"`,
      `moltnet send room:general x; touch ${refused}`,
      `moltnet read room:general > ${refused}`,
    ];
    expect(await deliver(runtime, wakeOf(bad.map((form) => `[[sh: ${form}]]`).join(' ')))).toMatchObject({
      state: 'ok',
    });
    expect(existsSync(refused)).toBe(false);
    expect(lab.said()).toHaveLength(5);
    const [told] = lab.log.filter((line) => line.level === 'warn');
    expect(told!.fields!['denials']).toEqual(bad.map((command) => ({ tool: 'Bash', command })));
  });

  it('RT-54 a login that was never made is permanent and says what to do', async () => {
    const back = setEnvironment({ ANTHROPIC_API_KEY: '' });
    try {
      const outcome = await deliver(lab.runtime(), wakeOf('hello'));
      expect(outcome).toMatchObject({
        state: 'failed',
        permanent: true,
        reason: expect.stringMatching(/log in by running `claude`/),
      });
    } finally {
      back();
    }
    expect(model.turns()).toEqual([]);
  });
});
