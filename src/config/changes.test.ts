import { expect, it } from 'vitest';
import { attachmentConfig } from '../../test/support/node-lab-config.ts';
import { changedAttachments, changedParts, reloaded } from './changes.ts';
import { loadServerConfig } from './server.ts';
import type { ServerConfig } from './types.ts';

/** The defaults: no configuration lies in this folder. */
const defaults = (): ServerConfig => loadServerConfig({ cwd: import.meta.dirname, env: {} });

it('CFG-22 the same configuration, read twice, has no changes, wherever it came from', () => {
  expect(changedParts(defaults(), { ...defaults(), path: '/etc/Moltnet' })).toEqual({
    changed: [],
    restart_needed: [],
  });
});

it.each<[string, (config: ServerConfig) => void]>([
  ['network.name', (c) => (c.network.name = 'Other')],
  ['server.public_url', (c) => (c.server.public_url = 'https://chat.example.org')],
  ['server.trusted_proxies', (c) => c.server.trusted_proxies.push('10.0.0.7')],
  ['auth.mode', (c) => (c.auth.mode = 'open')],
  ['auth.tokens', (c) => c.auth.tokens.push({ value: 'x', scopes: ['observe'] })],
  ['rates', (c) => (c.rates = { ...c.rates, sends: 'off' })],
  ['rooms', (c) => (c.rooms = [{ id: 'general', members: ['alpha'] }])],
  ['guard', (c) => (c.guard = { turns: 3 })],
  ['pairings', (c) => (c.pairings = [{ id: 'b', remote_base_url: 'http://b' }])],
])('CFG-22 %s is taken over by a reload', (part, change) => {
  const after = defaults();
  change(after);
  expect(changedParts(defaults(), after)).toEqual({ changed: [part], restart_needed: [] });
  expect(changedParts(after, defaults())).toEqual({ changed: [part], restart_needed: [] });
});

it('CFG-22 what a server is built on needs a restart: it is told until then, and stays as it is', () => {
  const running = defaults();
  const file = defaults();
  file.network = { id: 'other', name: 'New name' };
  file.server.listen_addr = ':9000';
  file.storage = { kind: 'memory', sqlite: { path: '' } };
  const parts = changedParts(running, file);
  expect(parts).toEqual({
    changed: ['network.name'],
    restart_needed: ['network.id', 'server.listen_addr', 'storage'],
  });
  const now = reloaded(running, file);
  expect(now).toMatchObject({
    network: { id: 'local', name: 'New name' },
    server: { listen_addr: '127.0.0.1:8787' },
  });
  expect(changedParts(now, file)).toEqual({ changed: [], restart_needed: parts.restart_needed });
});

it('CFG-22 attachments are new, gone, changed, or untouched', () => {
  const one = (id: string, more = {}) => attachmentConfig('http://127.0.0.1:1', { agent: { id }, ...more });
  const before = { attachments: [one('alpha'), one('beta'), one('gamma')] };
  const moved = one('gamma', { network_id: 'elsewhere' });
  const after = { attachments: [moved, one('delta'), one('alpha')] };
  expect(changedAttachments(before, after)).toEqual({
    added: [one('delta')],
    removed: [one('beta')],
    changed: [moved],
  });
});
