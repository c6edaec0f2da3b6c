/**
 * RT-117: the contract of every runtime on the turns of the channel, with a stand-in for OpenClaw around them. It cannot be run on
 * the real one: its turns live in OpenClaw's process (test/runtimes/openclaw-plugin.test.ts has that from outside).
 */
import { createTurns } from '../../packages/openclaw-moltnet/src/turns.ts';
import { guarded } from '../../src/runtimes/guarded-text.ts';
import { withoutExpansions } from '../../src/runtimes/openclaw/openclaw-text.ts';
import { runtimeContract } from '../contract/runtime.ts';
import { runtimeLab, type RuntimeLab } from '../support/runtime-lab.ts';
import { StandInOpenClaw, type Agent } from '../support/stand-in-openclaw.ts';

/** In OpenClaw's own words. */
const FAILURES: Record<string, string> = {
  '401': 'authentication failed, HTTP 401',
  '429': 'rate limit exceeded, HTTP 429',
  '500': 'request failed (HTTP 500)',
};
/** Its model plays the directives of the contract. */
const agent: Agent = async ({ text }) => {
  if (text.includes('[[hang]]')) await new Promise<never>(() => {});
  const http = /\[\[http: (\d+)\]\]/.exec(text)?.[1];
  return http === undefined ? 'done' : { fail: FAILURES[http]! };
};

let claw: StandInOpenClaw;
function openLab(): RuntimeLab {
  const lab = runtimeLab({
    kind: 'openclaw',
    create: (context) =>
      createTurns(context, { accountId: 'default', runtime: claw.runtime, cfg: () => claw.cfg }),
  });
  claw = new StandInOpenClaw({}, lab.folder);
  claw.agent = agent;
  return lab;
}

runtimeContract({
  name: 'RT-117 the turns of the OpenClaw channel (stand-in OpenClaw)',
  lab: openLab,
  prompts: () => claw.turns.map(({ text }) => text),
  arrives: (text) => guarded(withoutExpansions(text)),
  // It speaks by OpenClaw's message tool.
  shell: false,
  logins: true,
  // Its sessions are OpenClaw's to list and to reset.
  claims: { dedupes: true, reports_usage: true, sessions: false },
  open: () => [...claw.sessions.values()].filter(({ status }) => status === 'running').length,
  // What is wrong with its block is told before there is a turn (RT-111).
  broken: () => [],
});
