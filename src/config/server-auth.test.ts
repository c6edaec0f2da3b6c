import { chmodSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { configLab, mistakesOf, type ConfigLab } from '../../test/support/config-lab.ts';
import { loadServerConfig } from './server.ts';
import type { ServerConfig } from './types.ts';

let lab: ConfigLab;
beforeEach(() => void (lab = configLab()));
const load = (named = 'Moltnet'): ServerConfig => loadServerConfig({ cwd: lab.cwd, env: {}, path: named });
const mistakes = (named?: string): string[] => mistakesOf(() => load(named));

it('CFG-17 CFG-18 reads people, claims and rates; a person has one name, however many tokens', () => {
  lab.write(
    'Moltnet',
    `auth:
  mode: bearer
  first_come_claims: true
  tokens:
    - {id: laptop, value: s1, scopes: [observe, write], human: {id: ann, name: Ann}}
    - {id: phone, value: s2, scopes: [observe, write], human: {id: ann}, agents: [alpha]}
rates:
  anonymous: off
  sends: {per_second: 0.5, burst: 3}
  claims:
`,
  );
  const { auth, rates } = load();
  expect(auth.first_come_claims).toBe(true);
  expect(auth.tokens.map(({ human }) => human)).toEqual([
    { id: 'ann', name: 'Ann' },
    { id: 'ann', name: 'Ann' },
  ]);
  expect(rates).toEqual({
    anonymous: 'off',
    sends: { per_second: 0.5, burst: 3 },
    pair: { per_second: 200, burst: 2000 },
    claims: { per_second: 1 / 6, burst: 10 },
  });
});

it.each([
  [
    'auth: {tokens: [{id: a, value: x}, {id: b, value: y}, {id: a, value: z}]}',
    'Moltnet:1:60: auth.tokens[2].id: is that of auth.tokens[0] too; a token id stands once',
  ],
  [
    'auth: {tokens: [{id: a, value: x}, {id: b, value: " x "}]}',
    'Moltnet:1:51: auth.tokens[1].value: is that of auth.tokens[0] too; a secret belongs to one token',
  ],
  [
    'auth: {tokens: [{id: tok_2d711642b726b044, value: y}, {value: x}]}',
    'auth.tokens[1].value: is that of auth.tokens[0] too; a token id stands once',
  ],
  ['auth: {tokens: [{value: "a b"}]}', 'auth.tokens[0].value: holds characters that a token cannot have'],
  ['auth: {tokens: [{value: mkey_v1_x}]}', 'auth.tokens[0].value: is a claim key'],
  ['auth: {tokens: [{human: {name: Ann}}]}', 'auth.tokens[0].human.id: is missing'],
  ['auth: {tokens: [{human: {id: "net:ann"}}]}', 'auth.tokens[0].human.id: "net:ann" is not an agent id'],
  ['auth: {tokens: [{human: {id: ann, nme: x}}]}', 'auth.tokens[0].human.nme: is not a key of this place'],
  [
    'auth: {tokens: [{agents: ["local:ann"]}, {human: {id: ann}}]}',
    'Moltnet:1:55: auth.tokens[1].human.id: ann is an agent of auth.tokens[0]; people and agents share one namespace',
  ],
  [
    'auth: {tokens: [{human: {id: ann}, agents: [ann]}]}',
    'auth.tokens[0].human.id: ann is an agent of auth.tokens[0]',
  ],
  [
    'auth: {tokens: [{human: {id: ann, name: Ann}}, {human: {id: ann, name: Anna}}]}',
    'Moltnet:1:72: auth.tokens[1].human.name: ann is "Ann" at auth.tokens[0]; a person has one name',
  ],
  [
    'auth: {tokens: [{agents: [x]}, {agents: ["molt://local/agents/x"]}]}',
    'auth.tokens[1].agents: molt://local/agents/x stands under auth.tokens[0] too',
  ],
  ...['10.0.0', '10.0.0.0/33', 'fd00::/129', 'proxy.local', '10.0.0.0/a', 'fe80::1%eth0'].map(
    (text): [string, string] => [
      `server: {trusted_proxies: ["${text}"]}`,
      `server.trusted_proxies[0]: "${text}" is not an address or range of addresses; write one such as`,
    ],
  ),
  [
    'server: {trusted_proxies: [0.0.0.0/0]}',
    'server.trusted_proxies[0]: 0.0.0.0/0 is everybody; write the address or range of your own proxy',
  ],
  ['rates: {sends: 5}', 'rates.sends: is 5; write {per_second: …, burst: …}, or off'],
  ['rates: {sends: {per_second: 5}}', 'Moltnet:1:16: rates.sends.burst: is missing'],
  ['rates: {sends: {per_second: 0, burst: 1}}', 'Moltnet:1:29: rates.sends.per_second: is 0; write a number'],
  ['rates: {sends: {per_second: 1, burst: 1.5}}', 'rates.sends.burst: is 1.5; write a whole number from 1'],
  ['rates: {sends: {per_second: 1, burst: 2000000}}', 'rates.sends.burst: is 2000000'],
  ['rates: {sends: {per_second: .nan, burst: 1}}', 'rates.sends.per_second: is null'],
  ['rates: {send: off}', 'Moltnet:1:9: rates.send: is not a key of this place; did you mean sends?'],
])('CFG-3 CFG-17 CFG-18 %s', (text, expected) => {
  lab.write('Moltnet', `${text}\n`);
  expect(mistakes().join('\n')).toContain(expected);
});

it.each([
  ['pairing tokens', 'pairings: [{id: a, remote_base_url: "http://b", token: s3cret}]\n'],
  ['room credentials', 'rooms: [{id: a, credential: s3cret}]\n'],
  ['tokens', 'auth: {tokens: [{value: s3cret}]}\n'],
  ['a database address', 'storage: {kind: postgres, postgres: {dsn: "postgres://h/d"}}\n'],
])('CFG-8 %s make it secret, also through a link', (what, text) => {
  const file = lab.write('Moltnet', text, 0o640);
  expect(mistakes()[0]).toBe(
    `${file}: holds ${what} and others may use it (mode 0640); run: chmod 600 ${file}`,
  );
  chmodSync(file, 0o600);
  expect(mistakes()).toEqual([]);
  const link = path.join(lab.cwd, 'link.yaml');
  symlinkSync(file, link);
  expect(mistakes('link.yaml')[0]).toBe(`${link}: is a symbolic link and holds ${what}; name the real file`);
});
