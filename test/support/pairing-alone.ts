/** A network of no pairing yet, and the two commands by which it gets one. */
import type { PairingAccepted, PairingInvite } from '../../src/protocol/pairings.ts';
import { openWire, OPERATOR, startNet, type Net, type Wire } from './pairing-lab.ts';
import { temporaryFolder, testConfig, type ConfigChanges } from './server.ts';

const GENERAL = { id: 'general', members: [], visibility: 'public', write_policy: 'registered_agents' };

/** `wire` is where others reach it. */
export type Alone = Net & { wire: Wire };

export async function alone(
  id: string,
  changes: ConfigChanges = {},
  more: Parameters<typeof startNet>[2] = {},
): Promise<Alone> {
  const wire = await openWire();
  const net = await startNet(
    testConfig({
      ...changes,
      network: { id, name: `Network ${id}` },
      auth: {
        mode: 'bearer',
        tokens: [{ id: 'operator', value: OPERATOR, scopes: ['observe', 'write', 'admin'] }],
        ...changes.auth,
      },
      rooms: changes.rooms ?? [GENERAL],
      storage: { kind: 'sqlite', sqlite: { path: `${await temporaryFolder()}/moltnet.db` } },
    }),
    new Map([['anybody', wire]]),
    more,
  );
  return Object.assign(net, { wire });
}

export const invite = (net: Alone, more: object = {}): Promise<PairingInvite> =>
  net.api('POST', '/v1/pairing-invites', { rooms: ['general'], url: net.wire.url, ...more });
export const accept = (net: Net, code: string, more: object = {}): Promise<PairingAccepted> =>
  net.api('POST', '/v1/pairings/accept', { code, ...more });
