/**
 * The code of `moltnet pair invite`: one word that says where the other network is and lets its holder pair with it, once.
 * Its secret is good for that exchange and for nothing else; the credentials of the pairing are never in it.
 */
import { z } from 'zod';
import { MoltnetError } from '../protocol/errors.ts';
import { isId, isNetworkId } from '../protocol/ids.ts';
import { serverAddress } from '../protocol/pairings.ts';

export interface PairingCode {
  /** Where the inviting server is reached. */
  url: string;
  network_id: string;
  secret: string;
  /** Of the inviting network's store: another one that answers at the address is told by it. */
  fingerprint: string;
  rooms: string[];
  /** RFC 3339. */
  expires_at: string;
}

const PREFIX = 'moltnet-pair:';
const Content = z.object({
  v: z.literal(1),
  u: z.string().max(2_048),
  n: z.string(),
  s: z.string().min(20).max(200),
  f: z.string().max(100),
  r: z.array(z.string()).max(256),
  x: z.string(),
});

export function encodePairingCode({
  url,
  network_id,
  secret,
  fingerprint,
  rooms,
  expires_at,
}: PairingCode): string {
  const content: z.infer<typeof Content> = {
    v: 1,
    u: url,
    n: network_id,
    s: secret,
    f: fingerprint,
    r: rooms,
    x: expires_at,
  };
  return PREFIX + Buffer.from(JSON.stringify(content)).toString('base64url');
}

/** Spaces and line breaks that came in on the way do not matter. Throws `invalid_pairing_code`. */
export function decodePairingCode(text: string): PairingCode {
  const code = text.replace(/\s+/g, '');
  if (!code.startsWith(PREFIX) || code.length > 32_768)
    throw broken(`it begins with ${PREFIX}: copy all of what moltnet pair invite printed`);
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(code.slice(PREFIX.length), 'base64url').toString('utf8'));
  } catch {
    throw broken('it is not whole: copy all of it');
  }
  const parsed = Content.safeParse(value);
  if (!parsed.success) throw broken('it is not whole, or of a newer version of moltnet');
  const { u: url, n: network_id, s: secret, f: fingerprint, r: rooms, x: expires_at } = parsed.data;
  const address = serverAddress(url);
  if (address === undefined) throw broken('its address is none');
  if (!isNetworkId(network_id) || !rooms.every(isId)) throw broken('it names no network, or no rooms');
  return { url: address, network_id, secret, fingerprint, rooms, expires_at };
}

const broken = (why: string): MoltnetError => new MoltnetError('invalid_pairing_code', `the code: ${why}`);
