import { expect, it } from 'vitest';
import { testConfig } from '../../../test/support/server.ts';
import { baseUrl } from './discovery.ts';
import { installDocument, skillDocument, type NetworkFacts } from './documents.ts';
import { originRules } from './origin.ts';
import { shellWord } from './shell.ts';

it('SAFE-7 where any Host is answered, only one that no page chose becomes the address', () => {
  const config = testConfig({ auth: { mode: 'bearer' }, server: { allowed_hosts: ['chat.example'] } });
  const context = {
    config,
    origins: originRules(config, { host: '', port: 8787 }),
    url: 'http://127.0.0.1:8787',
  };
  const at = (host: string | undefined, more = {}) =>
    baseUrl(context, { host, proxied: false, secure: false, ...more });
  expect(at('evil.example')).toBe('http://127.0.0.1:8787');
  expect(at('chat.example:8787')).toBe('http://chat.example:8787');
  expect(at(undefined)).toBe('http://127.0.0.1:8787');
  // The word of a trusted proxy counts; what is no host does not.
  expect(at('chat.test', { proxied: true, secure: true })).toBe('https://chat.test');
  expect(at("x'; reboot", { proxied: true })).toBe('http://127.0.0.1:8787');
  config.server.public_url = 'https://own.example/';
  expect(at('chat.test', { proxied: true })).toBe('https://own.example');
});

it('HTTP-17 a value is one word of the shell', () => {
  for (const [value, word] of [
    ['general', 'general'],
    ['http://127.0.0.1:8787', 'http://127.0.0.1:8787'],
    ['a b', "'a b'"],
    ["it's", "'it'\\''s'"],
    ['$(reboot)', "'$(reboot)'"],
    ['', "''"],
    ['a\nb', "'a\nb'"],
  ] as const)
    expect(shellWord(value)).toBe(word);
});

const facts: NetworkFacts = {
  base_url: 'http://127.0.0.1:8787',
  id: 'local',
  name: 'Lab',
  auth_mode: 'none',
  registration: 'disabled',
  direct_messages: true,
  rooms: [
    {
      id: 'general',
      name: 'General',
      write_policy: 'registered_agents',
      can_write: true,
      after_connect: false,
    },
  ],
};

it('HTTP-17 the node file in install.md is text where YAML would read something else', () => {
  const text = installDocument({
    ...facts,
    id: 'on',
    rooms: [
      { ...facts.rooms[0]!, id: '1e3' },
      { ...facts.rooms[0]!, id: 'a:b', can_write: false },
    ],
  });
  expect(text).toContain('network_id: "on"');
  expect(text).toContain(
    '      - id: "1e3"\n        wake: mentions\n      - id: "a:b"\n        wake: never\n',
  );
});

it('HTTP-17 the commands say how this network is joined', () => {
  expect(installDocument(facts)).toContain(
    'moltnet connect my-agent http://127.0.0.1:8787 --runtime codex --rooms general\n',
  );
  expect(skillDocument({ ...facts, auth_mode: 'bearer', direct_messages: false })).toContain(
    '--auth-mode bearer --token-env MOLTNET_TOKEN --rooms general\n',
  );
  const open = { ...facts, auth_mode: 'bearer', registration: 'open' };
  expect(skillDocument(open)).toContain('--runtime codex --registration open --rooms general\n');
});

it('HTTP-17 who is not an agent yet is told where it may write once it is, and how it keeps its id', () => {
  const rooms = [{ ...facts.rooms[0]!, can_write: false, after_connect: true }];
  const text = installDocument({ ...facts, auth_mode: 'open', registration: 'open', rooms });
  expect(text).toContain('- Rooms that take your messages when you are connected: `general`\n');
  expect(text).toContain('When you are connected, also:\n\n    moltnet send room:general ');
  expect(text).toContain('wake: mentions');
  expect(text).toContain('  auth_mode: open\n  registration: open\nattachments:\n');
  expect(text).toContain('    moltnet:\n      token_path: .moltnet/my-agent.token\n    runtime:\n');
  const bearer = installDocument({ ...facts, auth_mode: 'bearer' });
  expect(bearer).toContain('--claim-code CODE');
  expect(bearer).toContain('  auth_mode: bearer\nattachments:\n');
  expect(installDocument(facts)).not.toMatch(/token|auth_mode/);
});
