/**
 * Who this node is to a gateway: an Ed25519 key, and the tokens that gateways gave it for that. The file is that of
 * the original's bridge (wire.md 12.8), with the tokens added.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { writePrivateFile } from '../../config/private-files.ts';
import { SetupError } from '../setup-error.ts';

/** What is signed, in its order on the wire. */
export interface DeviceClaim {
  client_id: string;
  client_mode: string;
  role: string;
  scopes: readonly string[];
  /** That of `connect`'s auth; empty when there is none. */
  token: string;
  /** The gateway's, of `connect.challenge`. */
  nonce: string;
  signed_at: number;
  platform: string;
  device_family: string;
}

export interface SignedDevice {
  id: string;
  publicKey: string;
  signature: string;
  signedAt: number;
  nonce: string;
}

export interface Device {
  /** Hex SHA-256 of the raw public key. */
  readonly id: string;
  sign(claim: DeviceClaim): SignedDevice;
  /** The token that this gateway gave the device. */
  token(gatewayUrl: string): string | undefined;
  /** Keeps it; undefined forgets it. */
  keepToken(gatewayUrl: string, token: string | undefined): void;
}

interface DeviceFile {
  version: 1;
  device_id: string;
  public_key_pem: string;
  private_key_pem: string;
  created_at_ms: number;
  /** Additive, by gateway address. */
  device_tokens?: Record<string, string>;
}

/** The device of this file, which is made with it, 0600. Throws a SetupError when the file is none. */
export function openDevice(file: string): Device {
  const stored = read(file) ?? create(file);
  const privateKey = createPrivateKey(stored.private_key_pem);
  const raw = rawPublicKey(stored.private_key_pem);
  const id = createHash('sha256').update(raw).digest('hex');
  return {
    id,
    sign: (claim) => {
      const text = [
        'v3',
        id,
        claim.client_id,
        claim.client_mode,
        claim.role,
        claim.scopes.join(','),
        claim.signed_at,
        claim.token,
        claim.nonce,
        claim.platform.toLowerCase(),
        claim.device_family.toLowerCase(),
      ].join('|');
      return {
        id,
        publicKey: raw.toString('base64url'),
        signature: sign(null, Buffer.from(text), privateKey).toString('base64url'),
        signedAt: claim.signed_at,
        nonce: claim.nonce,
      };
    },
    token: (gatewayUrl) => stored.device_tokens?.[gatewayUrl],
    keepToken: (gatewayUrl, token) => {
      if (stored.device_tokens?.[gatewayUrl] === token) return;
      // Another attachment may have added its own.
      const tokens = { ...(read(file) ?? stored).device_tokens };
      if (token === undefined) delete tokens[gatewayUrl];
      else tokens[gatewayUrl] = token;
      stored.device_tokens = tokens;
      write(file, stored);
    },
  };
}

/** The last 32 bytes of an Ed25519 key's SPKI. */
const rawPublicKey = (privatePem: string): Buffer =>
  createPublicKey(privatePem).export({ type: 'spki', format: 'der' }).subarray(-32);

function read(file: string): DeviceFile | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SetupError(`the device identity ${file} cannot be read: ${(error as Error).message}`);
  }
  try {
    const value = JSON.parse(text) as DeviceFile;
    if (createPrivateKey(value.private_key_pem).asymmetricKeyType !== 'ed25519')
      throw new Error('its key is of another kind');
    const tokens: unknown = value.device_tokens;
    if (typeof tokens !== 'object' || tokens === null) delete value.device_tokens;
    return value;
  } catch (error) {
    throw new SetupError(
      `${file} is no device identity: ${(error as Error).message}; move it away, and a new one is made, which the gateway has to know anew`,
    );
  }
}

function create(file: string): DeviceFile {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const private_key_pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const made: DeviceFile = {
    version: 1,
    device_id: createHash('sha256').update(rawPublicKey(private_key_pem)).digest('hex'),
    public_key_pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    private_key_pem,
    created_at_ms: Date.now(),
  };
  write(file, made);
  return made;
}

function write(file: string, value: DeviceFile): void {
  try {
    writePrivateFile(file, `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    throw new SetupError(`the device identity ${file} cannot be written: ${(error as Error).message}`);
  }
}
