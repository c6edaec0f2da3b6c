/** People and agents with tokens: who speaks, and what the server lets them read. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MessageAccepted } from '../../src/protocol/messages.ts';
import type { MessagePage } from '../../src/protocol/pages.ts';
import { accessLab, edit, folder, TOKENS, type AccessLab } from '../support/cli-access-lab.ts';
import { cli } from '../support/cli-io.ts';
import { texts } from '../support/cli-lab.ts';
import { runCli } from '../support/cli-process.ts';

let lab: AccessLab;
beforeEach(async () => {
  lab = await accessLab('bearer');
});
const said = async (): Promise<(string | undefined)[][]> =>
  (await lab.client.messages('room:general')).messages.map(({ from, parts }) => [
    from.type,
    from.id,
    parts[0]?.text,
  ]);

describe('a person', () => {
  it("CLI-17 of the server's own machine speaks by the server's file: as the operator, or as who they say", async () => {
    const at = { cwd: lab.home, terminal: true };
    await lab.client.updateRoomMembers('general', { add: ['anna'] });
    expect((await cli(['send', 'room:general', 'one'], at)).stdout).toMatch(/^sent as olga /);
    expect((await cli(['send', 'room:general', 'two', '--as', 'anna'], at)).code).toBe(0);
    expect((await cli(['send', 'room:general', 'three', '--as', 'Anna Lee'], at)).code).toBe(0);
    expect((await cli(['read', 'room:vault'], { cwd: lab.home })).code).toBe(0);
    expect(await said()).toEqual([
      ['human', 'olga', 'one'],
      ['human', 'anna', 'two'],
      ['human', 'anna', 'three'],
    ]);
    const [first] = (await lab.client.messages('room:general')).messages;
    expect(first!.from.name).toBe('Olga');
  });

  it('CLI-17 with a token of their own is who the server says, from any folder and without a terminal', async () => {
    const words = ['--base-url', lab.url, '--token-env', 'ANNA'];
    // A room that registered agents write in takes a person who is a member.
    expect((await lab.there('send', 'room:general', 'hi', ...words)).stderr).toMatch(
      /^moltnet: write_refused: /,
    );
    await lab.client.updateRoomMembers('general', { add: ['anna'] });
    expect(await lab.there('send', 'room:general', 'hi', ...words)).toMatchObject({ code: 0, stderr: '' });
    expect(await lab.there('send', 'room:general', 'ho', ...words, '--as', 'anna')).toMatchObject({
      code: 0,
    });
    expect(await said()).toEqual([
      ['human', 'anna', 'hi'],
      ['human', 'anna', 'ho'],
    ]);
    expect((await lab.there('conversations', ...words)).json()).toMatchObject({
      member_id: 'anna',
      network_id: 'local',
    });
  });

  it('CLI-18 conversations says a person what is new, as far as it is known what she has read', async () => {
    const words = ['--base-url', lab.url, '--token-env', 'ANNA'];
    await lab.client.updateRoomMembers('general', { add: ['anna'] });
    await lab.there('send', 'room:general', 'mine', ...words);
    expect((await lab.there('conversations', ...words)).json()).not.toHaveProperty('unread');
    const [mine] = (await lab.client.messages('room:general')).messages;
    const marked = await fetch(`${lab.url}/v1/reads/room:general`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKENS.anna}` },
      body: JSON.stringify({ message_id: mine!.id }),
    });
    expect(marked.status).toBe(200);
    for (const text of ['one', 'two'])
      await lab.client.send({
        target: { kind: 'room', room_id: 'general' },
        from: { type: 'human', id: 'olga' },
        parts: [{ kind: 'text', text }],
      });
    expect((await lab.there('conversations', ...words)).json()).toMatchObject({
      unread: { 'room:general': 2 },
    });
    expect((await lab.there('conversations', '--plain', ...words)).stdout).toMatch(
      /^room:general {2}.*2 new$/m,
    );
  });

  it.each([
    [
      'signs as nobody else',
      ['--token-env', 'ANNA', '--as', 'olga'],
      /^moltnet: --as olga: this token is anna's, and nobody signs as another\n {2}leave --as out/,
    ],
    [
      'with a token that only looks',
      ['--token-env', 'LOOKER', '--as', 'anna'],
      /^moltnet: this token may only observe: it does not write as a person\n/,
    ],
    [
      'whom a script does not name',
      ['--token-env', 'CI'],
      /^moltnet: no client configuration here, and no terminal: it is not known who speaks\n/,
    ],
    [
      'of somebody else, with a free token',
      ['--token-env', 'CI', '--network', 'local', '--as', 'anna'],
      /^moltnet: person_reserved: .*\n {2}choose another id; people of the configuration sign with their own/,
    ],
  ])('CLI-17 %s', async (_name, words, expected) => {
    const result = await lab.there('send', 'dm:@olga', 'hi', '--base-url', lab.url, ...words);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(expected);
  });

  it('CLI-17 with a token without a name says who speaks', async () => {
    const words = ['--base-url', lab.url, '--token-env', 'CI', '--as', 'nightly'];
    expect((await lab.there('send', 'dm:@olga', 'green', ...words)).stderr).toBe(
      'moltnet: this token may not ask which network this is\n  say it: --network ID\n',
    );
    expect(await lab.there('send', 'dm:@olga', 'green', ...words, '--network', 'local')).toMatchObject({
      code: 0,
    });
    expect((await lab.client.dms()).dms[0]?.participant_ids).toEqual(['nightly', 'olga']);
  });

  it('CLI-17 a file with several people asks who it is, and one without any says so', async () => {
    edit(lab.file, 'scopes: [observe, write, admin], human', 'scopes: [observe, write], human');
    const at = { cwd: lab.home, terminal: true };
    expect((await cli(['send', 'room:general', 'hi'], at)).stderr).toMatch(
      /has tokens of several people: olga, anna\n {2}say who you are: --as olga or --as anna\n$/,
    );
    expect((await cli(['send', 'room:general', 'hi', '--as', 'bob'], at)).code).not.toBe(0);
    for (const _ of [1, 2]) edit(lab.file, 'observe, write]', 'observe, attach]');
    edit(lab.file, 'scopes: [write]', 'scopes: [attach]');
    expect((await cli(['send', 'room:general', 'hi'], at)).stderr).toContain(
      'has no token that may write as a person',
    );
  });

  it('CLI-10 never with an agent about, whatever the token', async () => {
    const result = await runCli(['send', 'dm:@olga', 'hi', '--base-url', lab.url, '--token-env', 'ANNA'], {
      cwd: lab.away,
      env: { ANNA: 'secret-of-anna', CLAUDECODE: '1' },
    });
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain('an agent does not speak as a person');
    expect(
      (await runCli(['send', 'dm:@anna', 'hi'], { cwd: lab.home, env: { CODEX_THREAD_ID: 'x' } })).code,
    ).toBe(1);
    expect((await lab.client.dms()).dms).toEqual([]);
  });

  it('CLI-17 a token that the server does not know is one line with what to do', async () => {
    edit(lab.file, 'secret-of-operator', 'another');
    const result = await cli(['send', 'room:general', 'hi'], { cwd: lab.home, terminal: true });
    expect(result.stderr).toMatch(/^moltnet: unauthorized: .*\n {2}.*moltnet reload\n$/);
  });
});

describe('an agent', () => {
  const workspace = async (id: string): Promise<string> => {
    const cwd = folder(lab.away, id);
    const { code } = (await lab.here('admin', 'agent', 'invite', id)).json() as { code: string };
    expect(
      await cli(['connect', id, lab.url, '--runtime', 'codex', '--claim-code', code], { cwd }),
    ).toMatchObject({ code: 0, stderr: '' });
    return cwd;
  };

  it('CLI-4 with its own token sends, reads its rooms and DMs, and lists them (W26)', async () => {
    const [a, b] = [await workspace('alpha'), await workspace('beta')];
    await lab.client.createRoom({ id: 'lab', members: ['alpha'] });
    expect((await cli(['send', 'room:general', 'hello @beta'], { cwd: a })).code).toBe(0);
    expect((await cli(['send', 'room:lab', 'inside'], { cwd: a })).code).toBe(0);
    const opened = (await cli(['send', 'dm:@beta', 'psst'], { cwd: a })).json() as MessageAccepted;
    expect(opened.dm_created).toBe(true);
    expect(texts((await cli(['read', 'dm:@alpha'], { cwd: b })).json() as MessagePage)).toEqual(['psst']);
    const dm = ((await cli(['conversations'], { cwd: b })).json() as { dms: { id: string }[] }).dms[0]!.id;
    expect((await cli(['send', `dm:${dm}`, 'yes?'], { cwd: b })).code).toBe(0);
    expect(texts((await cli(['read', `dm:${dm}`], { cwd: a })).json() as MessagePage)).toEqual([
      'psst',
      'yes?',
    ]);
    expect(texts((await cli(['read', 'room:lab'], { cwd: a })).json() as MessagePage)).toEqual(['inside']);
    // Rooms it was connected to, and those it is a member of.
    expect((await cli(['conversations', '--plain'], { cwd: a })).stdout).toBe(
      `room:general\nroom:lab\ndm:${dm}  beta\n`,
    );
    const foreign = await cli(['read', 'room:lab'], { cwd: b });
    expect(foreign).toMatchObject({ code: 1, stdout: '' });
    expect(await lab.client.dms()).toMatchObject({ dms: [{ id: dm }] });
  });

  it('CLI-10 whose token alone is known speaks as that agent', async () => {
    const token = readFileSync(path.join(await workspace('alpha'), '.moltnet/alpha.token'), 'utf8');
    const env = { TOKEN: token, CLAUDECODE: '1' };
    const words = ['send', 'room:general', 'here', '--base-url', lab.url, '--token-env', 'TOKEN'];
    expect((await cli(words, { cwd: folder(lab.away, 'bare'), env })).code).toBe(0);
    expect(await said()).toEqual([['agent', 'alpha', 'here']]);
    expect((await cli([...words, '--as', 'anna'], { cwd: folder(lab.away, 'bare'), env })).stderr).toContain(
      "this token is agent alpha's",
    );
  });

  it('CLI-18 joins a room with its credential, and no other way', async () => {
    const cwd = await workspace('alpha');
    expect((await lab.here('room', 'create', 'guild', '--credential-env', 'GUILD')).stderr).toContain(
      'GUILD is not set',
    );
    expect(
      (
        await cli(['room', 'create', 'guild', '--credential-env', 'GUILD'], {
          cwd: lab.home,
          env: { GUILD: 'open-sesame' },
        })
      ).json(),
    ).not.toHaveProperty('credential');
    const join = (credential: string) =>
      cli(['room', 'join', 'guild', '--credential-env', 'GUILD'], { cwd, env: { GUILD: credential } });
    expect((await join('wrong')).stderr).toMatch(
      /^moltnet: forbidden: .*\n {2}the credential is not this room's, or the room takes nobody by one/,
    );
    expect((await cli(['send', 'room:guild', 'hi'], { cwd })).code).toBe(1);
    expect((await join('open-sesame')).json()).toMatchObject({ id: 'guild', members: ['alpha'] });
    expect((await join('open-sesame')).code).toBe(0);
    expect((await cli(['send', 'room:guild', 'hi'], { cwd })).code).toBe(0);
    expect((await cli(['room', 'join', 'guild'], { cwd })).stderr).toContain(
      "the room's credential is missing",
    );
    expect((await lab.here('room', 'join', 'guild', '--credential-env', 'CI')).stderr).toContain(
      'it is agents that join with a credential',
    );
  });
});
