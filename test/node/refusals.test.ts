/** A server that says no for good: told once with what to do, and not asked again and again (W22). */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { startScriptedServer } from '../support/node-attach-server.ts';
import { startLabNode, type AgentConfig } from '../support/node-lab.ts';
import { temporaryFolder } from '../support/server.ts';

const NEVER = { recheck: 1e9 };
const withToken = async (): Promise<AgentConfig & { auth: { token_path: string } }> => {
  const token_path = path.join(await temporaryFolder(), 'alpha.token');
  writeFileSync(token_path, 'magt_v1_old\n', { mode: 0o600 });
  return { agent: { id: 'alpha' }, auth: { mode: 'bearer', static_token: false, token_path } };
};
/** Lives on another server, so that the node does not end. */
const beta = (base_url: string): AgentConfig => ({ agent: { id: 'beta' }, base_url });

it.each([
  ['agent_removed', 'moltnet admin agent invite alpha'],
  ['agent_taken', 'moltnet admin agent rotate-token alpha'],
  ['claim_reserved', 'moltnet admin agent invite alpha'],
  ['person_reserved', 'choose another id'],
  ['unauthorized', 'put a token that the server knows into'],
])('NODE-19 %s ends the attachment alone, says what to do, once', async (code, advice) => {
  const [server, other] = await Promise.all([startScriptedServer({ ready: false }), startScriptedServer()]);
  const lab = await startLabNode(server.url, [await withToken(), beta(other.url)]);
  await lab.logged('attached', 'beta');
  // It looks again now and then, hears the same, and says nothing more.
  for (let times = 0; times < 3; times++) {
    await server.until(() => server.connections[times]?.of('IDENTIFY').length === 1);
    server.connections[times]!.send({ op: 'ERROR', error: `no: ${code}`, code });
  }
  await server.until(() => server.connections.length === 4);
  const told = lab.log.filter(({ level, fields }) => level === 'warn' && fields['agent'] === 'alpha');
  expect(told.map(({ message }) => message)).toEqual([
    expect.stringContaining(`cannot attach: no: ${code}; `),
  ]);
  expect(told[0]!.message).toContain(advice);
  expect(other.last.closed).toBe(false);
});

it('NODE-19 between two looks it rests', async () => {
  const [server, other] = await Promise.all([startScriptedServer(), startScriptedServer()]);
  server.refuse = { status: 403, code: 'agent_removed', error: 'alpha was removed' };
  const lab = await startLabNode(server.url, [await withToken(), beta(other.url)], { times: NEVER });
  const { message } = await lab.logged('cannot attach', 'alpha');
  expect(message).toContain(`${server.url} answered 403: alpha was removed; an operator lets it back in`);
  expect(server.refused).toHaveLength(1);
});

it('NODE-19 a removed agent that is told so before it connects is told the same', async () => {
  const [server, other] = await Promise.all([startScriptedServer(), startScriptedServer()]);
  server.closed = { status: 403, code: 'agent_removed', error: 'alpha was removed' };
  const lab = await startLabNode(server.url, [await withToken(), beta(other.url)], { times: NEVER });
  const { message } = await lab.logged('cannot attach', 'alpha');
  expect(message).toContain('alpha was removed');
  expect(message).toContain('moltnet admin agent invite alpha');
  expect(server.connections).toEqual([]);
});

it('NODE-19 a token that was made anew while it was connected is used at once', async () => {
  const server = await startScriptedServer();
  const agent = await withToken();
  const lab = await startLabNode(server.url, [agent], { times: NEVER });
  await lab.logged('attached');
  writeFileSync(agent.auth.token_path, 'magt_v1_new\n');
  server.last.send({
    op: 'ERROR',
    error: 'the token is no longer known',
    code: 'unauthorized',
    permanent: true,
  });
  await server.until(() => server.connections.length === 2);
  expect(server.last.headers['authorization']).toBe('Bearer magt_v1_new');
});

it('NODE-19 a token that is written after the old one ended is waited for', async () => {
  const server = await startScriptedServer();
  const agent = await withToken();
  // The only agent: without the wait the node would end.
  const lab = await startLabNode(server.url, [agent], { times: { ...NEVER, renewal: 10_000 } });
  await lab.logged('attached');
  const first = server.last;
  first.send({ op: 'ERROR', error: 'the token is no longer known', code: 'unauthorized', permanent: true });
  await server.until(() => first.closed);
  writeFileSync(agent.auth.token_path, 'magt_v1_new\n');
  await server.until(() => server.connections.length === 2);
  expect(server.last.headers['authorization']).toBe('Bearer magt_v1_new');
});

it('NODE-19 429 is no end: it comes back, and not before Retry-After', async () => {
  const server = await startScriptedServer();
  server.refuse = { status: 429, code: 'rate_limited', error: 'slow down', retry_after: 1_000 };
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }], { times: { recheck: 2_000_000 } });
  const { fields } = await lab.logged('connection ended');
  expect(fields['in_ms']).toBe(1_000_000);
  server.refuse = { status: 429, code: 'rate_limited', error: 'slow down', retry_after: 0.02 };
  const second = await startLabNode(server.url, [{ agent: { id: 'beta' } }]);
  await second.logged('connection ended');
  server.refuse = undefined;
  await second.logged('attached');
});

it('NODE-19 429 before it connects is waited out too', async () => {
  const server = await startScriptedServer();
  server.closed = { status: 429, code: 'rate_limited', error: 'slow down', retry_after: 0.02 };
  const lab = await startLabNode(server.url, [{ agent: { id: 'alpha' } }]);
  expect((await lab.logged('waits:')).message).toBe('waits: slow down');
  server.closed = undefined;
  await lab.logged('attached');
});
