#!/usr/bin/env node
// Stands for Gemini CLI where a test needs a turn that the real one cannot be made to play: the messages, session
// files, exit codes and error texts of `gemini --acp`, 0.61.0.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { alive, directives, ended, HOME, out, play, record, seenEnv } from './fake-cli.mjs';

const argv = process.argv.slice(2);
if (argv.includes('--nope')) {
  process.stderr.write(
    `Unknown argument: nope\n\nUsage: gemini [options] [command]\n${'  --one  of many\n'.repeat(20)}`,
  );
  process.exit(1);
}
const chats = path.join(HOME, '.gemini', 'tmp', 'fake', 'chats');
mkdirSync(chats, { recursive: true });

const send = (message) => out({ jsonrpc: '2.0', ...message });
const update = (sessionId, told) => send({ method: 'session/update', params: { sessionId, update: told } });
const said = (sessionUpdate, text) => ({ sessionUpdate, content: { type: 'text', text } });
const commands = (id) => setTimeout(() => update(id, { sessionUpdate: 'available_commands_update' }), 0);
const asked = new Map();
let asks = 0;
const ask = (method, params) =>
  new Promise((resolve) => {
    const id = `ask-${++asks}`;
    asked.set(id, resolve);
    send({ id, method, params });
  });

let file;
const save = (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`);
/** As the real one does, in a file of this minute, also when it is about to open another. */
function begin(id) {
  const minute = new Date().toISOString().slice(0, 16).replace(':', '-');
  file = path.join(chats, `session-${minute}-${id.slice(0, 8)}.jsonl`);
  save({ sessionId: id, kind: 'main' });
  save({ $set: { messages: [] } });
}
function messagesOf(name) {
  let messages = [];
  const lines = readFileSync(path.join(chats, name), 'utf8').split('\n').filter(Boolean);
  if (!lines.some((line) => 'sessionId' in JSON.parse(line))) return [];
  for (const line of lines) {
    const entry = JSON.parse(line);
    if (entry.$set?.messages) messages = entry.$set.messages;
    else if (entry.type) messages.push(entry);
  }
  return messages;
}
function load(id) {
  begin(id);
  for (const name of readdirSync(chats)) {
    if (!name.endsWith(`-${id.slice(0, 8)}.jsonl`)) continue;
    let messages = [];
    try {
      messages = messagesOf(name);
    } catch {
      // Of such a file the real one finds no session.
    }
    if (messages.length === 0) continue;
    file = path.join(chats, name);
    return messages;
  }
  throw {
    code: -32603,
    message: 'Internal error',
    data: { details: 'No previous sessions found for this project.' },
  };
}

// As it starts, the real one tidies away what holds no turn, with every file of that id, unless it is told not to.
const { general } = JSON.parse(readFileSync(process.env.GEMINI_CLI_SYSTEM_DEFAULTS_PATH, 'utf8'));
const settled = path.join(HOME, '.gemini', 'settings.json');
const own = existsSync(settled) ? JSON.parse(readFileSync(settled, 'utf8')).general : {};
const holds = (name) => {
  try {
    return messagesOf(name).length > 0;
  } catch {
    return false;
  }
};
if ((own.sessionRetention ?? general.sessionRetention)?.enabled !== false)
  for (const name of readdirSync(chats).filter((each) => each.endsWith('.jsonl')))
    if (existsSync(path.join(chats, name)) && !holds(name))
      for (const other of readdirSync(chats).filter((each) => each.endsWith(name.slice(-14))))
        rmSync(path.join(chats, other));

for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(0));

let stop;
let running = false;
let lingers = 0;
async function prompt({ sessionId, prompt: [{ text }] }) {
  running = true;
  record({
    argv,
    cwd: process.cwd(),
    env: seenEnv(),
    prompt: text,
    pid: process.pid,
    tmp: process.env.TMPDIR,
    session: sessionId,
  });
  const has = (name) => directives(text).find((d) => d.name === name);
  lingers = Number(has('lingers')?.value ?? lingers);
  save({ id: randomUUID(), type: 'user', content: [{ text }] });
  const cancelled = new Promise((resolve) => (stop = resolve)).then(() => {
    takeBack();
    return { stopReason: 'cancelled' };
  });
  const takeBack = () => save({ $set: { messages: messagesOf(path.basename(file)).slice(0, -1) } });
  const turn = (async () => {
    for (const command of directives(text).filter(({ name }) => name === 'ask')) {
      const options = [
        { optionId: 'proceed_always', kind: 'allow_always' },
        { optionId: 'proceed_once', kind: 'allow_once' },
        { optionId: 'cancel', kind: 'reject_once' },
      ];
      const toolCall = { toolCallId: 'x', title: command.value, kind: has('ask kind')?.value ?? 'execute' };
      const { outcome } = await ask('session/request_permission', { sessionId, options, toolCall });
      record({ outcome });
    }
    const outputs = await play(text, {
      notice: () => process.stderr.write('Attempt 1 failed with status 500. Retrying with backoff...\n'),
      progress: () => update(sessionId, said('agent_thought_chunk', 'hm')),
    });
    const http = has('http');
    if (http) {
      const code = Number(http.value);
      takeBack();
      throw { code, message: JSON.stringify({ error: { code, message: `fake ${code}` } }) };
    }
    if (has('words')) throw { code: 500, message: has('words').value };
    const answer = has('silent') ? '' : outputs.join('') || 'done';
    save({ id: randomUUID(), type: 'gemini', content: answer });
    ended();
    if (has('said before')) {
      update(sessionId, said('agent_message_chunk', 'before the tool'));
      update(sessionId, { sessionUpdate: 'tool_call', kind: 'execute', status: 'in_progress', title: 'x' });
    }
    if (answer !== '') update(sessionId, said('agent_message_chunk', answer));
    const token_count = { input_tokens: 100, output_tokens: 20 };
    return { stopReason: has('stop')?.value ?? 'end_turn', _meta: { quota: { token_count } } };
  })();
  return Promise.race([turn, cancelled]).finally(() => (running = false));
}

const methods = {
  initialize: () => {
    if (existsSync(path.join(HOME, 'logged-out')))
      return new Promise(() => out('Please visit the following URL to authorize the application:\n'));
    return { protocolVersion: 1, agentInfo: { name: 'gemini-cli', version: '0.0.0' } };
  },
  'session/new': () => {
    const sessionId = randomUUID();
    begin(sessionId);
    commands(sessionId);
    return { sessionId };
  },
  'session/load': ({ sessionId }) => {
    for (const { type, content } of load(sessionId))
      update(
        sessionId,
        type === 'user' ? said('user_message_chunk', content[0].text) : said('agent_message_chunk', content),
      );
    commands(sessionId);
    return {};
  },
  'session/prompt': prompt,
};
let buffer = '';
process.stdin.setEncoding('utf8').on('data', (text) => {
  buffer += text;
  for (let at = buffer.indexOf('\n'); at >= 0; at = buffer.indexOf('\n')) {
    const { id, method, params, result } = JSON.parse(buffer.slice(0, at));
    buffer = buffer.slice(at + 1);
    if (method === undefined) asked.get(id)?.(result);
    else if (method === 'session/cancel') stop?.();
    else
      Promise.resolve()
        .then(() => methods[method](params))
        .then(
          (value) => send({ id, result: value }),
          (error) => send({ id, error }),
        )
        .then(() => lock(params.sessionId));
  }
});
// In the middle of a turn the real one does not notice.
process.stdin.on('end', () => running || setTimeout(process.exit, lingers, 0));

// A second process on one session is what must never be: it is written down for the test to see.
function lock(id) {
  if (!id) return;
  const held = path.join(chats, `${id}.lock`);
  const pid = existsSync(held) ? Number(readFileSync(held, 'utf8')) : process.pid;
  if (pid !== process.pid && alive(pid)) record({ two: true, argv, pid: process.pid });
  writeFileSync(held, String(process.pid));
}
