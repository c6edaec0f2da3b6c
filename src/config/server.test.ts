import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ConfigError } from './issues.ts';
import { SERVER_VARIABLES } from './server-env.ts';
import { loadServerConfig } from './server.ts';
import type { ServerConfig } from './types.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), 'moltnet-config-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
});

const write = (name: string, text: string, mode = 0o600): string => {
  const file = path.join(cwd, name);
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
};
const load = (env: NodeJS.ProcessEnv = {}, named?: string): ServerConfig =>
  loadServerConfig({ cwd, env, ...(named === undefined ? {} : { path: named }) });
const mistakes = (env: NodeJS.ProcessEnv = {}, named?: string): string[] => {
  try {
    load(env, named);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message.split('\n');
  }
  return [];
};

describe('discovery', () => {
  const yaml = (id: string): string => `network: {id: ${id}}\n`;

  it('CFG-1 takes the first of its names, then falls back to defaults', () => {
    expect(load().path).toBeUndefined();
    expect(load().network).toEqual({ id: 'local', name: 'Local Moltnet' });
    write('moltnet.json', '{"network":{"id":"four"}}');
    expect(load().network.id).toBe('four');
    write('moltnet.yml', yaml('three'));
    expect(load().network.id).toBe('three');
    write('moltnet.yaml', yaml('two'));
    expect(load().network.id).toBe('two');
    const first = write('Moltnet', yaml('one'));
    expect(load()).toMatchObject({ network: { id: 'one', name: 'One Moltnet' }, path: first });
  });

  it('CFG-1 a folder of that name is no file', () => {
    mkdirSync(path.join(cwd, 'Moltnet'));
    write('moltnet.yaml', yaml('two'));
    expect(load().network.id).toBe('two');
  });

  it('CFG-1 the variable and the command line go before', () => {
    write('Moltnet', yaml('one'));
    write('other.yaml', yaml('other'));
    write('third.yaml', yaml('third'));
    expect(load({ MOLTNET_CONFIG: 'other.yaml' }).network.id).toBe('other');
    expect(load({ MOLTNET_CONFIG: ' ' }).network.id).toBe('one');
    expect(load({ MOLTNET_CONFIG: 'other.yaml' }, 'third.yaml').network.id).toBe('third');
  });

  it('CFG-1 a file that is named must exist and be a file', () => {
    expect(mistakes({ MOLTNET_CONFIG: 'missing.yaml' })).toEqual([
      'MOLTNET_CONFIG names missing.yaml, which: does not exist; unset MOLTNET_CONFIG or correct it',
    ]);
    mkdirSync(path.join(cwd, 'folder'));
    expect(mistakes({}, 'folder')).toEqual(['folder: is a folder; name the file in it']);
  });
});

describe('values', () => {
  it('CFG-5 has the defaults of the product', () => {
    expect(load()).toEqual({
      network: { id: 'local', name: 'Local Moltnet' },
      server: {
        listen_addr: '127.0.0.1:8787',
        human_ingress: true,
        direct_messages: true,
        debug_events: false,
        allowed_origins: [],
        allowed_hosts: [],
        trust_forwarded_proto: false,
        trusted_proxies: [],
      },
      auth: {
        mode: 'none',
        public_read: false,
        agent_registration: 'disabled',
        first_come_claims: false,
        tokens: [],
      },
      rates: {
        anonymous: { per_second: 20, burst: 200 },
        sends: { per_second: 50, burst: 500 },
        pair: { per_second: 200, burst: 2000 },
        claims: { per_second: 1 / 6, burst: 10 },
      },
      storage: { kind: 'sqlite', sqlite: { path: path.join(cwd, '.moltnet/moltnet.db') } },
      guard: {},
      pairings: [],
    });
  });

  it('CFG-5 reads every key', () => {
    write(
      'Moltnet',
      `version: moltnet.v1
network: {id: acme, name: Acme}
server:
  listen_addr: ":9000"
  human_ingress: no
  direct_messages: false
  debug_events: on
  allowed_origins: [https://Chat.example.org/, http://localhost:3000]
  allowed_hosts: [Chat.example.org]
  public_url: https://chat.example.org/
  trust_forwarded_proto: true
  trusted_proxies: [10.0.0.7, 172.16.0.0/12, "fd00::/64", "::1"]
  console: {analytics: {provider: google, measurement_id: G-ABC123}}
storage: {kind: memory}
guard: {turns: off, hour_turns: 500, pair_turns: false}
rooms:
  - id: research
    name: Research
    members: [alpha, " beta ", alpha, net_b:gamma]
    visibility: public
    write_policy: registered_agents
    guard: {turns: 5}
    credential: let me in
    federation: none
  - id: quiet
pairings:
  - {id: friend, remote_base_url: "https://b.example.org/", remote_network_id: net_b, diagnostics: {}}
`,
    );
    expect(load()).toMatchObject({
      network: { id: 'acme', name: 'Acme' },
      server: {
        listen_addr: ':9000',
        human_ingress: false,
        direct_messages: false,
        debug_events: true,
        allowed_origins: ['https://chat.example.org', 'http://localhost:3000'],
        allowed_hosts: ['chat.example.org'],
        public_url: 'https://chat.example.org',
        trust_forwarded_proto: true,
        trusted_proxies: ['10.0.0.7', '172.16.0.0/12', 'fd00::/64', '::1'],
        analytics: { provider: 'google', measurement_id: 'G-ABC123' },
      },
      storage: { kind: 'memory' },
      guard: { turns: 'off', hour_turns: 500, pair_turns: 'off' },
      rooms: [
        {
          id: 'research',
          name: 'Research',
          members: ['alpha', 'beta', 'net_b:gamma'],
          visibility: 'public',
          write_policy: 'registered_agents',
          guard: { turns: 5 },
          credential: 'let me in',
        },
        { id: 'quiet', members: [] },
      ],
      pairings: [{ id: 'friend', remote_base_url: 'https://b.example.org', remote_network_id: 'net_b' }],
    });
  });

  it('CFG-5 absent, null and blank are the same; an empty list of rooms declares none', () => {
    write('Moltnet', 'network:\nserver: {listen_addr: "  "}\nrooms: []\nstorage: {sqlite: {path: ~}}\n');
    const config = load();
    expect(config).toMatchObject({ network: { id: 'local' }, server: { listen_addr: '127.0.0.1:8787' } });
    expect(config.rooms).toBeUndefined();
  });

  it('CFG-5 mode open makes reading public and registration open', () => {
    write('Moltnet', 'auth: {mode: open, public_read: false}\n');
    expect(load().auth).toMatchObject({ mode: 'open', public_read: true, agent_registration: 'open' });
  });

  it('CFG-10 the database is taken from the working folder, wherever the file is', () => {
    mkdirSync(path.join(cwd, 'etc'));
    write('etc/net.yaml', 'storage: {sqlite: {path: data/m.db}}\n');
    expect(load({}, 'etc/net.yaml').storage.sqlite.path).toBe(path.join(cwd, 'data/m.db'));
  });
});

describe('environment', () => {
  it.each<[Record<string, string>, object]>([
    [{ MOLTNET_LISTEN_ADDR: ' :9999 ' }, { server: { listen_addr: ':9999' } }],
    [
      { MOLTNET_NETWORK_ID: 'env', MOLTNET_NETWORK_NAME: 'From Env' },
      { network: { id: 'env', name: 'From Env' } },
    ],
    [{ MOLTNET_ALLOW_HUMAN_INGRESS: '0' }, { server: { human_ingress: false } }],
    [{ MOLTNET_ALLOW_DIRECT_MESSAGES: 'Off' }, { server: { direct_messages: false } }],
    [{ MOLTNET_DEBUG_EVENTS: 'YES' }, { server: { debug_events: true } }],
    [
      { MOLTNET_CONSOLE_ANALYTICS_PROVIDER: 'google', MOLTNET_CONSOLE_ANALYTICS_MEASUREMENT_ID: 'G-1' },
      { server: { analytics: { provider: 'google', measurement_id: 'G-1' } } },
    ],
    [
      { MOLTNET_PAIRINGS_JSON: '[{"id":"p","remote_base_url":"http://p/","token":"t"}]' },
      { pairings: [{ id: 'p', remote_base_url: 'http://p', token: 't' }] },
    ],
    [{ MOLTNET_STORAGE_KIND: 'memory' }, { storage: { kind: 'memory' } }],
    [{ MOLTNET_SQLITE_PATH: '/data/x.db' }, { storage: { kind: 'sqlite', sqlite: { path: '/data/x.db' } } }],
    [
      { MOLTNET_POSTGRES_DSN: 'postgres://h/db' },
      { storage: { kind: 'postgres', postgres: { dsn: 'postgres://h/db' } } },
    ],
    // Later in the list wins, unless the kind is said.
    [{ MOLTNET_DATA_PATH: '/x.json', MOLTNET_SQLITE_PATH: '/x.db' }, { storage: { kind: 'sqlite' } }],
    [
      { MOLTNET_SQLITE_PATH: '/x.db', MOLTNET_POSTGRES_DSN: 'postgres://h/db' },
      { storage: { kind: 'postgres' } },
    ],
    [
      { MOLTNET_STORAGE_KIND: 'sqlite', MOLTNET_POSTGRES_DSN: 'postgres://h/db' },
      { storage: { kind: 'sqlite' } },
    ],
    [
      { MOLTNET_NETWORK_ID: '', MOLTNET_LISTEN_ADDR: '  ' },
      { network: { id: 'file' }, server: { listen_addr: '127.0.0.1:1' } },
    ],
  ])('CFG-6 %j', (env, expected) => {
    write('Moltnet', 'network: {id: file}\nserver: {listen_addr: "127.0.0.1:1"}\n');
    expect(load(env)).toMatchObject(expected);
  });

  it.each<[Record<string, string>, string]>([
    [
      { MOLTNET_LISTEN_ADDR: '8787' },
      'environment: MOLTNET_LISTEN_ADDR: "8787" is not an address to listen on; write 127.0.0.1:8787, or :8787 for every interface',
    ],
    [{ MOLTNET_NETWORK_ID: 'a b' }, 'environment: MOLTNET_NETWORK_ID: "a b" is not the id of a network'],
    [{ MOLTNET_DEBUG_EVENTS: 'maybe' }, 'environment: MOLTNET_DEBUG_EVENTS: is "maybe"; write true or false'],
    [
      { MOLTNET_STORAGE_KIND: 'mysql' },
      'environment: MOLTNET_STORAGE_KIND: is "mysql"; write memory, json, sqlite or postgres',
    ],
    [
      { MOLTNET_CONSOLE_ANALYTICS_PROVIDER: 'google' },
      'environment: MOLTNET_CONSOLE_ANALYTICS_PROVIDER: is set without a measurement id',
    ],
    [{ MOLTNET_PAIRINGS_JSON: '{' }, 'environment: MOLTNET_PAIRINGS_JSON: is not JSON'],
    [
      { MOLTNET_PAIRINGS_JSON: '[{"id":"a b"}]' },
      'environment: MOLTNET_PAIRINGS_JSON: pairing 1 "a b" is not an id',
    ],
    [
      { MOLTNET_DATA_PATH: '/x.json' },
      'defaults: storage.kind: the JSON store does not exist here; write sqlite',
    ],
    [
      { MOLTNET_STORAGE_KIND: 'postgres' },
      'defaults: storage.kind: is postgres and storage.postgres.dsn is missing',
    ],
  ])('CFG-6 refuses %j', (env, expected) => {
    expect(mistakes(env)[0]).toContain(expected);
  });

  it('CFG-6 every variable of the wire is known', () => {
    expect(SERVER_VARIABLES).toHaveLength(14);
  });
});

describe('mistakes', () => {
  it('CFG-3 CFG-4 all of them at once, each with its place', () => {
    write(
      'Moltnet',
      `version: moltnet.v2
netwrok:
  id: x
server:
  listen_addr: 8787
  human_ingres: true
  human_ingress: maybe
auth:
  mode: beer
rooms:
  - id: research
    visibilty: public
    write_policy: member
    guard: {turns: 0, pair_turns: 1.5}
  - name: no id
    members: [alpha, 7, "a b"]
  - id: research
`,
    );
    expect(mistakes()).toEqual([
      'Moltnet:2:1: netwrok: is not a key of this place; did you mean network?',
      'Moltnet:1:10: version: is "moltnet.v2"; write moltnet.v1',
      'Moltnet:6:3: server.human_ingres: is not a key of this place; did you mean human_ingress?',
      'Moltnet:5:16: server.listen_addr: is number 8787; write it as text: "8787"',
      'Moltnet:7:18: server.human_ingress: is "maybe"; write true or false',
      'Moltnet:9:9: auth.mode: "beer" is not one of its values; did you mean bearer? write none, bearer or open',
      'Moltnet:12:5: rooms[0].visibilty: is not a key of this place; did you mean visibility?',
      'Moltnet:13:19: rooms[0].write_policy: "member" is not one of its values; did you mean members? write members, registered_agents or operators',
      'Moltnet:14:20: rooms[0].guard.turns: is 0; write how many agent turns may follow each other without a person (1 to 100000), or off',
      'Moltnet:14:35: rooms[0].guard.pair_turns: is 1.5; write how many turns two agents that answer each other may have in ten minutes (1 to 100000), or off',
      'Moltnet:15:5: rooms[1].id: is missing; write id: …',
      'Moltnet:16:22: rooms[1].members[1]: is number 7; write it as text: "7"',
      'Moltnet:16:25: rooms[1].members[2]: "a b" is not an agent or person; write alpha, other-network:alpha or molt://network/agents/alpha',
      'Moltnet:17:9: rooms[2].id: "research" stands at rooms[0] too; a room stands once',
    ]);
  });

  it('CFG-2 CFG-3 JSON has places too', () => {
    write(
      'moltnet.json',
      '{\n  "network": {"id": "x"},\n  "rooms": [\n    {"id": "a"},\n    {"id": "b", "visibility": "secret"}\n  ]\n}\n',
    );
    expect(mistakes()).toEqual([
      'moltnet.json:5:31: rooms[1].visibility: "secret" is not one of its values; write private or public',
    ]);
  });

  it.each([
    ['Moltnet', 'rooms: [a\n', /^Moltnet:\d+:\d+: not YAML: /],
    ['Moltnet', 'a: 1\na: 2\n', /^Moltnet:2:1: not YAML: .*unique/],
    ['Moltnet', 'server:\n\tlisten_addr: x\n', /^Moltnet:2:1: not YAML: .*; indent with spaces$/],
    ['Moltnet', '- a\n', /^Moltnet:1:1: is a list; must be a block of keys$/],
    ['moltnet.json', '{"a": 1,}', /^moltnet\.json:1:9: not JSON: /],
    ['moltnet.json', '{"a"', /^moltnet\.json:1:5: not JSON: /],
    ['moltnet.json', '', /^moltnet\.json:1:1: not JSON: /],
  ])('CFG-3 syntax of %s: %j', (name, text, expected) => {
    write(name, text);
    expect(mistakes()[0]).toMatch(expected);
  });

  it.each([
    ['rooms: {id: a}', 'rooms: is a block of keys; must be a list'],
    ['rooms: [a]', 'rooms[0]: is text; must be a block of keys'],
    ['server: [1]', 'server: is a list; must be a block of keys'],
    ['network: {id: "../x"}', 'network.id: "../x" is not the id of a network'],
    [
      'server: {allowed_origins: [https://a.example/path]}',
      'server.allowed_origins[0]: "https://a.example/path" is more than an origin; write https://a.example',
    ],
    ['server: {allowed_hosts: ["http://a"]}', 'server.allowed_hosts[0]: "http://a" is not a host name'],
    [
      'server: {public_url: "ftp://a"}',
      'server.public_url: "ftp://a" is not such a URL; write http://host:port or https://host:port',
    ],
    [
      'server: {console: {analytics: {provider: google}}}',
      'server.console.analytics: has one of provider and measurement_id',
    ],
    ['server: {data_path: x.json}', 'storage.kind: the JSON store does not exist here'],
    ['auth: {mode: bearer}', 'auth.tokens: is empty in auth mode bearer'],
    [
      'auth: {mode: bearer, tokens: [{scopes: [adminn]}]}',
      'auth.tokens[0].scopes: "adminn" (item 1) is not a scope',
    ],
    [
      'auth: {mode: bearer, tokens: [{value: a, scopes: [write], agents: [x]}, {value: b, scopes: [write], agents: [x]}]}',
      'auth.tokens[1].agents: x stands under auth.tokens[0] too',
    ],
    ['pairings: [{id: a}]', 'pairings[0].remote_base_url: is missing'],
    [
      'pairings: [{id: a, remote_base_url: "https://u:p@b"}]',
      'pairings[0].remote_base_url: holds a user name or password',
    ],
    ['rooms: [{id: a, federation: some}]', 'rooms[0].federation: is "some"; write none, all, or a list'],
    ['rooms: [{id: a, federation: ["a b"]}]', 'rooms[0].federation'],
    [
      'auth: {mode: bearer, tokens: [{value: x, scopes: [write], pairing: b}]}',
      'auth.tokens[0].pairing: belongs to a token with the scope pair',
    ],
    [`rooms: [{id: a, name: "${'x'.repeat(129)}"}]`, 'rooms[0].name: is longer than 128 characters'],
    [
      'server: &a {human_ingress: *a, guard: *a}',
      'server.human_ingress: is a block of keys; write true or false',
    ],
    [
      'a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: &d [*c, *c]\ne: &e [*d, *d]\nf: &f [*e, *e]\ng: [*f, *f, *f, *f]',
      'not YAML: Excessive alias count',
    ],
    ['guard: {turns: [1]}', 'guard.turns: is a list'],
    ['retention: {}', 'retention.max_age: is missing'],
    ['retention: {max_age: forever}', 'retention.max_age: '],
    ['rooms: [{id: a, retention: never}]', 'rooms[0].retention: is "never"'],
    ['rooms: [{id: a, retention: {max_messages: -1}}]', 'rooms[0].retention.max_messages: '],
    ['rooms: [{id: a, retention: {archive: x, max_age: 1d}}]', 'rooms[0].retention'],
  ])('CFG-3 %s', (text, expected) => {
    write('Moltnet', `${text}\n`);
    expect(mistakes().join('\n')).toContain(expected);
  });

  it('CFG-8 a file without one may be read by all, and an environment may hold one', () => {
    write('Moltnet', 'network: {id: x}\n', 0o644);
    expect(mistakes({ MOLTNET_POSTGRES_DSN: 'postgres://u:p@h/db' })).toEqual([]);
  });
});
