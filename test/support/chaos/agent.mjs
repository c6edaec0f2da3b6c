// What the agents of a chaos run do in a turn, played by the stand-in CLIs (fake-cli.mjs): they write down what they
// were shown, answer by the real `moltnet send`, and fail in every way a runtime can. What an agent says depends on the
// wake alone, so that a turn that is run again says the same; how it fails depends on the run too.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** `facts`: the file; `peers`: ids of all agents; `fails`: share of runs that fail, 0 to 1; `pace`: ms at most between sends; `life`: of the node. */
const { facts, seed, peers, fails, pace, life } = JSON.parse(process.env.MOLTNET_FAKE_OPTIONS);
const note = (fact) => appendFileSync(facts, `${JSON.stringify(fact)}\n`);
/** 0 to 1, the same for the same words. */
const chance = (...words) =>
  createHash('sha256')
    .update([seed, ...words].join('\n'))
    .digest()
    .readUInt32LE() /
  2 ** 32;

/** Answers of answers of answers end here. */
const HOPS = 3;
let agent;
let wake;

/** Plays the turn; the directives that end it. `alive`: says that it is; `env`: of what it runs. */
export async function turn(prompt, alive, env) {
  wake = JSON.parse(readFileSync(path.join(env.MOLTNET_WAKE, 'wake.json'), 'utf8'));
  agent = /^Moltnet: .* for you, @(\S+), in /.exec(prompt)[1];
  const { wake_id, conversation } = wake;
  const shown = [...prompt.matchAll(/^\[\d+\/\d+\] from .*, id (\S+)$/gm)].map(([, id]) => id);
  const hidden = Number(/^(\d+) older/m.exec(prompt)?.[1] ?? 0);
  note({ t: 'run', agent, wake: wake_id, conversation, shown, hidden, life, pid: process.pid });
  if (prompt.includes('poison')) return [{ name: 'crash' }];
  const roll = chance(wake_id, wake.run, 'fate') / fails;
  if (roll < 0.2) return [{ name: 'crash' }];
  if (roll < 0.3) return [{ name: 'hang' }];
  if (roll < 0.5) return [{ name: 'http', value: '500' }];
  if (roll < 0.56) return [{ name: 'http', value: '401' }];
  if (roll < 0.7) return [{ name: 'exit', value: '3' }];
  const heartbeat = setInterval(alive, 300);
  try {
    await speak(prompt, roll < 1, env);
  } catch (error) {
    const text = String(error.stderr || error.message);
    // A server that is away for longer than the command waits fails the turn; other refusals are nobody's plan.
    if (!/(cannot be reached|unreachable|refused|did not answer|not known whether|stopping|503)/.test(text))
      note({ t: 'trouble', at: `${agent} ${wake_id}`, text });
    return [{ name: 'http', value: '500' }];
  } finally {
    clearInterval(heartbeat);
  }
  return roll < 1 ? [{ name: 'crash' }] : [];
}

/** The turn is in the runtime's own history as one that ended well. */
export const ended = () => note({ t: 'done', agent, wake: wake.wake_id });

async function speak(prompt, dies, env) {
  const { wake_id, conversation } = wake;
  const hop = 1 + Math.min(...[...prompt.matchAll(/hop=(\d)/g)].map(([, n]) => Number(n)), HOPS);
  const [, target, more] = /^ {4}moltnet send (\S+) "YOUR TEXT"(.*)$/m.exec(prompt);
  const sends = hop > HOPS ? 0 : Math.floor(chance(wake_id, 'sends') * 3);
  for (let n = 0; n < sends; n++) {
    await sleep(chance(wake_id, n, 'pace') * pace);
    const others = peers.filter((id) => id !== agent);
    const other = others[Math.floor(chance(wake_id, n, 'other') * others.length)];
    const elsewhere = n > 0 && chance(wake_id, n, 'where') < 0.5;
    const key = `${agent}/${wake_id}/${n}`;
    const text = `${key} hop=${hop}${chance(wake_id, n, 'mention') < 0.4 ? ` @${other}` : ''}`;
    const args = elsewhere
      ? ['send', `dm:@${other}`, text, '--json']
      : ['send', target, text, ...more.split(' ').filter(Boolean), '--json'];
    const { stdout } = await run('moltnet', args, { env });
    const { message_id } = JSON.parse(stdout);
    note({
      t: 'said',
      agent,
      wake: wake_id,
      id: message_id,
      key,
      target: elsewhere ? 'elsewhere' : conversation,
    });
    if (dies) return;
  }
}
