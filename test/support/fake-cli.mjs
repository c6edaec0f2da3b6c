// What the two stand-in agent CLIs have in common: the directives in a prompt that make a turn go one way or another.
// They are real processes with the real protocols; only the model and the agent's own tools are made up.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const HOME = process.env.HOME;
export const out = (value) =>
  process.stdout.write(typeof value === 'string' ? value : `${JSON.stringify(value)}\n`);

/** Every run, for a test to look at: `<home>/runs.jsonl`. */
export function record(entry) {
  mkdirSync(HOME, { recursive: true });
  appendFileSync(path.join(HOME, 'runs.jsonl'), `${JSON.stringify(entry)}\n`);
}

export const seenEnv = () => ({
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  CODEX_HOME: process.env.CODEX_HOME,
  MOLTNET_CLIENT_CONFIG: process.env.MOLTNET_CLIENT_CONFIG,
  CLAUDECODE: process.env.CLAUDECODE,
  npm_config_user_agent: process.env.npm_config_user_agent,
});

/** A module that plays the turns (chaos/agent.mjs): `turn(prompt, life, env)` answers the directives that end one. */
const script = process.env.MOLTNET_FAKE_SCRIPT ? await import(process.env.MOLTNET_FAKE_SCRIPT) : undefined;
let chosen = [];
/** The turn is in the history as one that ended well. */
export const ended = () => script?.ended();

/** The directives of the newest prompt: `[[name: value]]`, and those that a script has chosen. */
export function directives(prompt) {
  const written = [...prompt.matchAll(/\[\[([a-z ]+?)(?::([\s\S]*?))?\]\]/g)].map(([, name, value]) => ({
    name,
    value: value?.trim(),
  }));
  return [...written, ...chosen];
}

/** Whether it was told to ignore requests to end. */
export const stubborn = () => ignoring;
let ignoring = false;

/** Runs what does not depend on the protocol; resolves with the outputs of shell commands. */
export async function play(
  prompt,
  { notice, progress = () => out({ type: 'progress' }), env = process.env, shell: program = '/bin/sh' },
) {
  const outputs = [];
  chosen = [];
  if (script) chosen = await script.turn(prompt, progress, env);
  for (const { name, value } of directives(prompt)) {
    switch (name) {
      case 'crash':
        process.kill(process.pid, 'SIGKILL');
        break;
      case 'exit':
        process.exit(Number(value));
        break;
      case 'hang':
        setInterval(() => {}, 1 << 30);
        await new Promise(() => {});
        break;
      case 'stubborn':
        ignoring = true;
        for (const ignored of ['SIGINT', 'SIGTERM'])
          process.removeAllListeners(ignored).on(ignored, () => {});
        break;
      case 'notices':
        // It tries to reach its model, and says so, for ever.
        setInterval(notice, 20);
        await new Promise(() => {});
        break;
      case 'garbage':
        out('not json\n{"half": \n\u2028\n[1,2]\nnull\n{"type":5}\n{"type":"something.new","x":{}}\n\n');
        process.stdout.write(Buffer.from([0xff, 0xfe, 0x00, 0x0a]));
        break;
      case 'huge':
        for (let i = 0; i < 9; i++) {
          if (!process.stdout.write('x'.repeat(1 << 20)))
            await new Promise((done) => process.stdout.once('drain', done));
        }
        out('\n');
        break;
      case 'slow':
        for (let i = 0; i < 4; i++) {
          await new Promise((done) => setTimeout(done, Number(value)));
          progress();
        }
        break;
      case 'leave':
        leave(value);
        break;
      case 'sh':
        outputs.push(await shell(value, env, program));
        break;
      default:
    }
  }
  return outputs;
}

/** A child in a session of its own that ignores requests to end and holds our output open. */
function leave(file) {
  const script = `trap '' TERM INT HUP; echo $$ > '${file}'; while :; do sleep 60; done`;
  spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['ignore', 'inherit', 'inherit'] }).unref();
}

function shell(command, env, program) {
  return new Promise((resolve) => {
    const child = spawn(program, ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], env });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('close', () => resolve(text));
  });
}

/** One that was killed and that nobody has waited for yet is not. */
export function alive(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}
