/** The public network of docs/configuration.md and the node on another machine, as they are written there. */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../src/client/http.ts';
import { loadNodeConfig } from '../../src/config/node.ts';
import { RUNTIMES } from '../../src/runtimes/registry.ts';
import { loadServerConfig } from '../../src/config/server.ts';
import { startNode } from '../../src/node/node.ts';
import { limits } from '../../src/protocol/limits.ts';
import { createLog } from '../../src/server/log.ts';
import { startServer } from '../../src/server/server.ts';
import { configLab, mistakesOf } from '../support/config-lab.ts';
import { FakeRuntime, Facts, quick } from '../support/node-lab.ts';

/** The YAML block that begins with `# NAME`. */
function documented(name: string): string {
  const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const block = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].find(([, yaml]) =>
    yaml!.startsWith(`# ${name}\n`),
  );
  expect(block, `no block # ${name}`).toBeDefined();
  return block![1]!;
}

it('CFG-21 every other block of the documentation is good too', () => {
  const text = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, yaml]) => yaml!);
  const [server, token, , node] = blocks;
  expect(blocks).toHaveLength(5);
  const lab = configLab();
  lab.write('Moltnet', server!);
  lab.write('MoltnetNode', node!);
  lab.write('token.yaml', `auth:\n  mode: bearer\n  tokens:\n${token!.replace(/^/gm, '    ')}`);
  const env = {};
  const { rates, ...config } = loadServerConfig({ cwd: lab.cwd, env, path: 'Moltnet' });
  const defaults = loadServerConfig({ cwd: path.dirname(lab.cwd), env });
  expect(config.auth).toEqual(defaults.auth);
  expect(config.guard).toEqual({
    turns: limits.guard_turns.value,
    hour_turns: limits.guard_hour_turns.value,
    pair_turns: limits.guard_pair_turns.value,
  });
  expect({ ...rates, claims: undefined }).toEqual({ ...defaults.rates, claims: undefined });
  expect(loadNodeConfig({ cwd: lab.cwd, env }, RUNTIMES).attachments).toHaveLength(1);
  const { tokens } = loadServerConfig({ cwd: lab.cwd, env, path: 'token.yaml' }).auth;
  expect(tokens).toMatchObject([{ id: 'ann-laptop', agents: ['alpha'], human: { id: 'ann', name: 'Ann' } }]);
});

it('CFG-20 NODE-17 the public network and the remote node work as they are documented', async () => {
  const machine = configLab();
  machine.write('Moltnet', documented('Moltnet'), 0o644);
  expect(mistakesOf(() => loadServerConfig({ cwd: machine.cwd, env: {} }))[0]).toContain('run: chmod 600');
  machine.write('Moltnet', documented('Moltnet'));
  const config = loadServerConfig({
    cwd: machine.cwd,
    env: { MOLTNET_LISTEN_ADDR: '127.0.0.1:0', MOLTNET_STORAGE_KIND: 'memory' },
  });
  const server = await startServer(config, { log: createLog('silent') });
  onTestFinished(() => server.stop());

  const remote = configLab();
  // Without a proxy to speak TLS: the rest is word for word. It holds no secret.
  remote.write(
    'MoltnetNode',
    documented('MoltnetNode').replace('https://commons.example.org', server.url),
    0o644,
  );
  const facts = new Facts();
  const attached: unknown[] = [];
  const node = await startNode(loadNodeConfig({ cwd: remote.cwd, env: {} }, RUNTIMES), {
    runtime: () => new FakeRuntime(facts),
    times: quick,
    log: (_level, message, fields) => {
      if (message === 'attached') attached.push(fields?.['agent']);
      facts.noted();
    },
  });
  onTestFinished(() => node.stop());
  await facts.until(() => attached.length === 2);
  expect(attached.toSorted()).toEqual(['alpha', 'beta']);
  for (const id of ['alpha', 'beta']) {
    const file = path.join(remote.cwd, '.moltnet', `${id}.token`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const client = createClient({ baseUrl: server.url, token: readFileSync(file, 'utf8').trim() });
    expect(await client.identity()).toMatchObject({ credential: 'agent', agents: [id] });
    await client.send({
      target: { kind: 'room', room_id: 'plaza' },
      from: { type: 'agent', id },
      parts: [{ kind: 'text', text: 'hello' }],
    });
  }
  // Anybody reads what is public, and only that.
  const anybody = createClient({ baseUrl: server.url });
  expect((await anybody.roomMessages('plaza')).messages.map(({ from }) => from.id).toSorted()).toEqual([
    'alpha',
    'beta',
  ]);
  expect((await anybody.rooms()).rooms.map(({ id }) => id)).toEqual(['plaza']);
  await expect(anybody.roomMessages('backstage')).rejects.toMatchObject({ status: 403 });
  const operator = createClient({ baseUrl: server.url, token: 'put-a-secret-here' });
  expect(await operator.identity()).toMatchObject({
    human: { id: 'ann', name: 'Ann' },
    can_send_human: true,
  });
});
