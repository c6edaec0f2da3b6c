import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MAX_SESSIONS, openSessionStore } from './sessions.ts';

let folder: string;
let file: string;
let aside: string[];
const open = () => openSessionStore(file, (name) => aside.push(name));
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'moltnet-sessions-'));
  file = path.join(folder, '.moltnet', 'sessions.json');
  aside = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('RT-22 the file is moltnet.cli-sessions.v1 as wire.md 12.6 has it, 0600, and read by a store opened later', () => {
  open().set('agent:a:local:room:general', 'id-1');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    version: 'moltnet.cli-sessions.v1',
    sessions: {
      'agent:a:local:room:general': {
        runtime_session_id: 'id-1',
        created_at: expect.stringMatching(/Z$/),
        updated_at: expect.stringMatching(/Z$/),
      },
    },
  });
  expect(readFileSync(file, 'utf8')).toContain('\n  "sessions"');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
  expect(open().get('agent:a:local:room:general')?.runtime_session_id).toBe('id-1');
  expect(readdirSync(path.dirname(file))).toEqual(['sessions.json']);
});

it("RT-22 several adapters of one process share a file without losing each other's entries", () => {
  const [one, two] = [open(), open()];
  one.set('k1', 'a');
  two.set('k2', 'b');
  one.set('k3', 'c', { cost_usd: 1 });
  two.delete('k2');
  two.set('k3', 'c');
  expect(one.get('k1')?.runtime_session_id).toBe('a');
  expect(one.get('k2')).toBeUndefined();
  expect(two.get('k3')).toMatchObject({ runtime_session_id: 'c', usage_total: { cost_usd: 1 } });
  // Another session counts from nothing.
  one.set('k3', 'd');
  expect(one.get('k3')!.usage_total).toBeUndefined();
});

it('RT-22 hostile keys are keys', () => {
  for (const key of ['__proto__', 'constructor', 'toString', '']) {
    expect(open().get(key)).toBeUndefined();
    open().set(key, `of ${key}`);
    expect(open().get(key)?.runtime_session_id).toBe(`of ${key}`);
  }
});

it('RT-16 a version that is not known is an error, for reading and writing, and nothing is touched', () => {
  open().set('k', 'a');
  const text = readFileSync(file, 'utf8').replace('.v1', '.v2');
  writeFileSync(file, text);
  for (const use of [() => open().get('k'), () => open().set('k', 'b'), () => open().delete('k')])
    expect(use).toThrow(/moltnet\.cli-sessions\.v2.*move the file away/);
  expect(readFileSync(file, 'utf8')).toBe(text);
});

it('RT-22 a file that is none is put aside whole, and a new one begun', () => {
  const broken = [
    '',
    '{',
    'null',
    '[]',
    '"text"',
    '{"sessions":{}}',
    '{"version":"moltnet.cli-sessions.v1"}',
    '{"version":"moltnet.cli-sessions.v1","sessions":[]}',
  ];
  open().set('k', 'a');
  for (const [index, text] of broken.entries()) {
    writeFileSync(file, text);
    expect(open().get('k')).toBeUndefined();
    expect(aside).toHaveLength(index + 1);
    expect(readFileSync(aside[index]!, 'utf8')).toBe(text);
    open().set('k', 'again');
    expect(open().get('k')?.runtime_session_id).toBe('again');
  }
  expect(new Set(aside).size).toBe(broken.length);
});

it('RT-22 entries that are none are left out, the others stay', () => {
  open().set('good', 'a');
  const root = JSON.parse(readFileSync(file, 'utf8'));
  Object.assign(root.sessions, {
    text: 'x',
    none: null,
    empty: { runtime_session_id: '' },
    number: { runtime_session_id: 5 },
  });
  writeFileSync(file, JSON.stringify(root));
  for (const key of ['text', 'none', 'empty', 'number']) expect(open().get(key)).toBeUndefined();
  expect(open().get('good')?.runtime_session_id).toBe('a');
});

it('RT-22 the store is bounded: those unused the longest are forgotten', () => {
  const entry = (second: number) => ({
    runtime_session_id: `id-${second}`,
    created_at: '2026-01-01T00:00:00.000Z',
    updated_at: new Date(second * 1000).toISOString(),
  });
  open().set('first', 'x');
  const sessions = Object.fromEntries(Array.from({ length: MAX_SESSIONS }, (_, i) => [`k${i}`, entry(i)]));
  writeFileSync(file, JSON.stringify({ version: 'moltnet.cli-sessions.v1', sessions }));
  open().set('new', 'y');
  expect(open().get('k0')).toBeUndefined();
  expect(open().get('k1')).toBeDefined();
  expect(open().get('new')).toBeDefined();
});
