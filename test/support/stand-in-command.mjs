#!/usr/bin/env node
// Stands for any program behind the runtime `command`: its prompt on stdin or after --prompt, its outcome by its exit
// code. It plays the directives of a prompt.
import { readFileSync } from 'node:fs';
import { directives, play, record, seenEnv } from './fake-cli.mjs';

const argv = process.argv.slice(2);
const at = argv.indexOf('--prompt');
const prompt = at >= 0 ? argv[at + 1] : readFileSync(0, 'utf8');
const variables = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => /^(MOLTNET_|MY_)/.test(name)),
);
record({ argv, cwd: process.cwd(), env: { ...seenEnv(), ...variables }, prompt, pid: process.pid });
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(1));
const outputs = await play(prompt, () => {});
const http = directives(prompt).find(({ name }) => name === 'http');
if (http) {
  process.stderr.write(`the model answered ${http.value}\n`);
  process.exit({ 401: 77, 429: 75 }[http.value] ?? 69);
}
console.log(outputs.join('') || 'done');
