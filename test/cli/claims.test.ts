/** `connect` and `register-agent` on servers with tokens: claims that nothing can break, codes, and refusals. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/http.ts';
import { loadClientConfig } from '../../src/config/client.ts';
import { loadNodeConfig } from '../../src/config/node.ts';
import { RUNTIMES } from '../../src/runtimes/registry.ts';
import { beginClaim } from '../../src/config/tokens.ts';
import { accessLab, folder, type AccessLab } from '../support/cli-access-lab.ts';
import { cli } from '../support/cli-io.ts';
import { runCli } from '../support/cli-process.ts';

const tokenOf = (dir: string, id = 'alpha'): string =>
  readFileSync(path.join(dir, `.moltnet/${id}.token`), 'utf8').trim();
const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);
/** Whether the token is the agent's. */
const works = async (lab: AccessLab, token: string, id = 'alpha'): Promise<boolean> =>
  createClient({ baseUrl: lab.url, token })
    .identity()
    .then(
      (caller) => caller.credential === 'agent' && caller.agents?.[0] === id,
      () => false,
    );
const invite = async (lab: AccessLab, id = 'alpha'): Promise<string> =>
  ((await lab.here('admin', 'agent', 'invite', id)).json() as { code: string }).code;

describe.each(['open', 'bearer'] as const)('connect, auth mode %s', (authMode) => {
  it('CLI-34 keeps the token in a file of its own and prints it nowhere; again changes nothing', async () => {
    const lab = await accessLab(authMode);
    const words = ['connect', 'alpha', lab.url, '--runtime', 'codex', '--node'];
    const code = authMode === 'open' ? [] : ['--claim-code-env', 'CODE'];
    const env: Record<string, string> = authMode === 'open' ? {} : { CODE: await invite(lab) };
    const first = await runCli([...words, ...code], { cwd: lab.away, env });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('registered agent alpha on network local');
    const token = tokenOf(lab.away);
    expect(first.stdout + first.stderr).not.toContain(token);
    expect(mode(path.join(lab.away, '.moltnet/alpha.token'))).toBe('600');
    expect(await works(lab, token)).toBe(true);
    expect(loadClientConfig({ cwd: lab.away, env: {} })?.attachments[0]).toMatchObject({
      auth: { mode: authMode, token_path: 'alpha.token' },
      member_id: 'alpha',
      network_id: 'local',
      rooms: [{ id: 'general' }],
    });
    expect(loadNodeConfig({ cwd: lab.away, env: {} }, RUNTIMES).attachments[0]?.auth).toMatchObject({
      mode: authMode,
      token_path: path.join(lab.away, '.moltnet/alpha.token'),
    });
    expect(readFileSync(path.join(lab.away, '.moltnet/config.json'), 'utf8')).not.toContain(token);
    expect(existsSync(path.join(lab.away, '.moltnet/identity.json'))).toBe(true);

    const again = await runCli(words, { cwd: lab.away });
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(tokenOf(lab.away)).toBe(token);
    expect(await works(lab, token)).toBe(true);
  });

  it('CLI-34 goes on after a claim whose answer was lost: the same key gets a new token', async () => {
    const lab = await accessLab(authMode);
    const code = authMode === 'open' ? undefined : await invite(lab);
    const file = path.join(lab.away, '.moltnet/alpha.token');
    const begun = beginClaim(file);
    if (!('claim_key' in begun)) throw new Error('a claim key is written first');
    const lost = await createClient({ baseUrl: lab.url }).registerAgent({
      requested_agent_id: 'alpha',
      claim_key: begun.claim_key,
      ...(code === undefined ? {} : { claim_code: code }),
    });
    const words = ['connect', 'alpha', lab.url, '--runtime', 'codex'];
    const result = await cli([...words, ...(code === undefined ? [] : ['--claim-code', code])], {
      cwd: lab.away,
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(await works(lab, tokenOf(lab.away))).toBe(true);
    expect(await works(lab, lost.agent_token!)).toBe(false);
  });

  it('CLI-34 goes on after a crash before the server was asked, and after one before the configuration', async () => {
    const lab = await accessLab(authMode);
    const code = authMode === 'open' ? [] : ['--claim-code', await invite(lab)];
    const words = ['connect', 'alpha', lab.url, '--runtime', 'codex', ...code];
    beginClaim(path.join(lab.away, '.moltnet/alpha.token'));
    expect(await cli(words, { cwd: lab.away })).toMatchObject({ code: 0, stderr: '' });
    const token = tokenOf(lab.away);
    rmSync(path.join(lab.away, '.moltnet/config.json'));
    expect(await cli(words, { cwd: lab.away })).toMatchObject({ code: 0, stderr: '' });
    expect(tokenOf(lab.away)).toBe(token);
    expect((await cli(['send', 'room:general', 'here'], { cwd: lab.away })).code).toBe(0);
  });

  it('CLI-34 several at once for one agent end with one token that works', async () => {
    const lab = await accessLab(authMode);
    const code = authMode === 'open' ? [] : ['--claim-code', await invite(lab)];
    const words = ['connect', 'alpha', lab.url, '--runtime', 'codex', ...code];
    const results = await Promise.all([1, 2, 3].map(() => runCli(words, { cwd: lab.away })));
    expect(results.map((result) => [result.code, result.stderr])).toEqual([1, 2, 3].map(() => [0, '']));
    expect(await works(lab, tokenOf(lab.away))).toBe(true);
  });
});

describe('connect', () => {
  it("CLI-34 on the server's own machine needs no code: its file has the right to invite", async () => {
    const lab = await accessLab('bearer');
    const result = await lab.here('connect', 'vip', '--runtime', 'codex', '--workspace', 'ws', '--node');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(await works(lab, tokenOf(path.join(lab.home, 'ws'), 'vip'), 'vip')).toBe(true);
    expect((await cli(['read', 'room:vault'], { cwd: path.join(lab.home, 'ws') })).code).toBe(0);
    expect((await lab.here('validate')).code).toBe(0);
  });

  it("CLI-34 goes on after a lost answer on the server's own machine too, and takes nobody else's id", async () => {
    const lab = await accessLab('bearer');
    const begun = beginClaim(path.join(lab.home, 'ws/.moltnet/alpha.token'));
    if (!('claim_key' in begun)) throw new Error('a claim key is written first');
    const anonymous = createClient({ baseUrl: lab.url });
    const claim = { requested_agent_id: 'alpha', claim_key: begun.claim_key, claim_code: await invite(lab) };
    const lost = (await anonymous.registerAgent(claim)).agent_token!;
    const words = ['connect', 'alpha', '--runtime', 'codex'];
    expect((await lab.here(...words, '--workspace', 'other')).stderr).toMatch(/^moltnet: agent_taken: /);
    beginClaim(path.join(lab.home, 'third/.moltnet/alpha.token'));
    expect((await lab.here(...words, '--workspace', 'third')).stderr).toMatch(/^moltnet: agent_taken: /);
    expect(await lab.here(...words, '--workspace', 'ws')).toMatchObject({ code: 0, stderr: '' });
    expect(await works(lab, tokenOf(path.join(lab.home, 'ws')))).toBe(true);
    expect(await works(lab, lost)).toBe(false);
  });

  it.each([
    [
      'unauthorized',
      'bearer',
      'alpha',
      [],
      /agents are invited here: .*admin agent invite alpha.*--claim-code CODE/,
    ],
    [
      'invalid_claim_code',
      'bearer',
      'alpha',
      ['--claim-code', 'minv_v1_nonsense'],
      /ask for a new one: moltnet admin agent invite/,
    ],
    ['agent_taken', 'open', 'taken', [], /choose another id; or, if it is yours.*rotate-token/],
    ['person_reserved', 'open', 'anna', [], /choose another id/],
    ['agent_removed', 'open', 'gone', [], /let it back in \(moltnet admin agent invite ID\).*--claim-code/],
  ] as const)(
    'CLI-34 %s says what to do, and leaves nothing behind',
    async (code, authMode, id, words, hint) => {
      const lab = await accessLab(authMode);
      for (const other of authMode === 'open' ? ['taken', 'gone'] : [])
        await createClient({ baseUrl: lab.url }).registerAgent({ requested_agent_id: other });
      if (authMode === 'open') await lab.client.removeAgent('gone');
      const result = await lab.there(
        'connect',
        id,
        lab.url,
        '--runtime',
        'codex',
        '--network-id',
        'local',
        ...words,
      );
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toMatch(new RegExp(`^moltnet: ${code}: `));
      expect(result.stderr.split('\n')[1]).toMatch(hint);
      for (const file of [`${id}.token`, 'config.json'])
        expect(existsSync(path.join(lab.away, '.moltnet', file))).toBe(false);
    },
  );

  it('CLI-34 a removed agent comes back with a code, in the place of its dead token', async () => {
    const lab = await accessLab('open');
    const words = ['connect', 'alpha', lab.url, '--runtime', 'codex'];
    expect((await lab.there(...words)).code).toBe(0);
    const before = tokenOf(lab.away);
    expect((await lab.here('admin', 'agent', 'remove', 'alpha')).code).toBe(0);
    expect((await lab.there(...words)).stderr).toMatch(
      /^moltnet: agent_removed: .*\n {2}.*--claim-code CODE\n$/,
    );
    const code = await invite(lab);
    expect(await lab.there(...words, '--claim-code', code)).toMatchObject({ code: 0, stderr: '' });
    expect(tokenOf(lab.away)).not.toBe(before);
    expect(await works(lab, tokenOf(lab.away))).toBe(true);
  });

  it('CLI-34 a token that somebody gave is used as it is; the node gets it in a file', async () => {
    const lab = await accessLab('bearer', {
      tokens:
        '\n    - {id: operator, value: secret-of-operator, scopes: [observe, write, admin]}\n    - {id: a, value: static-of-alpha, scopes: [attach, write], agents: [alpha]}',
    });
    const result = await cli(
      [
        'connect',
        'alpha',
        lab.url,
        '--network-id',
        'local',
        '--runtime',
        'codex',
        '--token',
        'static-of-alpha',
        '--node',
      ],
      { cwd: lab.away },
    );
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(tokenOf(lab.away)).toBe('static-of-alpha');
    expect((await cli(['send', 'room:general', 'hi'], { cwd: lab.away })).stderr).not.toContain(
      'unauthorized',
    );
    const byEnv = folder(lab.away, 'env');
    expect(
      await cli(['connect', 'alpha', lab.url, '--runtime', 'codex', '--token-env', 'T', '--node'], {
        cwd: byEnv,
        env: { T: 'static-of-alpha' },
      }),
    ).toMatchObject({ code: 0, stderr: '' });
    expect(loadNodeConfig({ cwd: byEnv, env: {} }, RUNTIMES).attachments[0]?.auth).toMatchObject({
      mode: 'bearer',
      token_env: 'T',
    });
  });

  it('CLI-34 a token in the file that the server does not know is told, and how to begin anew', async () => {
    const lab = await accessLab('open');
    expect((await lab.there('connect', 'alpha', lab.url, '--runtime', 'codex')).code).toBe(0);
    const file = path.join(lab.away, '.moltnet/alpha.token');
    writeFileSync(file, `magt_v1_${'x'.repeat(43)}\n`, { mode: 0o600 });
    const result = await lab.there('connect', 'alpha', lab.url, '--runtime', 'codex');
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toBe(
      `moltnet: this server does not know the token in ${file}\n  put the right token there; to claim the agent anew, take that one away and run this again\n`,
    );
    expect((await lab.there('connect', 'beta', lab.url, '--runtime', 'codex')).code).toBe(0);
    const other = tokenOf(lab.away, 'beta');
    writeFileSync(file, `${other}\n`, { mode: 0o600 });
    expect((await lab.there('connect', 'alpha', lab.url, '--runtime', 'codex')).stderr).toContain(
      'is not that of alpha',
    );
  });
});

describe('register-agent', () => {
  it('CLI-34 keeps the token in a file and prints where', async () => {
    const lab = await accessLab('open');
    const file = path.join(lab.away, 'deep/alpha.secret');
    const result = await lab.there('register-agent', 'alpha', '--base-url', lab.url, '--token-path', file);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.json()).toMatchObject({ agent_id: 'alpha', network_id: 'local', token_path: file });
    const token = readFileSync(file, 'utf8').trim();
    expect(result.stdout).not.toContain(token);
    expect([mode(file), mode(path.dirname(file))]).toEqual(['600', '700']);
    expect(await works(lab, token)).toBe(true);
    expect(
      (await lab.there('register-agent', 'alpha', '--base-url', lab.url, '--token-path', file)).code,
    ).toBe(0);
    expect((await lab.there('register-agent', 'beta', '--base-url', lab.url)).json()).toMatchObject({
      token_path: path.join(lab.away, '.moltnet/beta.token'),
    });
    const nameless = await lab.there('register-agent', '--name', 'No Id', '--base-url', lab.url);
    expect(nameless).toMatchObject({ code: 2, stdout: '' });
  });

  it('CLI-34 with a claim code, and under a token of ones own', async () => {
    const lab = await accessLab('bearer', { auth: '  agent_registration: token\n' });
    const code = await invite(lab);
    expect(
      (await lab.there('register-agent', 'alpha', '--base-url', lab.url, '--claim-code', code)).code,
    ).toBe(0);
    expect(await works(lab, tokenOf(lab.away))).toBe(true);
    const bound = await lab.there(
      'register-agent',
      'bound',
      '--base-url',
      lab.url,
      '--token-env',
      'OPERATOR',
    );
    expect(bound.json()).toMatchObject({ agent_id: 'bound' });
    expect(bound.json()).not.toHaveProperty('token_path');
  });
});
