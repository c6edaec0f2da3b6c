import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { upsertClientConfig } from './client-write.ts';
import { loadClientConfig, selectAttachment } from './client.ts';
import { resolveToken, storeToken } from './tokens.ts';
import type { ClientAttachment, ClientConfig } from './types.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'moltnet-client-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
});

const mode = (file: string): number => statSync(file).mode & 0o777;
const write = (name: string, value: unknown, bits = 0o600): string => {
  const file = path.join(cwd, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  chmodSync(file, bits);
  return file;
};
const load = (env: NodeJS.ProcessEnv = {}, named?: string): ClientConfig | undefined =>
  loadClientConfig({ cwd, env, ...(named === undefined ? {} : { path: named }) });
const mistakes = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect((error as Error).name).toBe('ConfigError');
    return (error as Error).message;
  }
  return '';
};
const entry = (member_id = 'alpha', network_id = 'local'): ClientAttachment => ({
  auth: { mode: 'none' },
  base_url: 'http://127.0.0.1:8787',
  member_id,
  network_id,
  rooms: [],
});
const file = (...attachments: object[]): object => ({
  version: 'moltnet.client.v1',
  agent: { name: 'Alpha', runtime: 'codex' },
  attachments,
});

describe('reading', () => {
  it('CFG-1 finds it, or none', () => {
    expect(load()).toBeUndefined();
    write('.spawnfile/moltnet.json', {
      ...file(entry('spawned')),
      version: 'spawnfile.moltnet-http-skill.v1',
    });
    expect(load()?.attachments[0]?.member_id).toBe('spawned');
    write('.moltnet/config.json', file(entry()));
    expect(load()?.attachments[0]?.member_id).toBe('alpha');
    write('other.json', file(entry('other')));
    expect(load({ MOLTNET_CLIENT_CONFIG: 'other.json' })?.attachments[0]?.member_id).toBe('other');
    expect(mistakes(() => load({ MOLTNET_CLIENT_CONFIG: 'gone.json' }))).toContain(
      'MOLTNET_CLIENT_CONFIG names gone.json, which: does not exist',
    );
  });

  it('CFG-12 reads files of the original, access hints included', () => {
    write(
      '.moltnet/config.json',
      file({
        ...entry(),
        base_url: 'http://h:1/',
        agent_name: 'Alpha',
        runtime: 'codex',
        dms: { enabled: true, wake: 'all' },
        rooms: [
          {
            id: 'a',
            wake: 'never',
            visibility: 'public',
            write_policy: 'members',
            access: { can_read: true, can_write: false, reason: 'x' },
          },
          { id: 'b', can_write: true },
        ],
      }),
    );
    expect(load()?.attachments[0]).toEqual({
      agent_name: 'Alpha',
      runtime: 'codex',
      auth: { mode: 'none' },
      base_url: 'http://h:1',
      dms: { enabled: true, wake: 'all' },
      member_id: 'alpha',
      network_id: 'local',
      rooms: [
        { id: 'a', wake: 'never', can_write: false },
        { id: 'b', can_write: true },
      ],
    });
  });

  it.each([
    [{ attachments: [] }, 'attachments: is empty; write one with: moltnet connect'],
    [{ ...file(entry()), version: 'x' }, 'version: is "x"; write moltnet.client.v1 or'],
    [
      file({ ...entry(), membr_id: 1 }),
      'attachments[0].membr_id: is not a key of this place; did you mean member_id?',
    ],
    [file({ ...entry(), member_id: 'a b' }), 'attachments[0].member_id: "a b" is not an agent or person'],
    [file({ ...entry(), base_url: 'x' }), 'attachments[0].base_url: "x" is not such a URL'],
    [file({ ...entry(), auth: { mode: 'bearer' } }), 'attachments[0].auth: has no token in mode bearer'],
    [file(entry(), entry()), 'attachments[1].member_id: alpha of network local stands twice'],
  ])('CFG-3 refuses %j', (value, expected) => {
    write('.moltnet/config.json', value);
    expect(mistakes(load)).toContain(expected);
  });

  it('CFG-8 an inline token needs a private file', () => {
    write('.moltnet/config.json', file({ ...entry(), auth: { token: 't' } }), 0o644);
    expect(mistakes(load)).toContain('others may use it');
    chmodSync(path.join(cwd, '.moltnet/config.json'), 0o600);
    expect(load()?.attachments[0]?.auth).toEqual({ mode: 'bearer', token: 't' });
  });

  it('CLI-15 chooses the attachment, or says which flag is missing', () => {
    write('.moltnet/config.json', file(entry('alpha', 'one'), entry('alpha', 'two'), entry('beta', 'two')));
    const config = load()!;
    expect(selectAttachment(config, { network: 'one' })).toMatchObject({ network_id: 'one' });
    expect(selectAttachment(config, { network: 'two', member: 'beta' })).toMatchObject({ member_id: 'beta' });
    expect(selectAttachment(config, {})).toMatchObject({ fix: 'add --network and --member' });
    expect(selectAttachment(config, { member: 'alpha' })).toMatchObject({ fix: 'add --network' });
    expect(selectAttachment(config, { network: 'two' })).toMatchObject({ fix: 'add --member' });
    expect(selectAttachment(config, { network: 'tow' })).toMatchObject({
      problem: expect.stringContaining('no attachment'),
      fix: expect.stringContaining('did you mean two?'),
    });
    const single: ClientConfig = { ...config, attachments: [config.attachments[0]!] };
    expect(selectAttachment(single, {})).toMatchObject({ network_id: 'one' });
  });
});

describe('writing', () => {
  const target = (): string => path.join(cwd, '.moltnet/config.json');
  const agent = { name: 'Alpha', runtime: 'codex' };

  it('CFG-13 creates it 0600 in a 0700 folder, then replaces one entry and keeps the rest', () => {
    expect(upsertClientConfig(target(), entry(), agent)).toBe('created');
    expect([mode(target()), mode(path.dirname(target()))]).toEqual([0o600, 0o700]);
    expect(upsertClientConfig(target(), entry('beta'), agent)).toBe('updated');
    expect(upsertClientConfig(target(), { ...entry(), rooms: [{ id: 'r', wake: 'never' }] }, agent)).toBe(
      'updated',
    );
    expect(load()?.attachments.map(({ member_id, rooms }) => [member_id, rooms.length])).toEqual([
      ['alpha', 1],
      ['beta', 0],
    ]);
    expect(readdirSync(path.dirname(target()))).toEqual(['config.json']);
  });

  it('CFG-13 an unchanged file is not written', () => {
    upsertClientConfig(target(), entry(), agent);
    utimesSync(target(), 1, 1);
    expect(upsertClientConfig(target(), entry(), agent)).toBe('unchanged');
    expect(statSync(target()).mtimeMs).toBe(1000);
  });

  it('CFG-13 does not touch a file that is not valid', () => {
    write('.moltnet/config.json', '{"attachments": "x"}');
    expect(mistakes(() => upsertClientConfig(target(), entry(), agent))).toContain(
      'attachments: is text; must be a list',
    );
    expect(readFileSync(target(), 'utf8')).toBe('{"attachments": "x"}');
  });

  it('CFG-13 replaces a symbolic link and refuses a linked folder', () => {
    const elsewhere = write('elsewhere.json', file(entry('victim')));
    mkdirSync(path.join(cwd, '.moltnet'), { mode: 0o700 });
    symlinkSync(elsewhere, target());
    upsertClientConfig(target(), entry(), agent);
    expect(lstatSync(target()).isSymbolicLink()).toBe(false);
    expect(JSON.parse(readFileSync(elsewhere, 'utf8'))).toEqual(file(entry('victim')));

    mkdirSync(path.join(cwd, 'real'));
    symlinkSync(path.join(cwd, 'real'), path.join(cwd, 'linked'));
    expect(
      mistakes(() => upsertClientConfig(path.join(cwd, 'linked/config.json'), entry(), agent)),
    ).toContain('is a symbolic link');
    expect(existsSync(path.join(cwd, 'real/config.json'))).toBe(false);
  });
});

describe('tokens', () => {
  it('CFG-9 token before token_env before token_path', () => {
    write('t', ' from-file \n');
    const env = { T: ' from-env ' };
    expect(resolveToken({ token: 'inline', token_env: 'T', token_path: 't' }, { env, base: cwd })).toBe(
      'inline',
    );
    expect(resolveToken({ token_env: 'T', token_path: 't' }, { env, base: cwd })).toBe('from-env');
    expect(resolveToken({ token_path: 't' }, { env, base: cwd })).toBe('from-file');
    expect(resolveToken({}, { env, base: cwd })).toBeUndefined();
  });

  it('CFG-9 a source that yields nothing is an error', () => {
    expect(
      mistakes(() => resolveToken({ token_env: 'T', token_path: 't' }, { env: { T: ' ' }, base: cwd })),
    ).toBe('environment: T: is not set; set T to the token, or change token_env');
    expect(mistakes(() => resolveToken({ token_path: 't' }, { base: cwd }))).toContain('does not exist');
    expect(resolveToken({ token_path: 't' }, { base: cwd, missing_file: 'none' })).toBeUndefined();
    write('t', ' \n');
    expect(mistakes(() => resolveToken({ token_path: 't' }, { base: cwd }))).toContain('is empty');
    write('t', 'a\nb');
    expect(mistakes(() => resolveToken({ token_path: 't' }, { base: cwd }))).toContain(
      'one line of visible ASCII',
    );
    write('t', 'ok', 0o644);
    expect(mistakes(() => resolveToken({ token_path: 't' }, { base: cwd }))).toContain('others may use it');
  });

  it('CFG-9 a minted token is stored for its owner only', () => {
    const file = path.join(cwd, 'new/alpha.token');
    storeToken(file, 'magt_v1_x');
    expect([mode(file), mode(path.dirname(file)), resolveToken({ token_path: file })]).toEqual([
      0o600,
      0o700,
      'magt_v1_x',
    ]);
  });
});
