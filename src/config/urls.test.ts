import { expect, it } from 'vitest';
import { configLab, mistakesOf } from '../../test/support/config-lab.ts';
import { readClientFile } from './client.ts';
import { loadBridgeConfig, loadNodeConfig } from './node.ts';

const node = (network: string): string =>
  `version: moltnet.node.v1\nmoltnet: ${network}\nattachments: [{ agent: { id: alpha }, runtime: { kind: r } }]\n`;
const kinds = [{ kind: 'r', fields: {} }];

it('CFG-25 other_urls are addresses of more servers of the network: without trailing slashes, each once', () => {
  const { cwd, write } = configLab();
  write(
    'MoltnetNode',
    node('{ base_url: "http://a/", other_urls: ["http://b/", "http://b", "http://a"], network_id: n }'),
  );
  const read = () => loadNodeConfig({ cwd, env: {} }, kinds).attachments[0];
  expect(read()).toMatchObject({ base_url: 'http://a', other_urls: ['http://b'] });
  write('MoltnetNode', node('{ base_url: "http://a", other_urls: [], network_id: n }'));
  expect(read()).not.toHaveProperty('other_urls');
  write('MoltnetNode', node('{ base_url: "http://a", other_urls: ["b", "http://u:p@c"], network_id: n }'));
  expect(mistakesOf(read)).toEqual([
    expect.stringContaining('moltnet.other_urls[0]: "b" is not such a URL'),
    expect.stringContaining('moltnet.other_urls[1]: holds a user name or password'),
  ]);
  write('MoltnetNode', node('{ base_url: "http://a", other_urls: "http://b", network_id: n }'));
  expect(mistakesOf(read)).toEqual([expect.stringContaining('other_urls: is text; must be a list of texts')]);
});

it('CFG-26 where one address is https the others are too, but for this machine: they are sent the same token', () => {
  const { cwd, write } = configLab();
  const read = (base: string, other: string) => {
    write('MoltnetNode', node(`{ base_url: "${base}", other_urls: ["${other}"], network_id: n }`));
    return () => loadNodeConfig({ cwd, env: {} }, kinds).attachments[0];
  };
  const wrong = expect.stringMatching(/other_urls: http:\/\/b is without TLS.*write https:\/\//);
  expect(mistakesOf(read('https://a', 'http://b'))).toEqual([wrong]);
  expect(mistakesOf(read('http://b', 'https://a'))).toEqual([wrong]);
  for (const other of ['http://127.0.0.1:1', 'http://[::1]:1', 'http://localhost', 'https://b'])
    expect(read('https://a', other)()).toMatchObject({ other_urls: [other] });
  expect(read('http://a', 'http://b')()).toMatchObject({ other_urls: ['http://b'] });
});

it('CFG-25 and so in the bridge and the client file', () => {
  const { cwd, write } = configLab();
  const bridge = {
    version: 'x',
    moltnet: { base_url: 'http://a', other_urls: ['http://b'], network_id: 'n' },
    agent: { id: 'alpha' },
    runtime: { kind: 'r' },
  };
  const file = write('bridge.json', JSON.stringify(bridge));
  expect(loadBridgeConfig(file, { cwd }, kinds).attachments[0]!.other_urls).toEqual(['http://b']);
  const entry = {
    auth: { mode: 'none' },
    base_url: 'http://a',
    other_urls: ['http://b/'],
    member_id: 'alpha',
    network_id: 'n',
    rooms: [],
  };
  const client = write(
    'config.json',
    JSON.stringify({ version: 'moltnet.client.v1', agent: {}, attachments: [entry] }),
  );
  expect(readClientFile(client).attachments[0]).toMatchObject({
    base_url: 'http://a',
    other_urls: ['http://b'],
  });
});
