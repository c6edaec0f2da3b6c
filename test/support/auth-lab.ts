/**
 * A real server in a mode of authentication, with one credential of every kind and a small world to use them on:
 *
 * - `hall` public, `den` private, `desk` public for operators: members `member`, `listed`, `ann`; `den` names `squat` too,
 *   which nobody has claimed. `lobby` public for registered agents, without members. `vault` private, of `far` alone.
 * - threads `t-hall`, `t-den`, `t-vault`; DMs `dm-in` of member, listed and ann, `dm-out` of far and farther.
 * - in each a message of one part that is an artifact: `m-hall`, `m-den`, `m-vault`, `m-t-hall`, …, `m-dm-in`, `m-dm-out`.
 */
import { Agent, request as send, type IncomingHttpHeaders } from 'node:http';
import { onTestFinished } from 'vitest';
import type { ServerConfig } from '../../src/config/types.ts';
import { createLog } from '../../src/server/log.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';
import { testConfig, type ConfigChanges } from './server.ts';

/** wire.md 3.3 has the first two; `claims` is the public network of the issue, `open` forces both switches. */
export const MODES = ['none', 'bearer', 'public', 'claims', 'open'] as const;
export type Mode = (typeof MODES)[number];

export const AUTH: Record<Mode, Partial<ServerConfig['auth']>> = {
  none: { mode: 'none' },
  bearer: { mode: 'bearer', public_read: false, agent_registration: 'disabled' },
  public: { mode: 'bearer', public_read: true, agent_registration: 'disabled' },
  claims: { mode: 'bearer', public_read: true, agent_registration: 'open' },
  open: { mode: 'open', public_read: true, agent_registration: 'open' },
};

/** The callers, in the order of the matrix's columns. */
export const CALLERS = [
  'anon',
  'unknown',
  // single scopes, static tokens without agents
  'observe',
  'write',
  'admin',
  'attach',
  'pair',
  // agent tokens
  'member',
  'outsider',
  'removed',
  // static token with `agents: [listed, idle]` (write, attach); a person's (write, human ann)
  'listed',
  'person',
  // cookie of a login with a token of observe and write; and observe, write, admin
  'session',
  'operator',
] as const;
export type Caller = (typeof CALLERS)[number];

const NAMES = [
  'observe',
  'write',
  'admin',
  'attach',
  'pair',
  'listed',
  'person',
  'mate',
  'login',
  'operator',
] as const;
/** Values of the static tokens; none of them may ever stand in a log. */
export const SECRETS = Object.fromEntries(
  NAMES.map((name) => [name, `secret-of-${name}-9f8e7d6c5b4a`]),
) as Record<(typeof NAMES)[number], string>;

export const TOKENS: ServerConfig['auth']['tokens'] = [
  ...(['observe', 'write', 'admin', 'attach', 'pair'] as const).map((scope) => ({
    id: scope,
    value: SECRETS[scope],
    scopes: [scope],
  })),
  { id: 'listed', value: SECRETS.listed, scopes: ['write', 'attach'], agents: ['listed', 'idle'] },
  { id: 'person', value: SECRETS.person, scopes: ['write'], human: { id: 'ann', name: 'Ann' } },
  { id: 'mate', value: SECRETS.mate, scopes: ['write'], human: { id: 'bob', name: 'Bob' } },
  { id: 'login', value: SECRETS.login, scopes: ['observe', 'write'] },
  { id: 'operator', value: SECRETS.operator, scopes: ['observe', 'write', 'admin'] },
];

export interface Reply {
  status: number;
  /** `code` of a refusal. */
  code?: string;
  text: string;
  headers: IncomingHttpHeaders;
}

export interface AuthLab {
  server: RunningServer;
  port: number;
  mode: Mode;
  /** Headers that carry this caller's credential. */
  credential(who: Caller): Record<string, string>;
  /** The value in it, if it has one: a token, or the cookie. */
  secret(who: Caller): string | undefined;
  call(who: Caller, route: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** The same as the operator; throws unless it is answered with 2xx. */
  must<T = Record<string, unknown>>(route: string, body?: unknown): Promise<T>;
  /** Makes an agent with a token of its own, as a claim code lets it in. Mode none has no tokens: answers ''. */
  claim(id: string): Promise<string>;
  /** A message of `from` (an agent) as the operator signs it, with an artifact. */
  post(id: string, from: string, target: object): Promise<void>;
}

interface OpenLab extends AuthLab {
  grant(who: Caller, secret: string, carried?: Record<string, string>): void;
  /** Exchanges a token for the console's cookie, as `name=value`. */
  login(token: string): Promise<string>;
}

const agentOf = new Agent({ keepAlive: true, maxSockets: 8 });

/** One request over a kept connection; `route` is `METHOD path`. */
export function exchange(
  port: number,
  route: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Reply> {
  const space = route.indexOf(' ');
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const request = send(
    {
      host: '127.0.0.1',
      port,
      agent: agentOf,
      method: route.slice(0, space),
      path: route.slice(space + 1),
      headers,
    },
    (response) => {
      const done = (text: string): void => {
        const code = /^\{"code":"(\w+)"/.exec(text)?.[1];
        resolve({
          status: response.statusCode!,
          ...(code !== undefined && { code }),
          text,
          headers: response.headers,
        });
      };
      // A stream does not end: that it was opened is the answer.
      if (response.headers['content-type']?.startsWith('text/event-stream')) {
        response.on('error', () => {});
        request.destroy();
        return done('');
      }
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => done(Buffer.concat(chunks).toString()));
    },
  );
  request.on('error', reject);
  request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  return promise;
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** What a browser says, over plain HTTP, of the page of ours that sends this. */
const page = (port: number, route: string): Record<string, string> => {
  const origin = `http://127.0.0.1:${port}`;
  return /^(?:GET|HEAD) /.test(route) ? { referer: `${origin}/console/` } : { origin };
};

/** The server alone, with its tokens; nothing in it. */
export async function startAuthServer(
  mode: Mode,
  changes: ConfigChanges = {},
): Promise<{ server: RunningServer; config: ServerConfig }> {
  const config = testConfig({
    rooms: [],
    ...changes,
    auth: { ...AUTH[mode], ...(mode !== 'none' && { tokens: TOKENS }), ...changes.auth },
  });
  const server = await startServer(config, {
    log: createLog(process.env['MOLTNET_TEST_LOG'] ?? 'silent'),
    version: '0.0.0-test',
    reload: () => structuredClone(config),
  });
  onTestFinished(() => server.stop());
  return { server, config };
}

/** With the static tokens as credentials, and nothing in it. */
export async function openAuthLab(mode: Mode, changes: ConfigChanges = {}): Promise<OpenLab> {
  const { server } = await startAuthServer(mode, changes);
  const { port } = server;
  const headers = new Map<Caller, Record<string, string>>([['anon', {}]]);
  const secrets = new Map<Caller, string>();
  const credential = (who: Caller): Record<string, string> => (mode === 'none' ? {} : headers.get(who)!);

  const lab: OpenLab = {
    server,
    port,
    mode,
    credential,
    secret: (who) => secrets.get(who),
    grant(who, secret, carried = bearer(secret)) {
      secrets.set(who, secret);
      headers.set(who, carried);
    },
    call: (who, route, body, more) =>
      exchange(
        port,
        route,
        { ...credential(who), ...(who === 'session' && page(port, route)), ...more },
        body,
      ),
    async must<T>(route: string, body?: unknown) {
      const reply = await lab.call('operator', route, body);
      if (reply.status >= 300) throw new Error(`${mode}: ${route} answered ${reply.status} ${reply.text}`);
      return JSON.parse(reply.text) as T;
    },
    async claim(id) {
      const claimed = { requested_agent_id: id, name: id };
      if (mode === 'none') {
        await lab.must('POST /v1/agents/register', claimed);
        return '';
      }
      const { code } = await lab.must<{ code: string }>(`POST /v1/agents/${id}/invite`, {});
      const reply = await lab.call('anon', 'POST /v1/agents/register', { ...claimed, claim_code: code });
      if (reply.status !== 201) throw new Error(`${mode}: claiming ${id}: ${reply.status} ${reply.text}`);
      return (JSON.parse(reply.text) as { agent_token: string }).agent_token;
    },
    async login(token) {
      const { headers: answered, text } = await lab.call('anon', 'POST /console/session', { token });
      const cookie = /^(moltnet_auth=[^;]+)/.exec(String(answered['set-cookie'] ?? ''))?.[1];
      if (cookie === undefined) throw new Error(`${mode}: the login gave no cookie: ${text}`);
      return cookie;
    },
    async post(id, from, target) {
      await lab.must('POST /v1/messages', {
        id,
        from: { type: 'agent', id: from },
        target,
        parts: [{ kind: 'file', url: `https://files.test/${id}`, filename: `${id}.txt` }],
      });
    },
  };
  for (const who of CALLERS) if (who in SECRETS) lab.grant(who, SECRETS[who as keyof typeof SECRETS]);
  return lab;
}

/** With the world above in it. */
export async function startAuthLab(mode: Mode, changes: ConfigChanges = {}): Promise<AuthLab> {
  const lab = await openAuthLab(mode, changes);
  lab.grant('unknown', 'secret-that-nobody-has-been-given');
  for (const who of ['member', 'outsider', 'removed'] as const) lab.grant(who, await lab.claim(who));
  for (const id of ['far', 'farther']) await lab.claim(id);
  if (mode === 'none') for (const id of ['listed', 'idle']) await lab.claim(id);
  await lab.must('DELETE /v1/agents/removed');
  if (mode !== 'none') {
    const cookie = await lab.login(SECRETS.login);
    lab.grant('session', cookie.slice(cookie.indexOf('=') + 1), { cookie });
  }

  const members = ['member', 'listed', 'ann'];
  for (const room of [
    { id: 'hall', visibility: 'public', write_policy: 'members', members },
    { id: 'den', visibility: 'private', write_policy: 'members', members: [...members, 'squat'] },
    { id: 'desk', visibility: 'public', write_policy: 'operators', members },
    { id: 'lobby', visibility: 'public', write_policy: 'registered_agents', members: [] },
    { id: 'vault', visibility: 'private', write_policy: 'members', members: ['far'] },
  ])
    await lab.must('POST /v1/rooms', room);
  for (const [room_id, from] of [
    ['hall', 'member'],
    ['den', 'member'],
    ['vault', 'far'],
  ] as const) {
    await lab.post(`m-${room_id}`, from, { kind: 'room', room_id });
    await lab.post(`m-t-${room_id}`, from, { kind: 'thread', room_id, thread_id: `t-${room_id}` });
  }
  await lab.post('m-dm-in', 'member', { kind: 'dm', dm_id: 'dm-in', participant_ids: members });
  await lab.post('m-dm-out', 'far', { kind: 'dm', dm_id: 'dm-out', participant_ids: ['far', 'farther'] });
  return lab;
}
