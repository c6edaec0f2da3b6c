#!/usr/bin/env node
// Stands for `picoclaw agent` (v0.2.9): its arguments, its log in JSON, its banner and answer, its exit codes and the
// words of its failures, its own commands at the beginning of a message. It plays the directives of a prompt.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { directives, HOME, play, record, seenEnv } from './fake-cli.mjs';

const argv = process.argv.slice(2);
const value = (...names) => argv[argv.findIndex((arg) => names.includes(arg)) + 1];
const die = (text) => {
  process.stderr.write(`Error: ${text}\n`);
  process.exit(1);
};
const file = process.env.PICOCLAW_CONFIG;
if (!file || !existsSync(file)) die('error loading config: open config.json: no such file or directory');
const config = JSON.parse(readFileSync(file, 'utf8'));
if (!config.model_list?.length) die('error creating provider: model "mock" not found in model_list');
const prompt = value('-m', '--message');
const session = value('-s', '--session');
process.stdout.write('\n[1;38;2;62;93;185m██████╗ ██╗\n [0m\n');
// The prompt is on its command line, because it can take it in no other way; the contract looks for it there.
record({
  argv: argv.map((arg) => (arg === prompt ? '…' : arg)),
  cwd: process.cwd(),
  env: seenEnv(),
  prompt,
  pid: process.pid,
});
if (/^[/!](help|status|show|list|clear|use|stop)\b/.test(prompt)) {
  console.log('\n🦞 /help - what can be said');
  process.exit(0);
}
// It is silent but for warnings unless it is told.
const log = (event) =>
  process.env.PICOCLAW_LOG_LEVEL === 'info' &&
  appendFileSync(process.env.PICOCLAW_LOG_FILE, `${JSON.stringify({ level: 'info', event_kind: event })}\n`);
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(130));
const sessions = path.join(process.env.PICOCLAW_HOME ?? HOME, 'sessions');
mkdirSync(sessions, { recursive: true });
appendFileSync(
  path.join(sessions, `${session.replaceAll(/[:/\\]/g, '_')}.jsonl`),
  `${JSON.stringify({ role: 'user', content: prompt })}\n`,
);
log('agent.turn.start');
const outputs = await play(prompt, () => {});
const http = directives(prompt).find(({ name }) => name === 'http');
const failures = {
  401: 'authentication failed (401): check your API key',
  429: 'rate limited (429): {"type":"error"}',
};
if (http)
  die(
    `error processing message: LLM call failed after retries: ${failures[http.value] ?? `internal server error (${http.value}): {"type":"error"}`}`,
  );
log('agent.turn.end');
console.log(`\n🦞 ${outputs.join('') || 'done'}`);
