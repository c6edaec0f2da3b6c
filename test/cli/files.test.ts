/** Commands that write files, with their permissions, and what they leave alone. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { loadClientConfig } from '../../src/config/client.ts';
import { readClientFile } from '../../src/config/client.ts';
import { loadNodeConfig } from '../../src/config/node.ts';
import { RUNTIMES } from '../../src/runtimes/registry.ts';
import { DEFAULT_CATCH_UP } from '../../src/protocol/wake.ts';
import { loadServerConfig } from '../../src/config/server.ts';
import { SKILL_TEXT } from '../../src/cli/skill-text.ts';
import { readAccount } from '../../packages/openclaw-moltnet/src/account.ts';
import { createClient } from '../../src/client/http.ts';
import { cli } from '../support/cli-io.ts';
import { runCli } from '../support/cli-process.ts';
import { startTestServer, temporaryFolder } from '../support/server.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await temporaryFolder();
});
const mode = (file: string): string => (statSync(path.join(cwd, file)).mode & 0o777).toString(8);
const json = (file: string): unknown => JSON.parse(readFileSync(path.join(cwd, file), 'utf8')) as unknown;

describe('connect', () => {
  let url: string;
  beforeEach(async () => {
    ({ url } = await startTestServer({
      rooms: [
        { id: 'general', members: [], visibility: 'public' },
        { id: 'lab', members: [] },
      ],
    }));
  });
  const connect = (...words: string[]) => cli(['connect', ...words], { cwd });

  it('CLI-31 registers the agent and writes configuration, identity and skill', async () => {
    const result = await connect('alpha', url, '--runtime', 'codex', '--agent-name', 'Alpha');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout.split('\n')).toEqual([
      'registered agent alpha on network local: @alpha means it from now on',
      'installed skill .codex/skills/moltnet/SKILL.md, .agents/skills/moltnet/SKILL.md, .claude/skills/moltnet/SKILL.md',
      `wrote Moltnet client config ${path.join(cwd, '.moltnet/config.json')}`,
      'next: to have messages wake it, run this again with --node',
      '',
    ]);
    expect(json('.moltnet/config.json')).toEqual({
      version: 'moltnet.client.v1',
      agent: { name: 'Alpha', runtime: 'codex' },
      attachments: [
        {
          agent_name: 'Alpha',
          auth: { mode: 'none' },
          base_url: url,
          dms: { enabled: true },
          member_id: 'alpha',
          network_id: 'local',
          rooms: [{ id: 'general', wake: 'never' }],
          runtime: 'codex',
        },
      ],
    });
    expect(json('.moltnet/identity.json')).toMatchObject({
      version: 'moltnet.identity.v1',
      network_id: 'local',
      agent_id: 'alpha',
      actor_uri: 'molt://local/agents/alpha',
      display_name: 'Alpha',
    });
    expect([
      mode('.moltnet'),
      mode('.moltnet/config.json'),
      mode('.moltnet/identity.json'),
      mode('.agents/skills/moltnet/SKILL.md'),
    ]).toEqual(['700', '600', '600', '644']);
    expect((await createClient({ baseUrl: url }).agents()).agents.map(({ id }) => id)).toContain('alpha');
    expect((await cli(['send', 'room:general', 'here'], { cwd })).code).toBe(0);
  });

  it('CLI-71 of openclaw says how it attaches without a node, with a block that its channel takes', async () => {
    const { stdout } = await connect('claw', url, '--rooms', 'lab', '--wake', 'all');
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(-3, -1)).toEqual([
      'or, without a node, let OpenClaw attach by itself:',
      expect.stringMatching(/^  openclaw plugins install --link .*packages\/openclaw-moltnet$/),
    ]);
    const block = /^  openclaw config set channels\.moltnet '(.*)' --strict-json$/.exec(lines.at(-1)!)![1]!;
    const read = readAccount({ channels: { moltnet: JSON.parse(block) as unknown } }, undefined, {
      stateDir: cwd,
    });
    expect(read).toMatchObject({
      agent: { id: 'claw' },
      base_url: url,
      network_id: 'local',
      auth: { mode: 'none' },
      rooms: [{ id: 'lab', wake: 'all' }],
      dms: { enabled: true },
    });
  });

  it('CFG-16 several at once lose nothing of one node file and one client configuration', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    // What a killed process has left does not stop them.
    writeFileSync(path.join(cwd, '.MoltnetNode.lock'), '4194304');
    const results = await Promise.all(
      names.map((name) => runCli(['connect', name, url, '--runtime', 'codex', '--node'], { cwd })),
    );
    expect(results.map(({ code, stderr }) => [code, stderr])).toEqual(names.map(() => [0, '']));
    const ids = loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments.map(({ agent }) => agent.id);
    expect(ids.sort()).toEqual(names);
    expect(
      loadClientConfig({ cwd, env: {} })!
        .attachments.map((a) => a.member_id)
        .sort(),
    ).toEqual(names);
    expect(readdirSync(cwd).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });

  it('CLI-31 takes the words of the original, too', async () => {
    const words = [
      '-base-url',
      url,
      '-network-id=local',
      '-member-id',
      'beta',
      '-rooms',
      'lab,general',
      '-runtime',
      'claude-code',
      '-enable-dms=false',
      '-install-skill=false',
      '-auth-mode',
      'none',
    ];
    expect((await connect(...words)).code).toBe(0);
    expect(loadClientConfig({ cwd, env: {} })?.attachments[0]).toMatchObject({
      member_id: 'beta',
      dms: { enabled: false },
      rooms: [{ id: 'lab' }, { id: 'general' }],
    });
    expect(existsSync(path.join(cwd, '.claude'))).toBe(false);
  });

  it('CLI-31 again: the entry is replaced, what was not said again is kept, others stay', async () => {
    await connect('alpha', url, '--rooms', 'lab', '--agent-name', 'Alpha');
    await connect('beta', url);
    expect((await connect('alpha', url, '--runtime', 'codex')).code).toBe(0);
    expect(
      loadClientConfig({ cwd, env: {} })?.attachments.map(({ member_id, agent_name, runtime, rooms }) => [
        member_id,
        agent_name,
        runtime,
        rooms.map(({ id }) => id),
      ]),
    ).toEqual([
      ['alpha', 'Alpha', 'codex', ['lab']],
      ['beta', undefined, 'openclaw', ['general']],
    ]);
  });

  it('CLI-31 again without --runtime: it stays what it was', async () => {
    await connect('alpha', url, '--runtime', 'codex', '--node');
    expect((await connect('alpha', url, '--node', '--rooms', 'lab')).code).toBe(0);
    expect(loadClientConfig({ cwd, env: {} })?.attachments[0]!.runtime).toBe('codex');
    expect(loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]!.runtime.kind).toBe('codex');
  });

  it('CLI-32 what a runtime needs more is written by hand, and kept by the same command', async () => {
    writeFileSync(
      path.join(cwd, 'MoltnetNode'),
      `moltnet: {base_url: ${JSON.stringify(url)}, network_id: local}\nattachments:\n  - agent: {id: alpha}\n    runtime: {kind: pi, control_url: "http://127.0.0.1:1/pi"}\n`,
      { mode: 0o600 },
    );
    const result = await connect('alpha', url, '--runtime', 'pi', '--node');
    expect(result.stderr).toBe('');
    expect(loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]).toMatchObject({
      runtime: { kind: 'pi', control_url: 'http://127.0.0.1:1/pi', workspace_path: cwd },
      rooms: [{ id: 'general', wake: 'mentions' }],
    });
  });

  it.each([
    [
      ['alpha', '--node', '--runtime', 'pi'],
      /a node needs more of a pi .*runtime\.control_url\n.*attachments of MoltnetNode[^]*control_url: … +# write the URL/,
    ],
    [
      ['alpha', '--node', '--runtime', 'webhook'],
      /a node needs more of a webhook .*runtime\.url, runtime\.secret\n[^]* kind: webhook\n[^]* url: …[^]* secret: …/,
    ],
    [['alpha', '--network-id', 'other'], /is network local, not other/],
    [['al:pha'], /"al:pha" is not an agent id/],
    [[], /the id of the agent is missing/],
    [['alpha', 'beta'], /too much on the command line: "beta"/],
    [['alpha', '--runtime', 'codx'], /"codx" is not a runtime; did you mean codex\?/],
    [['alpha', '--catch-up', 'some'], /--catch-up "some" is not one of its values/],
    [['alpha', '--dms-from', 'a b'], /--dms-from "a b" is not an agent or person/],
    [['alpha', '--wake', 'sometimes'], /--wake "sometimes" is not one of its values/],
    [['alpha', '--auth-mode', 'bearer'], /auth mode bearer needs a token/],
    [['alpha', '--token-env', 'MISSING', '--registration', 'open'], /MISSING: is not set/],
  ])('CLI-31 %j writes no configuration', async (words, expected) => {
    const result = await connect(...words, '--base-url', url);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(expected);
    expect(existsSync(path.join(cwd, '.moltnet/config.json'))).toBe(false);
  });

  it('CLI-31 without a server: an error when the network is not named, else it goes on and says so', async () => {
    const away = 'http://127.0.0.1:1';
    expect((await connect('alpha', away)).stderr).toContain('connection refused');
    expect(readdirSync(cwd)).toEqual([]);
    const result = await connect('alpha', away, '--network-id', 'local', '--rooms', 'general');
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain('the agent will be registered when it first attaches');
    expect(readFileSync(path.join(cwd, '.agents/skills/moltnet/SKILL.md'), 'utf8')).toBe(SKILL_TEXT);
    expect(existsSync(path.join(cwd, '.moltnet/identity.json'))).toBe(false);
  });

  it('CLI-31 tells of a room that does not exist', async () => {
    const result = await connect('alpha', url, '--rooms', 'lab,nowhere');
    expect(result).toMatchObject({ code: 0, stderr: 'moltnet: network local has no room nowhere yet\n' });
  });

  it('CLI-31 does not follow a linked .moltnet', async () => {
    mkdirSync(path.join(cwd, 'elsewhere'));
    symlinkSync(path.join(cwd, 'elsewhere'), path.join(cwd, '.moltnet'));
    expect((await connect('alpha', url)).stderr).toContain('is a symbolic link');
    expect(readdirSync(path.join(cwd, 'elsewhere'))).toEqual([]);
  });

  it('CLI-32 --node writes a node file that is valid, with an absolute workspace', async () => {
    const result = await connect('alpha', url, '--runtime', 'codex', '--workspace', 'ws', '--node');
    expect(result.stdout).toMatch(/wrote .*MoltnetNode\nnext: .*moltnet node start\n$/);
    expect(mode('MoltnetNode')).toBe('600');
    const [attachment] = loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments;
    expect(attachment).toMatchObject({
      agent: { id: 'alpha' },
      base_url: url,
      network_id: 'local',
      auth: { mode: 'none' },
      runtime: { kind: 'codex', workspace_path: path.join(cwd, 'ws') },
      rooms: [{ id: 'general', wake: 'mentions' }],
      dms: { enabled: true },
    });
    expect(readFileSync(path.join(cwd, 'MoltnetNode'), 'utf8')).toMatch(/^# The agents of this machine/);
    expect(
      (await connect('alpha', url, '--runtime', 'codex', '--workspace', 'ws', '--node')).stdout,
    ).toContain('kept ');
    const wake = async (...words: string[]): Promise<string | undefined> => {
      await connect('alpha', url, '--runtime', 'codex', '--workspace', 'ws', '--node', ...words);
      return loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]?.rooms[0]?.wake;
    };
    expect([await wake('--wake', 'all'), await wake(), await wake('--wake=never')]).toEqual([
      'all',
      'all',
      'never',
    ]);
  });

  it('CLI-32 --catch-up and --dms-from go into the node file, and stay there when they are not said again', async () => {
    const node = async (...words: string[]) => {
      await connect('alpha', url, '--runtime', 'codex', '--workspace', 'ws', '--node', ...words);
      const { catch_up, dms } = loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]!;
      return { catch_up, from: dms.allowed_wake_senders };
    };
    expect(await node()).toEqual({ catch_up: DEFAULT_CATCH_UP, from: undefined });
    const said = { catch_up: 'mentions', from: ['ann', 'other:bob'] };
    expect(await node('--catch-up', 'mentions', '--dms-from', '@ann,other:bob')).toEqual(said);
    expect(await node()).toEqual(said);
    expect((await node('--catch-up', 'none')).catch_up).toBe('none');
  });

  it('CFG-15 CLI-32 what a person wrote in the node file stays', async () => {
    const before = `# mine
version: moltnet.node.v1 # the version
attachments:
  # the first
  - runtime: {kind: codex, workspace_path: /old, args: ["--model", "x"]} # flow
    agent: {id: alpha}
    rooms:
      - id: lab # the lab
        wake: all
    catch_up: none
max_turns: 2
moltnet:
  network_id: local
  base_url: ${url}
`;
    writeFileSync(path.join(cwd, 'moltnet-node.yaml'), before, { mode: 0o640 });
    expect(
      (
        await connect(
          'beta',
          url,
          '--runtime',
          'claude',
          '--rooms',
          'lab',
          '--wake',
          'all',
          '--node',
          '--workspace',
          'b',
        )
      ).code,
    ).toBe(0);
    expect((await connect('alpha', url, '--runtime', 'codex', '--node', '--workspace', 'a')).code).toBe(0);
    const text = readFileSync(path.join(cwd, 'moltnet-node.yaml'), 'utf8');
    expect(text.startsWith(before.slice(0, before.indexOf('  - runtime')))).toBe(true);
    for (const kept of [
      '# mine',
      '# the version',
      '# the first',
      '# flow',
      '# the lab',
      'args: [ "--model", "x" ]',
      'catch_up: none',
      'max_turns: 2',
    ])
      expect(text).toContain(kept);
    expect(mode('moltnet-node.yaml')).toBe('640');
    expect(existsSync(path.join(cwd, 'MoltnetNode'))).toBe(false);
    expect(
      loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments.map((a) => [
        a.agent.id,
        a.runtime.kind,
        a.runtime.workspace_path,
        a.rooms,
      ]),
    ).toEqual([
      [
        'alpha',
        'codex',
        path.join(cwd, 'a'),
        [
          { id: 'lab', wake: 'all' },
          { id: 'general', wake: 'mentions' },
        ],
      ],
      ['beta', 'claude-code', path.join(cwd, 'b'), [{ id: 'lab', wake: 'all' }]],
    ]);
  });

  it('CLI-32 several addresses go into the client and the node file; one that is new is added', async () => {
    const files = async (...urls: string[]) => {
      const { code, stderr } = await connect(
        'alpha',
        ...urls,
        '--runtime',
        'codex',
        '--workspace',
        'ws',
        '--node',
      );
      expect([code, stderr]).toEqual([0, '']);
      const client = readClientFile(path.join(cwd, 'ws/.moltnet/config.json')).attachments[0]!;
      const node = loadNodeConfig({ cwd, env: {} }, RUNTIMES).attachments[0]!;
      return [client, node].map(({ base_url, other_urls }) => [base_url, ...(other_urls ?? [])]);
    };
    const b = 'http://b.example.org';
    expect(await files(url, `${b}/`)).toEqual([
      [url, b],
      [url, b],
    ]);
    // Said again without it, it stays.
    expect(await files(url)).toEqual([
      [url, b],
      [url, b],
    ]);
    const c = 'http://c.example.org';
    expect(await files(url, c)).toEqual([
      [url, c],
      [url, b, c],
    ]);
  });

  it("CLI-32 refuses another network's node file, and one with mistakes", async () => {
    writeFileSync(
      path.join(cwd, 'other.yaml'),
      'moltnet: {base_url: "http://elsewhere", network_id: theirs}\n',
    );
    const result = await connect('alpha', url, '--runtime', 'codex', '--node', 'other.yaml');
    expect(result.stderr).toContain('is for network theirs at http://elsewhere, not for local at');
    writeFileSync(path.join(cwd, 'wrong.yaml'), 'atachments: []\n');
    expect((await connect('alpha', url, '--runtime', 'codex', '--node=wrong.yaml')).stderr).toContain(
      'wrong.yaml:1:1: atachments: is not a key of this place; did you mean attachments?',
    );
    expect(readFileSync(path.join(cwd, 'wrong.yaml'), 'utf8')).toBe('atachments: []\n');
  });
});

describe('other files', () => {
  it('CLI-33 init writes two valid private files, and never overwrites', async () => {
    const first = await cli(['init'], { cwd });
    expect(first).toMatchObject({
      code: 0,
      stdout: `created ${cwd}/Moltnet\ncreated ${cwd}/MoltnetNode\ninitialized ${cwd}\n`,
    });
    expect([mode('Moltnet'), mode('MoltnetNode')]).toEqual(['600', '600']);
    expect((await cli(['validate'], { cwd })).stdout).toBe(
      `validated ${cwd}/Moltnet\nvalidated ${cwd}/MoltnetNode\n`,
    );
    writeFileSync(path.join(cwd, 'Moltnet'), 'mine');
    expect((await cli(['init'], { cwd })).stdout).toBe(
      `exists ${cwd}/Moltnet\nexists ${cwd}/MoltnetNode\nno files created\n`,
    );
    expect(readFileSync(path.join(cwd, 'Moltnet'), 'utf8')).toBe('mine');
  });

  it.each(['bearer', 'open'] as const)(
    'CLI-35 init --%s writes tokens of its own, 0600, and prints none',
    async (auth) => {
      const result = await cli(
        ['init', `--${auth}`, '--id', 'acme', '--listen', ':9000', '--room', 'lab,ops', '--dir', 'net'],
        { cwd },
      );
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(mode('net/Moltnet')).toBe('600');
      const config = loadServerConfig({ cwd: path.join(cwd, 'net'), env: {} });
      expect(config).toMatchObject({
        network: { id: 'acme', name: 'Acme Moltnet' },
        server: { listen_addr: ':9000' },
        auth: {
          mode: auth,
          tokens: [
            { id: 'operator', scopes: ['observe', 'write', 'admin'], human: { id: 'operator' } },
            { id: 'console', scopes: ['observe'] },
          ],
        },
        rooms: [
          { id: 'lab', visibility: 'public', write_policy: 'registered_agents' },
          { id: 'ops', visibility: 'public', write_policy: 'registered_agents' },
        ],
      });
      const values = config.auth.tokens.map(({ value }) => value);
      expect(new Set(values).size).toBe(2);
      for (const value of values) {
        expect(value).toMatch(/^mtok_[A-Za-z0-9_-]{43}$/);
        expect(result.stdout).not.toContain(value);
      }
      expect(result.stdout).toContain(
        `tokens: two, in ${cwd}/net/Moltnet (auth.tokens), which only you can read`,
      );
      expect(loadNodeConfig({ cwd: path.join(cwd, 'net'), env: {} }, RUNTIMES).attachments).toEqual([]);
      expect(readFileSync(path.join(cwd, 'net/MoltnetNode'), 'utf8')).toContain(
        'base_url: "http://127.0.0.1:9000"',
      );

      // What is there stays, whatever is asked for.
      const before = readFileSync(path.join(cwd, 'net/Moltnet'), 'utf8');
      const again = await cli(['init', '--open', 'net'], { cwd });
      expect(again.stdout).toContain('stays as it is; what was asked for goes into it by hand');
      expect(readFileSync(path.join(cwd, 'net/Moltnet'), 'utf8')).toBe(before);
    },
  );

  it.each([
    [['--bearer', '--open'], 'exclude each other'],
    [['--id', 'a b'], 'is not a network id'],
    [['--listen', 'here'], 'is not an address'],
    [['--room', 'a/b'], 'is not a room id'],
  ])('CLI-35 init %j writes nothing', async (words, problem) => {
    expect(await cli(['init', ...words], { cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(problem) as string,
    });
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('CLI-33 init makes its folder, and sees a file under another of its names', async () => {
    expect((await cli(['init', 'new/net'], { cwd })).code).toBe(0);
    expect(mode('new/net')).toBe('700');
    writeFileSync(path.join(cwd, 'moltnet.yml'), '');
    expect((await cli(['init'], { cwd })).stdout).toContain(
      `exists ${cwd}/moltnet.yml\ncreated ${cwd}/MoltnetNode`,
    );
    expect(existsSync(path.join(cwd, 'Moltnet'))).toBe(false);
  });

  it('CFG-3 validate tells every mistake of both files, and exits 1', async () => {
    writeFileSync(path.join(cwd, 'Moltnet'), 'netwrok: x\nserver: {listen_addr: x}\n');
    writeFileSync(path.join(cwd, 'MoltnetNode'), 'max_turns: 0\n');
    const result = await cli(['validate'], { cwd });
    expect(result.code).toBe(1);
    expect(
      result.stderr
        .split('\n')
        .slice(0, 3)
        .map((line) => line.trim().split(' ').slice(0, 2).join(' ')),
    ).toEqual(['moltnet: Moltnet:1:1:', 'Moltnet:2:23: server.listen_addr:', 'MoltnetNode:1:12: max_turns:']);
    expect((await cli(['validate', 'nowhere'], { cwd })).stderr).toBe('moltnet: nowhere does not exist\n');
    mkdirSync(path.join(cwd, 'empty'));
    expect((await cli(['validate', 'empty'], { cwd })).stderr).toContain('has no server file');
  });

  it.each([
    ['a.yaml', 'version: moltnet.v1\nrooms: [{id: a}]'],
    ['b.yaml', 'moltnet: {base_url: "http://h", network_id: n}\nattachments: []'],
    [
      'c.json',
      '{"version":"moltnet.bridge.v1","agent":{"id":"a"},"moltnet":{"base_url":"http://h","network_id":"n"},"runtime":{"kind":"openclaw"}}',
    ],
    [
      'd.json',
      '{"version":"moltnet.client.v1","attachments":[{"base_url":"http://h","member_id":"a","network_id":"n","rooms":[]}]}',
    ],
  ])('CFG-3 validate knows what kind of file %s is', async (name, text) => {
    writeFileSync(path.join(cwd, name), text);
    expect(await cli(['validate', name], { cwd })).toMatchObject({
      code: 0,
      stdout: `validated ${cwd}/${name}\n`,
    });
  });

  it('CFG-24 validate says what is opened for an agent', async () => {
    const of = (kind: string, more = '', id = kind): string =>
      `{agent: {id: ${id}}, runtime: {kind: ${kind}, workspace_path: w${more}}}`;
    const list = [
      of('codex'),
      of('codex', ', args: [-s, read-only]', 'codex-2'),
      of('codex', ', network: true', 'codex-3'),
      of('claude-code'),
    ].join(', ');
    writeFileSync(
      path.join(cwd, 'MoltnetNode'),
      `moltnet: {base_url: "http://h", network_id: n}\nattachments: [${list}]\n`,
    );
    const { stderr } = await cli(['validate'], { cwd });
    expect(stderr).toMatch(/: codex \(codex\) writes in its workspace .* its shell has no network/);
    expect(stderr).toMatch(/: codex-2 \(codex\) runs in the sandbox that runtime\.args names/);
    expect(stderr).toMatch(/: codex-3 \(codex\) writes .* may use the network \(runtime\.network\)/);
    expect(stderr).toMatch(/: claude-code \(claude-code\) may run `moltnet` without asking/);
  });

  it('CLI-40 validate warns of an open bind', async () => {
    writeFileSync(path.join(cwd, 'Moltnet'), 'server: {listen_addr: ":8787"}\n');
    const result = await cli(['validate'], { cwd });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('listens on every network interface without authentication');
  });

  it.each([
    [
      'mode: open',
      'whoever reaches it may read the public rooms and register an agent, which writes, without a token',
    ],
    ['mode: bearer\n  public_read: true', 'whoever reaches it may read the public rooms, without a token'],
    ['mode: bearer', undefined],
  ])('CLI-40 validate tells what a wide bind opens: %s', async (auth, warning) => {
    writeFileSync(
      path.join(cwd, 'Moltnet'),
      `server: {listen_addr: ":8787"}\nauth:\n  ${auth}\n  tokens: [{value: secret, scopes: [admin]}]\n`,
      { mode: 0o600 },
    );
    const result = await cli(['validate'], { cwd });
    expect(result.code).toBe(0);
    if (warning === undefined) expect(result.stderr).toBe('');
    else expect(result.stderr).toContain(`listens on every network interface: ${warning}`);
  });

  it('CLI-30 skill install writes where agents look, and repairs a changed copy', async () => {
    expect((await cli(['skill', 'install'], { cwd })).stdout).toBe(
      `installed ${cwd}/.agents/skills/moltnet/SKILL.md, ${cwd}/.claude/skills/moltnet/SKILL.md\n`,
    );
    const file = path.join(cwd, '.claude/skills/moltnet/SKILL.md');
    writeFileSync(file, 'changed');
    chmodSync(file, 0o600);
    expect(
      (await cli(['skill', 'install', '--runtime', 'openclaw', '--workspace', cwd], { cwd })).stdout,
    ).toContain(`${cwd}/skills/moltnet/SKILL.md`);
    expect([readFileSync(file, 'utf8'), mode('.claude/skills/moltnet/SKILL.md')]).toEqual([
      SKILL_TEXT,
      '644',
    ]);
    expect((await cli(['skill', 'install', '--workspace', 'nowhere'], { cwd })).stderr).toContain(
      'is not a folder',
    );
  });

  it('CLI-30 what a server hands out is taken when it is a skill of this name', async () => {
    const { createServer } = await import('node:http');
    const texts = [
      '---\nname: moltnet\ndescription: theirs\n---\nhi\n',
      '---\nname: evil\n---\nmoltnet\n',
      `---\nname: moltnet\n---\n${'x'.repeat(300_000)}`,
    ];
    const server = createServer(
      (request, response) => void response.end(request.url === '/skill.md' ? texts.shift() : ''),
    ).listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      mkdirSync(path.join(cwd, '.moltnet'));
      const { port } = server.address() as { port: number };
      writeFileSync(
        path.join(cwd, '.moltnet/config.json'),
        JSON.stringify({
          attachments: [{ base_url: `http://127.0.0.1:${port}`, member_id: 'a', network_id: 'n', rooms: [] }],
        }),
      );
      const installed = async (): Promise<string> => {
        await cli(['skill', 'install'], { cwd });
        return readFileSync(path.join(cwd, '.agents/skills/moltnet/SKILL.md'), 'utf8');
      };
      expect(await installed()).toBe('---\nname: moltnet\ndescription: theirs\n---\nhi\n');
      expect(await installed()).toBe(SKILL_TEXT);
      expect(await installed()).toBe(SKILL_TEXT);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
