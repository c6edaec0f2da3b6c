/** Commands that look after a network: rooms, members, agents, apply, the guard. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { createClient, type Client } from '../../src/client/http.ts';
import { cli } from '../support/cli-io.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

let cwd: string;
let env: Record<string, string>;
let client: Client;
let url: string;
beforeEach(async () => {
  const server = await startTestServer({
    guard: { turns: 2 },
    rooms: [{ id: 'general', members: [], visibility: 'public' }],
  });
  url = server.url;
  client = createClient({ baseUrl: url });
  cwd = await temporaryFolder();
  env = { MOLTNET_LISTEN_ADDR: new URL(url).host };
});
const run = (...words: string[]) => cli(words, { cwd, env });

it('CLI-4 rooms are created, listed, changed and removed', async () => {
  expect(
    (
      await run(
        'room',
        'create',
        'lab',
        '--name',
        'The Lab',
        '--member',
        'a,b',
        '--member=c',
        '--visibility',
        'public',
        '--write-policy',
        'registered_agents',
        '--guard',
        'off',
      )
    ).json(),
  ).toMatchObject({
    id: 'lab',
    name: 'The Lab',
    members: ['a', 'b', 'c'],
    visibility: 'public',
    write_policy: 'registered_agents',
    guard: { turns: 'off' },
  });
  expect((await run('room', 'create', 'lab')).stderr).toMatch(/^moltnet: room_exists: /);
  expect((await run('room', 'create', 'x', '--guard', '0')).code).toBe(2);
  expect(
    (await run('admin', 'room', 'members', 'remove', '--room', 'lab', '--member', 'a,c')).json(),
  ).toMatchObject({ members: ['b'] });
  expect((await run('admin', 'room', 'members', 'add', '-room=lab', '-member=d')).json()).toMatchObject({
    members: ['b', 'd'],
  });
  expect((await run('admin', 'room', 'members', 'add', '--room', 'lab')).stderr).toContain(
    '--member is missing',
  );
  expect((await run('room', 'list', '--plain')).stdout).toBe(
    'general  public, members write, 0 members\nlab      public, registered_agents write, 2 members  The Lab\n',
  );
  expect((await run('admin', 'room', 'remove', '--room', 'lab')).json()).toEqual({
    removed: true,
    kind: 'room',
    id: 'lab',
    mode: 'soft',
  });
  expect((await run('room', 'remove', 'general', '--plain')).stdout).toBe('removed room:general\n');
  expect((await run('room', 'list', '--plain')).stdout).toContain('no rooms');
});

it('CLI-31 register-agent prints the registration and writes the identity', async () => {
  const result = await run('register-agent', 'alpha', '--name', 'Alpha', '--workspace', 'ws');
  expect(result.json()).toMatchObject({ network_id: 'local', agent_id: 'alpha', display_name: 'Alpha' });
  expect(JSON.parse(readFileSync(path.join(cwd, 'ws/.moltnet/identity.json'), 'utf8'))).toMatchObject({
    agent_id: 'alpha',
  });
  expect((await run('register-agent', '--name', 'No Id', '--write-identity=false')).json()).toMatchObject({
    agent_id: 'no-id',
  });
  expect((await run('register-agent', 'al:pha')).stderr).toMatch(/^moltnet: invalid_agent_id: /);
});

it('CLI-4 an agent is removed, and a second time it is not there', async () => {
  await client.registerAgent({ requested_agent_id: 'alpha' });
  expect((await run('admin', 'agent', 'remove', '--agent', 'alpha')).json()).toMatchObject({
    removed: true,
    kind: 'agent',
    id: 'alpha',
  });
  expect((await run('admin', 'agent', 'remove', 'alpha')).stderr).toMatch(/^moltnet: not_found: /);
});

it('CLI-4 apply brings the rooms to what the file says, and sends no token values', async () => {
  writeFileSync(
    path.join(cwd, 'Moltnet'),
    'auth:\n  mode: bearer\n  tokens:\n    - {id: t1, value: s3cret, scopes: [write], agents: [alpha]}\nrooms:\n  - {id: general, name: Renamed, visibility: public}\n  - {id: new, members: [alpha]}\n',
    { mode: 0o644 },
  );
  const result = await run('apply', '--base-url', url);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(result.json()).toMatchObject({ applied: true });
  expect((await client.rooms()).rooms.map(({ id, name }) => [id, name])).toEqual([
    ['general', 'Renamed'],
    ['new', 'new'],
  ]);
  expect(result.stdout).not.toContain('s3cret');
  // A room that the file lists without members keeps those it was given since.
  await client.updateRoomMembers('general', { add: ['alpha', 'beta'] });
  expect(await run('apply', '--base-url', url)).toMatchObject({ code: 0 });
  expect((await client.room('general')).members).toEqual(['alpha', 'beta']);
  expect((await cli(['apply', '--base-url', url], { cwd: await temporaryFolder() })).stderr).toContain(
    'no server file here',
  );
});

it('CLI-4 the guard: what is held, and letting it go on, by a person only', async () => {
  for (const id of ['alpha', 'beta', 'alpha', 'beta'])
    await client.send({
      target: { kind: 'dm', dm_id: 'd1', participant_ids: ['alpha', 'beta'] },
      from: { type: 'agent', id },
      parts: [{ kind: 'text', text: 'thanks!' }],
    });
  const held = (await run('guard')).json() as { conversations: { conversation: string; held: boolean }[] };
  expect(held.conversations).toMatchObject([{ conversation: 'dm:d1', held: true }]);
  expect((await run('guard', 'list', '--plain')).stdout).toMatch(
    /^dm:d1 {2}held since [\d:]+: .*agent turns.* {2}\d+ messages since\n {4}\d+ of 2 turns without a person, \d+ of \d+ in an hour/,
  );
  const agent = await cli(['guard', 'resume', 'dm:d1'], { cwd, env: { ...env, CLAUDECODE: '1' } });
  expect(agent.stderr).toContain('an agent does not lift the guard');
  expect((await run('guard', 'resume', 'dm:d1')).json()).toMatchObject({
    conversation: 'dm:d1',
    held: false,
  });
  expect((await run('guard', '--plain')).stdout).toBe('nothing is held\n');
  expect((await run('guard', 'resume', 'nonsense:x')).code).toBe(2);
});

it('CLI-15 admin commands take address and token from the client configuration', async () => {
  mkdirSync(path.join(cwd, '.moltnet'));
  writeFileSync(
    path.join(cwd, '.moltnet/config.json'),
    JSON.stringify({ attachments: [{ base_url: url, member_id: 'alpha', network_id: 'local', rooms: [] }] }),
  );
  expect((await cli(['room', 'list', '--plain'], { cwd })).stdout).toContain('general');
});
