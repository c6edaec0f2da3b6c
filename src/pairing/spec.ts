/** A pairing as relay needs it, wherever it stands: in the server's file or in the store. */
import type { NetworkSettings } from '../network/settings.ts';
import type { PairingRow } from '../store/topology-rows.ts';

export interface PairingSpec {
  id: string;
  source: 'file' | 'store';
  /** The network on the other side; undefined until its document has said it. */
  network?: string;
  name?: string;
  /** Without a trailing slash; undefined when only the link that it keeps to us reaches it. */
  base_url?: string;
  /** What we send to it. */
  token?: string;
  /** `dial`: we keep a link to it. `await`: it keeps one to us. */
  link: 'none' | 'dial' | 'await';
  /** Its secrets stayed behind when the network moved: nothing is sent until it is paired again. */
  needs_pairing?: true;
}

/** A pairing of the server's file. */
export interface FilePairing {
  id: string;
  remote_base_url: string;
  remote_network_id?: string;
  remote_network_name?: string;
  token?: string;
}

export const specOfFile = (pairing: FilePairing): PairingSpec => ({
  id: pairing.id,
  source: 'file',
  base_url: pairing.remote_base_url,
  link: 'none',
  ...(pairing.remote_network_id !== undefined && { network: pairing.remote_network_id }),
  ...(pairing.remote_network_name !== undefined && { name: pairing.remote_network_name }),
  ...(pairing.token !== undefined && { token: pairing.token }),
});

export const specOfRow = (row: PairingRow): PairingSpec => ({
  id: row.id,
  source: 'store',
  network: row.remote_network_id,
  link: row.link ? 'dial' : row.remote_base_url === null ? 'await' : 'none',
  ...(row.remote_network_name !== null && { name: row.remote_network_name }),
  ...(row.remote_base_url !== null && { base_url: row.remote_base_url }),
  ...(row.token === null ? { needs_pairing: true } : { token: row.token }),
});

/** All of them; one of the file comes before one of the store with its id. */
export function specsOf(
  file: readonly FilePairing[],
  stored: Iterable<PairingRow>,
): Map<string, PairingSpec> {
  const specs = new Map<string, PairingSpec>();
  for (const row of stored) specs.set(row.id, specOfRow(row));
  for (const pairing of file) specs.set(pairing.id, specOfFile(pairing));
  return specs;
}

/** What the rules know of the pairings of the file. */
export const settingsOfFile = (
  file: readonly FilePairing[],
  bound: (id: string) => boolean,
): NetworkSettings['pairings'] =>
  new Map(
    file.map((pairing) => [
      pairing.id,
      {
        id: pairing.id,
        bound: bound(pairing.id),
        ...(pairing.remote_network_id !== undefined && { network: pairing.remote_network_id }),
        ...(pairing.remote_network_name !== undefined && { name: pairing.remote_network_name }),
      },
    ]),
  );
