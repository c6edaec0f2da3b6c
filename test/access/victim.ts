/** The server that is attacked: a process of its own, with its log in a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { exchange, SECRETS, TOKENS, type Reply } from '../support/auth-lab.ts';
import { eventually } from '../support/eventually.ts';
import { main, writeServerConfig } from '../support/process.ts';
import { temporaryFolder } from '../support/server.ts';

/** Of a message that only the members of `den` read. */
const PRIVATE_WORDS = 'words-that-only-members-of-den-read';

export interface Victim {
  port: number;
  pid: number;
  call(
    secret: string | undefined,
    route: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Reply>;
  agentToken: string;
  cookie: string;
  /** Everything in it must never be logged. */
  secrets: string[];
  log(): string;
  rss(): number;
  stop(): Promise<number | null>;
}

export async function startVictim(mode: 'bearer' | 'open'): Promise<Victim> {
  const folder = await temporaryFolder();
  const auth = { mode, tokens: TOKENS };
  const rooms = [
    { id: 'hall', visibility: 'public', members: ['member', 'bob'] },
    { id: 'den', visibility: 'private', members: ['member', 'squat'] },
    { id: 'lobby', visibility: 'public', write_policy: 'registered_agents' },
  ];
  const { url, config } = await writeServerConfig(
    folder,
    `auth: ${JSON.stringify(auth)}\nrooms: ${JSON.stringify(rooms)}\n`,
  );
  const file = path.join(folder, 'log');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', main, 'start', '--log-level', 'debug'],
    {
      env: { ...process.env, MOLTNET_CONFIG: config },
      cwd: folder,
      stdio: ['ignore', 'ignore', openSync(file, 'w')],
    },
  );
  const ended = once(child, 'exit') as Promise<[number | null]>;
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const port = Number(new URL(url).port);
  const log = (): string => readFileSync(file, 'utf8');
  await eventually(() => {
    if (child.exitCode !== null) throw new Error(`moltnet start ended: ${log()}`);
    return log().includes('"listening"');
  });
  const secrets = Object.values(SECRETS);
  const call: Victim['call'] = (secret, route, body, headers) =>
    exchange(
      port,
      route,
      { ...(secret !== undefined && { authorization: `Bearer ${secret}` }), ...headers },
      body,
    );
  const invite = JSON.parse((await call(SECRETS.operator, 'POST /v1/agents/member/invite', {})).text) as {
    code: string;
  };
  const claimed = await call(undefined, 'POST /v1/agents/register', {
    requested_agent_id: 'member',
    claim_code: invite.code,
  });
  const agentToken = (JSON.parse(claimed.text) as { agent_token: string }).agent_token;
  const login = await call(undefined, 'POST /console/session', { token: SECRETS.mate });
  const cookie = /^moltnet_auth=[^;]+/.exec(String(login.headers['set-cookie']))![0];
  secrets.push(invite.code, agentToken, cookie.slice(cookie.indexOf('=') + 1), PRIVATE_WORDS);
  const said = await call(agentToken, 'POST /v1/messages', {
    from: { type: 'agent', id: 'member' },
    target: { kind: 'room', room_id: 'den' },
    parts: [{ kind: 'text', text: PRIVATE_WORDS }],
  });
  expect(said.status, said.text).toBe(202);
  return {
    port,
    pid: child.pid!,
    call,
    agentToken,
    cookie,
    secrets,
    log,
    rss: () =>
      Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid!}/status`, 'utf8'))?.[1]) / 1_024,
    async stop() {
      child.kill('SIGTERM');
      return (await ended)[0];
    },
  };
}
