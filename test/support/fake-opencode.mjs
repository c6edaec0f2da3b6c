#!/usr/bin/env node
// Stands for opencode where a test needs a turn that the real one cannot be made to play: the routes, events, session
// store and error texts of `opencode serve` 1.18.33. `fake-opencode.json` in its home holds settings, providers and
// agents.
import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { alive, directives, ended, HOME, play, record, seenEnv, stubborn } from './fake-cli.mjs';

const argv = process.argv.slice(2);
if (argv[0] === '--version') {
  console.log('0.0.0-fake');
  process.exit(0);
}
if (argv[0] !== 'serve' || argv.includes('--nope')) {
  process.stderr.write(
    'opencode serve\n\nstarts a headless opencode server\n\nOptions:\n  -h, --help  show help\n',
  );
  process.exit(1);
}
const password = process.env.OPENCODE_SERVER_PASSWORD;
const given = path.join(HOME, 'fake-opencode.json');
const settings = {
  config: { model: 'fake/model' },
  providers: [{ id: 'fake', options: {}, models: { model: {} } }],
  agents: [{ name: 'build', permission: [{ permission: '*', pattern: '*', action: 'allow' }] }],
  ...(existsSync(given) ? JSON.parse(readFileSync(given, 'utf8')) : {}),
};
Object.assign(settings.config, JSON.parse(process.env.OPENCODE_CONFIG_CONTENT ?? '{}'));
const state = path.join(HOME, '.local', 'state', 'opencode');
const folder = path.join(HOME, '.local', 'share', 'opencode', 'fake');
mkdirSync(folder, { recursive: true });

const fileOf = (id) => path.join(folder, `${id}.json`);
const lockOf = (id) => path.join(folder, `${id}.lock`);
const load = (id) => (existsSync(fileOf(id)) ? JSON.parse(readFileSync(fileOf(id), 'utf8')) : undefined);
const save = (id, messages) => writeFileSync(fileOf(id), JSON.stringify(messages));
/** By session: what runs in it. */
const running = new Map();
const asked = new Map();
const streams = new Set();
/** The events of this turn come too late to be heard before its answer. */
let late = false;
const tell = (type, properties) => {
  if (late) return;
  for (const stream of streams) stream.write(`data: ${JSON.stringify({ type, properties })}\n\n`);
};
/** What was told has left this process. */
const flushed = () =>
  Promise.all([...streams].map((stream) => new Promise((done) => stream.write(':\n\n', done))));
const update = (sessionID, messages, message) => {
  const at = messages.findIndex(({ info }) => info.id === message.info.id);
  messages[at < 0 ? messages.length : at] = message;
  save(sessionID, messages);
  tell('message.updated', { sessionID, info: { ...message.info, sessionID } });
};
/** As the real one, which waits for seconds before it asks its model again. */
const pause = () => new Promise((done) => setTimeout(done, 50));
const ask = (sessionID, command) =>
  new Promise((resolve) => {
    const id = `per_${randomBytes(6).toString('hex')}`;
    const request = { id, sessionID, permission: 'bash', patterns: [command], metadata: { command } };
    asked.set(id, { request, resolve });
    tell('permission.asked', request);
  });

async function run(sessionID, { messageID, parts }, socket) {
  const messages = load(sessionID);
  const prompt = parts[0].text;
  late = prompt.includes('[[late events]]');
  const other = existsSync(lockOf(sessionID)) ? Number(readFileSync(lockOf(sessionID), 'utf8')) : 0;
  const two = running.has(sessionID) || (other !== 0 && other !== process.pid && alive(other));
  writeFileSync(lockOf(sessionID), String(process.pid));
  record({
    argv,
    cwd: process.cwd(),
    env: seenEnv(),
    prompt,
    pid: process.pid,
    two,
  });
  const aborted = Promise.withResolvers();
  running.set(sessionID, aborted.resolve);
  update(sessionID, messages, { info: { id: messageID, role: 'user' }, parts });
  const answer = {
    info: { id: `${messageID}a`, role: 'assistant', parentID: messageID, cost: 0 },
    parts: [],
  };
  update(sessionID, messages, answer);
  await flushed();
  const turn = turnOf({ sessionID, prompt, socket });
  const { error, text } = await Promise.race([
    turn,
    aborted.promise.then(() => ({ error: { name: 'MessageAbortedError', data: { message: 'Aborted' } } })),
  ]);
  const tokens = { input: 60, output: 15, reasoning: 5, cache: { read: 40, write: 0 } };
  // One that is broken off while it waits to ask its model again says no error, as the real one.
  const silent = error?.name === 'MessageAbortedError' && /\[\[http: /.test(prompt);
  Object.assign(answer.info, { tokens }, silent ? {} : error ? { error } : { finish: 'stop' });
  if (text !== undefined) answer.parts.push({ type: 'text', text });
  update(sessionID, messages, answer);
  running.delete(sessionID);
  writeFileSync(lockOf(sessionID), '');
  if (directives(prompt).some(({ name }) => name === 'end crash')) process.kill(process.pid, 'SIGKILL');
  return answer;
}

async function turnOf({ sessionID, prompt, socket }) {
  const has = (name) => directives(prompt).find((d) => d.name === name)?.value;
  const retry = (attempt, message, in_s = 0) =>
    tell('session.status', {
      sessionID,
      status: { type: 'retry', attempt, message, next: Date.now() + in_s * 1000 },
    });
  if (prompt.includes('[[drop events]]')) for (const stream of streams) stream.destroy();
  if (prompt.includes('[[drop answer]]')) socket.destroy();
  const answers = [];
  for (const { name, value } of directives(prompt))
    if (name === 'ask') answers.push(await ask(sessionID, value));
  const outputs = await play(prompt, {
    notice: () => retry(1, 'Notice'),
    progress: () => tell('message.part.updated', { sessionID, part: { sessionID } }),
    shell: settings.config.shell ?? process.env.SHELL,
  });
  const passes = has('http once');
  if (passes) retry(1, `mock ${passes}`);
  if (passes) await pause();
  const http = Number(has('http'));
  if (http === 401 || http === 404)
    return {
      error: {
        name: 'APIError',
        data: { message: http === 401 ? 'Unauthorized' : 'Not Found', statusCode: http },
      },
    };
  if (http) {
    // As often as it is let, with its waits in between.
    const mine = running.get(sessionID);
    for (let attempt = 1; running.get(sessionID) === mine; attempt++) {
      retry(attempt, `mock ${http}`, Number(has('wait') ?? 0));
      await pause();
    }
  }
  ended();
  return { text: has('say') ?? ([...answers, ...outputs].join('') || 'done') };
}

const routes = {
  'GET /config': () => settings.config,
  'GET /config/providers': () => ({ providers: settings.providers, default: {} }),
  'GET /path': () => ({ state }),
  'GET /agent': () => settings.agents,
  'GET /question': () => [],
  'GET /permission': () => [...asked.values()].map(({ request }) => request),
  'GET /session/status': () => Object.fromEntries([...running.keys()].map((id) => [id, { type: 'busy' }])),
  'POST /session': () => {
    const id = `ses_${randomBytes(13).toString('hex')}`;
    save(id, []);
    return { id };
  },
  'GET /session/:id/message': (id) => load(id),
  'POST /session/:id/message': (id, body, socket) => load(id) && run(id, body, socket),
  'POST /session/:id/abort': (id) => {
    if (!stubborn()) running.get(id)?.();
    return true;
  },
  'POST /permission/:id/reply': (id, { reply }) => {
    asked.get(id)?.resolve(reply);
    return asked.delete(id);
  },
};

const server = createServer(async (request, response) => {
  const expected = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
  if (password && request.headers.authorization !== expected) return void response.writeHead(401).end();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const where = request.url.split('?')[0];
  if (where === '/event') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"type":"server.connected","properties":{}}\n\n');
    streams.add(response);
    return void response.on('close', () => streams.delete(response));
  }
  const [, kind, id, action] = /^\/(session|permission)\/([^/]+)\/(\w+)$/.exec(where) ?? [];
  const route = routes[`${request.method} ${id ? `/${kind}/:id/${action}` : where}`];
  const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : undefined;
  const answer = await route?.(id, body, request.socket);
  response
    .writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' })
    .end(JSON.stringify(answer ?? { name: 'NotFoundError', data: { message: 'not found' } }));
});
server.listen(0, '127.0.0.1', () =>
  console.log(`opencode server listening on http://127.0.0.1:${server.address().port}`),
);
