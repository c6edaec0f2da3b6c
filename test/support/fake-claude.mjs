#!/usr/bin/env node
// Stands for Claude Code where a test needs a turn that the real one cannot be made to play: the arguments, lines,
// exit codes and error texts of `claude -p` with stream-json both ways, 2.1.329, with transcripts in its home.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { alive, directives, ended, HOME, out, play, record, seenEnv } from './fake-cli.mjs';

const argv = process.argv.slice(2);
if (argv[0] === '--version') {
  console.log('0.0.0 (Fake Claude Code)');
  process.exit(0);
}
const die = (text) => {
  process.stderr.write(`${text}\n`);
  process.exit(1);
};
if (argv.includes('--nope')) die("error: unknown option '--nope'");
const valueOf = (flag) => argv[argv.indexOf(flag) + 1];
const resume = argv.includes('--resume');
const id = resume ? valueOf('--resume') : valueOf('--session-id');
const folder = path.join(process.env.CLAUDE_CONFIG_DIR ?? path.join(HOME, '.claude'), 'projects', 'fake');
const file = path.join(folder, `${id}.jsonl`);
mkdirSync(folder, { recursive: true });

let transcript = [];
let unreadable = false;
if (existsSync(file)) {
  try {
    transcript = readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  } catch {
    unreadable = true;
  }
}
const save = (entry) => {
  transcript.push(entry);
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
};
let cost = transcript.filter((entry) => entry.type === 'cost').length * 0.5;
const running = new Set();
const lifecycle = (uuid, state) =>
  out({ type: 'command_lifecycle', command_uuid: uuid, state, session_id: id });
const result = (fields) =>
  out({
    type: 'result',
    subtype: 'success',
    is_error: false,
    result: '',
    session_id: id,
    total_cost_usd: cost,
    usage: {
      input_tokens: 60,
      cache_read_input_tokens: 40,
      cache_creation_input_tokens: 0,
      output_tokens: 20,
    },
    permission_denials: [],
    ...fields,
  });
const assistant = (model, stop_reason, text) =>
  save({
    type: 'assistant',
    uuid: randomUUID(),
    message: { role: 'assistant', model, stop_reason, content: [{ type: 'text', text }] },
  });

for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(name === 'SIGINT' ? 0 : 143));

async function take(message) {
  const { uuid } = message;
  const prompt = message.message.content;
  const echo = () => out({ ...message, session_id: id, isReplay: true });
  const known = transcript.some((entry) => entry.uuid === uuid);
  if (known) {
    echo();
    if (!running.has(uuid)) lifecycle(uuid, 'completed');
    return;
  }
  record({ argv, cwd: process.cwd(), env: seenEnv(), prompt, pid: process.pid, message });
  const has = (name) => directives(prompt).find((d) => d.name === name);
  running.add(uuid);
  if (!has('old')) lifecycle(uuid, 'queued');
  save({ type: 'user', uuid, message: { role: 'user', content: prompt } });
  if (!has('old')) lifecycle(uuid, 'started');
  out({ type: 'system', subtype: 'init', session_id: id });
  echo();
  if (has('denied')) out({ type: 'system', subtype: 'permission_denied', tool_name: 'Bash' });
  const outputs = await play(prompt, {
    notice: () => out({ type: 'system', subtype: 'api_retry', attempt: 1 }),
    // The real one writes down what it does as it goes along; it may have no reader any more.
    progress: () => {
      out({ type: 'progress' });
      save({ type: 'progress' });
    },
  });
  const http = has('http');
  if (http) {
    assistant('<synthetic>', 'stop_sequence', `API Error: ${http.value}`);
    result({
      is_error: true,
      terminal_reason: 'api_error',
      api_error_status: Number(http.value),
      result: `API Error: ${http.value} fake`,
    });
    lifecycle(uuid, 'cancelled');
    return;
  }
  cost += 0.5;
  save({ type: 'cost' });
  assistant('fake-model', 'end_turn', outputs.join('') || 'done');
  ended();
  if (!has('no result')) {
    const tool_input = { command: 'rm -rf /', description: 'x' };
    result({
      result: outputs.join('') || 'done',
      permission_denials: has('denied') ? [{ tool_name: 'Bash', tool_input }] : [],
    });
  }
  if (!has('old')) lifecycle(uuid, 'completed');
}

// The real one opens the session when its first message comes in, and says so in a result as well.
let opened = false;
function open() {
  if (opened) return;
  opened = true;
  if (resume && (unreadable || transcript.length === 0)) {
    result({ subtype: 'error_during_execution', is_error: true, result: undefined });
    die(`No conversation found with session ID: ${id}`);
  }
  if (!resume && existsSync(file)) die(`Error: Session ID ${id} is already in use.`);
}

let buffer = '';
let queue = Promise.resolve();
process.stdin.setEncoding('utf8').on('data', (text) => {
  buffer += text;
  for (let at = buffer.indexOf('\n'); at >= 0; at = buffer.indexOf('\n')) {
    const message = JSON.parse(buffer.slice(0, at));
    buffer = buffer.slice(at + 1);
    open();
    queue = queue.then(() => take(message));
  }
});
process.stdin.on('end', () => {
  queue.then(() => process.exit(0));
});
// A second process on one session is what must never be: it is written down for the test to see.
const lock = path.join(folder, `${id}.lock`);
if (existsSync(lock) && alive(Number(readFileSync(lock, 'utf8'))))
  record({ two: true, argv, pid: process.pid });
writeFileSync(lock, String(process.pid));
process.on('exit', () => rmSync(lock, { force: true }));
// Its reader is gone: the real one finishes its turn all the same.
process.stdout.on('error', () => {});
