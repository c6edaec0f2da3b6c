/** Looking after a server with tokens: the right to it comes from the server's own file, secrets are shown once. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/http.ts';
import { accessLab, edit, folder, type AccessLab } from '../support/cli-access-lab.ts';
import { cli } from '../support/cli-io.ts';

let lab: AccessLab;
beforeEach(async () => {
  lab = await accessLab('bearer');
});

describe('the right to look after a server', () => {
  it("CLI-19 comes from the server's file in its own folder, and from a named token elsewhere", async () => {
    expect((await lab.here('room', 'create', 'lab')).json()).toMatchObject({ id: 'lab' });
    expect((await lab.here('admin', 'room', 'list', '--plain')).stdout).toContain('lab ');
    expect((await lab.there('room', 'list', '--base-url', lab.url)).stderr).toMatch(
      /^moltnet: unauthorized: /,
    );
    expect((await lab.there('room', 'list', '--base-url', lab.url, '--token-env', 'OPERATOR')).code).toBe(0);
    expect(
      (await lab.there('room', 'create', 'x', '--base-url', lab.url, '--token-env', 'ANNA')).stderr,
    ).toMatch(/^moltnet: forbidden: /);
    expect(
      (await lab.here('admin', 'room', 'members', 'add', '--room', 'lab', '--member', 'anna')).json(),
    ).toMatchObject({ members: ['anna'] });
    expect((await lab.here('admin', 'room', 'remove', '--room', 'lab')).json()).toMatchObject({
      removed: true,
    });
    expect((await lab.here('apply')).json()).toMatchObject({ applied: true });
    expect((await lab.here('guard')).code).toBe(0);
  });

  it('CLI-19 --network must be that of the file, and a file without admin says so', async () => {
    expect((await lab.here('room', 'list', '--network', 'local')).code).toBe(0);
    expect((await lab.here('room', 'list', '--network', 'other')).stderr).toMatch(
      /Moltnet is network local, not other\n {2}run this in the folder of that network/,
    );
    edit(lab.file, 'write, admin]', 'write]');
    expect((await lab.here('room', 'list')).stderr).toMatch(
      /has no token with the scope admin\n {2}write one under auth\.tokens/,
    );
  });

  it('CLI-19 an agent that its node started stays itself, also in the folder of the server', async () => {
    await lab.here('connect', 'alpha', '--runtime', 'codex', '--workspace', 'ws');
    const env = { MOLTNET_CLIENT_CONFIG: path.join(lab.home, 'ws/.moltnet/config.json') };
    expect((await cli(['room', 'create', 'mine'], { cwd: lab.home, env })).stderr).toMatch(
      /^moltnet: forbidden: /,
    );
  });
});

describe('agents', () => {
  it('CLI-19 an invitation is a code that is shown once, with the command that uses it', async () => {
    const shown = await lab.here('admin', 'agent', 'invite', 'alpha', '--expires-in', '30m', '--plain');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    const [, words] = /\n {2}moltnet (connect alpha .*)\n$/.exec(shown.stdout)!;
    expect(words).toMatch(
      new RegExp(`^connect alpha ${lab.url} --runtime codex --node --claim-code minv_v1_`),
    );
    expect((await lab.there(...words!.split(' '))).code).toBe(0);
    const again = await cli(words!.split(' '), { cwd: folder(lab.away, 'thief') });
    expect(again.stderr).toMatch(/^moltnet: (invalid_claim_code|agent_taken): /);
    expect((await lab.here('admin', 'agent', 'invite', 'alpha')).stderr).toMatch(
      /^moltnet: agent_taken: .*\n.*rotate-token/,
    );
    expect((await lab.here('admin', 'agent', 'invite', 'anna')).stderr).toMatch(
      /^moltnet: person_reserved: /,
    );
    expect((await lab.here('admin', 'agent', 'invite', 'b', '--expires-in', '3 days')).code).toBe(2);
  });

  it('CLI-19 an invitation names the address that others use', async () => {
    edit(lab.file, 'server: {', 'server: {public_url: "https://chat.example.org", ');
    expect((await lab.here('admin', 'agent', 'invite', 'alpha', '--plain')).stdout).toContain(
      'moltnet connect alpha https://chat.example.org --runtime codex',
    );
  });

  it('CLI-19 --token-path writes the code or the token there, 0600, and prints it nowhere', async () => {
    const codeFile = path.join(lab.home, 'secrets/code');
    const invited = await lab.here('admin', 'agent', 'invite', '--agent', 'alpha', '--token-path', codeFile);
    expect(invited.json()).toMatchObject({ agent_id: 'alpha', token_path: codeFile });
    expect(invited.json()).not.toHaveProperty('code');
    const code = readFileSync(codeFile, 'utf8').trim();
    expect(
      (await lab.there('connect', 'alpha', lab.url, '--runtime', 'codex', '--claim-code', code)).code,
    ).toBe(0);

    const tokenFile = path.join(lab.away, '.moltnet/alpha.token');
    const before = readFileSync(tokenFile, 'utf8').trim();
    const rotated = await lab.here('admin', 'agent', 'rotate-token', 'alpha', '--token-path', tokenFile);
    expect(rotated).toMatchObject({ code: 0, stderr: '' });
    const after = readFileSync(tokenFile, 'utf8').trim();
    expect(after).not.toBe(before);
    expect(rotated.stdout).not.toContain(after);
    expect((statSync(tokenFile).mode & 0o777).toString(8)).toBe('600');
    expect((await cli(['send', 'room:general', 'still me'], { cwd: lab.away })).code).toBe(0);
    await expect(createClient({ baseUrl: lab.url, token: before }).identity()).rejects.toThrow();
  });

  it('CLI-19 a new token that cannot be written is told, so that it is not lost', async () => {
    expect((await lab.here('connect', 'alpha', '--runtime', 'codex', '--workspace', 'ws')).code).toBe(0);
    const taken = folder(lab.home, 'taken');
    const result = await lab.here('admin', 'agent', 'rotate-token', 'alpha', '--token-path', taken);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/could not be written.*\n {2}.*shown once: magt_v1_/);
    const blocked = path.join(lab.home, 'a-file');
    writeFileSync(blocked, '');
    const before = readFileSync(path.join(lab.home, 'ws/.moltnet/alpha.token'), 'utf8');
    expect((await lab.here('admin', 'agent', 'rotate-token', 'nobody')).stderr).toMatch(
      /^moltnet: not_found: /,
    );
    expect(
      (await lab.here('admin', 'agent', 'rotate-token', 'alpha', '--token-path', path.join(blocked, 'x')))
        .code,
    ).toBe(1);
    expect(before).not.toBe('');
    expect(existsSync(path.join(blocked, 'x'))).toBe(false);
  });

  it('CLI-19 a token is printed once with where it belongs', async () => {
    await lab.here('connect', 'alpha', '--runtime', 'codex', '--workspace', 'ws');
    const shown = await lab.here('admin', 'agent', 'rotate-token', 'alpha', '--plain');
    expect(shown.stdout).toMatch(
      /^rotated the token of alpha; the earlier one is void\ntoken \(shown once\): magt_v1_\S{43}\nPut it where the agent reads it: \.moltnet\/alpha\.token/,
    );
    expect((await lab.here('admin', 'agent', 'rotate-token', 'alpha')).json()).toMatchObject({
      agent_id: 'alpha',
      agent_token: expect.stringMatching(/^magt_v1_/) as string,
    });
  });
});
