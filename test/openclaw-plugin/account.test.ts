/** `channels.moltnet` of openclaw.json, without an OpenClaw. */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  accountIds,
  accountOf,
  readAccount,
  sharesToken,
} from '../../packages/openclaw-moltnet/src/account.ts';
import { normalizedTarget } from '../../packages/openclaw-moltnet/src/conversations.ts';
import { configLab, mistakesOf } from '../support/config-lab.ts';

const GOOD = {
  base_url: 'http://127.0.0.1:8787/',
  network_id: 'local',
  agent: { id: 'alpha' },
  rooms: [{ id: 'general', wake: 'mentions' }],
};
let stateDir: string;
beforeEach(() => {
  stateDir = configLab().cwd;
});
const cfg = (moltnet: unknown): Record<string, unknown> => ({ channels: { moltnet } });
const readOf = (moltnet: unknown, id?: string) => readAccount(cfg(moltnet), id, { stateDir });
const mistakes = (moltnet: unknown): string[] => mistakesOf(() => readOf(moltnet));

describe('RT-111 channels.moltnet', () => {
  it('RT-111 is an attachment, whose folder is made in the state of OpenClaw', () => {
    const account = readOf({ ...GOOD, runtime: { turn_timeout: 60 }, enabled: true, publish: 'final' });
    expect(account).toMatchObject({
      agent: { id: 'alpha' },
      base_url: 'http://127.0.0.1:8787',
      network_id: 'local',
      auth: { mode: 'none' },
      rooms: [{ id: 'general', wake: 'mentions' }],
      dms: { enabled: false },
      publish: 'final',
      runtime: {
        kind: 'openclaw',
        turn_timeout: 60,
        workspace_path: path.join(stateDir, 'moltnet', 'default'),
      },
    });
    expect(statSync(account.runtime.workspace_path!).mode & 0o777).toBe(0o700);
  });

  it('RT-111 a token comes from a file beside openclaw.json, or from a variable', () => {
    expect(readOf({ ...GOOD, token_path: 'alpha.token' }).auth).toMatchObject({
      mode: 'bearer',
      token_path: path.join(stateDir, 'alpha.token'),
    });
    expect(readOf({ ...GOOD, token_env: 'ALPHA' }).auth).toMatchObject({
      mode: 'bearer',
      token_env: 'ALPHA',
    });
    const [told, ...more] = mistakes({ ...GOOD, token: 'secret-value' });
    expect(told).toMatch(/channels\.moltnet\.token: is not taken from this file; .*token_path.*token_env/);
    expect(told).not.toContain('secret-value');
    expect(more).toEqual([]);
  });

  it('RT-111 every mistake is told, each with its place and what to write', () => {
    expect(mistakes(undefined)).toEqual([
      expect.stringMatching(/channels\.moltnet\.agent: is missing; write agent: \{id: …\}/),
      expect.stringMatching(/channels\.moltnet\.base_url: is missing; write base_url: …/),
      expect.stringMatching(/channels\.moltnet\.network_id: is missing/),
    ]);
    expect(
      mistakes({
        ...GOOD,
        base_url: 'ftp://x',
        agent: { id: 'a b' },
        rooms: [{ id: 'general', wake: 'mention' }],
        romms: [],
        publish: 'all',
        runtime: { turn_timeout: 0, kind: 'codex' },
        auth_mode: 'bearer',
      }),
    ).toEqual([
      expect.stringMatching(/channels\.moltnet\.romms: is not a key of this place; did you mean rooms\?/),
      expect.stringMatching(/channels\.moltnet\.agent\.id: "a b" is not an agent id/),
      expect.stringMatching(/channels\.moltnet\.runtime\.kind: "codex" is not a runtime; known: openclaw/),
      expect.stringMatching(/channels\.moltnet\.runtime\.turn_timeout: is 0; write a whole number/),
      expect.stringMatching(/channels\.moltnet\.base_url: "ftp:\/\/x" is not such a URL; write http/),
      expect.stringMatching(/channels\.moltnet: has no token in auth mode bearer; write token_path/),
      expect.stringMatching(/channels\.moltnet\.rooms\[0\]\.wake: .*did you mean mentions\?/),
      expect.stringMatching(/channels\.moltnet\.publish: "all" is not one of its values/),
    ]);
    for (const nonsense of [[], 'x', 7, null, { agent: [] }, { ...GOOD, rooms: {} }])
      expect(mistakes(nonsense), JSON.stringify(nonsense)).not.toEqual([]);
  });

  it('RT-111 accounts are several agents, each with what differs', () => {
    const { agent: _, ...shared } = GOOD;
    const two = {
      ...shared,
      accounts: {
        one: { agent: { id: 'alpha' } },
        two: { agent: { id: 'beta' }, rooms: [], enabled: false },
      },
    };
    expect(accountIds(cfg(two))).toEqual(['one', 'two']);
    expect(readOf(two, 'one')).toMatchObject({ agent: { id: 'alpha' }, rooms: [{ id: 'general' }] });
    expect(readOf(two, 'two')).toMatchObject({ agent: { id: 'beta' }, rooms: [] });
    // Where nobody says which, the first.
    expect(readOf(two).agent.id).toBe('alpha');
    expect(accountOf(cfg(two), 'two')).toEqual({ accountId: 'two', enabled: false, configured: true });
    expect(mistakesOf(() => readOf({ ...shared, accounts: { one: {} } }, 'one'))).toEqual([
      expect.stringMatching(/channels\.moltnet\.accounts\.one\.agent: is missing/),
    ]);
  });

  it('RT-111 nothing is configured, and nothing is made, before there is a block', () => {
    expect(accountIds({})).toEqual(['default']);
    expect(accountOf({}, undefined)).toEqual({ accountId: 'default', enabled: true, configured: false });
    expect(existsSync(path.join(stateDir, 'moltnet'))).toBe(false);
  });
});

describe('RT-116 an account that is not there', () => {
  it('RT-116 is refused by name, and leads to no folder, wherever its name points', () => {
    const { agent: _, ...shared } = GOOD;
    const two = { ...shared, accounts: { one: { agent: { id: 'alpha' } }, two: { agent: { id: 'beta' } } } };
    for (const id of ['../../outside', 'nobody', '', '__proto__', 'constructor'])
      for (const moltnet of [two, GOOD, { ...GOOD, accounts: { one: {} } }])
        expect(() => readOf(moltnet, id), id).toThrow(
          /channels\.moltnet: has no account .*; it has (one|default)/,
        );
    expect(existsSync(path.join(stateDir, 'moltnet'))).toBe(false);
    expect(existsSync(path.join(stateDir, '..', 'outside'))).toBe(false);
    expect(accountOf(cfg(GOOD), '__proto__')).toMatchObject({ configured: false });
    expect(readOf(two, 'ONE').agent.id).toBe('alpha');
    expect(() => readOf({ ...shared, accounts: { '../up': { agent: { id: 'alpha' } } } }, '../up')).toThrow(
      /channels\.moltnet\.accounts: "\.\.\/up" is not a name for an account; use/,
    );
  });

  it('RT-116 two accounts with one file for the tokens they claim are told', () => {
    const { agent: _, ...shared } = GOOD;
    const claims = { ...shared, auth_mode: 'bearer', registration: 'open', token_path: 'token' };
    const two = { ...claims, accounts: { one: { agent: { id: 'alpha' } }, two: { agent: { id: 'beta' } } } };
    expect(sharesToken(cfg(two), 'one', { stateDir })).toBe(true);
    const own = { agent: { id: 'beta' }, token_path: 'beta.token' };
    expect(sharesToken(cfg({ ...two, accounts: { ...two.accounts, two: own } }), 'one', { stateDir })).toBe(
      false,
    );
  });
});

describe('RT-112 targets', () => {
  it('RT-112 are written as everywhere, with or without the name of the channel', () => {
    expect(
      ['room:general', 'moltnet:room:general', '#general', ' dm:@beta ', '@beta', 'thread:t1'].map((raw) =>
        normalizedTarget(raw),
      ),
    ).toEqual(['room:general', 'room:general', 'room:general', 'dm:@beta', 'dm:@beta', 'thread:t1']);
    for (const raw of ['', 'general', 'room:', 'room:a b', 'user:7', 'dm:@', 'telegram:room:general'])
      expect(normalizedTarget(raw), raw).toBeUndefined();
  });
});
