import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gemini } from '../../src/runtimes/gemini/gemini.ts';
import { processesOf } from '../contract/runtime.ts';
import { directives, startMockModel, type MockModel } from '../support/mock-model.ts';
import { deliver, killedHost, runtimeLab, until, wakeOf, type RuntimeLab } from '../support/runtime-lab.ts';
import { geminiCommand, modelEnvironment, prepareGeminiHome, setEnvironment } from './real-clis.ts';

let model: MockModel;
let lab: RuntimeLab;
let restore: () => void;
beforeEach(async () => {
  model = await startMockModel();
  restore = setEnvironment({ ...modelEnvironment(model), SOME_TOKEN: 'the-secret-of-the-node' });
  lab = runtimeLab(gemini, { command: geminiCommand });
  prepareGeminiHome(lab.home);
});
afterEach(async () => {
  await lab.close();
  await until(() => processesOf(lab.folder).length === 0, 'no process is left');
  restore();
  await model.close();
});

const shells = (commands: readonly string[]): string => commands.map((one) => `[[sh: ${one}]]`).join(' ');

describe('gemini (real): what is its own', () => {
  it('RT-133 `moltnet` is allowed in every form the skill teaches, what else it does is not, and is told', async () => {
    const runtime = lab.runtime();
    const forms = [
      'moltnet send room:general "plain"',
      "moltnet send room:general - <<'EOF'\nit's `here`\n$HOME\nEOF",
      'printf "by pipe" | moltnet send room:general -',
      'moltnet read room:general --plain | head -5 && moltnet send room:general chained',
    ];
    expect(await deliver(runtime, wakeOf(shells(forms)))).toMatchObject({ state: 'ok' });
    expect(lab.said().map(({ args, stdin }) => [args.at(-1), stdin])).toEqual([
      ['plain', ''],
      ['-', "it's `here`\n$HOME\n"],
      ['-', 'by pipe'],
      ['--plain', ''],
      ['chained', ''],
    ]);
    expect(lab.log).toEqual([]);

    const refused = path.join(lab.workspace, 'refused');
    const bad = [
      `touch ${refused}`,
      // It takes these for harmless.
      'ls -la',
      'cat said.jsonl',
      `moltnet send room:general "$(touch ${refused})"`,
      `moltnet send room:general x; touch ${refused}`,
      `moltnet read room:general > ${refused}`,
      'moltnet send room:general "$SOME_TOKEN"',
    ];
    expect(await deliver(runtime, wakeOf(shells(bad)))).toMatchObject({ state: 'ok' });
    expect(existsSync(refused)).toBe(false);
    expect(lab.said()).toHaveLength(5);
    const results = model.requests.at(-1)!.tool_results;
    expect(results).toHaveLength(bad.length);
    for (const result of results) expect(result).toMatch(/denied by policy|canceled by the user/);
    const [told] = lab.log;
    expect(told).toMatchObject({ level: 'warn', message: expect.stringContaining('tools.allowed') });
    expect(told!.fields!['denials']).toEqual(bad.map((command) => ({ tool: 'execute', command })));
  });

  it('RT-133 its user may allow it more, and writes are refused until then; the skill needs no asking', async () => {
    const file = path.join(lab.workspace, 'written');
    model.script = ({ tool_results }) =>
      tool_results.length === 0
        ? { tool: 'write_file', input: { file_path: file, content: 'x' } }
        : { say: 'done' };
    const first = lab.runtime();
    await deliver(first, wakeOf('write'));
    expect(existsSync(file)).toBe(false);
    await first.close();
    writeFileSync(
      path.join(lab.home, '.gemini', 'settings.json'),
      JSON.stringify({
        model: { name: 'x' },
        tools: { allowed: ['write_file'] },
      }),
    );
    const policies = path.join(lab.home, '.gemini', 'policies');
    mkdirSync(policies);
    writeFileSync(
      path.join(policies, 'mine.toml'),
      '[[rule]]\ntoolName = "run_shell_command"\ncommandPrefix = "printenv"\ndecision = "allow"\npriority = 100\n',
    );
    const second = lab.runtime();
    await deliver(second, wakeOf('write'));
    expect(existsSync(file)).toBe(true);

    mkdirSync(path.join(lab.workspace, '.agents', 'skills', 'moltnet'), { recursive: true });
    writeFileSync(
      path.join(lab.workspace, '.agents', 'skills', 'moltnet', 'SKILL.md'),
      '---\nname: moltnet\ndescription: a skill\n---\nthe-body-of-the-skill\n',
    );
    await second.close();
    const third = lab.runtime();
    model.script = ({ tool_results }) =>
      tool_results.length === 0 ? { tool: 'activate_skill', input: { name: 'moltnet' } } : { say: 'done' };
    await deliver(third, wakeOf('learn'));
    expect(model.requests.at(-1)!.tool_results[0]).toContain('the-body-of-the-skill');

    // RT-134
    model.script = directives;
    await deliver(third, wakeOf('[[sh: printenv]]'));
    const [seen] = model.requests.at(-1)!.tool_results;
    expect(seen).toContain(`MOLTNET_CLIENT_CONFIG=${lab.workspace}`);
    expect(seen).not.toMatch(/GEMINI_API_KEY|SOME_TOKEN|the-secret-of-the-node/);
  });

  it('RT-134 its report of a failed request, with the conversation in it, is for its agent alone', async () => {
    model.script = () => ({ http: 400 });
    expect(await deliver(lab.runtime(), wakeOf('a word in confidence'))).toMatchObject({ state: 'failed' });
    const folder = path.join(lab.home, '.moltnet', 'gemini', 'tmp');
    const reports = readdirSync(folder).filter((name) => name.startsWith('gemini-client-error-'));
    expect(reports).toHaveLength(1);
    expect(readFileSync(path.join(folder, reports[0]!), 'utf8')).toContain('a word in confidence');
    expect(statSync(folder).mode & 0o077).toBe(0);
  });

  it('RT-131 after kill -9 of the node its turn is ended, and begun anew in the same session', async () => {
    const dead = Promise.withResolvers<void>();
    model.script = (request) =>
      request.prompt === 'cut off' && !model.turns().some(({ prompt }) => prompt === 'cut off')
        ? { say: 'never', after: dead.promise }
        : directives(request);
    for (const text of ['before', 'later']) {
      const runtime = lab.runtime();
      await deliver(runtime, wakeOf(text));
      await runtime.close();
    }
    const wake = wakeOf('cut off');
    await killedHost(lab, wake, () => model.waitFor(({ prompt }) => prompt === 'cut off'));
    expect(processesOf(lab.folder)).not.toEqual([]);
    const runtime = lab.runtime();
    // Nothing of the history that it tells as it opens the session.
    expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok', final_text: 'done' });
    dead.resolve();
    expect(model.turns().filter(({ prompt }) => prompt === 'cut off')).toHaveLength(2);
    expect(model.turns().at(-1)!.history.join('\n')).toMatch(/before\nlater\ncut off\ncut off/);
    expect(lab.log.map(({ message }) => message)).toEqual([
      'ending a process that an earlier node left behind',
    ]);
  });
});
