import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { loadBridgeConfig, loadNodeConfig } from '../config/node.ts';
import type { AttachmentConfig, NodeConfig } from '../config/types.ts';
import { RUNTIMES } from './registry.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'moltnet-node-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
});

const write = (name: string, text: string, mode = 0o600): string => {
  const file = path.join(cwd, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
};
const load = (env: NodeJS.ProcessEnv = {}, named?: string): NodeConfig =>
  loadNodeConfig({ cwd, env, ...(named === undefined ? {} : { path: named }) }, RUNTIMES);
const mistakes = (run: () => unknown = load): string => {
  try {
    run();
  } catch (error) {
    expect((error as Error).name).toBe('ConfigError');
    return (error as Error).message;
  }
  return '';
};
const HEAD = 'moltnet: {base_url: "http://127.0.0.1:8787/", network_id: local}\n';
/** One attachment, the rest of it as given. */
const one = (rest: string, head = HEAD): AttachmentConfig => {
  write(
    'MoltnetNode',
    `${head}attachments:\n  - agent: {id: alpha}\n    ${rest.replaceAll('\n', '\n    ')}\n`,
  );
  return load().attachments[0]!;
};

describe('discovery', () => {
  it('CFG-1 argument, variable, names; none is an error that says what to do', () => {
    expect(mistakes()).toMatch(
      /has no node file \(MoltnetNode, moltnet-node\.yaml.*make one with: moltnet connect/,
    );
    write('moltnet-node.json', '{"max_turns": 1}');
    expect(load().max_turns).toBe(1);
    write('moltnet-node.yml', 'max_turns: 2');
    expect(load().max_turns).toBe(2);
    write('moltnet-node.yaml', 'max_turns: 3');
    expect(load().max_turns).toBe(3);
    const file = write('MoltnetNode', 'max_turns: 4');
    expect(load()).toEqual({ path: file, attachments: [], max_turns: 4 });
    write('x.yaml', 'max_turns: 5');
    expect(load({ MOLTNET_NODE_CONFIG: 'x.yaml' }).max_turns).toBe(5);
    expect(load({ MOLTNET_NODE_CONFIG: 'x.yaml' }, 'moltnet-node.yml').max_turns).toBe(2);
  });
});

describe('attachments', () => {
  it('CFG-11 fills in the defaults', () => {
    expect(
      one('runtime: {kind: codex, workspace_path: ws}\nrooms: [{id: general}, {id: b, wake: mentions}]'),
    ).toEqual({
      agent: { id: 'alpha' },
      base_url: 'http://127.0.0.1:8787',
      network_id: 'local',
      auth: { mode: 'none', static_token: false },
      runtime: {
        kind: 'codex',
        command: 'codex',
        workspace_path: path.join(cwd, 'ws'),
        session_store_path: path.join(cwd, 'ws/.moltnet/sessions.json'),
      },
      rooms: [
        { id: 'general', wake: 'all' },
        { id: 'b', wake: 'mentions' },
      ],
      dms: { enabled: false, wake: 'all' },
      catch_up: {
        policy: 'all',
        max_age: 86_400,
        max_age_mentions: 604_800,
        max_messages: 30,
        max_wakes: 20,
      },
      bootstrap: false,
      publish: 'explicit',
    });
    expect(load().max_turns).toBe(4);
  });

  it('CFG-11 reads what is additive', () => {
    const attachment = one(
      'runtime: {kind: claude-code, workspace_path: /ws, command: ./bin/claude, args: ["--model", "", "--model"], inactivity_timeout: 60, turn_timeout: 600, max_turns: 2}\ncatch_up: mentions\nbootstrap: true\ndms: {enabled: true, wake: never}',
    );
    expect(attachment).toMatchObject({
      runtime: {
        command: path.join(cwd, 'bin/claude'),
        args: ['--model', '', '--model'],
        inactivity_timeout: 60,
        turn_timeout: 600,
        max_turns: 2,
        workspace_path: '/ws',
      },
      catch_up: 'mentions',
      bootstrap: true,
      dms: { enabled: true, wake: 'never' },
    });
  });

  it('CFG-11 what was missed may have limits, and DMs of some only may wake', () => {
    const attachment = one(
      'runtime: {kind: codex, workspace_path: ws}\ncatch_up: {policy: mentions, max_age: 36h}\ndms: {enabled: true, allowed_wake_senders: [ann, "other:bob"]}',
    );
    expect(attachment).toMatchObject({
      catch_up: {
        policy: 'mentions',
        max_age: 129_600,
        max_age_mentions: 129_600,
        max_messages: 30,
        max_wakes: 20,
      },
      dms: { enabled: true, wake: 'all', allowed_wake_senders: ['ann', 'other:bob'] },
    });
    const catchUp = (block: string) =>
      one(`runtime: {kind: codex, workspace_path: ws}\ncatch_up: ${block}`).catch_up;
    expect(catchUp('{max_age: off, max_age_mentions: off, max_messages: 5, max_wakes: off}')).toEqual({
      policy: 'all',
      max_messages: 5,
    });
    expect(catchUp('{max_wakes: 3}')).toMatchObject({
      max_age: 86_400,
      max_age_mentions: 604_800,
      max_wakes: 3,
    });
    expect(catchUp('all')).toBe('all');
  });

  it.each([
    ['{kind: openclaw}', { gateway_url: 'ws://127.0.0.1:18789' }],
    ['{kind: picoclaw}', { events_url: 'ws://127.0.0.1:18990/pico/ws' }],
    ['{kind: picoclaw, config_path: p.json}', { command: 'picoclaw' }],
    ['{kind: picoclaw, control_url: "http://c"}', { control_url: 'http://c' }],
    [
      '{kind: tinyclaw}',
      {
        channel: 'moltnet',
        inbound_url: 'http://127.0.0.1:3777/api/message',
        ack_url: 'http://127.0.0.1:3777/api/responses',
      },
    ],
    [
      '{kind: tinyclaw, ack_url: "http://t:1/x", channel: c}',
      { ack_url: 'http://t:1/x', outbound_url: 'http://t:1/api/responses/pending?channel=c' },
    ],
    ['{kind: pi, control_url: "http://pi"}', { control_url: 'http://pi' }],
  ])('CFG-11 %s', (runtime, expected) => {
    expect(one(`runtime: ${runtime}`).runtime).toMatchObject(expected);
  });

  it.each([
    [
      '{kind: codx, workspace_path: w}',
      'attachments[0].runtime.kind: "codx" is not a runtime; did you mean codex? known: codex, claude-code',
    ],
    ['{kind: codex}', 'attachments[0].runtime.workspace_path: is missing'],
    [
      '{kind: codex, workspace_path: w, gateway_url: "ws://x"}',
      'attachments[0].runtime.gateway_url: does not belong to kind codex',
    ],
    [
      '{kind: openclaw, control_url: "http://x"}',
      'attachments[0].runtime.control_url: does not belong to kind openclaw',
    ],
    [
      '{kind: openclaw, gateway_url: "http://x"}',
      'attachments[0].runtime.gateway_url: "http://x" is not such a URL; write ws://host:port or wss://host:port',
    ],
    ['{kind: picoclaw, command: p}', 'attachments[0].runtime.config_path: is missing'],
    ['{kind: pi}', 'attachments[0].runtime.control_url: is missing'],
    ['{kind: codex, workspace_path: w, args: "-x"}', 'attachments[0].runtime.args: is not a list of texts'],
    [
      '{kind: codex, workspace_path: w, turn_timeout: 0}',
      'attachments[0].runtime.turn_timeout: is 0; write a whole number from 1 to 86400',
    ],
    [
      '{kind: codex, workspace_path: w, wrkspace: x}',
      'attachments[0].runtime.wrkspace: is not a key of this place',
    ],
  ])('CFG-11 refuses %s', (runtime, expected) => {
    expect(mistakes(() => one(`runtime: ${runtime}`))).toContain(expected);
  });

  it.each([
    ['agent: {id: "net:x"}', 'attachments[0].agent.id: "net:x" is not an agent id'],
    ['agent: {}', 'attachments[0].agent.id: is missing'],
    [
      'rooms: [{id: a, wake: mention}]',
      'attachments[0].rooms[0].wake: "mention" is not one of its values; did you mean mentions?',
    ],
    ['rooms: [{id: a}, {id: a}]', 'attachments[0].rooms[1].id: "a" stands twice'],
    [
      'dms: {enabled: true, wake: thread_only}',
      'attachments[0].dms.wake: "thread_only" is not one of its values',
    ],
    ['catch_up: some', 'attachments[0].catch_up: "some" is not one of its values'],
    [
      'dms: {allowed_wake_senders: ["a b"]}',
      'attachments[0].dms.allowed_wake_senders[0]: "a b" is not an agent or person',
    ],
    ['catch_up: {polcy: none}', 'attachments[0].catch_up.polcy: is not a key of this place'],
    ['catch_up: {policy: some}', 'attachments[0].catch_up.policy: "some" is not one of its values'],
    ['catch_up: {max_age: 2w}', 'attachments[0].catch_up.max_age: is "2w"'],
    ['catch_up: {max_age: 400d}', 'attachments[0].catch_up.max_age: is 400d'],
    ['catch_up: {max_wakes: 0}', 'attachments[0].catch_up.max_wakes'],
    ['catch_up: {max_messages: 65}', 'attachments[0].catch_up.max_messages'],
    ['catch_up: {max_age_mentions: never}', 'attachments[0].catch_up.max_age_mentions'],
  ])('CFG-3 CFG-7 refuses %s', (rest, expected) => {
    write(
      'MoltnetNode',
      `${HEAD}attachments:\n  - runtime: {kind: openclaw}\n    ${rest.startsWith('agent') ? '' : 'agent: {id: alpha}\n    '}${rest}\n`,
    );
    expect(mistakes()).toContain(expected);
  });

  it('CFG-7 an agent stands once; the shared block is needed', () => {
    write(
      'MoltnetNode',
      'attachments:\n  - {agent: {id: a}, runtime: {kind: openclaw}}\n  - {agent: {id: a}, runtime: {kind: openclaw}}\n',
    );
    expect(mistakes()).toContain('moltnet: is missing');
    expect(mistakes()).toContain('attachments[1].agent.id: "a" stands at attachments[0] too');
  });
});

describe('tokens', () => {
  const runtime = 'runtime: {kind: openclaw}';
  const head = (extra: string): string => `moltnet: {base_url: "http://h", network_id: n, ${extra}}\n`;

  it('CFG-9 the mode follows from the source; token_path is taken from the folder of the file', () => {
    write(
      'etc/node.yaml',
      `${head('token_path: t/alpha')}attachments:\n  - {agent: {id: alpha}, ${runtime}}\n`,
    );
    expect(load({}, 'etc/node.yaml').attachments[0]!.auth).toEqual({
      mode: 'bearer',
      static_token: false,
      token_path: path.join(cwd, 'etc/t/alpha'),
    });
  });

  it("CFG-9 an attachment's own source replaces all three shared ones", () => {
    expect(
      one(`${runtime}\nmoltnet: {token_env: MINE}`, head('token_path: shared, token_env: SHARED')).auth,
    ).toEqual({ mode: 'bearer', static_token: false, token_env: 'MINE' });
  });

  it.each([
    ['auth_mode: bearer', '', 'has no token in auth mode bearer'],
    [
      'auth_mode: open',
      '',
      'has no token in auth mode open; write token_path: the token is put there when the agent claims its id',
    ],
    [
      'auth_mode: bearer, registration: open',
      '',
      'has no token in auth mode bearer; write token_path: the token',
    ],
    ['auth_mode: none, static_token: true', '', 'static_token: is set in auth mode none'],
    ['auth_mode: open, token_env: X', '', 'shares one token among agents in auth mode open'],
  ])('CFG-9 refuses %s', (extra, own, expected) => {
    expect(mistakes(() => one(`${runtime}\n${own}`, head(extra)))).toContain(expected);
  });

  it('CFG-9 accepts a shared operator token in mode open, and own ones', () => {
    expect(one(runtime, head('auth_mode: open, static_token: true, token_env: X')).auth.mode).toBe('open');
    expect(
      one(`${runtime}\nmoltnet: {token_path: x}`, head('auth_mode: open, registration: open')).auth,
    ).toMatchObject({ mode: 'open', registration: 'open' });
  });

  it.each([
    `${head('token: s3cret')}attachments:\n  - {agent: {id: alpha}, ${runtime}}\n`,
    `${head('')}attachments:\n  - {agent: {id: alpha}, moltnet: {token: s3cret}, ${runtime}}\n`,
    `${head('')}attachments:\n  - {agent: {id: alpha}, runtime: {kind: pi, control_url: "http://p", token: s3cret}}\n`,
  ])('CFG-8 an inline token needs a private file, and no link to one: %s', (text) => {
    const file = write('MoltnetNode', text, 0o640);
    expect(mistakes()).toContain('others may use it (mode 0640)');
    chmodSync(file, 0o600);
    expect(mistakes()).toBe('');
    symlinkSync(file, path.join(cwd, 'link.yaml'));
    expect(mistakes(() => load({}, 'link.yaml'))).toContain('is a symbolic link and holds a token');
  });
});

describe('bridge files', () => {
  const bridge = {
    version: 'moltnet.bridge.v1',
    agent: { id: 'alpha' },
    moltnet: { base_url: 'http://h', network_id: 'n' },
    runtime: { kind: 'openclaw' },
    rooms: [{ id: 'a', wake: 'never' }],
    unknown: 1,
  };

  it('CFG-4 reads one attachment and passes unknown keys over', () => {
    write('b.json', JSON.stringify(bridge));
    const config = loadBridgeConfig('b.json', { cwd }, RUNTIMES);
    expect(config.attachments).toHaveLength(1);
    expect(config.attachments[0]).toMatchObject({
      agent: { id: 'alpha' },
      base_url: 'http://h',
      rooms: [{ id: 'a', wake: 'never' }],
    });
  });

  it('CFG-2 CFG-3 is JSON with a version, and tells its mistakes', () => {
    write('b.json', JSON.stringify({ ...bridge, version: ' ', agent: {} }));
    const text = mistakes(() => loadBridgeConfig('b.json', { cwd }, RUNTIMES));
    expect(text).toContain('version: is missing');
    expect(text).toContain('agent.id: is missing');
    write('b.yaml', 'version: x');
    expect(mistakes(() => loadBridgeConfig('b.yaml', { cwd }, RUNTIMES))).toContain('not JSON');
    expect(mistakes(() => loadBridgeConfig('missing.json', { cwd }, RUNTIMES))).toContain('does not exist');
  });
});
