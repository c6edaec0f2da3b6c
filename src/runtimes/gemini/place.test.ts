import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { CliPlace } from '../cli-runtime.ts';
import { geminiStart } from './place.ts';

let workspace: string;
beforeEach(() => {
  workspace = path.join(realpathSync(mkdtempSync(path.join(os.tmpdir(), 'moltnet-gemini-'))), "it's a home");
  mkdirSync(workspace);
});
afterEach(() => rmSync(path.dirname(workspace), { recursive: true, force: true }));

const { PATH } = process.env;

/** What an agent's process is started with, whose token is in that variable. */
function start(id: string, token_env: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const runtime = { kind: 'gemini', workspace_path: workspace };
  const attachment = { agent: { id }, network_id: 'local', auth: { mode: 'bearer', token_env }, runtime };
  return geminiStart({ file: 'gemini', workspace, env, context: { attachment } } as unknown as CliPlace).env;
}
const shell = (env: NodeJS.ProcessEnv, command: string): string =>
  spawnSync('bash', ['-c', command, 'name', 'a b', "it's"], { env, encoding: 'utf8' }).stdout;

it('RT-134 its shell has no variables that are named as secrets are, but those of Moltnet and of its attachment', () => {
  const env = start('alpha', 'ALPHA_TOKEN', {
    PATH,
    HOME: workspace,
    ALPHA_TOKEN: 'mine',
    MOLTNET_TOKEN: 'ours',
    GEMINI_API_KEY: 'S',
    my_secret: 'S',
    'db.password': 'S',
    KEYBOARD: 'a=b TOKEN\nMOLTNET_X=1',
  });
  expect(shell(env, 'echo "$0 $1 $2 $KEYBOARD"')).toBe("name a b it's a=b TOKEN\nMOLTNET_X=1\n");
  const names = shell(env, 'env').split('\n');
  expect(names).toEqual(
    expect.arrayContaining(['ALPHA_TOKEN=mine', 'MOLTNET_TOKEN=ours', `HOME=${workspace}`]),
  );
  expect(names.filter((line) => line.endsWith('=S'))).toEqual([]);
});

it('RT-134 agents that share a workspace keep each its own token, and one started from within such a shell has a shell too', () => {
  const alpha = start('alpha', 'ALPHA_TOKEN', { PATH, ALPHA_TOKEN: 'a' });
  const beta = start('beta', 'BETA_TOKEN', { PATH, BETA_TOKEN: 'b' });
  expect([shell(alpha, 'echo $ALPHA_TOKEN'), shell(beta, 'echo $BETA_TOKEN')]).toEqual(['a\n', 'b\n']);
  const within = start('alpha', 'ALPHA_TOKEN', { ...alpha, ALPHA_TOKEN: 'c', API_KEY_OF: 'S' });
  expect(shell(within, 'echo $ALPHA_TOKEN$API_KEY_OF')).toBe('c\n');
});
