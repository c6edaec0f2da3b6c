#!/usr/bin/env node
// Stands for the Codex CLI where a test needs a turn that the real one cannot be made to play: the requests, notices,
// exit codes and error texts of `codex app-server` 0.169.0, with a thread store in its home.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { alive, directives, ended, HOME, out, play, record, seenEnv, stubborn } from './fake-cli.mjs';

const argv = process.argv.slice(2);
if (argv[0] === '--version') {
  console.log('codex-cli 0.0.0-fake');
  process.exit(0);
}
const die = (text, code = 1) => {
  process.stderr.write(`${text}\n`);
  process.exit(code);
};
if (argv[0] !== 'app-server') die(`error: unrecognized subcommand '${argv[0]}'`, 2);
if (argv.includes('--nope')) die("error: unexpected argument '--nope' found", 2);
const codexHome = process.env.CODEX_HOME ?? path.join(HOME, '.codex');
if (process.env.CODEX_HOME && !existsSync(codexHome))
  die(`Error finding codex home: CODEX_HOME points to "${codexHome}", but that path does not exist`);
const folder = path.join(codexHome, 'fake-threads');
mkdirSync(folder, { recursive: true });
const fileOf = (id) => path.join(folder, `${id}.json`);
const lockOf = (id) => path.join(folder, `${id}.lock`);

/** Threads that are open here: { id, turns: [{ id, clientId, status, text }], tokens, config }. */
const threads = new Map();
const save = (thread) => writeFileSync(fileOf(thread.id), JSON.stringify({ ...thread, params: undefined }));
const tell = (method, params) => out({ method, params, emittedAtMs: Date.now() });
const tokens = (thread, turnId) => {
  const { input, output } = thread.tokens;
  const total = { totalTokens: input + output, inputTokens: input, outputTokens: output };
  tell('thread/tokenUsage/updated', { threadId: thread.id, turnId, tokenUsage: { total, last: total } });
};
process.on('exit', () => {
  for (const id of threads.keys()) rmSync(lockOf(id), { force: true });
});
const breakOff = () => {
  for (const thread of threads.values()) {
    for (const turn of thread.turns) if (turn.status === 'inProgress') turn.status = 'interrupted';
    save(thread);
  }
};
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(1));

function open(id, params) {
  if (existsSync(lockOf(id)) && alive(Number(readFileSync(lockOf(id), 'utf8'))))
    throw new Error(`thread ${id} already has an active writer`);
  writeFileSync(lockOf(id), String(process.pid));
  const thread = existsSync(fileOf(id))
    ? JSON.parse(readFileSync(fileOf(id), 'utf8'))
    : { id, turns: [], tokens: { input: 0, output: 0 } };
  // Of one that was killed.
  for (const turn of thread.turns) if (turn.status === 'inProgress') turn.status = 'interrupted';
  threads.set(id, { ...thread, params });
  return threads.get(id);
}

async function run(thread, turn, prompt) {
  const has = (name) => directives(prompt).find((d) => d.name === name);
  const about = { threadId: thread.id, turnId: turn.id };
  tell('turn/started', { threadId: thread.id, turn: { id: turn.id, status: 'inProgress' } });
  tell('warning', { threadId: thread.id, message: 'Model metadata not found.' });
  const content = [{ type: 'text', text: prompt, text_elements: [] }];
  for (const method of ['item/started', 'item/completed'])
    tell(method, {
      ...about,
      item: { type: 'userMessage', id: randomUUID(), clientId: turn.clientId, content },
    });
  const error = (message, willRetry, codexErrorInfo) => ({
    ...about,
    willRetry,
    error: { message, codexErrorInfo },
  });
  const set = 'shell_environment_policy.set.';
  const own = Object.entries(thread.params.config ?? {}).map(([key, value]) => [key.replace(set, ''), value]);
  if (has('tool') && thread.tools) {
    const id = `call-${turn.id}`;
    const { value } = has('tool');
    out({
      id,
      method: 'item/tool/call',
      params: { ...about, tool: 'moltnet', arguments: JSON.parse(value) },
    });
    const { contentItems, success } = await new Promise((resolve) => asked.set(id, resolve));
    record({ tool: contentItems[0].text, success });
  }
  const outputs = await play(prompt, {
    notice: () => tell('error', error('Reconnecting... 2/5', true, 'other')),
    progress: () => tell('item/agentMessage/delta', { ...about, delta: '.' }),
    env: { ...process.env, ...Object.fromEntries(own) },
  });
  if (has('silent')) process.exit(0);
  if (turn.status !== 'inProgress') return;
  thread.tokens.input += 100;
  thread.tokens.output += 20;
  tokens(thread, turn.id);
  const http = has('http');
  if (http) {
    const httpStatusCode = Number(http.value);
    const message =
      httpStatusCode === 401
        ? 'unexpected status 401 Unauthorized: fake'
        : `exceeded retry limit, last status: ${httpStatusCode}`;
    const failed = error(message, false, { responseTooManyFailedAttempts: { httpStatusCode } });
    tell('error', failed);
    return over(thread, turn, 'failed', failed.error);
  }
  turn.text = has('say')?.value ?? (outputs.join('') || 'done');
  const item = { type: 'agentMessage', id: randomUUID(), text: turn.text, phase: null };
  tell('item/completed', { ...about, item });
  ended();
  over(thread, turn, 'completed', null);
}

function over(thread, turn, status, error) {
  turn.status = status;
  save(thread);
  tell('turn/completed', { threadId: thread.id, turn: { id: turn.id, items: [], status, error } });
}

const requests = {
  initialize: () => ({ userAgent: 'fake' }),
  'account/read': () => ({
    account: null,
    requiresOpenaiAuth: existsSync(path.join(codexHome, 'fake-logged-out')),
  }),
  'thread/start': (params) => {
    const thread = open(randomUUID(), params);
    thread.tools = params.dynamicTools?.length > 0;
    return { thread: { id: thread.id } };
  },
  'thread/resume': (params) => {
    const { threadId } = params;
    if (!existsSync(fileOf(threadId))) throw new Error(`no rollout found for thread id ${threadId}`);
    tokens(open(threadId, params), null);
    return { thread: { id: threadId } };
  },
  'thread/turns/list': ({ threadId, limit }) => ({
    data: threads
      .get(threadId)
      .turns.slice(-limit)
      .toReversed()
      .map(({ id, clientId, status, text }) => ({
        id,
        status,
        items: [
          { type: 'userMessage', clientId },
          ...(text === undefined ? [] : [{ type: 'agentMessage', text, phase: null }]),
        ],
      })),
  }),
  'turn/start': ({ threadId, clientUserMessageId, input }) => {
    const thread = threads.get(threadId);
    const turn = { id: randomUUID(), clientId: clientUserMessageId, status: 'inProgress' };
    thread.turns = [...thread.turns.slice(-99), turn];
    save(thread);
    const [{ text }] = input;
    record({
      argv,
      cwd: process.cwd(),
      env: seenEnv(),
      prompt: text,
      pid: process.pid,
      thread: threadId,
      params: thread.params,
    });
    setImmediate(() => void run(thread, turn, text));
    return { turn: { id: turn.id, status: 'inProgress' } };
  },
  'turn/interrupt': ({ threadId, turnId }) => {
    const thread = threads.get(threadId);
    const turn = thread.turns.find(({ id }) => id === turnId);
    if (stubborn() || !turn) return {};
    setImmediate(() => over(thread, turn, 'interrupted', null));
    return {};
  },
};

/** Requests of its own that wait for an answer. */
const asked = new Map();

function answer(line) {
  const { id, method, params, result } = JSON.parse(line);
  if (id === undefined) return;
  if (method === undefined) return void asked.get(id)?.(result);
  try {
    out({ id, result: requests[method](params ?? {}) });
  } catch (error) {
    out({ id, error: { code: -32600, message: error.message } });
  }
}

// Split at LF only, as the real one does: a JSON text may hold U+2028.
let rest = '';
process.stdin
  .setEncoding('utf8')
  .on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line !== '') answer(line);
  })
  .on('end', () => {
    breakOff();
    process.exit(0);
  });
// Its reader is gone: the end of its input ends it.
process.stdout.on('error', () => {});
