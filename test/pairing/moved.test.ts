/** A paired network moves to another storage, and pairs again where it stood (MOVE-9). */
import path from 'node:path';
import { expect, it } from 'vitest';
import type { PairingInvite } from '../../src/protocol/pairings.ts';
import { openStore } from '../../src/store/open.ts';
import { exportItems } from '../../src/transfer/export.ts';
import { importItems } from '../../src/transfer/import.ts';
import { becomes, openWire, OPERATOR, startNet, type Net } from '../support/pairing-lab.ts';
import { temporaryFolder, testConfig } from '../support/server.ts';

const start = async (id: string, file: string): Promise<Net & { url: string; cut(): void; mend(): void }> => {
  const wire = await openWire();
  const net = await startNet(
    testConfig({
      network: { id, name: id },
      auth: {
        mode: 'bearer',
        tokens: [{ id: 'operator', value: OPERATOR, scopes: ['observe', 'write', 'admin'] }],
      },
      rooms: [{ id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' }],
      storage: { kind: 'sqlite', sqlite: { path: file } },
    }),
    new Map([['anybody', wire]]),
  );
  return Object.assign(net, { url: wire.url, cut: () => wire.cut(), mend: () => wire.mend() });
};

it('MOVE-9: what waited for a paired network goes once it is paired again, once; until then nothing is sent', async () => {
  const folder = await temporaryFolder();
  const a = await start('net_a', path.join(folder, 'a.db'));
  const b = await start('net_b', path.join(folder, 'b.db'));
  const invite = (net: typeof a): Promise<PairingInvite> =>
    net.api('POST', '/v1/pairing-invites', { rooms: ['general'], url: net.url });
  await b.api('POST', '/v1/pairings/accept', { code: (await invite(a)).code, url: b.url });
  await a.say('general', 'alpha', 'before');
  await becomes(async () => expect(await b.texts('general')).toEqual(['before']));
  b.cut();
  await a.say('general', 'alpha', 'waits');
  await becomes(async () => expect((await a.pairing('net_b')).relay!.waiting).toBe(1));
  await a.stop();

  const from = await openStore({ kind: 'sqlite', path: path.join(folder, 'a.db'), networkId: 'net_a' });
  const to = await openStore({ kind: 'sqlite', path: path.join(folder, 'moved.db'), networkId: 'net_a' });
  await importItems(to, exportItems(from, new Date().toISOString()));
  await from.close();
  await to.close();
  b.mend();
  const moved = await start('net_a', path.join(folder, 'moved.db'));
  await becomes(async () =>
    expect(await moved.pairing('net_b')).toMatchObject({
      status: 'pending',
      diagnostics: { reason: 'needs_pairing' },
      rooms: ['general'],
      relay: { waiting: 1 },
    }),
  );
  await moved.say('general', 'alpha', 'after');
  await b.api('POST', '/v1/pairings/accept', { code: (await invite(moved)).code, url: b.url, again: true });
  await becomes(async () => expect(await b.texts('general')).toEqual(['before', 'waits', 'after']));
  await b.say('general', 'beta', 'from b');
  await becomes(async () => expect((await moved.texts('general')).at(-1)).toBe('from b'));
});
