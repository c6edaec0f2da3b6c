import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { transcriptSize, turnFinished } from './claude-transcript.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'moltnet-transcript-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const user = (uuid: string, content: unknown = 'text', more: object = {}) => ({
  type: 'user',
  uuid,
  message: { role: 'user', content },
  ...more,
});
const assistant = (stop_reason: string | null, model = 'claude-x') => ({
  type: 'assistant',
  uuid: 'a',
  message: { role: 'assistant', model, stop_reason, content: [] },
});
const toolResult = user('t', [{ type: 'tool_result', content: 'ok' }]);
const interrupted = user('i', [{ type: 'text', text: '[Request interrupted by user for tool use]' }]);

function finished(lines: (object | string)[], uuids = ['mine']): Promise<boolean | undefined> {
  const projects = path.join(folder, 'projects', '-some-where');
  mkdirSync(projects, { recursive: true });
  writeFileSync(
    path.join(projects, 'session.jsonl'),
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  return turnFinished(folder, 'session', new Set(uuids));
}

it('RT-51 a turn came to its end when the model ended it, after whatever tools', async () => {
  expect(
    await finished([
      user('mine'),
      { type: 'attachment' },
      assistant('tool_use'),
      toolResult,
      assistant('end_turn'),
    ]),
  ).toBe(true);
  expect(await finished([user('mine'), assistant(null), assistant('max_tokens')])).toBe(true);
  expect(
    await finished([user('mine'), user('m', 'about tools', { isMeta: true }), assistant('end_turn')]),
  ).toBe(true);
  expect(
    await finished([user('mine'), user('c', 'summary', { isCompactSummary: true }), assistant('end_turn')]),
  ).toBe(true);
});

it('RT-51 it did not when it broke off, failed or was interrupted, whatever came later', async () => {
  const later = [user('other'), assistant('end_turn')];
  expect(await finished([user('mine')])).toBe(false);
  expect(await finished([user('mine'), assistant('tool_use'), toolResult, ...later])).toBe(false);
  expect(await finished([user('mine'), assistant('stop_sequence', '<synthetic>'), ...later])).toBe(false);
  expect(
    await finished([
      user('mine'),
      assistant('tool_use'),
      toolResult,
      interrupted,
      assistant('stop_sequence', '<synthetic>'),
      ...later,
    ]),
  ).toBe(false);
  expect(await finished([user('mine'), interrupted, assistant('end_turn')])).toBe(false);
});

it('RT-51 a later attempt at the same wake counts', async () => {
  const lines = [
    user('mine'),
    assistant('stop_sequence', '<synthetic>'),
    user('mine again'),
    assistant('end_turn'),
  ];
  expect(await finished(lines, ['mine', 'mine again'])).toBe(true);
  expect(await finished(lines.slice(0, 3), ['mine', 'mine again'])).toBe(false);
});

it('RT-51 there is no telling without the transcript, or when it does not have the message; a broken line is passed over', async () => {
  expect(await turnFinished(folder, 'session', new Set(['mine']))).toBeUndefined();
  expect(await finished([user('other'), assistant('end_turn')])).toBeUndefined();
  expect(await turnFinished(folder, 'another', new Set(['mine']))).toBeUndefined();
  expect(await finished([user('mine'), '{"type":"assist', '', 'null', assistant('end_turn'), '{"half'])).toBe(
    true,
  );
});

it('RT-52 what else lies in the folder of transcripts, or may not be looked at, is passed over', () => {
  const projects = path.join(folder, 'projects');
  mkdirSync(path.join(projects, '-mine'), { recursive: true });
  writeFileSync(path.join(projects, '.DS_Store'), '');
  // Below a link to itself nothing can be looked at, by root neither.
  symlinkSync('loop', path.join(projects, 'loop'));
  expect(transcriptSize(folder, 'one')).toBe(0);
  writeFileSync(path.join(projects, '-mine', 'one.jsonl'), 'line');
  expect(transcriptSize(folder, 'one')).toBe(4);
});
