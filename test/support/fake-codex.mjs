#!/usr/bin/env node
// Stands for the Codex CLI where a test needs a turn that the real one cannot be made to play: the arguments, lines,
// exit codes and error texts of `codex exec --json` 0.169.0, with a thread store in its home.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { alive, directives, ended, HOME, out, play, record, seenEnv } from './fake-cli.mjs';

const argv = process.argv.slice(2);
if (argv[0] === '--version') {
  console.log('codex-cli 0.0.0-fake');
  process.exit(0);
}
const die = (text, code = 1) => {
  process.stderr.write(`${text}\n`);
  process.exit(code);
};
if (argv.includes('--nope')) die("error: unexpected argument '--nope' found", 2);
const resume = argv.includes('resume');
const id = resume ? argv.at(-2) : randomUUID();
const codexHome = process.env.CODEX_HOME ?? path.join(HOME, '.codex');
if (process.env.CODEX_HOME && !existsSync(codexHome))
  die(`Error finding codex home: CODEX_HOME points to "${codexHome}", but that path does not exist`);
const folder = path.join(codexHome, 'fake-threads');
const file = path.join(folder, `${id}.json`);
const lock = path.join(folder, `${id}.lock`);
mkdirSync(folder, { recursive: true });

const prompt = readFileSync(0, 'utf8');
record({ argv, cwd: process.cwd(), env: seenEnv(), prompt, pid: process.pid });
if (resume && !existsSync(file))
  die(`Error: thread/resume: thread/resume failed: no rollout found for thread id ${id} (code -32600)`);
if (existsSync(lock) && alive(Number(readFileSync(lock, 'utf8'))))
  die(`Error: thread/resume: thread/resume failed: thread ${id} already has an active writer (code -32600)`);
writeFileSync(lock, String(process.pid));
process.on('exit', () => rmSync(lock, { force: true }));
const thread = resume
  ? JSON.parse(readFileSync(file, 'utf8'))
  : { turns: [], input_tokens: 0, output_tokens: 0 };
thread.turns = [...thread.turns.slice(-99), prompt];
const save = () => writeFileSync(file, JSON.stringify(thread));
save();

for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(1));
const has = (name) => directives(prompt).find((d) => d.name === name);
out({ type: 'thread.started', thread_id: has('odd id') ? 'thread-of-mine' : id });
out({ type: 'item.completed', item: { id: 'item_0', type: 'error', message: 'Model metadata not found.' } });
out({ type: 'turn.started' });
const outputs = await play(prompt, () =>
  out({ type: 'error', message: 'Reconnecting... waiting for network' }),
);
thread.input_tokens += 100;
thread.output_tokens += 20;
save();
const http = has('http');
if (http) {
  const message =
    http.value === '401'
      ? 'unexpected status 401 Unauthorized: fake'
      : `exceeded retry limit, last status: ${http.value}`;
  out({ type: 'error', message });
  out({ type: 'turn.failed', error: { message } });
  await new Promise((done) => process.stdout.write('', done));
  process.exit(1);
}
if (has('silent')) process.exit(0);
ended();
out({
  type: 'item.completed',
  item: { id: 'item_1', type: 'agent_message', text: outputs.join('') || 'done' },
});
out({
  type: 'turn.completed',
  usage: { input_tokens: thread.input_tokens, cached_input_tokens: 0, output_tokens: thread.output_tokens },
});
if (has('linger')) setInterval(() => {}, 1 << 30);
// What is written must be read before the process may end.
else process.stdout.write('', () => process.exit(Number(has('late exit')?.value ?? 0)));
