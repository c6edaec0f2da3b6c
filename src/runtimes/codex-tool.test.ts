import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { processesOf } from '../../test/contract/runtime.ts';
import {
  deliver,
  fakeCodex,
  runtimeLab,
  until,
  wakeOf,
  type RuntimeLab,
} from '../../test/support/runtime-lab.ts';
import { runTool, toolCommands } from './codex-tool.ts';
import { codex } from './codex.ts';

let lab: RuntimeLab;
beforeEach(() => {
  lab = runtimeLab(codex, { command: fakeCodex });
});
afterEach(() => lab.close());

/** Its answers, as the stand-in CLI got them. */
const answers = (): { tool: string; success: boolean }[] =>
  (lab.runs() as unknown as { tool?: string; success: boolean }[]).flatMap(({ tool, success }) =>
    tool === undefined ? [] : [{ tool, success }],
  );
const call = (args: unknown, more: object = {}): string => `[[tool: ${JSON.stringify({ args, ...more })}]]`;
const OURS = ['--network', 'local', '--member', 'alpha', '--base-url', 'http://127.0.0.1:1'];

it('RT-150 the agent speaks by a tool that the node runs, with its wake, and its shell has no network', async () => {
  const runtime = lab.runtime();
  const wake = wakeOf(call(['send', 'room:general', 'hi\n"there"']));
  expect(await deliver(runtime, wake)).toMatchObject({ state: 'ok' });
  await deliver(
    runtime,
    wakeOf(call(['send', 'dm:x', '-'], { stdin: 'two\nlines' }), { conversation: 'dm:x' }),
  );
  const config = path.join(lab.workspace, '.moltnet', 'config.json');
  expect(lab.said()).toMatchObject([
    {
      args: ['send', ...OURS, 'room:general', 'hi\n"there"'],
      config,
      wake: { wake_id: wake.wake_id, conversation: 'room:general', run: 1 },
    },
    { args: ['send', ...OURS, 'dm:x', '-'], stdin: 'two\nlines', wake: { conversation: 'dm:x' } },
  ]);
  expect(answers()).toEqual([
    { tool: 'sent\n', success: true },
    { tool: 'sent\n', success: true },
  ]);
  expect(lab.runs()[0]!.argv).toContain('sandbox_workspace_write.network_access=false');
  const room = toolCommands('thread:t', 'general');
  expect(room.send).toBe('{"args":["send","thread:t","YOUR TEXT","--room","general"]}');
  expect(runtime.commands).toBe(toolCommands);
});

it('RT-150 with runtime.network, or a sandbox of its own, `moltnet` is a command of the shell', async () => {
  const choices = [{ network: true }, { args: ['-s', 'danger-full-access'] }];
  for (const [index, choice] of choices.entries()) {
    const runtime = lab.runtime(choice);
    expect(runtime.commands).toBeUndefined();
    await deliver(runtime, wakeOf(call(['send', 'room:general', 'hi']), { conversation: `dm:${index}` }));
    await runtime.close();
    expect(lab.runs().at(-1)!.params).not.toHaveProperty('dynamicTools');
    expect(lab.runs().at(-1)!.argv).toContain('sandbox_workspace_write.network_access=true');
  }
  expect(lab.said()).toEqual([]);
});

it('RT-151 a thread that was begun without the tool is followed by a new one; one with it goes on', async () => {
  const open = lab.runtime({ network: true });
  await deliver(open, wakeOf('one'));
  await open.close();
  for (let round = 0; round < 2; round++) {
    const runtime = lab.runtime();
    await deliver(runtime, wakeOf(call(['read', 'room:general'])));
    await runtime.close();
  }
  const threads = lab.runs().flatMap(({ thread }) => thread ?? []);
  expect(threads[1]).not.toBe(threads[0]);
  expect(threads[2]).toBe(threads[1]);
  expect(lab.said()).toHaveLength(2);
  expect(lab.log.map(({ message }) => message)).toEqual([
    expect.stringMatching(/begun when the shell had the network/),
  ]);
});

const place = (signal = new AbortController().signal) => ({
  bin: lab.bin,
  cwd: lab.workspace,
  env: { ...process.env, MOLTNET_WAKE: lab.folder },
  signal,
});
const run = (input: unknown) => runTool(lab.context().attachment, place(), input);

it('RT-152 it is held to five commands, their own flags, and the server and agent of the attachment', async () => {
  const refused: [unknown, RegExp][] = [
    [undefined, /list of texts/],
    [{ args: 'send' }, /list of texts/],
    [{ args: [] }, /list of texts/],
    [{ args: ['send', 1] }, /list of texts/],
    [{ args: Array(65).fill('send') }, /list of texts/],
    [{ args: ['send', 'room:general', '-'], stdin: 5 }, /stdin/],
    [{ args: ['send', 'room:general', 'a\0b'] }, /U\+0000/],
    [{ args: ['export'] }, /takes send, read.*not "export"/],
    [{ args: ['--config', 'x', 'send'] }, /takes send, read/],
    ...[
      '--config',
      '--base-url=http://evil',
      '--other-url',
      '--token-env',
      '--token-path',
      '--network',
      '--member',
      '--as',
      '-x',
    ].map((flag): [unknown, RegExp] => [
      { args: ['send', 'room:general', flag, 'hi'] },
      new RegExp(`does not take ${flag.split('=')[0]}`),
    ]),
  ];
  for (const [input, reason] of refused)
    expect(await run(input), JSON.stringify(input)).toEqual({
      success: false,
      text: expect.stringMatching(reason),
    });
  expect(lab.said()).toEqual([]);
});

/** In the place of the stand-in `moltnet`. */
const script = (text: string): void => {
  const file = path.join(lab.bin, 'moltnet');
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
};

it('RT-152 what it prints is bounded, its failure is told, and it ends with the turn', async () => {
  script('echo out; echo err >&2; exit 3');
  expect(await run({ args: ['read', 'room:general'] })).toEqual({
    success: false,
    text: expect.stringMatching(/^(out\nerr\n|err\nout\n)\n\(exit code 3\)$/),
  });
  script('yes 0123456789 | head -c 300000');
  const { text } = await run({ args: ['read', 'room:general'] });
  expect(text.length).toBeLessThan(66_000);
  expect(text.endsWith('(cut here; use --limit)')).toBe(true);
  script('echo $$ > "$MOLTNET_WAKE/pid"; exec sleep 600');
  const over = new AbortController();
  const answer = runTool(lab.context().attachment, place(over.signal), {
    args: ['send', 'room:general', 'x', '--wait'],
  });
  await until(() => processesOf(lab.folder).length > 0, 'it runs');
  over.abort();
  expect(await answer).toMatchObject({ success: false });
  await until(() => processesOf(lab.folder).length === 0, 'it has ended');
});

it('RT-152 it is given all servers of the attachment; which of them answers is for the command to find out', async () => {
  script('echo "$@"');
  const other_urls = ['http://127.0.0.1:2', 'http://127.0.0.1:3'];
  const attachment = { ...lab.context().attachment, other_urls };
  const others = other_urls.map((url) => `--other-url ${url}`);
  expect(await runTool(attachment, place(), { args: ['read', 'room:general'] })).toEqual({
    success: true,
    text: `${['read', ...OURS, ...others, 'room:general'].join(' ')}\n`,
  });
});
